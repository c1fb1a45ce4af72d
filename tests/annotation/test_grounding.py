"""Grounding: mentions are found in the document, or rejected with the reason."""

from __future__ import annotations

import pytest

from harness.alignment.grounding import GroundedEntities, ground
from harness.answers.entities import RawEntity
from harness.datasets.tokens import split_sentences

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


def test_of_mentions_that_cross_the_entity_listed_first_keeps_the_place() -> None:
    result = grounded(("PER", ["Mary McDonald"]), ("PER", ["McDonald of"]))
    assert spans(result) == [[("Mary McDonald", 0, 0, 2)]]
    assert reasons(result) == [("covered_mention", "McDonald of"), ("entity_without_mention", "McDonald of")]


# What a model lists, the text, and the owner of every occurrence of the words in question, "-" for nobody.
OWNERS = {
    "a pronoun of two goes to the one mentioned last": (
        [["Anna Berg", "She"], ["Lena Holm", "She"]],
        "Anna Berg sings. She lives in Oslo. Lena Holm paints. She lives in Lund.",
        "She",
        "01",
    ),
    "a pronoun of one is not that of another who is mentioned in between": (
        [["Anna Berg", "She"], ["Lena Holm"]],
        "Anna Berg sings. She lives in Oslo. Lena Holm paints. She lives in Lund.",
        "She",
        "0-",
    ),
    "a pronoun goes on from sentence to sentence": (
        [["Anna", "She"], ["Bo", "He"]],
        "Anna sings. She lives. She saw Bo. She paints. He left. Oslo is far. It rains. She came.",
        "She",
        "000-",
    ),
    "a pronoun far from every mention is nobody's": (
        [["Acme", "It"], ["Oslo"]],
        "Acme is in Oslo. It is new. Oslo is big. Much happens. It rains.",
        "It",
        "0-",
    ),
    "a pronoun that stands once is the one's who has it": (
        [["Acme", "It"], ["Oslo"]],
        "Acme is in Oslo. Oslo is big. Much happens. It is new.",
        "It",
        "0",
    ),
    "a pronoun before any name of two is nobody's": (
        [["Anna", "she"], ["Lena", "she"]],
        "When she came, Anna saw Lena.",
        "she",
        "-",
    ),
    "what is of another type does not come between": (
        [["Anna", "She"], ["Oslo"]],
        "Anna left. In Oslo, She came back. She stayed.",
        "She",
        "00",
    ),
    "a description goes to the last that it can mean": (
        [["Acme", "the company"], ["Bolt", "the company"]],
        "Acme grew. In May the company moved. Bolt shrank. So it was. Then the company closed.",
        "the company",
        "01",
    ),
    "a description of one is not another's of the kind": (
        [["Acme", "the company"], ["Bolt"]],
        "Acme grew. In May the company moved. Bolt shrank. Then the company closed.",
        "the company",
        "0-",
    ),
    "a description that is all an entity has is its name": (
        [["the company"], ["Bolt"]],
        "Bolt shrank. Then the company closed. Later the company opened.",
        "the company",
        "00",
    ),
    "a name of two goes to the one mentioned just before": (
        [["Washington"], ["George Washington", "Washington"]],
        "George Washington was born. Washington led. Much happened. So it went on. Washington is a state.",
        "Washington",
        "10",
    ),
    "a name of two without any other goes to the first": (
        [["Paris"], ["Paris"]],
        "Paris is a city. Paris is a person.",
        "Paris",
        "00",
    ),
    "a name in capitals is no pronoun": (
        [["US"], ["WHO"]],
        "The US left. Much happened. So it went on. The US came back.",
        "US",
        "00",
    ),
}


@pytest.mark.parametrize(("listed", "text", "words", "owners"), OWNERS.values(), ids=OWNERS.keys())
def test_every_occurrence_goes_to_whom_it_means(listed: list[list[str]], text: str, words: str, owners: str) -> None:
    kinds = ["LOC" if mentions == ["Oslo"] else "PER" for mentions in listed]
    result = grounded(*zip(kinds, listed, strict=True), text=text)
    places = {
        (one.sent_id, one.start): str(number)
        for number, entity in enumerate(result.entities)
        for one in entity.mentions
        if one.name == words
    }
    occurrences = [
        (sent_id, start)
        for sent_id, sentence in enumerate(split_sentences(text))
        for start, token in enumerate(sentence)
        if " ".join(sentence[start:]).startswith(f"{words} ") and sentence[start - 1] != "George"
    ]
    assert "".join(places.get(place, "-") for place in occurrences) == owners
    assert result.ambiguous == owners.count("-")
    assert ("ambiguous_mention" in dict(reasons(result))) == (owners.strip("-") == "" or listed[0] == listed[1])


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
    tokens = [
        (one.sent_id, token)
        for entity in result.entities
        for one in entity.mentions
        for token in range(one.start, one.end)
    ]
    assert len(tokens) == len(set(tokens))
