"""Several answers in one call: ``n`` of OpenAI's chat completions, for which the prompt is read and paid for once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.errors import RunnerError
from harness.types import Completion, Usage


def choices_apart(answer: object) -> list[object]:
    """The answer to ``n`` samples as one answer for each choice, in the order of their indices."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(choices, list) or len(choices) < 2:
        return [answer]
    numbered = [(_index(one, place), place, one) for place, one in enumerate(choices)]
    return [{**answer, "choices": [one]} for _, _, one in sorted(numbered, key=lambda each: each[:2])]


def shared_usage(completions: Sequence[Completion]) -> list[Completion]:
    """The completions of one call, of which each has the usage of all, with a usage of its own.

    The first has the prompt's tokens. Completion tokens are divided by the tokens of their log-probabilities, or else
    by the lengths of the texts; they sum to what the server reported.
    """
    if len(completions) < 2:
        return list(completions)
    usage = completions[0].usage
    sizes = [len(one.logprobs) for one in completions]
    if not all(sizes):
        sizes = [1 + len(one.text) + len(one.reasoning) for one in completions]
    shared, given, total = [], 0, 0
    for number, (one, size) in enumerate(zip(completions, sizes, strict=True)):
        total += size
        up_to = usage.completion_tokens * total // sum(sizes)
        own = replace(usage, completion_tokens=up_to - given)
        shared.append(replace(one, usage=own if not number else Usage(0, up_to - given, None, usage.estimated)))
        given = up_to
    return shared


def is_of_the_number(error: RunnerError) -> bool:
    """Whether a server that fails with this error may answer the same request once it is for one sample."""
    from harness.errors import ContextOverflow, RequestError, RequestRefused

    return isinstance(error, RequestError) and not isinstance(error, (ContextOverflow, RequestRefused))


def _index(choice: object, place: int) -> int:
    index = choice.get("index") if isinstance(choice, dict) else None
    return index if isinstance(index, int) else place
