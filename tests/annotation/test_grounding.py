"""Grounding: mentions are found in the document, or rejected with the reason."""

from __future__ import annotations

from harness.annotation.grounding import GroundedEntities, ground
from harness.annotation.tokens import split_sentences
from harness.answers.entities import RawEntity

TEXT = "Mary McDonald of St. Louis met Bo. McDonald's firm, Clyde & Sons, is in St. Louis. Bo left Bo."


def grounded(*entities: tuple[str, list[str]], text: str = TEXT) -> GroundedEntities:
    return ground([RawEntity(kind, tuple(mentions)) for kind, mentions in entities], split_sentences(text))


def spans(result: GroundedEntities) -> list[list[tuple[str, int, int, int]]]:
    return [[(one.name, one.sent_id, one.start, one.end) for one in entity.mentions] for entity in result.entities]


def reasons(result: GroundedEntities) -> list[tuple[str, str]]:
    return [(reject.reason, reject.text) for reject in result.rejects]


def test_every_occurrence_is_a_mention_in_the_order_of_the_text() -> None:
    result = grounded(("PER", ["Bo"]), ("LOC", ["St. Louis"]))
    assert spans(result) == [
        [("Bo", 0, 7, 8), ("Bo", 2, 0, 1), ("Bo", 2, 2, 3)],
        [("St. Louis", 0, 3, 6), ("St. Louis", 1, 10, 13)],
    ]
    assert [entity.type for entity in result.entities] == ["PER", "LOC"]
    assert result.rejects == ()


def test_the_longest_mention_keeps_the_place() -> None:
    result = grounded(("PER", ["McDonald", "Mary McDonald"]), ("MISC", ["Mary"]))
    assert spans(result) == [[("Mary McDonald", 0, 0, 2), ("McDonald", 1, 0, 1)]]
    assert reasons(result) == [("covered_mention", "Mary"), ("entity_without_mention", "Mary")]
    assert result.covered == 2


def test_of_equal_mentions_the_entity_listed_first_keeps_the_place() -> None:
    result = grounded(("PER", ["Bo"]), ("PER", ["Bo", "Mary"]))
    assert [[one[0] for one in entity] for entity in spans(result)] == [["Bo", "Bo", "Bo"], ["Mary"]]
    assert reasons(result) == [("covered_mention", "Bo")]


def test_what_the_text_does_not_say_is_ungrounded() -> None:
    result = grounded(("PER", ["mary", "Louis met", "Don", "Bo. McDonald", "", "Zoë"]))
    assert spans(result) == [[("Louis met", 0, 5, 7)]], "neither other letters, parts of words, nor two sentences"
    assert [text for reason, text in reasons(result) if reason == "ungrounded_mention"] == [
        "mary", "Don", "Bo. McDonald", "", "Zoë",
    ]  # fmt: skip


def test_white_space_and_escaped_markup_do_not_count() -> None:
    result = grounded(("ORG", ["Clyde &amp; Sons"]), ("LOC", ["St .  Louis"]))
    assert [entity.name for entity in result.entities] == ["Clyde & Sons", "St . Louis"]


def test_types_are_docreds() -> None:
    result = grounded(("person", ["Bo"]), ("Gpe", ["St. Louis"]), ("ANIMAL", ["Mary"]))
    assert [entity.type for entity in result.entities] == ["PER", "LOC", "MISC"]
    assert result.unknown_types == 1


def test_a_text_of_one_letter_repeated_is_no_trouble() -> None:
    text = " ".join(["a"] * 2000)
    result = grounded(("PER", ["a" * length for length in range(1, 50)]), text=text)
    assert sum(len(entity.mentions) for entity in result.entities) <= 2000
    tokens = [token for entity in result.entities for one in entity.mentions for token in range(one.start, one.end)]
    assert len(tokens) == len(set(tokens))
