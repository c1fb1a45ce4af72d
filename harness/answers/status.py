"""How an answer ended: the status of a completion, and that of a document from those of its answers."""

from __future__ import annotations

from collections.abc import Sequence

from harness.types import Completion, Status


def bad_ending(completion: Completion, *, is_whole: bool) -> tuple[Status, str] | None:
    """Status and error of a completion that did not come to its own end; None if it did.

    ``is_whole`` says that what was read of it has an end. It decides where the server does not tell.
    """
    if completion.finish_reason == "content_filter" or completion.refusal:
        return "refused", completion.refusal or "the provider's content filter withheld the answer"
    if completion.finish_reason == "length":
        unread = " while still thinking" if completion.reasoning and not completion.text else ""
        return "truncated", f"the answer reached its token limit{unread}"
    if completion.finish_reason == "repetition":
        return "truncated", "the answer repeated itself and was ended"
    if completion.finish_reason == "unknown" and not is_whole and (completion.text.strip() or completion.reasoning):
        return "truncated", "the answer has no end, and the server does not say why it stopped there"
    return None


# From the mildest on: what more tokens or another prompt can change outweighs what the provider decided.
_SEVERITY: tuple[Status, ...] = ("ok", "refused", "invalid_output", "truncated")


def worst_status(outcomes: Sequence[tuple[Status, str]], of: str = "answers") -> tuple[Status, str]:
    """The status of a document from those of its answers, or of what else it is divided into; ok if there are none.

    It is ``truncated`` if any answer is, else ``invalid_output`` if any is, else ``refused`` if any is: one
    answer that is not ok leaves the document incomplete. The error tells how many answers have that status.
    """
    status, error = max(outcomes, key=lambda outcome: _SEVERITY.index(outcome[0]), default=("ok", ""))
    if status == "ok" or len(outcomes) == 1:
        return status, error
    affected = sum(one == status for one, _ in outcomes)
    return status, f"{affected} of {len(outcomes)} {of}: {error}"
