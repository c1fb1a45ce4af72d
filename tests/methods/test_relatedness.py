"""The method ``related``: perfect answers find all related pairs, in scores that another run can take pairs from."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import get_args

import pytest

from harness.analyses.not_ranked import reasons_not_ranked
from harness.analyses.thresholds import curve, read_scored
from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.escaping import escape
from harness.methods.table import create_method
from harness.runs.results import RunResult
from harness.scoring.official import score
from harness.store import RunFolder
from harness.types import RELATED, Completion, Document, GrammarForm, Message, Request, TokenLogprob
from tests.commands import harness_here
from tests.variants import extract, settings_of

SAMPLE = load_dataset("sample")
DOCUMENTS = [
    document
    for document in SAMPLE.documents
    # One token tells no two names apart of which one begins the other.
    if not any(
        one is not other and one.name.startswith(other.name) for one in document.entities for other in document.entities
    )
][:6]
FORMS: tuple[GrammarForm | None, ...] = (*get_args(GrammarForm), None)


def probable(words: list[str]) -> Completion:
    top = tuple((f" {word}", math.log(1 / len(words))) for word in words)
    return Completion(top[0][0], "length", logprobs=(TokenLogprob(top[0][0], top[0][1], top),))


def perfect(document: Document, request: Request) -> Completion:
    """All tails of a head are equally probable."""
    begun = re.fullmatch(r"Head: (.+)\nTail:", request.messages[-1].content)
    assert begun
    names = [escape(entity.name) for entity in document.entities]
    tails = {names[one.triplet.tail] for one in document.labels if names[one.triplet.head] == begun[1]}
    return probable(sorted(tails) or ["none"])


async def test_perfect_probabilities_of_every_head_find_all_related_pairs() -> None:
    method = create_method(replace(settings_of("related", SAMPLE.schema), max_top_logprobs=100))
    predictions = {}
    for document in DOCUMENTS:
        extraction, requests = await extract(method, document, lambda request: perfect(document, request))  # noqa: B023
        assert extraction.status == "ok"
        assert {request.sampling.max_tokens for request in requests} == {1}
        assert len(requests) == len(document.entities) == extraction.details["questions"]
        assert {one.messages[:-1] for one in requests} == {requests[0].messages[:-1]}, "all share their beginning"
        assert {one.triplet.relation for one in extraction.predictions} == {RELATED}
        predictions[document.title] = list(extraction.predictions)
    assert score(DOCUMENTS, predictions).as_dict()["pair_f1"] == 1.0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("reasoning", ["none", "brief"])
async def test_perfect_answers_about_every_pair_find_all_related_pairs(
    form: GrammarForm | None, reasoning: str
) -> None:
    method = create_method(settings_of("related", SAMPLE.schema, form, by="pair", reasoning=reasoning))
    document = DOCUMENTS[0]
    answers = {one.request: one.answer for one in method.demonstrate(document)}
    count = len(document.entities)
    assert len(answers) == count * (count - 1)
    extraction, _ = await extract(method, document, lambda request: Completion(answers[request], "stop"))
    assert (extraction.status, extraction.rejects) == ("ok", ())
    assert score([document], {document.title: list(extraction.predictions)}).as_dict()["pair_f1"] == 1.0


async def test_of_a_pair_the_score_is_the_probability_of_yes_against_no() -> None:
    settings = replace(settings_of("related", SAMPLE.schema, "gbnf", by="pair"), max_top_logprobs=5)
    top = (("yes", math.log(0.3)), ("no", math.log(0.1)), ("maybe", math.log(0.6)))
    answer = Completion("yes", "stop", logprobs=(TokenLogprob("yes", top[0][1], top),))
    extraction, requests = await extract(create_method(settings), DOCUMENTS[0], lambda _: answer)
    assert {one.score for one in extraction.predictions} == {0.75}
    assert {request.top_logprobs for request in requests} == {5}


async def test_the_level_typed_asks_only_about_types_that_a_relation_allows() -> None:
    settings = replace(settings_of("related", SAMPLE.schema, by="pair"), level="typed")
    document = DOCUMENTS[0]
    _, requests = await extract(create_method(settings), document, lambda _: Completion("no", "stop"))
    allowed = {
        (head.name, tail.name)
        for head in document.entities
        for tail in document.entities
        if head is not tail
        if any(text.type_rank(head.type, tail.type) is not None for text in settings.relation_texts.values())
    }
    names = [entity.name for entity in document.entities]
    questions = [request.messages[-1].content.splitlines()[-2] for request in requests]
    assert questions == [
        f"Head: {head}; tail: {tail}" for head, tail in product(names, names) if (head, tail) in allowed
    ]
    assert len(questions) < len(names) * (len(names) - 1)


def test_examples_of_other_documents_begin_as_the_question_does() -> None:
    other = DOCUMENTS[1]
    request = create_method(replace(settings_of("related", SAMPLE.schema), shots=(other,))).demonstrate(DOCUMENTS[0])[0]
    roles = [message.role for message in request.request.messages]
    assert roles == ["system", "user", "assistant", "user", "assistant"]
    assert re.fullmatch(r"Head: .+\nTail: .+", request.request.messages[2].content)
    assert request.request.messages[-1] == Message("assistant", f"Head: {DOCUMENTS[0].entities[0].name}\nTail:")


def test_a_run_proposes_pairs_to_another_and_is_not_ranked(tmp_path: Path) -> None:
    place = ["--dataset", "sample", "--limit", "1", "--results-dir", str(tmp_path), "--json"]
    done = harness_here("run", "--model", "smollm2-135m", "--prompt", "related", "-P", "least=20", *place)
    run = json.loads(done.stdout)
    assert run["usage"]["completion_tokens"] == run["details"]["questions"], "one token each"
    assert run["metrics"]["predicted"] > 0
    done = harness_here("run", "--model", "mock", "--prompt", "classify", "--candidates", run["run_id"], *place)
    proposal = json.loads(done.stdout)["proposal"]
    assert proposal["source"] == "smollm2-135m"
    assert proposal["pairs"]["f1"] == pytest.approx(run["metrics"]["pair_f1"])
    folder = RunFolder(Path(run["run_dir"]))
    swept = read_scored(folder)
    assert {one.relation for one in swept.documents[0].gold} == {RELATED}
    assert curve(swept.documents)[-1].scores.recall > 0
    assert "proposes pairs without relations: see its pair F1" in reasons_not_ranked(RunResult.load(folder), 1.0)


def test_reasoning_before_one_token_is_refused() -> None:
    with pytest.raises(InputError, match="one token"):
        create_method(settings_of("related", SAMPLE.schema, reasoning="brief"))
