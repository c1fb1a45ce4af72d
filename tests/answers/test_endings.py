"""How an answer ended where the server does not say so, by every form of answer."""

from __future__ import annotations

import pytest

from harness.answers.entities import EntityForm
from harness.answers.items import ListForm
from harness.answers.option import Option, OptionForm
from harness.types import Completion

LIST = ListForm("relations", ("country", "capital"), "closed", 5)
ENTITIES = EntityForm(("PER",), 3, 3)
OPTION = OptionForm((Option("A"), Option("B")))


@pytest.mark.parametrize(
    ("form", "text", "status"),
    [
        (LIST, "country\nEND", "ok"),
        (LIST, '{"relations": ["country"]}', "ok"),
        (LIST, "country\ncapi", "truncated"),
        (LIST, "country\n", "truncated"),
        (LIST, "", "invalid_output"),
        (ENTITIES, '{"entities": []}', "ok"),
        (ENTITIES, '{"entities": [{"type": "PER", "ment', "truncated"),
        (OPTION, "A", "ok"),
        (OPTION, "The answer would ha", "truncated"),
    ],
)
def test_an_answer_without_a_known_ending_is_whole_if_it_has_an_end(
    form: ListForm | EntityForm | OptionForm, text: str, status: str
) -> None:
    completion = Completion(text, "unknown")
    assert form.status(completion, form.read(completion))[0] == status  # type: ignore[arg-type]


def test_the_last_item_of_such_an_answer_may_be_a_piece_of_another() -> None:
    assert LIST.read(Completion("capital\ncountry", "unknown")).entries == ("capital",)
    assert LIST.read(Completion("capital\ncountry", "stop")).entries == ("capital", "country")


def test_thinking_without_an_answer_and_without_a_known_ending_is_cut() -> None:
    completion = Completion("", "unknown", reasoning="Let me see")
    assert LIST.status(completion, LIST.read(completion))[0] == "truncated"
