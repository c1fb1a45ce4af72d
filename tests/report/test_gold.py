"""A report of runs without gold shows what was predicted and no score; scores against silver labels are called so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness import api
from harness.report.build import Report, ReportOptions
from tests.corpora import labelled_by, without_gold, write_corpus
from tests.report.test_build import unpacked


def report_of(corpus: Path, change: Callable[[Path], Path]) -> Path:
    (corpus / "answers.jsonl").write_text('{"contains": "Town0", "text": "(E1 | country | E3)\\nEND"}\n')
    options = {"model_options": {"answers": str(corpus / "answers.jsonl")}, "results": corpus / "results"}
    api.run("mock", "tagged", dataset=str(change(write_corpus(corpus / "data", 2))), **options)
    return Report.find(ReportOptions(corpus / "results", corpus / "report")).write().index.parent


@pytest.fixture(scope="module")
def unscored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report_of(tmp_path_factory.mktemp("unscored"), without_gold)


def test_without_gold_the_pages_say_so_and_show_no_score(unscored: Path) -> None:
    for name in ("index.html", "run-1.html"):
        page = (unscored / name).read_text(encoding="utf-8")
        assert "no gold labels: not scored" in page
        assert not any(word in page for word in (">F1<", ">P<", "Mistakes", ">nan<", ">None<", ">n/a<"))
    assert not list((unscored / "figures").iterdir())


def test_without_gold_the_documents_show_what_was_predicted(unscored: Path) -> None:
    document = unpacked(unscored, "document-0")
    assert (document["labelled"], document["gold"]) == (False, [])
    assert document["runs"][0]["wrong"] == [[0, "P17", 2, "invented_pair"]]
    assert "data-unscored" in (unscored / "run-1.html").read_text(encoding="utf-8")


def test_scores_against_silver_labels_are_called_so_on_every_page(tmp_path: Path) -> None:
    folder = report_of(tmp_path, lambda corpus: labelled_by(corpus, "model", "gpt-4o"))
    for name in ("index.html", "run-1.html"):
        assert "silver: labels written by a model (gpt-4o)" in (folder / name).read_text(encoding="utf-8")
    assert unpacked(folder, "document-0")["labelled"] is True
