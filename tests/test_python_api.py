"""The functions of `from harness import ...`, and the page that shows them."""

from __future__ import annotations

import asyncio
import doctest
import json
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from harness import compare, leaderboard, load_dataset, run, score
from harness.errors import InputError
from tests.commands import environment
from tests.paths import REPOSITORY


def test_the_page_gives_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = REPOSITORY / "docs" / "python.md"
    flags = doctest.NORMALIZE_WHITESPACE | doctest.FAIL_FAST
    failed, attempted = doctest.testfile(str(page), module_relative=False, optionflags=flags, encoding="utf-8")
    assert (failed, attempted > 25) == (0, True)


def test_importing_the_functions_loads_nothing_heavy() -> None:
    heavy = {"pandas", "numpy", "torch", "typer"}
    code = f"import sys; from harness import run, leaderboard; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert done.stdout.strip() == "set()"


def test_the_functions_are_those_of_their_names_also_after_use(tmp_path: Path) -> None:
    run("mock", "tagged", dataset="sample", limit=1, results=tmp_path)
    assert list(leaderboard(tmp_path)["kind"]) == ["unranked"]
    assert (harness.leaderboard, harness.run, harness.compare) == (leaderboard, run, compare)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = harness.nothing


def test_a_run_inside_a_running_loop_as_in_a_notebook_ends_too(tmp_path: Path) -> None:
    async def cell() -> str:
        first = run("mock", "tagged", dataset="sample", limit=2, results=str(tmp_path))
        return first.folder.run_id

    run_id = asyncio.run(cell())
    assert run("mock", "tagged", dataset="sample", limit=2, results=tmp_path).folder.run_id == run_id


def test_a_stored_run_and_its_predictions_score_alike(tmp_path: Path) -> None:
    stored = run("mock", "tagged", dataset="sample", results=tmp_path)
    labels = REPOSITORY / "harness" / "datasets" / "sample" / "documents.json"
    again = score(stored.folder.run_id, results=tmp_path)
    of_file = score(stored.folder.path / "predictions.json", gold=labels)
    against = score(stored.folder.path, gold=labels, results=tmp_path)
    for tables in (again, of_file, against):
        assert tables.overall.equals(stored.tables.overall)
        assert tables.relations["gold"].sum() == tables.documents["gold"].sum() == 480
    with_train = score(stored.folder.path / "predictions.json", gold=labels, train=labels)
    assert with_train.overall["ign_f1"].item() == 0.0


def test_reported_rows_come_beside(tmp_path: Path) -> None:
    board = leaderboard(tmp_path, reported=True, dataset="redocred", split="test", model="GPT*")
    assert board[["kind", "model", "source"]].values.tolist() == [["reported", "GPT-3.5 Turbo", "GLiDRE, Table 3"]]


def test_what_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run\(\) has no option 'splitt'; it has dataset, split"):
        run("mock", "tagged", splitt="dev")
    with pytest.raises(InputError, match=r"leaderboard\(\) has no filter 'modell'"):
        leaderboard(tmp_path, modell="x")
    predictions = tmp_path / "predictions.json"
    predictions.write_text(json.dumps([]), encoding="utf-8")
    with pytest.raises(InputError, match="give the labels with gold=FILE"):
        score(predictions)
    assert load_dataset("sample").split == "dev"
