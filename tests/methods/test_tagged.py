"""The tagged method: one request a document, every answer ends with its true status."""

from __future__ import annotations

import pytest

from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.methods.settings import MethodSettings
from harness.methods.tagged import Tagged
from harness.prompting.variant import load_variant
from harness.types import Completion, ConstraintLevel, Document, Extraction, GrammarForm, Request, Sampling
from tests.paths import redocred_dir

SAMPLE = load_dataset("sample")


def method(
    level: ConstraintLevel = "closed", form: GrammarForm | None = "gbnf", max_triplets: int = 200, **options: str
) -> Tagged:
    variant = load_variant("tagged")
    return Tagged(
        MethodSettings(variant, variant.choose(options), SAMPLE.schema, level, form, max_triplets, Sampling())
    )


async def extract(one: Tagged, document: Document, answer: Completion) -> Extraction:
    async def ask(_request: Request) -> Completion:
        return answer

    return await one.extract(document, ask)


def first_document() -> Document:
    return next(iter(SAMPLE.documents))


def gold_lines(document: Document, names: dict[str, str], references: list[str]) -> str:
    from harness.escaping import escape

    lines = [
        f"({escape(references[label.triplet.head])} | {names[label.triplet.relation]} | "
        f"{escape(references[label.triplet.tail])})\n"
        for label in document.labels
    ]
    return "".join(lines) + "END"


@pytest.mark.parametrize("corpus", ["sample", "redocred"])
async def test_gold_written_as_an_answer_by_id_comes_back_whole(corpus: str) -> None:
    dataset = SAMPLE if corpus == "sample" else load_dataset("redocred", "dev", redocred_dir())
    variant = load_variant("tagged")
    one = Tagged(MethodSettings(variant, variant.choose({}), dataset.schema, "none", None, 200, Sampling()))
    names = {relation.id: relation.name for relation in dataset.schema.relations}
    for document in dataset.documents:
        references = [f"E{number}" for number in range(1, len(document.entities) + 1)]
        answer = Completion(gold_lines(document, names, references), "stop")
        extraction = await extract(one, document, answer)
        assert {prediction.triplet for prediction in extraction.predictions} == {
            label.triplet for label in document.labels
        }
        assert (extraction.status, extraction.rejects) == ("ok", ())


async def test_by_name_only_entities_that_share_their_name_are_lost() -> None:
    names = {relation.id: relation.name for relation in SAMPLE.schema.relations}
    lost = 0
    for document in SAMPLE.documents:
        first_names = [entity.name for entity in document.entities]
        answer = Completion(gold_lines(document, names, first_names), "stop")
        extraction = await extract(method(refs="name"), document, answer)
        found = {prediction.triplet for prediction in extraction.predictions}
        for label in document.labels:
            if label.triplet not in found:
                lost += 1
                shared = [first_names[label.triplet.head], first_names[label.triplet.tail]]
                assert any(sum(name in entity.names for entity in document.entities) > 1 for name in shared), label
    assert lost > 0, "the sample corpus has entities that share a name"


@pytest.mark.parametrize(
    ("answer", "status", "predictions", "reasons"),
    [
        (Completion("END", "stop"), "ok", 0, []),
        (Completion("(E1 | place of birth | E5)\nEND", "stop"), "ok", 1, []),
        (Completion("(E1 | place of birth | E5)\n(E1 | capi", "length"), "truncated", 1, ["truncated_line"]),
        (Completion("", "length", reasoning="thinking and"), "truncated", 0, []),
        (Completion("", "stop", refusal="I cannot help with that"), "refused", 0, []),
        (Completion("", "content_filter"), "refused", 0, []),
        (Completion("", "stop"), "invalid_output", 0, []),
        (Completion("(E1 | loves | E5)\n(E1 | capital | E1)\nEND", "stop"), "ok", 0, ["unknown_relation", "self_pair"]),
    ],
)
async def test_each_way_an_answer_can_end(
    answer: Completion, status: str, predictions: int, reasons: list[str]
) -> None:
    extraction = await extract(method(), first_document(), answer)
    assert extraction.status == status
    assert len(extraction.predictions) == predictions
    assert [reject.reason for reject in extraction.rejects] == reasons
    assert bool(extraction.error) == (status != "ok")
    assert extraction.steps[0].completion == answer


async def test_an_answer_that_is_mostly_repetition_says_so() -> None:
    answer = Completion("(E1 | place of birth | E5)\n" * 9 + "END", "stop")
    extraction = await extract(method(), first_document(), answer)
    assert extraction.details == {"repeated": 8, "mostly_repetition": True}


async def test_a_document_with_one_entity_is_not_asked_about() -> None:
    document = next(one for one in SAMPLE.documents if len(one.entities) == 1)

    async def ask(_request: Request) -> Completion:
        raise AssertionError("asked")

    assert await method().extract(document, ask) == Extraction(predictions=())


def test_free_relations_and_a_closed_grammar_contradict_each_other() -> None:
    with pytest.raises(InputError, match="schema=open"):
        method(schema="open")
    request = method(level="format", schema="open").demonstrate(first_document())[0].request
    assert "Relations:" not in request.messages[-1].content


def test_requests_share_their_prefix_up_to_the_document() -> None:
    first, second = (method().demonstrate(document)[0].request for document in list(SAMPLE.documents)[:2])
    assert first.messages[0] == second.messages[0]
    shared = first.messages[1].content.partition("<document>")[0]
    assert len(shared) > 300
    assert second.messages[1].content.startswith(shared)
