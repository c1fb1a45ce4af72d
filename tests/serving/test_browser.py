"""The page of the service in a real browser: a hostile text is pasted, shown, and does nothing."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

pytest.importorskip("fastapi", reason="the service needs fastapi: pip install 'docre-harness[serve]'")
pytest.importorskip("selenium", reason="the browser tests need selenium: pip install 'docre-harness[dev]'")

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from harness.serving.guard import Access
from tests.report.browser import complaints, requested, started_browser
from tests.serving.running import TEXT, running

TOKEN = "0123456789abcdef-token"
HOSTILE = f"{TEXT} <script> window.attacked = 1 </script> <img src=x onerror=attack> Ada left."


def paste(browser: Chrome, text: str, token: str) -> None:
    field = browser.find_element(By.ID, "pasted")
    field.clear()
    field.send_keys(text)
    browser.find_element(By.ID, "token").send_keys(token)
    browser.find_element(By.CSS_SELECTOR, "#paste button").click()


def cells(browser: Chrome, table: str) -> list[list[str]]:
    # In one step: rows are replaced while they are read.
    script = """return [...document.getElementById(arguments[0]).tBodies[0].rows]
        .map((row) => [...row.cells].map((cell) => cell.textContent))"""
    rows: list[list[str]] = browser.execute_script(script, table)
    return rows


def test_a_pasted_text_is_shown_with_its_entities_triplets_and_graph() -> None:
    with running(Access(loopback=True, token=TOKEN)) as serving, started_browser() as browser:
        browser.get(f"http://127.0.0.1:{serving.port}/#document=0&run=0")
        wait = WebDriverWait(browser, 20)
        complaints(browser)
        paste(browser, HOSTILE, "wrong")
        wait.until(lambda _: "send the service's token" in browser.find_element(By.ID, "problem").text)
        # Chromium itself tells of the status.
        assert all("401" in one for one in complaints(browser))
        paste(browser, HOSTILE, f"\b\b\b\b\b{TOKEN}")
        wait.until(lambda _: browser.find_element(By.ID, "document-panel").is_displayed())
        assert [row[1:3] for row in cells(browser, "entities")] == [
            ["PER", "Ada"],
            ["LOC", "London"],
            ["ORG", "Acme"],
            ["ORG", "onerror=attack"],
        ]
        assert ["1 Ada", "place of birth", "2 London", "predicted"] in [row[:4] for row in cells(browser, "triplets")]
        assert "3 triplets between 4 entities" in browser.find_element(By.ID, "graph-summary").text
        assert browser.find_elements(By.CSS_SELECTOR, "#graph canvas")
        assert "<img src=x onerror=attack" in browser.find_element(By.ID, "text").text
        assert not browser.find_element(By.ID, "steps").is_displayed()
        # The second text is beside the first.
        paste(browser, "Ada lived in London.", "")
        wait.until(lambda _: len(cells(browser, "entities")) == 2)
        assert browser.find_element(By.ID, "previous").is_displayed()
        browser.get(f"http://127.0.0.1:{serving.port}/docs")
        assert "POST /extract" in browser.find_element(By.ID, "main").text
        assert complaints(browser) == []
        assert browser.execute_script("return window.attacked") is None
        addresses = [urlsplit(one) for one in requested(browser)]
        assert {one.netloc for one in addresses if one.scheme != "data"} == {f"127.0.0.1:{serving.port}"}
