"""Few-shot prompts of every variant, and relations described in them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.datasets.registry import load_dataset
from harness.methods.candidates import AllPairs
from harness.methods.settings import MethodSettings
from harness.methods.table import create_method
from harness.prompting.relations import relation_texts_for
from harness.types import Completion, Document, GrammarForm, Message, Request
from tests.variants import VARIANTS, kind_of, settings_of

SAMPLE = load_dataset("sample")
LABELLED = [document for document in SAMPLE.documents if document.labels]
DOCUMENT, SHOTS = LABELLED[0], tuple(LABELLED[1:3])
ONE_RELATION_A_PAIR = ("choice", "statements", "single-choice")


def settings(prompt: str, form: GrammarForm | None = None, **options: str) -> MethodSettings:
    return settings_of(prompt, SAMPLE.schema, form, **options)


def first_request(chosen: MethodSettings, document: Document = DOCUMENT) -> Request:
    return create_method(chosen).demonstrate(document)[0].request


@pytest.mark.parametrize("prompt", VARIANTS)
@pytest.mark.parametrize("form", [None, "json_schema"])
def test_every_variant_takes_shots(prompt: str, form: GrammarForm | None) -> None:
    chosen = settings(prompt, form)
    plain = first_request(chosen).messages
    shown = first_request(replace(chosen, shots=SHOTS)).messages
    # A question of hrt begins its answer.
    begun = ["assistant"] if plain[-1].role == "assistant" else []
    assert [message.role for message in shown] == ["system", *["user", "assistant"] * 2, "user", *begun]
    assert shown[0] == plain[0]
    for shot, question in zip(SHOTS, shown[1::2], strict=False):
        assert shot.entities[0].name in question.content


@pytest.mark.parametrize(
    "prompt", [one for one in VARIANTS if not kind_of(one).ranks_candidates]
)  # these read probabilities
async def test_an_answer_that_is_shown_is_read_back_without_a_reject(prompt: str) -> None:
    method = create_method(settings(prompt))
    answers = {one.request: one.answer for one in method.demonstrate(SHOTS[0])}

    async def perfect(request: Request) -> Completion:
        return Completion(answers[request], "stop")

    extraction = await method.extract(SHOTS[0], perfect)
    assert (extraction.status, extraction.rejects) == ("ok", ())
    claimed, gold = {one.triplet for one in extraction.predictions}, {label.triplet for label in SHOTS[0].labels}
    if prompt in ONE_RELATION_A_PAIR:
        assert claimed <= gold
        claimed, gold = ({(head, tail) for head, _, tail in triplets} for triplets in (claimed, gold))
    assert claimed == gold


def test_the_relations_are_listed_once() -> None:
    messages = first_request(replace(settings("tagged"), shots=SHOTS)).messages
    assert [message.content.count("Relations:") for message in messages[1::2]] == [1, 0, 0]


def test_pairwise_shows_pairs_without_a_relation() -> None:
    messages = first_request(replace(settings("pairwise"), shots=SHOTS)).messages
    assert all("| None |" in message.content for message in messages if message.role == "assistant")


@pytest.mark.parametrize("prompt", ["choice", "statements"])
def test_some_examples_are_of_pairs_without_a_relation(prompt: str) -> None:
    messages = first_request(replace(settings(prompt), shots=tuple(LABELLED[1:13]))).messages
    exchanges = list(zip(messages[1::2], messages[2::2], strict=False))
    answered_none = [f"\n{answer.content}. None of the above" in question.content for question, answer in exchanges]
    assert len(exchanges) == 12
    assert 0 < sum(answered_none) < 12


def test_shots_of_given_pairs_do_not_need_the_file_of_the_evaluated_documents() -> None:
    chosen = replace(settings("classify"), shots=SHOTS, candidates=AllPairs())
    answers = [message for message in first_request(chosen).messages if message.role == "assistant"]
    assert [message.content.count("\n") for message in answers] == [len(set(shot.labels)) for shot in SHOTS]


@pytest.mark.parametrize(("descriptions", "describes", "example"), [("short", 1, 0), ("full", 1, 1)])
@pytest.mark.parametrize("prompt", ["tagged", "pairwise", "classify"])
def test_descriptions_stand_beside_the_names(prompt: str, descriptions: str, describes: int, example: int) -> None:
    content = first_request(settings(prompt, descriptions=descriptions)).messages[-1].content
    text = relation_texts_for(SAMPLE.schema).by_id["P19"]
    assert content.count(f"\n- place of birth: {text.description}") == describes
    assert content.count(f"{text.description} Example: (Ilja Renko | place of birth | Port Esmer)\n") == example


def test_without_descriptions_names_stand_alone() -> None:
    messages: tuple[Message, ...] = first_request(settings("tagged")).messages
    assert "\n- place of birth\n" in messages[-1].content


def test_every_step_is_shown_at_work() -> None:
    shown = create_method(replace(settings("rhf"), shots=SHOTS)).demonstrate(DOCUMENT)
    plain = create_method(settings("rhf")).demonstrate(DOCUMENT)
    assert [(one.step, one.answer) for one in shown] == [(one.step, one.answer) for one in plain]
    questions = {"relations": "Which relations hold", "heads": "Which entities", "facts": "List all triplets"}
    for step, request, _ in shown:
        asked = [message.content for message in request.messages if message.role == "user"]
        assert len(asked) == 3
        assert all(questions[step] in question for question in asked)
