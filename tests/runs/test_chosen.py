"""A theta or temperature that a run's own documents chose is recognised, and keeps the run off the ranking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness.analyses.leaderboards import leaderboards
from harness.datasets.content import content_hash
from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.runs.chosen_settings import CHOSEN, THETA, THRESHOLD, chosen_settings, record_choice
from harness.runs.config import RunConfig
from harness.runs.planned_run import Scope
from harness.store import RunFolder
from harness.types import ModelSpec
from tests.stored_runs import simulated_run


@pytest.fixture
def scope(tmp_path: Path) -> Scope:
    """The first ten documents of the sample under other titles, run with a theta and a temperature."""
    config = RunConfig("mock", theta=0.4, refine_options={"model_temperature": "1.25"}, limit=10, results=tmp_path)
    sample = load_dataset("sample")
    documents = [replace(document, title=f"Copy {number}") for number, document in enumerate(sample.documents)]
    return Scope(config, ModelSpec("mock", "mock", "mock"), replace(sample, documents=documents))


@pytest.fixture
def other_run(tmp_path: Path) -> RunFolder:
    """A stored run whose documents choose settings."""
    folder = RunFolder(tmp_path / "runs" / "other")
    folder.path.mkdir(parents=True)
    return folder


def contents(start: int, stop: int) -> set[bytes]:
    return {content_hash(document) for document in list(load_dataset("sample").documents)[start:stop]}


@pytest.mark.parametrize(
    ("choices", "found"),
    [
        ({THETA: (0.4, 5, 15)}, [("--theta 0.4", 5)]),
        ({THETA: (0.4, 10, 20)}, []),
        ({THETA: (0.45, 0, 10)}, []),
        (
            {"model_temperature": (1.2534, 0, 3), THETA: (0.4, 0, 1)},
            [("--theta 0.4", 1), ("-R model_temperature=1.25", 3)],
        ),
        ({"encoder_temperature": (1.25, 0, 10)}, []),
    ],
    ids=["some", "none of them", "another value", "both, one rounded", "another setting"],
)
def test_those_documents_of_a_run_count_that_chose_its_settings(
    scope: Scope, other_run: RunFolder, choices: Mapping[str, tuple[float, int, int]], found: list[tuple[str, int]]
) -> None:
    for setting, (value, start, stop) in choices.items():
        record_choice(other_run, setting, value, contents(start, stop))
    expected = [{"option": option, "documents": documents, "of": 10} for option, documents in found]
    assert chosen_settings(scope) == expected


def test_choices_add_up_and_defaults_are_none(scope: Scope, other_run: RunFolder) -> None:
    for value, start, stop in ((0.4, 0, 2), (0.4, 1, 4), (0.55, 0, 10)):
        record_choice(other_run, THETA, value, contents(start, stop))
    assert [one["documents"] for one in chosen_settings(scope)] == [4]
    for theta in (0.55, None):
        assert chosen_settings(replace(scope, config=replace(scope.config, theta=theta))) == []


def test_the_least_score_of_a_prompt_is_a_threshold(scope: Scope, other_run: RunFolder) -> None:
    record_choice(other_run, THRESHOLD, 0.628, contents(0, 3))
    for least, documents in (("63", 3), ("75", 0)):
        config = replace(scope.config, theta=None, prompt_options={"least": least})
        found = [(one["option"], one["documents"]) for one in chosen_settings(replace(scope, config=config))]
        assert found == ([(f"-P least={least}", documents)] if documents else [])


def test_a_damaged_record_is_refused(scope: Scope, other_run: RunFolder) -> None:
    record_choice(other_run, THETA, 0.4, contents(0, 2))
    (file,) = (other_run.path / CHOSEN).iterdir()
    for content in ("", "[]", '{"value": "high"}', "[" * 10**5):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match="remove it, and type its `harness sweep`, `calibrate` or `ablate` again"):
            chosen_settings(scope)


def test_a_run_whose_documents_chose_its_settings_is_not_ranked(tmp_path: Path) -> None:
    chosen = [{"option": "--theta 0.4", "documents": 5, "of": 10}]
    simulated_run(tmp_path, "tuned", 0.5, manifest={"chosen_settings": chosen})
    (board,) = leaderboards(tmp_path, resamples=10)
    assert board.unranked["reason"].tolist() == ["--theta 0.4 was chosen by 5 of the 10 documents"]
