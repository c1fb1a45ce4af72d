"""What a run waits for is told in a few words."""

from __future__ import annotations

import pytest

from harness.engine import waiting
from harness.engine.waiting import PAUSE, Waiting, span


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in its last element."""
    times = [100.0]
    monkeypatch.setattr(waiting.time, "monotonic", lambda: times[-1])
    return times


def test_nothing_is_said_while_nothing_takes_long(clock: list[float]) -> None:
    waits = Waiting()
    with waits.on("the model to start"), waits.on("a moment", 0.5), waits.for_answer():
        assert waits.in_words() == ""
    clock.append(200.0)
    assert waits.in_words() == ""


def test_of_several_waits_the_one_that_ends_first_is_told_with_its_reason(clock: list[float]) -> None:
    waits = Waiting()
    with waits.on("HTTP 429: slow down", 64.0), waits.on("HTTP 503: busy", 44.0), waits.on("the model to start"):
        clock.append(110.0)
        assert waits.in_words() == "waiting 34 s: HTTP 503: busy"
        clock.append(150.0)
        assert waits.in_words() == "waiting 14 s: HTTP 429: slow down"
        clock.append(170.0)
        assert waits.in_words() == "waiting for the model to start (70 s)"


@pytest.mark.usefixtures("clock")
def test_a_pause_for_all_is_told_with_the_reason_of_the_one_that_was_refused() -> None:
    waits = Waiting()
    with waits.on(PAUSE, 10.0):
        with waits.on("HTTP 429: slow down", 11.0):
            assert waits.in_words() == "waiting 11 s: HTTP 429: slow down"
        assert waits.in_words() == f"waiting 10 s: {PAUSE}"


def test_answers_that_take_long_are_counted(clock: list[float]) -> None:
    waits = Waiting()
    with waits.for_answer():
        clock.append(145.0)
        assert waits.in_words() == "waiting for an answer (45 s)"
        with waits.for_answer():
            assert waits.in_words() == "waiting for 2 answers (45 s)"


@pytest.mark.usefixtures("clock")
def test_a_reason_is_one_short_line_that_no_terminal_acts_on() -> None:
    waits = Waiting()
    with waits.on("\x1b[2J" + "x" * 500, 10.0):
        assert len(waits.in_words()) < 130
        assert waits.in_words().isprintable()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (34.2, "34 s"), (119, "119 s"), (150, "2m"), (25920, "7h12m"), (7205, "2h"), (190000, "2d4h")],
)
def test_a_time_is_told_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert span(seconds) == words
