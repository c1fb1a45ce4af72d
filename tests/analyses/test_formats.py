"""A leaderboard in every format: files hold values, what people read holds percentages and reasons."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.errors import HarnessError
from tests.commands import environment, error_line
from tests.stored_runs import simulated_run


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two ranked runs, one with a name that Markdown and LaTeX must escape, and a partial one."""
    folder = tmp_path / "results"
    simulated_run(folder, "strong|100%_#", 0.8)
    simulated_run(folder, "weak", 0.2)
    simulated_run(folder, "cut", 0.9, manifest={"documents": {"asked": 10, "in_split": 50}})
    return folder


def board(results: Path, *arguments: str | Path) -> str:
    """What the command prints, in this process; raises what it raises."""
    command = ["leaderboard", "--results-dir", *map(str, (results, *arguments))]
    return CliRunner().invoke(app, command, catch_exceptions=False).stdout


def test_people_read_percentages_intervals_and_why_there_is_no_ign_f1(results: Path) -> None:
    table = board(results)
    ranked, apart = table.split("sample dev: not ranked")
    assert all(text in ranked for text in ("sample dev", "95% interval", "n/a: no training file", " to "))
    assert "partial: 10 of 50 documents" in apart


def test_markdown_and_latex_escape_their_marks(results: Path) -> None:
    assert "| strong\\|100%_# |" in board(results, "--format", "markdown")
    latex = board(results, "--format", "latex", "--columns", "rank,model,f1")
    assert r"strong|100\%\_\#" in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 2


def test_columns_are_those_that_are_named_in_that_order(results: Path) -> None:
    first = board(results, "--format", "markdown", "--columns", "f1,interval,model, p").splitlines()[2]
    assert first == "| F1 | 95% interval | model | p boot. | p rand. |"
    (one,) = json.loads(board(results, "--format", "json", "--columns", "model,rank"))
    assert one["ranked"] == [{"rank": 1, "model": "strong|100%_#"}, {"rank": 2, "model": "weak"}]
    assert one["unranked"] == [{"reason": "partial: 10 of 50 documents", "model": "cut"}]
    csv = board(results, "--format", "csv", "--columns", "model")
    assert csv.splitlines()[0] == "dataset,split,model,reason,kind"


def test_csv_and_parquet_hold_the_same_values(results: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs the extra parquet")
    file = tmp_path / "board.parquet"
    board(results, "--out", file)
    csv, parquet = pd.read_csv(io.StringIO(board(results, "--format", "csv"))), pd.read_parquet(file)
    assert list(csv.columns) == list(parquet.columns)
    assert list(parquet["kind"]) == ["ranked", "ranked", "unranked"]
    assert list(parquet["rank"])[:2] == [1, 2]
    assert parquet["f1"].tolist() == pytest.approx(csv["f1"].tolist())
    assert parquet["source"].dtype == "string", "text, also where there is none yet"


def test_without_its_package_parquet_says_what_to_install(results: Path, tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['pyarrow'] = None; from harness.cli.main import main; main()"
    command = [sys.executable, "-c", hidden, "leaderboard", "--results-dir", str(results), "--out"]
    done = subprocess.run(
        [*command, str(tmp_path / "a.parquet")], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 2
    assert "docre-harness[parquet]" in error_line(done)


@pytest.mark.parametrize(("suffix", "start"), [("md", "## sample dev"), ("tex", r"\begin{table}"), ("json", "[")])
def test_the_suffix_of_the_file_is_the_format(results: Path, tmp_path: Path, suffix: str, start: str) -> None:
    file = tmp_path / f"board.{suffix}"
    assert board(results, "--out", file) == ""
    assert file.read_text(encoding="utf-8").startswith(start)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--columns", "model,speed"], "no column 'speed'"),
        (["--columns", ","], "--columns is empty"),
        (["--format", "parquet"], "--out FILE.parquet"),
        (["--out", "board.xls"], "ends in .md, .csv"),
        (["--out", "no/such/folder.csv"], "cannot be written"),
        (["--model", "nobody"], "no runs under"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(results: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(HarnessError, match=re.escape(message)) as error:
        board(results, *arguments)
    assert "\n" not in str(error.value)
