"""Commands that use a run's predictions tell in one line where its two files of them differ or one is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.errors import InputError
from harness.runs.config import RunConfig
from harness.runs.sources.imported import import_run
from harness.store import RunFolder
from tests.corpora import write_corpus

ONE = {"title": "Document 0", "h_idx": 0, "t_idx": 2, "r": "P17", "evidence": []}
ELSEWHERE = {**ONE, "title": "Nowhere"}
OTHER = {**ONE, "t_idx": 1}


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, RunFolder, RunFolder]:
    """A corpus of two documents, and two runs with one prediction each."""
    corpus = write_corpus(tmp_path / "data", 2)
    made = []
    for name, claims in (("a", [ONE]), ("b", [ONE, OTHER])):
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(claims), encoding="utf-8")
        made.append(import_run(file, RunConfig(model=name, dataset=str(corpus), results=tmp_path)).folder)
    return corpus, made[0], made[1]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "no such file"),
        ([], "has other triplets of 'Document 0' than documents.jsonl"),
        ([OTHER], "has other triplets of 'Document 0' than documents.jsonl"),
        ([ONE, ELSEWHERE], "'Nowhere' is no document of the run"),
    ],
)
def test_predictions_that_differ_from_the_records_are_told(
    runs: tuple[Path, RunFolder, RunFolder], content: list[object] | None, told: str
) -> None:
    corpus, one, other = runs
    file = one.path / "predictions.json"
    if content is None:
        file.unlink()
    else:
        file.write_text(json.dumps(content), encoding="utf-8")
    out = ["--out", str(corpus.parent / "out.json")]
    for command in (
        ["export", one.run_id, *out],
        ["combine", one.run_id, other.run_id],
        ["score", one.run_id, "--gold", str(corpus)],
    ):
        done = CliRunner().invoke(app, [*command, "--results-dir", str(corpus.parents[1])])
        assert isinstance(done.exception, InputError), (command, done.output, done.exception)
        assert str(done.exception).startswith(f"{file}: ")
        assert told in str(done.exception)
    assert CliRunner().invoke(app, ["score", one.run_id, "--results-dir", str(corpus.parents[1])]).exit_code == 0
    assert json.loads(file.read_text(encoding="utf-8")) == [ONE], "scored again, the file is that of the records"
