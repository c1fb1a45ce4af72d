"""The pages in a real browser, opened from files: they work, attacks do nothing, nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("selenium", reason="the browser tests need selenium: pip install 'docre-harness[dev]'")

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.report.browser import complaints, requested, started_browser
from tests.report.stored import ATTACK_TITLE, ATTACKS, DOCUMENTS, StoredRuns

Open = Callable[[str], None]


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    with started_browser() as started:
        yield started


@pytest.fixture
def open_page(browser: Chrome, folder: Path) -> Iterator[Open]:
    """Opens a page of the report; afterwards nothing may have complained, come from elsewhere, or been attacked."""
    browser.get("about:blank")
    complaints(browser), requested(browser)
    yield lambda page: browser.get(f"{folder.as_uri()}/{page}")
    assert complaints(browser) == []
    assert {urlsplit(address).scheme for address in requested(browser)} <= {"file", "data"}
    assert browser.execute_script("return window.attacked") is None


def shown_rows(browser: Chrome, table: str) -> list[list[str]]:
    """The texts of the cells of the rows that are not filtered away."""
    script = """return [...document.getElementById(arguments[0]).tBodies[0].rows].filter((row) => !row.hidden)
        .map((row) => [...row.cells].map((cell) => cell.textContent))"""
    rows: list[list[str]] = browser.execute_script(script, table)
    return rows


def heading(browser: Chrome, table: str, name: str) -> WebElement:
    headings = browser.find_elements(By.CSS_SELECTOR, f"#{table} thead th")
    return next(one for one in headings if one.text.startswith(name))


def wait_for(browser: Chrome, selector: str) -> WebElement:
    return WebDriverWait(browser, 20).until(lambda driver: _visible(driver, selector))


def _visible(browser: Chrome, selector: str) -> WebElement | None:
    return next((one for one in browser.find_elements(By.CSS_SELECTOR, selector) if one.is_displayed()), None)


def open_document(browser: Chrome, open_page: Open, number: int, run: int) -> None:
    open_page(f"document.html#document={number}&run={run}")
    wait_for(browser, "#steps details")


def test_the_leaderboard_is_sorted_by_its_headings(browser: Chrome, open_page: Open) -> None:
    open_page("index.html")
    f1 = heading(browser, "board-1-ranked", "F1")
    button = f1.find_element(By.TAG_NAME, "button")
    button.click()
    assert f1.get_attribute("aria-sort") == "descending"
    descending = shown_rows(browser, "board-1-ranked")
    button.send_keys(Keys.ENTER)
    assert f1.get_attribute("aria-sort") == "ascending"
    assert shown_rows(browser, "board-1-ranked") == descending[::-1]
    heading(browser, "board-1-ranked", "model").find_element(By.TAG_NAME, "button").click()
    assert f1.get_attribute("aria-sort") is None


def test_the_leaderboard_is_filtered_by_words(browser: Chrome, open_page: Open) -> None:
    open_page("index.html")
    field = browser.find_element(By.ID, "board-1-ranked-filter")
    field.send_keys("CLOSED mock")
    assert [row[2] for row in shown_rows(browser, "board-1-ranked")] == ["mock"]
    assert browser.find_element(By.CSS_SELECTOR, "[data-count='board-1-ranked']").text == "1 of 2 rows"
    field.clear()
    field.send_keys("nothing has this")
    assert shown_rows(browser, "board-1-ranked") == []


def test_the_heat_map_is_drawn_in_the_order_of_frequency_and_sorted_by_run(browser: Chrome, open_page: Open) -> None:
    open_page("index.html")
    picture = browser.find_element(By.CSS_SELECTOR, "#board-1-heat-map img")
    browser.execute_script("arguments[0].scrollIntoView()", picture)
    WebDriverWait(browser, 20).until(lambda driver: driver.execute_script(_LOADED, picture))
    gold = [int(row[1]) for row in shown_rows(browser, "board-1-relations")]
    assert gold == sorted(gold, reverse=True)
    best = browser.find_element(By.CSS_SELECTOR, "#board-1-relations .h10")
    assert best.value_of_css_property("background-color") != "rgba(0, 0, 0, 0)"
    heading(browser, "board-1-relations", "run 1").find_element(By.TAG_NAME, "button").click()
    by_f1 = [float(row[2]) for row in shown_rows(browser, "board-1-relations") if row[2]]
    assert by_f1 == sorted(by_f1, reverse=True)


_LOADED = "return arguments[0].complete && arguments[0].naturalWidth > 100"


def test_every_picture_can_be_shown(browser: Chrome, open_page: Open) -> None:
    open_page("index.html")
    for picture in browser.find_elements(By.CSS_SELECTOR, "figure img"):
        browser.execute_script("arguments[0].scrollIntoView()", picture)
        WebDriverWait(browser, 20).until(lambda driver, one=picture: driver.execute_script(_LOADED, one))
        assert picture.get_attribute("alt")


def test_a_document_is_opened_from_the_list_of_what_went_wrong(
    browser: Chrome, open_page: Open, stored: StoredRuns
) -> None:
    open_page("run-1.html")
    wait_for(browser, "#documents tbody tr")
    assert len(shown_rows(browser, "documents")) == DOCUMENTS + 1
    Select(browser.find_element(By.ID, "kind")).select_by_visible_text("truncated")
    rows = shown_rows(browser, "documents")
    assert [(row[0], row[1], row[-1]) for row in rows] == [("Document 2", "truncated", "1")]
    browser.find_element(By.LINK_TEXT, "Document 2").click()
    wait_for(browser, "#steps details")
    assert browser.find_element(By.TAG_NAME, "h1").text == "Document 2"
    record = list(stored.closed.folder.documents())[2]
    texts = [one.get_attribute("textContent") for one in browser.find_elements(By.CSS_SELECTOR, "#steps pre")]
    (step,) = record.steps
    assert texts == [*(message["content"] for message in step["messages"]), step["text"]]


def test_triplets_are_listed_and_drawn_by_what_became_of_them(browser: Chrome, open_page: Open) -> None:
    open_document(browser, open_page, 0, 1)
    rows = shown_rows(browser, "triplets")
    kinds = [(row[3], row[4]) for row in rows]
    assert kinds.count(("correct", "")) == 1
    evidence = {row[3]: row[5] for row in rows}
    assert evidence == {"correct": "0 (predicted 1)", "missed": "0", "wrong": "1"}
    assert ("missed", "wrong relation") in kinds
    assert ("wrong", "wrong direction") in kinds
    assert browser.find_elements(By.CSS_SELECTOR, "#graph canvas")
    browser.find_element(By.CSS_SELECTOR, "input[value='wrong']").click()
    assert {row[3] for row in shown_rows(browser, "triplets")} == {"wrong"}
    assert browser.find_element(By.ID, "graph-summary").text.startswith("2 triplets between")
    browser.find_element(By.CSS_SELECTOR, "input[value='gold']").send_keys(Keys.SPACE)
    assert {row[3] for row in shown_rows(browser, "triplets")} == {"correct", "missed"}


def test_pointing_at_a_triplet_finds_its_mentions(browser: Chrome, open_page: Open) -> None:
    open_document(browser, open_page, 0, 1)
    row = browser.find_element(By.CSS_SELECTOR, "#triplets tbody tr")
    named = [cell.text.split(" ", 1)[1] for cell in (row.find_elements(By.TAG_NAME, "td")[place] for place in (0, 2))]
    browser.execute_script("arguments[0].focus()", row)
    pointed = browser.find_elements(By.CSS_SELECTOR, "mark.pointed")
    assert sorted(mark.text.rstrip("1234") for mark in pointed) == sorted(name.rstrip("1234") for name in named)


def test_documents_and_runs_are_changed_on_the_page(browser: Chrome, open_page: Open) -> None:
    open_document(browser, open_page, 0, 1)
    browser.find_element(By.LINK_TEXT, "Next document").click()
    WebDriverWait(browser, 20).until(lambda driver: driver.title == "Document 1")
    Select(browser.find_element(By.ID, "run")).select_by_value("2")
    WebDriverWait(browser, 20).until(lambda driver: "run=2" in driver.current_url)
    assert browser.find_element(By.ID, "run-page").get_attribute("href").endswith("run-2.html")


def test_an_attack_in_a_document_an_answer_or_a_name_is_only_text(
    browser: Chrome, open_page: Open, stored: StoredRuns
) -> None:
    open_document(browser, open_page, DOCUMENTS, 2)
    assert browser.find_element(By.TAG_NAME, "h1").get_attribute("textContent") == ATTACK_TITLE
    text = browser.find_element(By.ID, "text").get_attribute("textContent")
    rejects = browser.find_element(By.ID, "rejects").get_attribute("textContent")
    for attack in ATTACKS:
        assert attack in text
    assert ATTACKS[0] in rejects
    answer = browser.find_element(By.CSS_SELECTOR, "pre.answer").get_attribute("textContent")
    assert answer == list(stored.attacked.folder.documents())[DOCUMENTS].steps[0]["text"]
    for page in ("index.html", "run-2.html"):
        open_page(page)
        assert ATTACKS[1] in browser.find_element(By.TAG_NAME, "main").get_attribute("textContent")
        assert browser.find_elements(By.CSS_SELECTOR, "main script, main svg, main [onerror], main [onload]") == []
        links = browser.find_elements(By.TAG_NAME, "a")
        assert not any((link.get_attribute("href") or "").startswith("javascript") for link in links)


def test_pages_are_dark_where_the_system_is_and_plain_on_paper(browser: Chrome, open_page: Open) -> None:
    def background() -> str:
        return browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")

    open_page("index.html")
    light = background()
    try:
        dark = [{"name": "prefers-color-scheme", "value": "dark"}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": dark})
        assert background() != light
        picture = browser.find_element(By.CSS_SELECTOR, "figure img")
        browser.execute_script("arguments[0].scrollIntoView()", picture)
        WebDriverWait(browser, 20).until(
            lambda driver: driver.execute_script("return arguments[0].currentSrc", picture).endswith("-dark.svg")
        )
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": dark})
        assert background() == light
        assert not browser.find_element(By.ID, "board-1-ranked-filter").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def test_the_first_key_leads_to_the_content(browser: Chrome, open_page: Open) -> None:
    open_page("index.html")
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    focused = browser.switch_to.active_element
    assert focused.text == "Skip to the content"
    focused.send_keys(Keys.ENTER)
    assert browser.execute_script("return document.activeElement.id") == "main"


def test_headings_fields_and_regions_have_names(browser: Chrome, open_page: Open) -> None:
    open_document(browser, open_page, 0, 1)
    script = """return [...document.querySelectorAll("input, select, [role=region], [role=img], table")].filter((one) =>
        !(one.labels && one.labels.length) && !one.getAttribute("aria-label") && !one.getAttribute("aria-labelledby")
        && !one.caption).map((one) => one.outerHTML)"""
    assert browser.execute_script(script) == []
    for page in ("index.html", "run-1.html"):
        open_page(page)
        assert browser.execute_script(script) == []
