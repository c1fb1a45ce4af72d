"""The method ``hrt``: what is asked, how scores come about, and what perfect probabilities give."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace

import pytest

from harness.datasets.registry import load_dataset
from harness.escaping import escape
from harness.methods.base import PromptMethod
from harness.methods.candidates import GoldPairs
from harness.methods.head_relation_tail import HeadRelationTail
from harness.methods.settings import MethodSettings
from harness.methods.table import create_method
from harness.prompting.relations import relation_texts_for
from harness.prompting.variant import load_variant
from harness.scoring.official import score
from harness.types import Completion, Document, Entity, Extraction, Request, Sampling, TokenLogprob

SAMPLE = load_dataset("sample")
TEXTS = relation_texts_for(SAMPLE.schema).by_id
DOCUMENT = next(iter(SAMPLE.documents))
QUESTION = re.compile(r"Head: (?P<head>.+)\nRelation:(?: (?P<relation>.+)\nTail:)?")


def method(
    options: Mapping[str, str] = {}, max_top_logprobs: int = 20, shots: tuple[Document, ...] = ()
) -> PromptMethod:
    variant = load_variant("hrt")
    return create_method(
        MethodSettings(
            variant,
            variant.choose(options),
            SAMPLE.schema,
            "none",
            None,
            100,
            Sampling(),
            max_top_logprobs=max_top_logprobs,
            relation_texts=TEXTS,
            shots=shots,
        )
    )


def probable(words: Mapping[str, float]) -> Completion:
    top = tuple((f" {word}", math.log(value)) for word, value in words.items())
    return Completion(top[0][0], "length", logprobs=(TokenLogprob(top[0][0], top[0][1], top),))


def perfect(document: Document, request: Request) -> Completion:
    """All that holds is equally probable, and nothing else is possible."""
    asked = QUESTION.fullmatch(request.messages[-1].content)
    assert asked
    assert request.messages[-1].role == "assistant"
    triplets = {label.triplet for label in document.labels}
    names = [escape(entity.name) for entity in document.entities]
    about = [one for one in triplets if names[one.head] == asked["head"]]
    if asked["relation"]:
        words = [names[one.tail] for one in about if TEXTS[one.relation].label == asked["relation"]]
    else:
        words = [TEXTS[one.relation].label or "" for one in about]
    words = list(dict.fromkeys(words)) or ["none"]
    return probable(dict.fromkeys(words, 1 / len(words)))


async def extract(one: PromptMethod, document: Document) -> tuple[Extraction, list[Request]]:
    requests: list[Request] = []

    async def ask(request: Request) -> Completion:
        requests.append(request)
        return perfect(document, request)

    return await one.extract(document, ask), requests


def _ambiguous(names: list[str]) -> bool:
    return any(
        one.startswith(other) for place, one in enumerate(names) for at, other in enumerate(names) if at != place
    )


async def test_entities_of_one_name_are_told_apart_by_a_number() -> None:
    document = next(one for one in SAMPLE.documents if one.title == "Luxembourg")
    _, requests = await extract(method(), document)
    heads = {match["head"] for one in requests if (match := QUESTION.fullmatch(one.messages[-1].content))}
    assert {"Luxembourg", "Luxembourg (2)"} <= heads
    assert "Luxembourg (2)" in requests[0].messages[-2].content


async def test_perfect_probabilities_give_every_triplet() -> None:
    one = method({"relations": "20", "least": "90", "relation_weight": "0"})
    predictions = {}
    # A first token that begins two names does not tell them apart.
    documents = [one for one in SAMPLE.documents if not _ambiguous([entity.name for entity in one.entities])]
    assert len(documents) > 5
    for document in documents:
        extraction, _ = await extract(one, document)
        assert extraction.status == "ok"
        predictions[document.title] = list(extraction.predictions)
    metrics = score(documents, predictions)
    assert metrics.as_dict()["f1"] == 1.0


async def test_only_candidate_pairs_of_the_corpus_are_asked_about() -> None:
    (first, *_) = {(one.triplet.head, one.triplet.tail) for one in DOCUMENT.labels}
    extraction, requests = await extract(method(), replace(DOCUMENT, candidates=(first,)))
    heads = {match["head"] for one in requests if (match := QUESTION.fullmatch(one.messages[-1].content))}
    assert len(heads) == 1
    listed = extraction.details["candidates"]
    assert isinstance(listed, list)
    assert {(head, tail) for head, _, tail, _ in listed} == {first}


async def test_given_candidates_are_the_only_ones_asked_about() -> None:
    one = method()
    assert isinstance(one, HeadRelationTail)
    narrow = HeadRelationTail(replace(one.settings, candidates=GoldPairs()))
    extraction, requests = await extract(narrow, DOCUMENT)
    related = {(label.triplet.head, label.triplet.tail) for label in DOCUMENT.labels}
    listed = extraction.details["candidates"]
    assert isinstance(listed, list)
    assert {(head, tail) for head, _, tail, _ in listed} <= related
    _, every = await extract(one, DOCUMENT)
    assert len(requests) < len(every)
    heads = {match["head"] for request in requests if (match := QUESTION.fullmatch(request.messages[-1].content))}
    assert heads == {escape(DOCUMENT.entities[head].name) for head, _ in related}


async def test_types_that_the_texts_do_not_know_allow_every_pair() -> None:
    entities = tuple(
        Entity(tuple(replace(mention, type="ENTITY") for mention in one.mentions)) for one in DOCUMENT.entities
    )
    _, requests = await extract(method(), replace(DOCUMENT, entities=entities))
    heads = {match["head"] for one in requests if (match := QUESTION.fullmatch(one.messages[-1].content))}
    assert len(heads) == len(entities)


async def test_one_token_a_question_and_the_likeliest_relations_only() -> None:
    extraction, requests = await extract(method({"relations": "2", "logprobs": "7"}), DOCUMENT)
    assert {request.sampling.max_tokens for request in requests} == {1}
    assert {request.top_logprobs for request in requests} == {7}
    assert all(request.first_tokens and request.labels[-1] == "none" for request in requests)
    assert all(request.constraint is None for request in requests)
    heads = [QUESTION.fullmatch(request.messages[-1].content) for request in requests]
    relations = [match for match in heads if match and not match["relation"]]
    assert len(requests) == len(relations) * 3 == extraction.details["questions"]
    assert requests[0].messages[:-1] == requests[-1].messages[:-1], "all questions share their beginning"


async def test_the_score_weighs_the_relation_and_the_tail() -> None:
    async def ask(request: Request) -> Completion:
        is_tail = request.messages[-1].content.endswith("Tail:")
        return probable({"Bergen": 0.5, "none": 0.5} if is_tail else {"birthplace": 0.25, "none": 0.75})

    extraction = await method({"relations": "1", "relation_weight": "50", "least": "0"}).extract(DOCUMENT, ask)
    best = max(extraction.predictions, key=lambda one: one.score or 0)
    odds = 0.25**0.5 * (0.5 / 0.5) ** 0.3
    assert best.score == pytest.approx(odds / (1 + odds), rel=0.01)
    triplets = extraction.details["candidates"]
    assert isinstance(triplets, list)
    assert triplets[0] == [*best.triplet, best.score]
    none = await method({"relations": "1", "least": "90"}).extract(DOCUMENT, ask)
    assert not none.predictions


async def test_argument_types_decide_what_can_be_a_tail() -> None:
    extraction, _ = await extract(method({"least": "0"}), DOCUMENT)
    for head, relation, tail, _ in extraction.details["candidates"]:  # type: ignore[attr-defined]
        assert TEXTS[relation].type_rank(DOCUMENT.entities[head].type, DOCUMENT.entities[tail].type) is not None


async def test_the_level_typed_asks_the_same_questions_since_types_bound_them_anyway() -> None:
    one = method()
    assert isinstance(one, HeadRelationTail)
    typed = replace(one, settings=replace(one.settings, level="typed", form="gbnf"))
    assert await extract(typed, DOCUMENT) == await extract(one, DOCUMENT)


def test_worked_examples_hold_the_beginning_of_the_answer() -> None:
    *_, other = SAMPLE.documents
    request = method(shots=(other,)).demonstrate(DOCUMENT)[0].request
    roles = [message.role for message in request.messages]
    assert roles == ["system", "user", "assistant", "user", "assistant"]
    assert QUESTION.match(request.messages[2].content)
    assert request.messages[2].content.split()[-1] != "Relation:"


async def test_tails_that_a_server_leaves_out_with_none_are_no_candidates() -> None:
    """A server with few alternatives is sure of one tail: of the others nothing is known."""
    one = method({"least": "1", "relation_weight": "0"})

    async def ask(request: Request) -> Completion:
        relation = request.messages[-1].content.endswith("Relation:")
        return probable({"country": 1.0} if relation else {escape(DOCUMENT.entities[0].name): 1.0})

    extraction = await one.extract(DOCUMENT, ask)
    assert {prediction.triplet.tail for prediction in extraction.predictions} <= {0}
