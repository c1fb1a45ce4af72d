"""How an answer ended: the status that a document gets from its completion and what was read from it."""

from __future__ import annotations

from collections.abc import Sequence

from harness.parsing import ParsedList, ParsedTriplets
from harness.types import Completion, Status


def status_of(completion: Completion, parsed: ParsedTriplets | ParsedList) -> tuple[Status, str]:
    """Status and, unless ok, one sentence on what happened.

    A truncated answer keeps the entries that it completed. An unterminated answer with entries is
    ok if the model stopped by itself (without a constraint, models forget the terminator).
    """
    if ending := bad_ending(completion):
        return ending
    if not parsed.distinct and not parsed.terminated:
        return "invalid_output", "the answer lists nothing and has no end of list"
    return "ok", ""


def bad_ending(completion: Completion) -> tuple[Status, str] | None:
    """Status and error of a completion that did not come to its own end; None if it did."""
    if completion.finish_reason == "content_filter" or completion.refusal:
        return "refused", completion.refusal or "the provider's content filter withheld the answer"
    if completion.finish_reason == "length":
        unread = " while still thinking" if completion.reasoning and not completion.text else ""
        return "truncated", f"the answer reached its token limit{unread}"
    return None


def status_of_option(completion: Completion, option: int | None) -> tuple[Status, str]:
    """Status and, unless ok, one sentence; an answer whose ``option`` could be read is whole, however it goes on."""
    ending = bad_ending(completion)
    if ending and (option is None or ending[0] == "refused"):
        return ending
    if option is None:
        return "invalid_output", "the answer names none of the options, or several"
    return "ok", ""


# From the mildest on: what more tokens or another prompt can mend outweighs what the provider decided.
_SEVERITY: tuple[Status, ...] = ("ok", "refused", "invalid_output", "truncated")


def worst_status(outcomes: Sequence[tuple[Status, str]]) -> tuple[Status, str]:
    """The status of a document from those of its answers, by :func:`status_of`; ok if there are none.

    It is ``truncated`` if any answer is, else ``invalid_output`` if any is, else ``refused`` if any is: one
    answer that is not ok leaves the document incomplete. The error tells how many answers it befell.
    """
    status, error = max(outcomes, key=lambda outcome: _SEVERITY.index(outcome[0]), default=("ok", ""))
    if status == "ok" or len(outcomes) == 1:
        return status, error
    affected = sum(one == status for one, _ in outcomes)
    return status, f"{affected} of {len(outcomes)} answers: {error}"


def is_mostly_repetition(parsed: ParsedTriplets | ParsedList) -> bool:
    """Whether more than half of the entries written were copies of earlier ones."""
    return parsed.repeated > parsed.distinct
