"""The method ``relation-pairs``: what is asked, how NONE ranks relations, and what perfect answers give."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.answers.entity_pairs import PAIR_FORMS
from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.escaping import escape, unescape
from harness.methods.base import PromptMethod
from harness.methods.candidates import AllPairs, GoldPairs, Pair
from harness.methods.context import DocumentContext, SchemaContext
from harness.methods.table import create_method
from harness.prompting.relations import RelationText
from harness.runs.config import RunConfig
from harness.runs.plan import prepare
from harness.scoring.official import score
from harness.types import Completion, Document, Entity, GrammarForm, Label, Mention, Request, TokenLogprob, Triplet
from tests.commands import harness_here
from tests.variants import extract, settings_of

SAMPLE = load_dataset("sample")
DOCUMENT = next(iter(SAMPLE.documents))
TEXTS = settings_of("relation-pairs", SAMPLE.schema).relation_texts


def method(form: GrammarForm | None = "gbnf", max_top_logprobs: int = 20, **options: str) -> PromptMethod:
    settings = settings_of("relation-pairs", SAMPLE.schema, form, **options)
    return create_method(replace(settings, max_top_logprobs=max_top_logprobs))


def said(text: str, listed: float) -> Completion:
    """An answer whose first token shows this probability of a list."""
    first, other = ("NONE", "E") if text == "NONE" else ("E", "NONE")
    of = {"NONE": math.log(1 - listed), "E": math.log(listed)}
    rest = text.removeprefix(first)
    tokens = [TokenLogprob(first, of[first], ((first, of[first]), (other, of[other])))]
    tokens += [TokenLogprob(rest, math.log(0.5), ((rest, math.log(0.5)),))] if rest else []
    return Completion(text, "stop", logprobs=tuple(tokens))


def said_none(_: Request) -> Completion:
    return Completion("NONE", "stop")


@dataclass(frozen=True)
class FewPairs(AllPairs):
    """The same pairs of every document."""

    few: tuple[Pair, ...] = ()

    def pairs(self, document: Document) -> tuple[Pair, ...]:  # noqa: ARG002 - the same of all
        return self.few


def relation_of(request: Request) -> str:
    lines = "\n".join(message.content for message in request.messages[1:]).splitlines()
    return next(line.removeprefix("Relation: ") for line in reversed(lines) if line.startswith("Relation: "))


@pytest.mark.parametrize("form", [*PAIR_FORMS, None])
@pytest.mark.parametrize("options", [{}, {"refs": "name", "descriptions": "full"}, {"reasoning": "brief"}])
async def test_perfect_answers_give_every_triplet(form: GrammarForm | None, options: dict[str, str]) -> None:
    one = method(form, 0, **options)
    predictions = {}
    for document in SAMPLE.documents:
        answers = {asked.request: asked.answer for asked in one.demonstrate(document)}
        extraction, requests = await extract(one, document, lambda request: Completion(answers[request], "stop"))  # noqa: B023
        assert (extraction.status, extraction.rejects) == ("ok", ())
        assert len(requests) == extraction.details["questions"] == len(answers)
        assert {one.score for one in extraction.predictions} <= {1.0}, "what was written"
        predictions[document.title] = list(extraction.predictions)
    assert score(list(SAMPLE.documents), predictions).as_dict()["f1"] == 1.0


async def test_the_questions_share_the_document_and_are_about_relations_whose_types_fit() -> None:
    types = {entity.type for entity in DOCUMENT.entities}
    _, requests = await extract(method(), DOCUMENT, lambda _: Completion("NONE", "stop"))
    fitting = {
        relation.name
        for relation in SAMPLE.schema.relations
        if any(TEXTS[relation.id].type_rank(head, tail) is not None for head in types for tail in types)
    }
    assert {relation_of(request) for request in requests} <= fitting
    assert len({relation_of(request) for request in requests}) == len(requests)
    beginnings = {request.messages[-1].content.partition("Relation: ")[0] for request in requests}
    assert len(beginnings) == 1
    _, every = await extract(method(types="hidden"), DOCUMENT, lambda _: Completion("NONE", "stop"))
    assert len(every) == len(SAMPLE.schema.relations) > len(requests)


async def test_relations_are_ranked_by_the_probability_of_any_pair_and_cut_at_the_least() -> None:
    gold = {asked.request: asked.answer for asked in method().demonstrate(DOCUMENT)}
    listed = [request for request, text in gold.items() if text != "NONE"]
    chances = {request: 0.9 - 0.05 * listed.index(request) if request in listed else 0.1 for request in gold}

    def answer(request: Request) -> Completion:
        return said(gold[request], chances[request])

    extraction, requests = await extract(method(least="80"), DOCUMENT, answer)
    by_name = {relation.name: relation.id for relation in SAMPLE.schema.relations}
    expected = {by_name[relation_of(request)]: round(chance, 5) for request, chance in chances.items()}
    assert [tuple(one) for one in extraction.details["relations"]] == list(expected.items())  # type: ignore[attr-defined]
    assert {request.top_logprobs for request in requests} == {20}
    for one in extraction.predictions:
        assert one.score == expected[one.triplet.relation] >= 0.8
    candidates: Sequence[Sequence[object]] = extraction.details["candidates"]  # type: ignore[assignment]
    assert len(candidates) == len(DOCUMENT.labels) > len(extraction.predictions) > 0


async def test_a_probable_relation_of_which_none_was_written_is_asked_about_again_without_none() -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Completion:
        if "NONE ::=" in (request.constraint.text if request.constraint else ""):
            return said("NONE", 0.3 if relation_of(request) == "place of birth" else 0.1)
        asked.append(request)
        return said("E1 | E5\nEND", 0.99)

    extraction, requests = await extract(method(least="30"), DOCUMENT, answer)
    (again,) = asked
    assert again.messages == next(one for one in requests if relation_of(one) == "place of birth").messages
    assert [(one.triplet, one.score) for one in extraction.predictions] == [((0, "P19", 4), 0.3)]
    assert extraction.details["questions"] == len(requests)
    # Without a grammar the same words would come back.
    _, once = await extract(method(None, least="30"), DOCUMENT, lambda _: said("NONE", 0.4))
    assert len(once) == len(requests) - 1


async def test_scores_of_tokens_multiply_the_probability_of_the_relation() -> None:
    def answer(request: Request) -> Completion:
        return said("E1 | E5\nEND", 0.8) if relation_of(request) == "place of birth" else said("NONE", 0.1)

    one = method(scores="tokens", logprobs="0")
    extraction, requests = await extract(one, DOCUMENT, answer)
    assert {request.top_logprobs for request in requests} == {1}
    assert [one.score for one in extraction.predictions] == [pytest.approx(0.8 * math.sqrt(0.8 * 0.5), abs=1e-5)]
    extraction, _ = await extract(method(scores="tokens", least_score="60"), DOCUMENT, answer)
    assert not extraction.predictions


async def test_unknown_entities_and_self_pairs_are_rejected_and_names_are_matched() -> None:
    def answer(request: Request) -> Completion:
        text = "E1 | E99 | E1 | bergen\nEND" if relation_of(request) == "place of birth" else "NONE"
        return Completion(text, "stop")

    extraction, _ = await extract(method(None), DOCUMENT, answer)
    assert [one.triplet for one in extraction.predictions] == [(0, "P19", 4)]
    assert [one.reason for one in extraction.rejects] == ["unknown_entity", "self_pair"]
    assert extraction.details["normalised_entity"] == 1


async def test_given_candidates_bound_what_is_asked_and_what_counts() -> None:
    few = tuple(pair for pair in GoldPairs().pairs(DOCUMENT) if pair != (0, 4))[:2]
    settings = settings_of("relation-pairs", SAMPLE.schema, "gbnf")
    narrow = create_method(replace(settings, candidates=FewPairs(few=few)))
    every = create_method(replace(settings, candidates=AllPairs()))
    _, requests = await extract(narrow, DOCUMENT, lambda _: Completion("NONE", "stop"))
    _, all_requests = await extract(every, DOCUMENT, lambda _: Completion("NONE", "stop"))
    assert 0 < len(requests) < len(all_requests)
    kinds = [entity.type for entity in DOCUMENT.entities]
    fitting = {
        relation.name
        for relation in SAMPLE.schema.relations
        if any(TEXTS[relation.id].type_rank(kinds[head], kinds[tail]) is not None for head, tail in few)
    }
    assert {relation_of(request) for request in requests} == fitting
    answers = {asked.request: asked.answer for asked in narrow.demonstrate(DOCUMENT)}
    extraction, _ = await extract(narrow, DOCUMENT, lambda request: Completion(answers[request], "stop"))
    assert {one.triplet for one in extraction.predictions} == {
        label.triplet for label in DOCUMENT.labels if (label.triplet.head, label.triplet.tail) in few
    }
    # What a model lists beyond them, as one without a grammar may, does not count.
    free = create_method(replace(settings, form=None, level="none", candidates=FewPairs(few=few)))
    extraction, asked = await extract(free, DOCUMENT, lambda _: Completion("E1 | E5\nEND", "stop"))
    assert not extraction.predictions
    assert [one.reason for one in extraction.rejects] == ["unasked_pair"] * len(asked)
    nothing, unasked = await extract(create_method(replace(settings, candidates=FewPairs(few=()))), DOCUMENT, said_none)
    assert (nothing.status, nothing.predictions, unasked) == ("ok", (), [])


async def test_entities_of_one_name_are_told_apart() -> None:
    document = next(one for one in SAMPLE.documents if one.title == "Luxembourg")
    one = method(refs="name")
    answers = {asked.request: asked.answer for asked in one.demonstrate(document)}
    assert any("Luxembourg (2)" in answer for answer in answers.values())
    extraction, _ = await extract(one, document, lambda request: Completion(answers[request], "stop"))
    assert {one.triplet for one in extraction.predictions} == {label.triplet for label in document.labels}


async def test_types_are_compared_once_for_all_pairs_that_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = Counter[tuple[str, str, str]]()
    rank = RelationText.type_rank

    def counted(text: RelationText, head: str, tail: str) -> int | None:
        compared[text.id, head, tail] += 1
        return rank(text, head, tail)

    monkeypatch.setattr(RelationText, "type_rank", counted)
    await extract(method(), DOCUMENT, lambda _: Completion("NONE", "stop"))
    assert {relation for relation, _, _ in compared} == {relation.id for relation in SAMPLE.schema.relations}
    assert set(compared.values()) == {1}, "not for every pair of 300 entities"


@pytest.mark.parametrize("reasoning", [{}, {"reasoning": "brief"}])
async def test_names_that_look_like_those_of_other_entities_stay_apart(reasoning: dict[str, str]) -> None:
    names = ("Rome", "Rome (2)", "Rome", "Rome (2)", '"Rome"', '"Rome"', " Rome", " Rome", "", "", "Answer:", "NONE")
    mentions = [Mention(name, place, 0, 1, "LOC") for place, name in enumerate(names)]
    labels = [Label(Triplet(head, "P17", tail)) for head in range(len(names)) for tail in (0, 3, 10) if head != tail]
    document = Document(
        "Rome", tuple((name,) for name in names), tuple(Entity((one,)) for one in mentions), tuple(labels)
    )
    context = DocumentContext(document, settings_of("hrt", SAMPLE.schema), SchemaContext(SAMPLE.schema, None))
    assert context.names[:4] == ("Rome", "Rome (2)", "Rome (3)", "Rome (2) (2)")
    assert len(set(map(unescape, context.names))) == len(names)
    assert all(escape(unescape(name)) == name for name in context.names)
    one = method(refs="name", **reasoning)
    answers = {asked.request: asked.answer for asked in one.demonstrate(document)}
    extraction, _ = await extract(one, document, lambda request: Completion(answers[request], "stop"))
    assert {one.triplet for one in extraction.predictions} == {label.triplet for label in document.labels}
    assert not extraction.rejects


async def test_the_relation_may_begin_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    one = method(relation_in="answer", descriptions="none")
    extraction, requests = await extract(one, DOCUMENT, lambda _: said("NONE", 0.2))
    assert requests[0].messages[-1].role == "assistant"
    assert {request.messages[:-1] for request in requests} == {requests[0].messages[:-1]}
    assert requests[0].messages[-1].content == f"Relation: {relation_of(requests[0])}\nPairs:"
    assert not extraction.predictions
    with pytest.raises(InputError, match="relation_in=answer begins its answers itself, before which none reasons"):
        method(relation_in="answer", reasoning="brief")
    config = RunConfig("openai/gpt-9", "relation-pairs", "sample", prompt_options={"relation_in": "answer"})
    with pytest.raises(
        InputError, match="begins the answer itself, which openai/gpt-9 does not offer: use -P relation_in"
    ):
        prepare(config)


def test_a_real_model_runs_and_its_threshold_can_be_chosen(tmp_path: Path) -> None:
    place = ["--dataset", "sample", "--limit", "1", "--results-dir", str(tmp_path), "--json"]
    asked = ["run", "--model", "smollm2-135m", "--prompt", "relation-pairs", "-P", "descriptions=none", *place]
    run = json.loads(harness_here(*asked, "-P", "least=1").stdout)
    assert run["statuses"] == {"ok": 1}
    assert run["metrics"]["predicted"] > 0
    swept = json.loads(
        harness_here("sweep", "threshold", run["run_id"], "--results-dir", str(tmp_path), "--json").stdout
    )
    least = round(100 * swept["chosen"]["threshold"])
    again = json.loads(harness_here(*asked, "-P", f"least={least}").stdout)
    assert again["spent"]["requests"] == 0, "the journal answers"
