"""The report's folder: whole or not at all, self-contained, escaped, and its numbers are the scorer's."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock, Timeout

from harness.datasets import load_dataset
from harness.errors import InputError
from harness.report.build import MARK, Report, ReportOptions, WrittenReport
from harness.report.pages import PACKAGE
from harness.report.runs import RecordStream
from harness.reported import reported_rows
from harness.store import DOCUMENTS
from tests.report.stored import ATTACK_TITLE, ATTACKS, StoredRuns
from tests.report.stored import DOCUMENTS as ANSWERED

CYTOSCAPE = "081591ab735b2b6a3b31a3c60f8f3a3e2fee8c92939e0c7820ad1208571b6cd8"
"""SHA-256 of ``dist/cytoscape.min.js`` in the npm package cytoscape 3.34.4."""


class Links(HTMLParser):
    """The addresses in a page, and its elements and attributes."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name in ("href", "src", "srcset"):
                self.addresses.append(value or "")


def unpacked(folder: Path, name: str) -> Any:
    script = (folder / "data" / f"{name}.js").read_text(encoding="ascii")
    match = re.fullmatch(r'harnessData\("([a-z0-9-]+)","([A-Za-z0-9+/=]+)"\);\n', script)
    assert match
    assert match[1] == name
    return json.loads(gzip.decompress(base64.b64decode(match[2])))


def test_every_address_is_a_file_of_the_folder(folder: Path) -> None:
    pages = sorted(folder.glob("*.html"))
    assert {page.name for page in pages} == {"index.html", "document.html", "run-1.html", "run-2.html", "run-3.html"}
    for page in pages:
        for address in Links(page).addresses:
            own = address.partition("#")[0]
            assert own in ("", "data:,") or (folder / own).is_file(), address


def test_pages_hold_nothing_that_runs_but_the_reports_own_files(folder: Path) -> None:
    for page in folder.glob("*.html"):
        links = Links(page)
        assert not {name for name in links.attributes if name.startswith("on") or name == "style"}
        assert not links.tags & {"style", "iframe", "object", "embed", "form", "svg"}
        content = page.read_text(encoding="utf-8")
        assert content.count("<script") == len(re.findall(r'<script src="static/[a-z.]+\.js" defer></script>', content))
        assert "default-src &#39;none&#39;" in content
        assert "unsafe" not in content
    figures = "".join(path.read_text(encoding="utf-8") for path in (folder / "figures").glob("*.svg"))
    assert "<script" not in figures
    assert "window.attacked" not in re.sub(
        r"<text[^>]*>[^<]*</text>", "", figures.replace("<!--", "").replace("-->", "")
    )


def test_attacks_are_escaped_in_pages(folder: Path) -> None:
    index = (folder / "index.html").read_text(encoding="utf-8")
    assert ATTACKS[1] not in index
    assert "&lt;img src=x onerror=" in index
    assert "{{ 7 * 7 }}{% raw %}" in index, "a name is no template"


def test_a_documents_data_says_what_each_run_made_of_it(folder: Path) -> None:
    content = unpacked(folder, "document-0")
    assert content["title"] == "Document 0"
    assert [read["run"] for read in content["runs"]] == [1, 2, 3]
    read = content["runs"][0]
    assert len(content["gold"]) == 3
    assert sorted(kind for _, kind in read["missed"]) == ["wrong_direction", "wrong_relation"]
    assert sorted(kind for *_, kind in read["wrong"]) == ["wrong_direction", "wrong_relation"]
    assert read["rejects"] == [["unknown_entity", "(E9 | country | E1)"]]
    assert read["scores"][0][-1] == 1
    assert unpacked(folder, f"document-{ANSWERED}")["title"] == ATTACK_TITLE
    assert len(unpacked(folder, "document-5")["runs"]) == 2, "the third run was asked about three documents"


def test_mistakes_add_up_to_the_official_counts(folder: Path, stored: StoredRuns) -> None:
    for number, run in ((1, stored.closed), (2, stored.attacked), (3, stored.part)):
        rows = unpacked(folder, f"run-{number}")["rows"]
        metrics = run.metrics.official.as_json()
        assert sum(row[3] for row in rows) == metrics["correct"]
        assert sum(sum(row[4].values()) for row in rows) == metrics["predicted"] - metrics["correct"]
        assert sum(sum(row[5].values()) for row in rows) == metrics["gold"] - metrics["correct"]


def test_the_same_runs_give_the_same_bytes(stored: StoredRuns, written: WrittenReport, tmp_path: Path) -> None:
    again = Report.find(ReportOptions(stored.results, tmp_path / "again")).write()
    assert (again.runs, again.documents, again.size) == (written.runs, written.documents, written.size)
    first, second = written.index.parent, again.index.parent
    for path in first.rglob("*"):
        if path.is_file():
            assert (second / path.relative_to(first)).read_bytes() == path.read_bytes(), path


def test_runs_are_chosen_by_part_of_their_id(stored: StoredRuns, tmp_path: Path) -> None:
    chosen = stored.part.folder.run_id
    report = Report.find(ReportOptions(stored.results, tmp_path / "report", runs=[chosen]))
    assert [run.run_id for board in report.boards for run in board.runs] == [chosen]
    assert report.document_count == 3
    with pytest.raises(InputError, match="--runs 'nothing'"):
        Report.find(ReportOptions(stored.results, tmp_path / "report", runs=["nothing"]))


def test_papers_rows_stand_beside_the_runs_where_asked_for(stored: StoredRuns, tmp_path: Path) -> None:
    assert "Table" not in (Report.find(ReportOptions(stored.results, tmp_path / "a")).write().index).read_text()
    written = Report.find(ReportOptions(stored.results, tmp_path / "b", reported=True)).write()
    index = written.index.read_text(encoding="utf-8")
    assert (written.runs, written.documents) == (3, ANSWERED + 1)
    assert "redocred test: reported by papers, measured elsewhere and never ranked" in index
    assert re.search(r"<td[^>]*>LMRC, Table 2", index)
    ours = next(row for row in reported_rows(stored.results) if row.split == "test" and row.dataset == "redocred")
    assert f"{100 * ours.values['f1']:.2f}" in index


def test_a_report_replaces_a_report_and_nothing_else(stored: StoredRuns, tmp_path: Path) -> None:
    options = ReportOptions(stored.results, tmp_path / "report", runs=[stored.part.folder.run_id])
    Report.find(options).write()
    left_over = options.out / "data" / "document-99.js"
    left_over.write_text("old", encoding="utf-8")
    Report.find(options).write()
    assert not left_over.exists()
    (options.out / MARK).unlink()
    with pytest.raises(InputError, match="is no report"):
        Report.find(options)
    assert [path.name for path in tmp_path.glob(".*")] == [".report.lock"], "nothing half-written stays"


def test_without_the_dataset_there_are_scores_and_the_reason(stored: StoredRuns, tmp_path: Path) -> None:
    hidden = stored.corpus.rename(stored.corpus.with_name("hidden"))
    try:
        report = Report.find(ReportOptions(stored.results, tmp_path / "report"))
        assert report.document_count == 0
        (problem,) = report.problems
        assert "corpus.json (SHA-256 " in problem
        assert "name its folder with --data-dir" in problem
        written = report.write()
    finally:
        hidden.rename(stored.corpus)
    assert (written.runs, written.documents) == (3, 0)
    assert "No documents to show" in written.index.read_text(encoding="utf-8")


def test_a_link_is_followed_and_stays_and_one_process_writes_at_a_time(stored: StoredRuns, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("", encoding="utf-8")
    link, real = tmp_path / "link", tmp_path / "real"
    options = ReportOptions(stored.results, link, runs=[stored.part.folder.run_id])
    link.symlink_to(tmp_path / "mine")
    with pytest.raises(InputError, match="is no report"):
        Report.find(options)
    link.unlink()
    link.symlink_to(real)
    real.mkdir()
    # What another has put where the new folder is made is no way out of it.
    (tmp_path / ".real.partial").symlink_to(tmp_path / "mine")
    lock = FileLock(tmp_path / ".real.lock")

    def another_cannot_write() -> None:
        with pytest.raises(Timeout):
            lock.acquire(timeout=0)

    Report.find(options).write(another_cannot_write)
    with lock.acquire(timeout=0):
        pass
    assert link.is_symlink()
    assert (real / MARK).is_file()
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


RECORD_DAMAGE: dict[str, Callable[[list[bytes]], Iterable[bytes]]] = {
    "is not where the dataset has it": lambda lines: reversed(lines),
    "line 1: is not JSON": lambda _: [b"{\n"],
    "holds 2 of the run's 3 documents": lambda lines: lines[:-1],
    "line 4: 'Document 0' stands there a second time": lambda lines: [*lines, lines[0]],
    "holds 0 of the run's 3 documents": lambda _: [],
    "line 2: is not UTF-8 text": lambda lines: [lines[0], b"\xff\xfe", lines[1]],
}


@pytest.fixture
def records(stored: StoredRuns) -> Iterator[Path]:
    """The records of a run over three documents, which a test may damage."""
    file = stored.part.folder.path / DOCUMENTS
    content = file.read_bytes()
    yield file
    file.write_bytes(content)


@pytest.mark.parametrize("says", RECORD_DAMAGE)
def test_records_that_cannot_be_read_or_do_not_fit_are_told(stored: StoredRuns, records: Path, says: str) -> None:
    records.write_bytes(b"".join(RECORD_DAMAGE[says](records.read_bytes().splitlines(keepends=True))))
    stream = RecordStream(stored.part.folder)
    for document in load_dataset(str(stored.corpus)).documents:
        stream.take(document.title)
    stream.end()
    assert str(records) in stream.damage
    assert says in stream.damage


def test_a_run_with_damaged_records_is_shown_by_its_scores_beside_the_others(
    stored: StoredRuns, tmp_path: Path, records: Path
) -> None:
    records.write_bytes(b"".join(records.read_bytes().splitlines(keepends=True)[:-1]))
    runs = [stored.closed.folder.run_id, stored.part.folder.run_id]
    written = Report.find(ReportOptions(stored.results, tmp_path / "report", runs)).write()
    (told,) = written.damaged
    assert told.startswith(f"{records}: holds 2 of the run's 3 documents")
    assert (written.runs, written.documents) == (2, ANSWERED + 1)
    pages = [page.read_text(encoding="utf-8") for page in sorted(written.index.parent.glob("run-*.html"))]
    assert [told in html.unescape(page) for page in pages] == [False, True]


def test_the_graph_library_is_the_published_one() -> None:
    content = (PACKAGE / "static" / "cytoscape.min.js").read_bytes()
    assert hashlib.sha256(content).hexdigest() == CYTOSCAPE
    assert "Permission is hereby granted" in (PACKAGE / "static" / "cytoscape.LICENSE.txt").read_text(encoding="utf-8")
