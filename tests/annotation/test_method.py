"""The two questions about a text: perfect answers come back whole, all others end with their true status."""

from __future__ import annotations

import json
import re

import pytest

from harness.datasets.plain import PlainDocument
from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.methods.annotate import Annotate
from harness.methods.settings import MethodSettings
from harness.prompting.variant import load_variant
from harness.types import Completion, ConstraintLevel, Document, GrammarForm, Request, Sampling
from tests.annotation.gold import as_plain, entity_answer, relation_answer, scripted

SAMPLE = load_dataset("sample")
FIRST = next(iter(SAMPLE.documents))
ENTITIES = '{"entities": [{"type": "PER", "mentions": ["Ingrid Solheim"]}, {"type": "LOC", "mentions": ["Bergen"]}]}'


def method(level: ConstraintLevel = "closed", form: GrammarForm | None = "gbnf", **options: str) -> Annotate:
    variant = load_variant("annotate")
    return Annotate(MethodSettings(variant, variant.choose(options), SAMPLE.schema, level, form, 100, Sampling()))


def is_unambiguous(document: Document) -> bool:
    """Whether every name belongs to one entity and lies within no other mention, so that names alone say it all."""
    names = [name for entity in document.entities for name in entity.names]
    overlap = any(one != other and one in other for one in names for other in names)
    text = " ".join(map(" ".join, document.sentences))
    mentions = sum(len(entity.mentions) for entity in document.entities)
    return len(set(names)) == len(names) and not overlap and sum(map(text.count, names)) == mentions


UNAMBIGUOUS = [document for document in SAMPLE.documents if is_unambiguous(document) and document.labels]


@pytest.mark.parametrize("document", UNAMBIGUOUS, ids=lambda document: document.title)
async def test_perfect_answers_give_the_gold_document_back(document: Document) -> None:
    ask, _ = scripted(entity_answer(document), relation_answer(document, SAMPLE.schema))
    found = await method().extract(as_plain(document), ask)
    assert [(entity.type, [one.name for one in entity.mentions]) for entity in found.entities] == [
        (entity.type, [one.name for one in entity.mentions]) for entity in document.entities
    ]
    assert {prediction.triplet for prediction in found.predictions} == {label.triplet for label in document.labels}
    assert (found.status, found.rejects) == ("ok", ())


def test_the_sample_has_documents_for_this() -> None:
    assert len(UNAMBIGUOUS) >= 5


async def test_the_model_reads_the_text_as_written_then_the_entities_that_were_found() -> None:
    ask, requests = scripted(entity_answer(FIRST), "END")
    plain = as_plain(FIRST)
    await method().extract(plain, ask)
    assert plain.text in requests[0].messages[-1].content
    assert "<E1>Ingrid Solheim</E1>" in requests[1].messages[-1].content
    assert all(request.constraint and request.constraint.form == "gbnf" for request in requests)


@pytest.mark.parametrize(
    "answer",
    [
        f"```json\n{ENTITIES}\n```",
        f"Here are the entities:\n{ENTITIES}\nI hope this helps!",
        ENTITIES.replace('"', "'"),
        '[{"id": 0, "type": "PERSON", "mentions": [{"value": "Ingrid Solheim", "start": 0}]},\n'
        ' {"id": 1, "type": "CITY", "mentions": "Bergen"}]',
    ],
)
async def test_entities_are_read_whatever_stands_around_them(answer: str) -> None:
    ask, _ = scripted(answer, "(E1 | place of birth | E2)\nEND")
    found = await method().extract(as_plain(FIRST), ask)
    assert [entity.name for entity in found.entities] == ["Ingrid Solheim", "Bergen"]
    assert [prediction.triplet for prediction in found.predictions] == [(0, "P19", 1)]
    assert found.status == "ok"


@pytest.mark.parametrize(
    ("answer", "status", "reasons"),
    [
        (Completion(ENTITIES[:-30], "length"), "truncated", {"truncated_line"}),
        (Completion(ENTITIES[:-30], "stop"), "invalid_output", {"truncated_line"}),
        (Completion("I see two persons.", "stop"), "invalid_output", {"prose"}),
        (Completion("", "stop"), "invalid_output", set()),
        (Completion("no\n" * 10_000, "stop"), "invalid_output", {"prose"}),
        (Completion("[[{" * 10_000, "stop"), "invalid_output", {"truncated_line"}),
        (Completion("", "content_filter"), "refused", set()),
        (Completion('{"entities": []}', "stop"), "ok", set()),
        (Completion('{"people": ["Bo"]}', "stop"), "ok", {"malformed"}),
    ],
)
async def test_an_answer_without_whole_entities_is_not_asked_about_further(
    answer: Completion, status: str, reasons: set[str]
) -> None:
    ask, requests = scripted(answer)
    found = await method().extract(as_plain(FIRST), ask)
    assert found.status == status
    assert {reject.reason for reject in found.rejects} >= reasons
    assert found.predictions == ()
    assert len(requests) == 1


async def test_thousands_of_invented_mentions_are_each_rejected() -> None:
    invented = [{"type": "PER", "mentions": [f"Nobody {number}"]} for number in range(10_000)]
    ask, requests = scripted(json.dumps({"entities": invented}))
    found = await method().extract(as_plain(FIRST), ask)
    assert found.entities == ()
    assert len(found.rejects) == 20_000
    assert len(requests) == 1


async def test_relations_that_cannot_be_are_rejected_with_the_reason() -> None:
    lines = ["(E1 | place of birth | E2)"] * 2 + ["(E1 | country | E1)", "(E1 | country | E9)", "(E1 | loves | E2)"]
    ask, _ = scripted(ENTITIES, "\n".join([*lines, "END"]))
    found = await method().extract(as_plain(FIRST), ask)
    assert len(found.predictions) == 1
    assert [reject.reason for reject in found.rejects] == ["self_pair", "unknown_entity", "unknown_relation"]
    assert found.details["repeated"] == 1


async def test_free_relations_that_differ_in_spelling_are_one() -> None:
    relations = [("E1", "BORN_IN", "E2"), ("E1", "born in", "E2"), ("E2", "None", "E1"), ("E2", "?!", "E1")]
    lines = [f"({' | '.join(fields)})" for fields in [*relations, ("E2", "so " * 40, "E1")]]
    ask, requests = scripted(ENTITIES, "\n".join([*lines, "END"]))
    found = await method("format", schema="open").extract(as_plain(FIRST), ask)
    assert [prediction.triplet for prediction in found.predictions] == [(0, "born_in", 1)]
    assert [reject.reason for reject in found.rejects] == ["unknown_relation"] * 3
    assert "Relations:" not in requests[1].messages[-1].content


@pytest.mark.parametrize("words", ["1000", "12"])
async def test_evidence_of_a_part_is_that_of_the_whole_text(words: str) -> None:
    """Sentences are numbered in each part from 0; those that the labels of the document have are those of the text."""
    sentences = ("Bo Lind lives here .", "He rests .", "He met Bo Lind .", "Bo Lind was born in Rome .")
    text = PlainDocument("T", tuple(tuple(one.split()) for one in sentences), (), text=" ".join(sentences))
    listed = json.dumps({"entities": [{"type": "PER", "mentions": ["Bo Lind"]}, {"type": "LOC", "mentions": ["Rome"]}]})
    asked: list[str] = []

    async def ask(request: Request) -> Completion:
        asked.append(request.messages[-1].content)
        if "Entities:" not in asked[-1]:
            return Completion(listed, "stop")
        number = re.search(r"^\[(\d+)\] [^\n]*Rome", asked[-1], re.MULTILINE)
        return Completion(f"(E1 | place of birth | E2 | {number[1] if number else '-'})\nEND", "stop")

    found = await method(evidence="sentences", max_words=words).extract(text, ask)
    assert [(one.triplet, one.evidence) for one in found.predictions] == [((0, "P19", 1), (3,))]
    assert (found.status, found.details.get("parts", 1)) == ("ok", 1 if words == "1000" else 3)
    assert ["(head | relation | tail | 0, 2)" in one for one in asked] == ["Entities:" in one for one in asked]


async def test_an_empty_text_is_not_asked_about() -> None:
    ask, requests = scripted()
    empty = await method().extract(Document("Empty", (), ()), ask)
    assert (empty.status, requests) == ("ok", [])


def test_free_relations_and_a_closed_grammar_contradict_each_other() -> None:
    with pytest.raises(InputError, match="--schema open"):
        method(schema="open")
