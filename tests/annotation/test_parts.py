"""Long texts in parts: how they are cut, and how what was found in each becomes one document."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harness.datasets.plain import PlainDocument, part_of
from harness.datasets.tokens import split_sentences
from harness.methods.annotate import Annotate
from harness.methods.parts import OVERLAP, parts_of
from harness.methods.settings import MethodSettings
from harness.prompting.variant import load_variant
from harness.types import Completion, Extraction, Relation, RelationSchema, Sampling
from tests.annotation.gold import scripted

SCHEMA = RelationSchema((Relation("P26", "spouse"), Relation("P69", "educated at")))


@given(st.lists(st.integers(0, 12), max_size=40), st.integers(1, 30))
def test_parts_cover_every_sentence_and_share_some(lengths: list[int], most: int) -> None:
    parts = parts_of(lengths, most)
    if max(lengths, default=0) > most:
        assert parts is None
        return
    assert parts is not None
    assert sorted({sentence for part in parts for sentence in part}) == list(range(len(lengths)))
    for part in parts:
        assert 0 < sum(lengths[part.start : part.stop]) <= most or sum(lengths) == 0
    for before, after in pairwise(parts):
        assert before.start < after.start <= before.stop < after.stop
        shared = sum(lengths[after.start : before.stop])
        assert shared <= most // OVERLAP or before.stop - after.start == 1
        fits_no_more = lengths[before.stop - 1] + lengths[before.stop] > most
        assert after.start < before.stop or fits_no_more or before.stop - before.start == 1


def test_a_text_within_the_bound_is_one_part() -> None:
    assert parts_of([3, 4, 5], 12) == [range(3)]
    assert parts_of([], 12) == []
    assert parts_of([3] * 12, 12) == [range(4), range(3, 7), range(6, 10), range(9, 12)]


def plain(text: str) -> PlainDocument:
    return PlainDocument("Long", split_sentences(text), (), text=text)


def test_a_part_has_the_text_that_its_sentences_come_from() -> None:
    document = plain("Anna  sang (in\nOslo).\n\n  Bo didn't.  She left. ")
    assert [part_of(document, range(first, first + 1)).text for first in range(3)] == [  # type: ignore[attr-defined]
        "Anna  sang (in\nOslo).",
        "Bo didn't.",
        "She left.",
    ]


def entities(*listed: tuple[str, list[str]]) -> str:
    return json.dumps({"entities": [{"type": kind, "mentions": mentions} for kind, mentions in listed]})


async def annotated(text: str, *answers: str | Completion, max_words: int = 8) -> tuple[Extraction, list[str]]:
    """What comes of the answers, and the texts that the model was asked about."""
    variant = load_variant("annotate")
    options = variant.choose({"max_words": str(max_words)})
    ask, requests = scripted(*answers)
    method = Annotate(MethodSettings(variant, options, SCHEMA, "none", None, 100, Sampling()))
    found = await method.extract(plain(text), ask)
    assert len(requests) == len(answers), "every answer was asked for"
    contents = [request.messages[-1].content for request in requests]
    return found, [one.split("<document>\n")[1].split("\n</document>")[0] for one in contents]


# Sentences of four tokens: with parts of twelve, the third sentence is shared.
TEXT = "Anna met Bo. Anna married Bo. She loved Lund. Bo studied there. He liked Lund."


def shown(found: Extraction) -> list[tuple[str, list[tuple[str, int, int]]]]:
    return [(one.type, [(m.name, m.sent_id, m.start) for m in one.mentions]) for one in found.entities]


async def test_entities_of_parts_are_one_by_place_or_name_and_triplets_are_kept_once() -> None:
    found, texts = await annotated(
        TEXT,
        entities(("PER", ["Anna", "She"]), ("PER", ["Bo"]), ("LOC", ["Lund"])),
        "(E1 | spouse | E2)\nEND",
        entities(("LOC", ["Lund"]), ("PER", ["Bo", "He"])),
        "(E2 | educated at | E1)\n(E2 | educated at | E1)\nEND",
        max_words=14,
    )
    assert "Anna met Bo. Anna married Bo. She loved Lund." in texts[0]
    assert texts[2] == "She loved Lund. Bo studied there. He liked Lund."
    assert shown(found) == [
        ("PER", [("Anna", 0, 0), ("Anna", 1, 0), ("She", 2, 0)]),
        ("PER", [("Bo", 0, 2), ("Bo", 1, 2), ("Bo", 3, 0), ("He", 4, 0)]),
        ("LOC", [("Lund", 2, 2), ("Lund", 4, 2)]),
    ]
    assert [prediction.triplet for prediction in found.predictions] == [(0, "P26", 1), (1, "P69", 2)]
    assert (found.status, found.details["parts"], len(found.steps)) == ("ok", 2, 4)


async def test_one_name_of_two_types_is_two_entities() -> None:
    found, _ = await annotated(
        "Georgia sang. Much happened then. So it went. Georgia borders Russia.",
        entities(("PER", ["Georgia"])),
        entities(),
        entities(("LOC", ["Georgia"]), ("LOC", ["Russia"])),
        "END",
        max_words=8,
    )
    assert shown(found) == [
        ("PER", [("Georgia", 0, 0)]),
        ("LOC", [("Georgia", 3, 0)]),
        ("LOC", [("Russia", 3, 2)]),
    ]


async def test_of_mentions_that_overlap_in_the_shared_sentences_the_longest_stays() -> None:
    found, _ = await annotated(
        "Anna went. The Oslo Opera sang. Oslo is big.",
        entities(("PER", ["Anna"]), ("ORG", ["Oslo Opera"])),
        "END",
        entities(("LOC", ["Oslo"])),
        max_words=9,
    )
    assert shown(found) == [
        ("PER", [("Anna", 0, 0)]),
        ("ORG", [("Oslo Opera", 1, 1)]),
        ("LOC", [("Oslo", 2, 0)]),
    ]


async def test_a_pronoun_in_the_shared_sentences_is_as_the_earlier_part_says_and_joins_nobody() -> None:
    found, _ = await annotated(
        "Anna met Lena. She sang well. Lena left.",
        entities(("PER", ["Anna", "She"]), ("PER", ["Lena"])),
        "END",
        entities(("PER", ["Lena", "She"])),
        max_words=8,
    )
    assert shown(found) == [
        ("PER", [("Anna", 0, 0), ("She", 1, 0)]),
        ("PER", [("Lena", 0, 2), ("Lena", 2, 0)]),
    ]


async def test_what_merging_makes_a_pair_of_one_is_rejected() -> None:
    found, _ = await annotated(
        "Anna Berg sang. Berg met Bo. Anna Berg left.",
        entities(("PER", ["Anna Berg"]), ("PER", ["Berg"])),
        "(E1 | spouse | E2)\nEND",
        entities(("PER", ["Anna Berg", "Berg"]), ("PER", ["Bo"])),
        "END",
        max_words=8,
    )
    assert [name for _, ((name, *_), *_) in shown(found)] == ["Anna Berg", "Bo"]
    assert found.predictions == ()
    assert [(one.reason, one.text) for one in found.rejects] == [("self_pair", "(Anna Berg | P26 | Berg)")]


async def test_a_part_that_is_not_ok_ends_the_document_with_its_number() -> None:
    found, _ = await annotated(TEXT, entities(("PER", ["Anna"])), Completion('{"entities": [', "length"), max_words=14)
    assert (found.status, found.entities, found.predictions) == ("truncated", (), ())
    assert found.error.startswith("part 2 of 2")
    assert len(found.steps) == 2


async def test_a_sentence_longer_than_the_bound_is_not_asked_about() -> None:
    found, _ = await annotated("Anna went to Oslo and to Bergen and to Lund. Bo left.", max_words=8)
    assert found.status == "context_overflow"
    assert found.error == "a sentence of 11 tokens, more than max_words: split it, or raise -P max_words"
