"""What a server says that it refuses is sent otherwise from then on, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.types import Message, Request
from runners.adjustments import Adjustments
from tests.runners.test_wordings import rows, text_of

ASKED = Request((Message("system", "Extract."), Message("user", "A text.")))
SENT: dict[str, object] = {
    "model": "m",
    "messages": [{"role": "system", "content": "Extract."}, {"role": "user", "content": "A text."}],
    "max_tokens": 50,
    "temperature": 0.0,
    "top_p": 0.9,
    "seed": 0,
    "logprobs": True,
    "top_logprobs": 20,
    "response_format": {"type": "json_schema"},
}


def error(message: str) -> str:
    return json.dumps({"error": {"message": message}})


@pytest.mark.parametrize("row", rows("refused"))
def test_a_refused_field_is_left_out_or_renamed_in_every_servers_words(row: dict[str, Any]) -> None:
    adjustments, note = Adjustments(), row["note"]
    assert adjustments.learn(text_of(row), SENT, ())
    body, notes = adjustments.applied(SENT, ASKED)
    assert notes == (note,)
    assert body["response_format"] == SENT["response_format"]
    if "sent as" in note:
        assert "max_tokens" not in body
        assert body["max_completion_tokens"] == 50
    elif "left out" in note:
        name = note.split()[0]
        assert body.keys() == SENT.keys() - {name, *(["top_logprobs"] if name == "logprobs" else [])}
    else:
        assert not adjustments.system_role


@pytest.mark.parametrize("row", [*rows("not_refused"), *rows("context"), *rows("not_role")[1:]])
def test_other_errors_change_nothing(row: dict[str, Any]) -> None:
    adjustments = Adjustments()
    assert not adjustments.learn(text_of(row), SENT, ())
    assert adjustments.applied(SENT, ASKED) == (SENT, ())


def test_fields_that_the_user_sets_stay() -> None:
    assert not Adjustments().learn(error("'temperature' is not supported"), SENT, ("temperature",))


def test_a_renamed_limit_is_not_renamed_back() -> None:
    adjustments = Adjustments()
    assert adjustments.learn(error("'max_tokens' is not supported"), SENT, ())
    sent, _ = adjustments.applied(SENT, ASKED)
    assert not adjustments.learn(error("'max_completion_tokens' is not supported"), sent, ())


def test_a_request_that_was_under_way_when_it_was_learned_is_sent_again() -> None:
    adjustments = Adjustments()
    for _ in range(2):
        assert adjustments.learn(error("'seed' is not supported"), SENT, ())
    assert adjustments.applied(SENT, ASKED)[1] == ("seed left out",)


def test_only_what_a_request_holds_is_noted() -> None:
    adjustments = Adjustments()
    adjustments.learn(error("System role not supported"), SENT, ())
    adjustments.learn(error("'seed' is not supported"), SENT, ())
    plain = {"messages": [{"role": "user", "content": "A text."}]}
    assert adjustments.applied(plain, Request(ASKED.messages[1:]))[1] == ()
