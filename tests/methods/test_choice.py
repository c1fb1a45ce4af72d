"""Drell's question forms: what is asked, how option probabilities decide, and what becomes of every kind of answer."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.escaping import escape
from harness.methods.candidates import AllPairs, GoldPairs, PairSource
from harness.methods.choice import OptionQuestions
from harness.methods.settings import MethodSettings
from harness.methods.table import create_method
from harness.prompting.relations import relation_texts_for
from harness.prompting.variant import load_variant
from harness.scoring.official import score
from harness.types import Completion, Dataset, Document, Extraction, Prediction, Request, Sampling, TokenLogprob
from tests.chat_server import ChatServer, completion
from tests.commands import harness_json
from tests.paths import redocred_dir

SAMPLE = load_dataset("sample")
DOCUMENT = next(iter(SAMPLE.documents))
"""Eight entities, of which E1, a person, was born in E5; twelve related pairs."""
FORMS = ["choice", "judge", "statements"]
OPTION = re.compile(r"^(\w+)\. (.+)$", re.MULTILINE)
ENTITY = re.compile(r"^(?:Head|Tail): E(\d+): ", re.MULTILINE)

Answer = Callable[[Request], Completion]


def method(
    prompt: str,
    options: Mapping[str, str] = {},
    dataset: Dataset = SAMPLE,
    source: PairSource | None = None,
    max_top_logprobs: int = 20,
) -> OptionQuestions:
    variant = load_variant(prompt)
    created = create_method(
        MethodSettings(
            variant,
            variant.choose(options),
            dataset.schema,
            "none",
            None,
            100,
            Sampling(),
            max_top_logprobs=max_top_logprobs,
            candidates=source or GoldPairs(),
            relation_texts=relation_texts_for(dataset.schema).by_id,
        )
    )
    assert isinstance(created, OptionQuestions)
    return created


def scripted(text: str, probabilities: Mapping[str, float] | None = None) -> Completion:
    """An answer of one token, with the probabilities of it and others."""
    top = tuple((word, math.log(value)) for word, value in (probabilities or {}).items())
    return Completion(text, "stop", logprobs=(TokenLogprob(text, top[0][1], top),) if top else ())


def perfect(dataset: Dataset, document: Document) -> Answer:
    """Reads the question as a model would, and gives every true option an equal probability."""
    texts = relation_texts_for(dataset.schema).by_id
    names = [f"{escape(entity.name)} ({entity.type})" for entity in document.entities]
    true: dict[tuple[int, int], set[str]] = {}
    for head, relation, tail in {label.triplet for label in document.labels}:
        true.setdefault((head, tail), set()).add(texts[relation].state(names[head], names[tail]))

    def answer(request: Request) -> Completion:
        _, _, question = request.messages[-1].content.partition("</document>")
        head, tail = (int(number) - 1 for number in ENTITY.findall(question))
        holding = true.get((head, tail), set())
        if "\nStatement: " in question:
            _, _, statement = question.partition("\nStatement: ")
            return scripted("true" if statement.partition("\n")[0] in holding else "false")
        options = OPTION.findall(question)
        right = [label for label, statement in options if statement in holding] or [options[-1][0]]
        return scripted(right[0], dict.fromkeys(right, 1 / len(right)))

    return answer


async def extract(one: OptionQuestions, document: Document, answer: Answer) -> tuple[Extraction, list[Request]]:
    requests: list[Request] = []

    async def ask(request: Request) -> Completion:
        requests.append(request)
        return answer(request)

    return await one.extract(document, ask), requests


def claimed(extraction: Extraction) -> set[tuple[int, str, int]]:
    return {tuple(one.triplet) for one in extraction.predictions}


def birth_question(
    prompt: str, options: Mapping[str, str] = {}
) -> tuple[OptionQuestions, Callable[[Completion], Answer], list[str]]:
    """A method, an answer for the pair E1, E5 and the true one for every other, and the labels of that question."""
    one = method(prompt, options)
    rest = perfect(SAMPLE, DOCUMENT)
    (request,) = [
        asked.request
        for asked in one.demonstrate(DOCUMENT)
        if [int(number) for number in ENTITY.findall(asked.request.messages[-1].content)] == [1, 5]
    ][:1]
    labels = [label for label, _ in OPTION.findall(request.messages[-1].content.partition("</document>")[2])]
    return one, lambda mine: lambda asked: mine if asked == request else rest(asked), labels


@pytest.mark.parametrize(
    ("prompt", "options", "split"),
    [
        ("choice", {"labels": "several"}, "dev"),
        ("judge", {"options": "2"}, "dev-report"),
        ("statements", {"labels": "several", "types": "shown"}, "dev-report"),
    ],
)
async def test_perfect_answers_score_100(prompt: str, options: dict[str, str], split: str) -> None:
    dataset = load_dataset("redocred", split, redocred_dir())
    one = method(prompt, options, dataset)
    predictions: dict[str, tuple[Prediction, ...]] = {}
    pairs = 0
    for document in dataset.documents:
        extraction, requests = await extract(one, document, perfect(dataset, document))
        predictions[document.title] = extraction.predictions
        assert (extraction.status, extraction.rejects) == ("ok", ())
        assert len(requests) == extraction.details["questions"]
        pairs += len(requests) if prompt != "judge" else len(GoldPairs().pairs(document))
    metrics = score(dataset.documents, predictions)
    assert metrics.as_dict()["f1"] == 1.0
    counted = (len(predictions), pairs, metrics.as_dict()["gold"])
    assert split != "dev" or counted == (500, 13_362, 17_284), "one relation a pair finds 77.3% of the triplets"


@pytest.mark.parametrize("prompt", FORMS)
async def test_candidates_decide_how_many_requests_are_sent(prompt: str) -> None:
    one = method(prompt, {} if prompt == "statements" else {"options": "1"})
    extraction, requests = await extract(one, DOCUMENT, perfect(SAMPLE, DOCUMENT))
    assert len(requests) == (len(DOCUMENT.labels) if prompt == "judge" else 12)
    assert extraction.details["pairs"] == 12


@pytest.mark.parametrize("prompt", FORMS)
def test_requests_of_a_document_share_everything_up_to_the_pair(prompt: str) -> None:
    texts = [asked.request.messages[-1].content for asked in method(prompt).demonstrate(DOCUMENT)]
    assert len({text.partition("</document>")[0] for text in texts}) == 1
    assert all(text.partition("</document>")[2].startswith("\n\nHead: E") for text in texts)


async def test_all_pairs_can_be_asked_about() -> None:
    extraction, requests = await extract(method("choice", source=AllPairs()), DOCUMENT, lambda _asked: scripted("A"))
    assert extraction.details["pairs"] == 56
    assert len(requests) == extraction.details["questions"] < 56, "pairs whose types fit no relation are left out"


async def test_the_most_probable_option_is_predicted_with_its_probability() -> None:
    one, answer, labels = birth_question("choice")
    right = next(
        asked.answer for asked in one.demonstrate(DOCUMENT) if "\nTail: E5" in asked.request.messages[-1].content
    )
    wrong = next(label for label in labels if label != right)
    mine = scripted(wrong, {wrong: 0.3, right: 0.25, f" {right}": 0.25, "The": 0.2})
    extraction, _ = await extract(one, DOCUMENT, answer(mine))
    (found,) = [made for made in extraction.predictions if (made.triplet.head, made.triplet.tail) == (0, 4)]
    assert found.triplet.relation == "P19", "spellings of a label are summed"
    assert found.score == pytest.approx(0.5 / 0.8)


async def test_several_relations_are_those_more_probable_than_none_of_them() -> None:
    for labels, count in (("one", 1), ("several", 2)):
        one, answer, letters = birth_question("choice", {"labels": labels})
        first, second, *_, none = letters
        mine = scripted(first, {first: 0.5, second: 0.3, none: 0.2})
        extraction, _ = await extract(one, DOCUMENT, answer(mine))
        assert sum((made.triplet.head, made.triplet.tail) == (0, 4) for made in extraction.predictions) == count


async def test_none_wins_ties_and_is_no_prediction() -> None:
    one, answer, labels = birth_question("choice", {"labels": "several"})
    mine = scripted(labels[0], {labels[0]: 0.5, labels[-1]: 0.5})
    extraction, _ = await extract(one, DOCUMENT, answer(mine))
    assert not any((made.triplet.head, made.triplet.tail) == (0, 4) for made in extraction.predictions)
    assert extraction.status == "ok"


@pytest.mark.parametrize(("true", "holds"), [(0.51, True), (0.5, False), (0.49, False)])
async def test_a_statement_holds_if_true_has_more_than_half(true: float, holds: bool) -> None:
    extraction, requests = await extract(
        method("judge"), DOCUMENT, lambda _asked: scripted("true", {"true": true, "false": 1 - true})
    )
    assert len(extraction.predictions) == (len(requests) if holds else 0)


async def test_an_uncertain_order_leaves_the_answer_that_was_written() -> None:
    one, answer, labels = birth_question("choice")
    mine = scripted(labels[1], {labels[1]: 0.3, labels[0]: 0.35})
    extraction, _ = await extract(one, DOCUMENT, answer(mine))
    answers: Any = extraction.details["answers"]
    (record,) = [kept for kept in answers if kept["pair"] == [0, 4]]
    assert (record["written"], record["chosen"]) == (1, 1)
    assert record["missing_mass"] == pytest.approx(0.35)
    assert extraction.details["uncertain"] == 1


async def test_without_log_probabilities_the_written_option_counts_and_has_no_score() -> None:
    one = method("choice", max_top_logprobs=0)
    extraction, requests = await extract(one, DOCUMENT, lambda _asked: scripted("A"))
    assert {request.top_logprobs for request in requests} == {0}
    assert {made.score for made in extraction.predictions} == {None}
    assert extraction.details["without_probabilities"] == len(requests) == 12


@pytest.mark.parametrize(("able", "wished", "asked"), [(20, "20", 20), (5, "20", 5), (20, "3", 3), (20, "0", 0)])
def test_alternatives_are_asked_for_as_far_as_the_server_gives_them(able: int, wished: str, asked: int) -> None:
    one = method("choice", {"logprobs": wished}, max_top_logprobs=able)
    assert {exchange.request.top_logprobs for exchange in one.demonstrate(DOCUMENT)} == {asked}


async def test_shuffled_options_mean_the_same() -> None:
    plain, shuffled = method("choice"), method("choice", {"shuffle": "7"})
    orders = []
    for one in (plain, shuffled):
        extraction, _ = await extract(one, DOCUMENT, perfect(SAMPLE, DOCUMENT))
        answers: Any = extraction.details["answers"]
        orders.append([kept["options"] for kept in answers])
        assert {(made.triplet.head, made.triplet.tail) for made in extraction.predictions} == set(
            GoldPairs().pairs(DOCUMENT)
        )
    assert orders[0] != orders[1]
    assert [sorted(map(str, one)) for one in orders[0]] == [sorted(map(str, one)) for one in orders[1]]
    assert all(one[-1] is None for one in orders[1]), "none of the above stays the last"


@pytest.mark.parametrize(
    ("text", "reason", "status"),
    [
        ("Here are the relations: (E1 | place of birth | E5)", "no_option", "invalid_output"),
        ("Z", "no_option", "invalid_output"),
        ("A or B", "ambiguous_option", "invalid_output"),
        ("I would say\n" * 10_000, "no_option", "invalid_output"),
        ("E99", "no_option", "invalid_output"),
        ("A, and I am sure of it", "prose", "ok"),
        ("", None, "invalid_output"),
    ],
)
async def test_what_cannot_be_read_is_kept_with_its_reason(text: str, reason: str | None, status: str) -> None:
    one, answer, _ = birth_question("choice")
    extraction, _ = await extract(one, DOCUMENT, answer(Completion(text, "stop")))
    assert extraction.status == status
    assert [reject.reason for reject in extraction.rejects] == ([reason] if reason else [])
    assert len(claimed(extraction)) >= 11, "the other pairs keep their answers"


@pytest.mark.parametrize(
    ("mine", "status"),
    [
        (Completion("I think that", "length"), "truncated"),
        (Completion("", "length", reasoning="hm"), "truncated"),
        (Completion("A. The date", "length"), "ok"),
        (Completion("", "content_filter"), "refused"),
        (Completion("", "stop", refusal="I cannot"), "refused"),
    ],
)
async def test_the_status_tells_how_the_answer_ended(mine: Completion, status: str) -> None:
    one, answer, _ = birth_question("choice")
    extraction, _ = await extract(one, DOCUMENT, answer(mine))
    assert extraction.status == status


def test_more_options_than_letters_are_refused() -> None:
    one = method("choice")
    with pytest.raises(InputError, match="25 relations"):
        create_method(replace(one.settings, options={**one.settings.options, "options": "26"}))


def letter_by_prompt(body: dict[str, Any]) -> dict[str, Any]:
    """A letter with log-probabilities, as a server gives them that ignores the grammar in them."""
    number = len(body["messages"][-1]["content"]) % 2
    top = [
        {"token": "AB"[number], "logprob": -0.5},
        {"token": " B", "logprob": -1.5},
        {"token": "The", "logprob": -2.5},
    ]
    answer = completion("AB"[number])
    answer["choices"][0]["logprobs"] = {"content": [{**top[0], "top_logprobs": top[: body["top_logprobs"]]}]}
    return answer


def test_a_stored_run_is_scored_again_from_its_log_probabilities(tmp_path: Path) -> None:
    results = tmp_path / "results"
    with ChatServer(letter_by_prompt) as server:
        run = harness_json(
            "run", "--model", "scripted", "--prompt", "choice", "--dataset", "sample", "--limit", "3",
            "--candidates", "gold", "--base-url", server.base_url, "-M", "probe=false", "-M", "constrain_with=regex",
            "--results-dir", results,
        )  # fmt: skip
    records = Path(run["run_dir"]) / "documents.jsonl"
    before = records.read_text(encoding="utf-8")
    assert all(kept["probabilities"] for line in before.splitlines() for kept in json.loads(line)["details"]["answers"])
    assert harness_json("score", run["run_id"], "--results-dir", results)["metrics"] == run["metrics"]
    assert records.read_text(encoding="utf-8") == before
