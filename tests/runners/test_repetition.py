"""Answers that repeat themselves are ended where the user asks for it, and say so."""

from __future__ import annotations

import random

import pytest

from harness.answers.status import bad_ending
from harness.errors import InputError
from harness.types import Completion, Message, ModelSpec, Request, RunnerOptions, Sampling
from runners.decoding import Row, _ChosenTokens
from runners.finish_reasons import ending_of
from runners.options import body_fields
from runners.repetition import LONGEST, SHORTEST, copies_allowed, repeats, with_detection
from runners.vllm_server import VllmServerRunner

LINE = [5, 6, 7, 8, 9, 10, 11]


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([], False),
        (LINE * 3, False),
        (LINE * 4, True),
        ([1, 2, 3, *LINE * 4], True),
        ([*LINE * 4, 1], False),
        (LINE * 3 + LINE[:-1], False),
        ([*range(30)] * 4, True),
        ([*range(LONGEST + 1)] * 4, False),
        ([7] * (4 * SHORTEST - 1), False),
        ([token for head in range(50) for token in (1, head, 2, 3, 4, 5, 6)], False),
    ],
)
def test_only_the_same_tokens_four_times_in_a_row_are_repetition(tokens: list[int], expected: bool) -> None:
    assert repeats(tokens, 4) == expected


def test_it_agrees_with_the_definition_on_random_sequences() -> None:
    draw = random.Random(0)
    for _ in range(300):
        pattern = draw.choices(range(3), k=draw.randint(1, 9))
        tokens = [*draw.choices(range(3), k=draw.randint(0, 9)), *pattern * draw.randint(1, 5)]
        sizes = range(SHORTEST, len(tokens) // 3 + 1)
        by_definition = any(tokens[-size * 3 :] == tokens[-size:] * 3 for size in sizes)
        assert repeats(tokens, 3) == by_definition, tokens


def test_an_ended_answer_is_cut_and_says_why() -> None:
    assert ending_of("repetition") == "repetition"
    completion = Completion("(E1 | country | E2)\n(E1 | cou", "repetition")
    assert completion.may_be_cut
    assert bad_ending(completion, is_whole=False) == ("truncated", "the answer repeated itself and was ended")


def test_vllm_is_told_only_where_the_user_asks() -> None:
    plain = RunnerOptions(base_url="http://127.0.0.1:1/v1")
    assert with_detection(plain) is plain
    limited = RunnerOptions(base_url="http://127.0.0.1:1/v1", extra={"repetition": "4"})
    fields = {"max_pattern_size": LONGEST, "min_pattern_size": SHORTEST, "min_count": 4}
    assert body_fields(with_detection(limited).extra) == {"repetition_detection": fields}
    runner = VllmServerRunner(ModelSpec("m", "vllm_server", "m"), limited)
    assert runner.identity != VllmServerRunner(ModelSpec("m", "vllm_server", "m"), plain).identity


@pytest.mark.parametrize("given", ["0", "2", "x"])
def test_a_limit_that_would_end_whole_answers_is_refused(given: str) -> None:
    with pytest.raises(InputError, match="repetition"):
        copies_allowed({"repetition": given})


@pytest.mark.parametrize(("copies", "length"), [(0, 70), (4, 28)])
def test_a_row_of_a_batch_ends_alone(copies: int, length: int) -> None:
    class Tokenizer:
        def __len__(self) -> int:
            return 20

        def decode(self, tokens: list[int], **_more: object) -> str:
            return " ".join(map(str, tokens))

    row = Row([1], Request((Message("user", "?"),), Sampling(max_tokens=70)), copies=copies)
    choosing = _ChosenTokens([row], Tokenizer(), [])
    for token in LINE * 10:
        if not row.is_over:
            choosing._append(row, token)
    assert (len(row.tokens), row.finish_reason) == (length, "repetition" if copies else "length")
    assert row.text.count("11") == length // 7
