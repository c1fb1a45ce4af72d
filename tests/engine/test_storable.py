"""What a model sent is stored as valid text and finite numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from harness.engine.journal import completion_from_json, completion_to_json, request_key
from harness.engine.storable import IMPOSSIBLE_LOGPROB, storable
from harness.store import DocumentRecord, step_logprobs
from harness.types import Completion, Extraction, Message, Request, Step, TokenLogprob


def test_half_a_character_becomes_a_question_mark_wherever_it_stands() -> None:
    token = TokenLogprob("\ud800", -1.0, (("a\udfff", -2.0),))
    completion = storable(Completion("é\ud800", "stop", reasoning="\udc00", refusal="\ud800.", logprobs=(token,)))
    assert (completion.text, completion.reasoning, completion.refusal) == ("é?", "?", "?.")
    assert completion.logprobs == (TokenLogprob("?", -1.0, (("a?", -2.0),)),)


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (-0.5, -0.5),
        (0.0, 0.0),
        (1e-7, 0.0),
        (-math.inf, IMPOSSIBLE_LOGPROB),
        (math.inf, IMPOSSIBLE_LOGPROB),
        (math.nan, IMPOSSIBLE_LOGPROB),
        (-1e300, IMPOSSIBLE_LOGPROB),
        (7.0, IMPOSSIBLE_LOGPROB),
    ],
)
def test_what_is_no_log_probability_counts_as_impossible(sent: float, stored: float) -> None:
    (token,) = storable(Completion("A", "stop", logprobs=(TokenLogprob("A", sent, (("B", sent),)),))).logprobs
    assert (token.logprob, token.top) == (stored, (("B", stored),))


def test_what_is_known_of_tokens_that_were_not_returned_is_stored_with_the_answer() -> None:
    token = TokenLogprob("A", -0.5, (("A", -0.5),), unlisted=0.0)
    completion = storable(Completion("A", "stop", logprobs=(token, replace(token, unlisted=None))))
    assert completion_from_json(completion_to_json(completion)) == completion
    step = Step("choice", Request((Message("user", "?"),), labels=("A",)), completion, "ok")
    record = DocumentRecord.of("A title", Extraction((), steps=(step,)), 1, 0.0)
    assert step_logprobs(record.steps[0]) == completion.logprobs


def test_labels_are_no_part_of_what_an_answer_is_stored_under() -> None:
    request = Request((Message("user", "?"),), top_logprobs=5)
    assert request_key({}, request) == request_key({}, replace(request, labels=("A", "B")))
