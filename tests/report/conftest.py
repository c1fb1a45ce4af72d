"""One results folder and one report of it for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.report.build import Report, ReportOptions, WrittenReport
from tests.report.stored import StoredRuns, give_scores, store_runs


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredRuns:
    runs = store_runs(tmp_path_factory.mktemp("stored"))
    give_scores(runs.closed.folder)
    tables = runs.results / "tables"
    tables.mkdir()
    (tables / "theta.csv").write_text("theta,kept,f1\n0,4,0.2\n0.5,3,0.3\n1,0,0.1\n", encoding="utf-8")
    rows = "model,n,seed,f1\nglidre,1,0,10\nglidre,1,1,20\nglidre,10,0,40\n"
    (tables / "few-shot.csv").write_text(rows, encoding="utf-8")
    return runs


@pytest.fixture(scope="session")
def written(stored: StoredRuns, tmp_path_factory: pytest.TempPathFactory) -> WrittenReport:
    return Report.find(ReportOptions(stored.results, tmp_path_factory.mktemp("report") / "report")).write()


@pytest.fixture(scope="session")
def folder(written: WrittenReport) -> Path:
    return written.index.parent
