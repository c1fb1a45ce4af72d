"""Samples of one run, and several runs, vote on triplets; shares are scores, and the journal keeps every sample."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.analyses.sweep import read_alignable
from harness.cli.main import app
from harness.datasets.registry import load_dataset
from harness.errors import InputError, RequestError
from harness.methods.table import create_method
from harness.methods.voting import Voting, voted
from harness.store import find_run
from harness.types import Completion, Prediction, Request, Sampling, TokenLogprob, Triplet, Usage
from runners.samples import shared_usage
from tests.chat_server import ChatServer, Fault, Rule, completion
from tests.runs.test_retry import invoked
from tests.variants import extract, settings_of

Arguments = Callable[..., list[str]]
SURE, LIKELY, RARE = "(E1 | country | E2)\n", "(E2 | country | E1)\n", "(E1 | capital | E2)\n"
SAMPLED = ("--samples", "4", "--temperature", "0.7", "--seed", "10")
TEN = Request((), Sampling(seed=10)).seed


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


def test_the_best_share_is_swept_told_as_it_is_typed_and_known_to_a_run_of_these_documents(
    run_arguments: Arguments, results: Path
) -> None:
    corpus = Path(run_arguments("", 2)[run_arguments("", 2).index("--dataset") + 1])
    names = json.loads((corpus.parent / "rel_info.json").read_text())
    gold = {one["sents"][0][0]: one["labels"][0] for one in json.loads(corpus.read_text())}

    def rule(body: dict[str, Any]) -> dict[str, Any]:
        """A label in every sample, and in some besides what ``by_seed`` states."""
        label = next(one for town, one in gold.items() if town in body["messages"][-1]["content"])
        stated = f"(E{label['h'] + 1} | {names[label['r']]} | E{label['t'] + 1})\n"
        rare = RARE + LIKELY if body["seed"] % 4 == 2 else ""
        return completion(stated + rare + "END")

    with ChatServer(rule=rule) as server:
        run = invoked(*run_arguments(server.base_url, 2, *SAMPLED, "--vote-share", "0.01"))
        chosen = invoked("sweep", "threshold", run["run_id"], "--results-dir", str(results))["chosen"]
        flag, share = chosen["option"].split()
        assert (flag, float(share)) == ("--vote-share", chosen["threshold"])
        again = invoked(*run_arguments(server.base_url, 2, *SAMPLED, flag, share))
        assert server.answered.total() == 2 * 4
    assert {name: again["metrics"][name] for name in ("correct", "predicted")} == {
        name: chosen[name] for name in ("correct", "predicted")
    }
    assert again["metrics"]["f1"] > run["metrics"]["f1"]
    manifest = json.loads((results / "runs" / again["run_id"] / "manifest.json").read_text())
    assert manifest["chosen_settings"] == [{"option": f"--vote-share {share}", "documents": 2, "of": 2}]


def several(body: dict[str, Any]) -> dict[str, Any]:
    """``n`` answers, each what its seed gives, with the prompt counted once; not in the order of their indices."""
    answers = [by_seed({**body, "seed": body["seed"] + number}) for number in range(body.get("n", 1))]
    choices = [{**answer["choices"][0], "index": number} for number, answer in enumerate(answers)]
    written = sum(answer["usage"]["completion_tokens"] for answer in answers)
    return {**answers[0], "choices": choices[::-1], "usage": {"prompt_tokens": 10, "completion_tokens": written}}


class Asked:
    """What a server was asked: the number of answers and the seed of each request."""

    def __init__(self, rule: Rule) -> None:
        self.numbers: list[tuple[int | None, int]] = []
        self._rule = rule

    def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        self.numbers.append((body.get("n"), body["seed"]))
        return self._rule(body)


def test_a_server_that_can_draws_all_samples_in_one_request(run_arguments: Arguments, results: Path) -> None:
    rule = Asked(several)
    with ChatServer(rule=rule) as server:
        run = invoked(*run_arguments(server.base_url, 2, *SAMPLED))
        assert rule.numbers == [(4, TEN)] * 2
        assert scores(results, run["run_id"]) == [[0.5, 1.0]] * 2, "as if they had been asked for one by one"
        one_by_one = sum(by_seed({"seed": seed})["usage"]["completion_tokens"] for seed in range(TEN, TEN + 4))
        assert run["usage"] | {"cached_tokens": 0} == {
            "requests": 8, "prompt_tokens": 2 * 10, "completion_tokens": 2 * one_by_one, "cached_tokens": 0,
        }  # fmt: skip
        assert run["spent"]["prompt_tokens"] == 20
        rule.numbers.clear()
        invoked(*run_arguments(server.base_url, 2, *SAMPLED))
        assert not rule.numbers
        larger = invoked(*run_arguments(server.base_url, 2, "--samples", "6", *SAMPLED[2:]))
        assert rule.numbers == [(2, TEN + 4)] * 2, "only the samples that are missing"
        assert scores(results, larger["run_id"]) == [[0.5, 1.0]] * 2
    texts = [[step["text"] for step in record.steps] for record in find_run(results, larger["run_id"]).documents()]
    assert texts == [[by_seed({"seed": TEN + n})["choices"][0]["message"]["content"] for n in range(6)]] * 2


def test_samples_are_drawn_together_up_to_the_first_that_is_there(run_arguments: Arguments) -> None:
    rule = Asked(several)
    with ChatServer(rule=rule) as server:
        invoked(*run_arguments(server.base_url, 1, "--repeat", "2", *SAMPLED[2:]))
        invoked(*run_arguments(server.base_url, 1, "--samples", "5", *SAMPLED[2:]))
    assert rule.numbers == [(None, TEN + 2), (2, TEN), (2, TEN + 3)]


def test_a_budget_that_holds_one_answer_is_asked_for_one_at_a_time(run_arguments: Arguments) -> None:
    rule = Asked(several)
    with ChatServer(rule=rule) as server:
        limits = ("--max-tokens", "1000", "--max-tokens-total", "3500")
        invoked(*run_arguments(server.base_url, 1, *SAMPLED, *limits))
    assert rule.numbers == [(None, TEN), (3, TEN + 1)]


@pytest.mark.parametrize("behaviour", ["refuses", "ignores"])
def test_where_n_is_refused_or_ignored_samples_are_asked_for_one_by_one(
    run_arguments: Arguments, results: Path, behaviour: str, caplog: pytest.LogCaptureFixture
) -> None:
    rule = Asked(by_seed)
    refusal = Fault("status", 400, body='{"error": {"message": "Only one completion choice is allowed"}}')
    with ChatServer(
        rule=rule, misbehave=lambda _, body: refusal if behaviour == "refuses" and "n" in body else None
    ) as server:
        run = invoked(*run_arguments(server.base_url, 2, *SAMPLED, "--max-connections", "1"))
    assert scores(results, run["run_id"]) == [[0.5, 1.0]] * 2
    assert sorted(seed for _, seed in rule.numbers) == [seed for seed in range(TEN, TEN + 4) for _ in range(2)]
    assert [n for n, _ in rule.numbers if n] == ([4] if behaviour == "ignores" else [])
    assert caplog.text.count("samples are asked for one by one from now on") == 1


def test_a_server_that_gives_fewer_answers_is_asked_for_the_others(
    run_arguments: Arguments, results: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rule = Asked(lambda body: several({**body, "n": min(body.get("n", 1), 3)}))
    with ChatServer(rule=rule) as server:
        run = invoked(*run_arguments(server.base_url, 1, *SAMPLED))
    assert rule.numbers == [(4, TEN), (None, TEN + 3)]
    assert scores(results, run["run_id"]) == [[0.5, 1.0]]
    assert "the server gave 3 of 4 answers in one call" in caplog.text


def test_what_is_of_a_document_counts_once_and_decisions_of_every_sample(
    run_arguments: Arguments, results: Path
) -> None:
    def free(_body: dict[str, Any]) -> dict[str, Any]:
        return completion("(E1 | birthplace | E2)\nEND")

    asked = ("--dataset", "sample", "--limit", "3", "--window", "40", "--constrain", "format", "--align", "minilm")
    with ChatServer(rule=free) as server:
        once = invoked(*run_arguments(server.base_url, 1, *asked))
        voting = invoked(*run_arguments(server.base_url, 1, *asked, *SAMPLED))
    one, all_four = once["details"], voting["details"]
    assert (all_four["windows"], all_four["pairs_apart"]) == (one["windows"], one["pairs_apart"])
    assert all_four["aligned_relation"] == 4 * one["aligned_relation"] > 0
    (decision,), (decisions,) = (
        json.loads((results / "runs" / run["run_id"] / "manifest.json").read_text())["alignments"].values()
        for run in (once, voting)
    )
    assert decisions[0]["times"] == 4 * decision[0]["times"] == all_four["aligned_relation"]
    with pytest.raises(InputError, match="its samples vote on triplets, and which of them agree depends on theta"):
        asyncio.run(read_alignable(find_run(results, voting["run_id"]), None, None))


def test_what_went_wrong_is_told_of_windows_and_samples(run_arguments: Arguments, results: Path) -> None:
    def cut(body: dict[str, Any]) -> dict[str, Any]:
        return completion("(E1 | cou", finish_reason="length" if body["seed"] == TEN else "stop")

    asked = ("--dataset", "sample", "--limit", "1", "--window", "40", *SAMPLED, "--fail-on-error", "1")
    with ChatServer(rule=cut) as server:
        run = invoked(*run_arguments(server.base_url, 1, *asked))
    (record,) = find_run(results, run["run_id"]).documents()
    assert record.error == "1 of 4 samples: 2 of 2 windows: the answer reached its token limit"


def test_probabilities_of_all_candidates_are_not_voted_on(run_arguments: Arguments) -> None:
    refused = CliRunner().invoke(
        app, run_arguments("http://127.0.0.1:9/v1", 1, "--prompt", "related", "-P", "by=pair", *SAMPLED)
    )
    assert "'related' reads the probabilities of all candidates" in str(refused.exception)


def test_runs_that_name_no_relation_are_not_combined(run_arguments: Arguments, results: Path) -> None:
    with ChatServer(rule=lambda _body: completion("yes")) as server:
        asked = ("--dataset", "sample", "--limit", "1", "--prompt", "related", "-P", "by=pair", "-P", "logprobs=0")
        runs = [invoked(*run_arguments(server.base_url, 1, *asked, "--repeat", number))["run_id"] for number in "01"]
    refused = CliRunner().invoke(app, ["combine", *runs, "--results-dir", str(results)])
    assert "tells related pairs and names no relation: combine runs of triplets" in str(refused.exception)


async def test_what_earlier_answers_led_to_is_asked_for_one_sample() -> None:
    dataset = load_dataset("sample")
    document = next(iter(dataset.documents))
    method = create_method(replace(settings_of("rhf", dataset.schema), more=3))
    answers = {one.request: one.answer for one in method.demonstrate(document)}
    extraction, requests = await extract(method, document, lambda request: Completion(answers[request], "stop"))
    more = [(step.name, request.more) for step, request in zip(extraction.steps, requests, strict=True)]
    assert {number for name, number in more if name == "relations"} == {3}
    assert {number for name, number in more if name != "relations"} == {0}


def test_the_tokens_of_several_answers_are_divided_among_them() -> None:
    usage = Usage(100, 11, 64)
    token = TokenLogprob("x", 0.0)
    drawn = [Completion(text, "stop", usage) for text in ("abcdefghi", "", "abcd")]
    shared = [one.usage for one in shared_usage(drawn)]
    assert [one.prompt_tokens for one in shared] == [100, 0, 0]
    assert [one.cached_tokens for one in shared] == [64, None, None]
    assert [one.completion_tokens for one in shared] == [6, 1, 4]
    drawn = [replace(one, logprobs=(token,) * count) for one, count in zip(drawn, (2, 3, 6), strict=True)]
    assert [one.usage.completion_tokens for one in shared_usage(drawn)] == [2, 3, 6]


def test_runs_combine_and_the_outcome_is_ranked_only_if_all_are(run_arguments: Arguments, results: Path) -> None:
    with ChatServer(rule=by_seed) as server:
        runs = [
            invoked(*run_arguments(server.base_url, 2, "--repeat", number, *more))["run_id"]
            for number, more in (("0", ()), ("1", ()), ("2", ()), ("1", ("--limit", "1")))
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
    nameless = CliRunner().invoke(app, ["combine", *runs[:2], *at, "--name", " "])
    assert "--name is empty" in str(nameless.exception)


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


class Collecting:
    """Answers as where requests are collected for a batch: all are asked at once, and the first sample's fails."""

    first_alone = False

    def __init__(self) -> None:
        self.answered = 0

    async def slot(self) -> None:
        await asyncio.sleep(0)

    async def __call__(self, request: Request) -> Completion:
        if request.repeat == 0:
            raise RequestError("no answer to this one")
        await asyncio.sleep(0.05)
        self.answered += 1
        return Completion("END", "stop")


@pytest.mark.parametrize("words", [None, 40])
async def test_a_sample_without_an_answer_ends_the_document_once_all_others_are_answered(words: int | None) -> None:
    dataset = load_dataset("sample")
    document = next(iter(dataset.documents))
    settings = replace(settings_of("tagged", dataset.schema), window=words)
    samples = tuple(create_method(replace(settings, repeat=number)) for number in range(3))
    ask = Collecting()
    with pytest.raises(RequestError, match="no answer to this one"):
        await Voting(samples, 0.5).extract(document, ask)
    assert ask.answered == 2 * (1 if words is None else 2), "what was under way has ended"


def test_documents_took_as_long_when_the_journal_answers(run_arguments: Arguments, results: Path) -> None:
    with ChatServer(rule=several, latency_s=0.2) as server:
        times = []
        for more in ((), (), ("--vote-share", "0.25")):
            run = invoked(*run_arguments(server.base_url, 2, *SAMPLED, *more))
            times += [record.seconds for record in find_run(results, run["run_id"]).documents()]
        assert server.answered.total() == 2
    assert times[2:] == pytest.approx(times[:2] * 2, abs=0.1)
    assert all(one >= 0.2 for one in times)
