"""Samples of one run, and several runs, vote on triplets; shares are scores, and the journal keeps every sample."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.datasets.registry import load_dataset
from harness.methods.table import create_method
from harness.methods.voting import Voting, voted
from harness.store import find_run
from harness.types import Completion, Prediction, Triplet
from tests.chat_server import ChatServer, completion
from tests.runs.test_retry import invoked
from tests.variants import extract, settings_of

Arguments = Callable[..., list[str]]
SURE, LIKELY, RARE = "(E1 | country | E2)\n", "(E2 | country | E1)\n", "(E1 | capital | E2)\n"
SAMPLED = ("--samples", "4", "--temperature", "0.7", "--seed", "10")


def by_seed(body: dict[str, Any]) -> dict[str, Any]:
    """Three triplets: one in every sample, one in two of four, one in one of four."""
    number = body["seed"] % 4
    return completion(SURE + (LIKELY if number % 2 else "") + (RARE if number == 2 else "") + "END")


def scores(results: Path, run_id: str) -> list[list[float]]:
    return [
        sorted(prediction.score or 0.0 for prediction in record.predictions)
        for record in find_run(results, run_id).documents()
    ]


def test_samples_vote_and_the_same_command_sends_nothing_again(run_arguments: Arguments, results: Path) -> None:
    with ChatServer(rule=by_seed) as server:
        run = invoked(*run_arguments(server.base_url, 2, *SAMPLED))
        assert server.answered.total() == 2 * 4
        shares = scores(results, run["run_id"])
        assert shares == [[0.5, 1.0]] * 2, "the triplet of one sample in four is left out"
        rarer = invoked(*run_arguments(server.base_url, 2, *SAMPLED, "--vote-share", "0.25"))
        assert (server.answered.total(), rarer["run_id"] == run["run_id"]) == (8, False)
        assert scores(results, rarer["run_id"]) == [[0.25, 0.5, 1.0]] * 2
        invoked(*run_arguments(server.base_url, 2, *SAMPLED, "--repeat", "1"))
        assert server.answered.total() == 16, "a repetition has samples of its own"
    again = invoked("score", run["run_id"], "--results-dir", str(results))
    assert again["metrics"] == run["metrics"]
    assert scores(results, run["run_id"]) == shares
    question = json.loads((results / "runs" / run["run_id"] / "manifest.json").read_text())["question"]
    assert question["votes"] == {"samples": 4, "least_share": 0.5}


def test_runs_combine_and_the_outcome_is_ranked_only_if_all_are(run_arguments: Arguments, results: Path) -> None:
    with ChatServer(rule=by_seed) as server:
        runs = [
            invoked(*run_arguments(server.base_url, 2, "--seed", seed, *more))["run_id"]
            for seed, more in (("0", ()), ("1", ()), ("2", ()), ("1", ("--limit", "1")))
        ]
    at = ["--results-dir", str(results)]
    votes = invoked("combine", *runs[:3], *at)
    assert scores(results, votes["run_id"]) == [[1.0]] * 2
    more = invoked("combine", *runs[:3], *at, "--least-share", "0.3")
    assert scores(results, more["run_id"]) == [[0.3333, 0.3333, 1.0]] * 2
    manifest = json.loads((results / "runs" / votes["run_id"] / "manifest.json").read_text())
    assert [part["run_id"] for part in manifest["combines"]] == sorted(runs[:3])
    assert invoked("score", votes["run_id"], *at)["metrics"] == votes["metrics"]
    assert "combines" in json.loads((results / "runs" / votes["run_id"] / "manifest.json").read_text())
    refused = CliRunner().invoke(app, ["combine", runs[0], runs[3], *at])
    assert "not over the same documents" in str(refused.exception)
    alone = CliRunner().invoke(app, ["combine", runs[0], runs[0], *at])
    assert "at least two" in str(alone.exception)


def test_a_part_that_is_not_ranked_keeps_the_outcome_off_the_ranking(run_arguments: Arguments, results: Path) -> None:
    from harness.analyses.not_ranked import reasons_not_ranked
    from harness.runs.results import RunResult

    with ChatServer(rule=by_seed) as server:
        runs = [
            invoked(*run_arguments(server.base_url, 2, "--limit", "1", "--seed", seed))["run_id"] for seed in ("0", "1")
        ]
    votes = invoked("combine", *runs, "--results-dir", str(results))
    reasons = list(reasons_not_ranked(RunResult.load(find_run(results, votes["run_id"])), 0.05))
    assert [reason for reason in reasons if reason.startswith(f"combines {min(runs)}, which is not ranked: partial")]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (("--samples", "3"), "--temperature above 0"),
        (("--vote-share", "0.5"), "--samples"),
    ],
)
def test_options_that_do_not_fit_are_refused(run_arguments: Arguments, more: tuple[str, ...], problem: str) -> None:
    refused = CliRunner().invoke(app, run_arguments("http://127.0.0.1:9/v1", 1, *more))
    assert problem in str(refused.exception)


def test_a_share_is_of_all_samples_and_rounding_costs_no_vote() -> None:
    one, other = Triplet(0, "r", 1), Triplet(1, "r", 0)
    said = [Prediction(one, evidence) for evidence in ((0, 2), (5,), (), (2,))]
    claims = [[said[0], said[1]], [said[2]], [Prediction(other)], [], [], [said[3]]] + [[]] * 4
    assert voted(claims, 0.3) == (Prediction(one, (0, 2), 0.3),)
    assert voted(claims[:6], 0.5) == (Prediction(one, (2,), 0.5),)


@pytest.mark.parametrize("prompt", ["tagged", "grouped", "pairwise", "rhf"])
@pytest.mark.parametrize("reasoning", ["none", "brief"])
async def test_samples_that_are_all_perfect_find_every_triplet(prompt: str, reasoning: str) -> None:
    dataset = load_dataset("sample")
    document = next(iter(dataset.documents))
    settings = replace(settings_of(prompt, dataset.schema, "gbnf", reasoning=reasoning), level="typed")
    samples = tuple(create_method(replace(settings, repeat=number)) for number in range(3))
    answers = {one.request: one.answer for sample in samples for one in sample.demonstrate(document)}
    extraction, requests = await extract(
        Voting(samples, 1.0), document, lambda request: Completion(answers[request], "stop")
    )
    assert {one.triplet for one in extraction.predictions} == {label.triplet for label in document.labels}
    assert {one.score for one in extraction.predictions} == {1.0}
    assert {request.repeat for request in requests} == {0, 1, 2}
