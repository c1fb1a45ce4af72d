"""Answers that repeat themselves: what counts as repetition, and the option ``-M repetition=N`` that ends them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.errors import InputError
from harness.types import RunnerOptions
from runners.options import BODY_PREFIX, Option, integer

SHORTEST, LONGEST = 6, 200
"""Tokens of what is repeated: about the shortest line of an answer, and a dozen lines."""
FEWEST = 3

REPETITION_OPTION: Mapping[str, Option] = {
    "repetition": Option(f"end an answer that is the same {SHORTEST} to {LONGEST} tokens N times over (default: off)")
}


def copies_allowed(extra: Mapping[str, str]) -> int:
    """The number of copies in a row at which an answer ends; 0 for no such limit. Raises InputError below three."""
    count = integer(extra, "repetition", 0)
    if "repetition" in extra and count < FEWEST:
        raise InputError(f"-M repetition={count}: give at least {FEWEST}, as two equal lines are no repetition yet")
    return count


def repeats(tokens: Sequence[object], count: int) -> bool:
    """Whether ``tokens`` end in the same ``SHORTEST`` to ``LONGEST`` tokens, ``count`` times in a row."""
    return any(
        tokens[-1] == tokens[-1 - size]
        and all(tokens[-place] == tokens[-place - size] for place in range(1, size * (count - 1) + 1))
        for size in range(SHORTEST, min(LONGEST, len(tokens) // count) + 1)
    )


def detection(count: int) -> dict[str, int]:
    """The fields of vLLM's ``repetition_detection``."""
    return {"max_pattern_size": LONGEST, "min_pattern_size": SHORTEST, "min_count": count}


def with_detection(options: RunnerOptions) -> RunnerOptions:
    """The options of a vLLM server, whose requests carry the field where the user limits repetition."""
    if not (count := copies_allowed(options.extra)):
        return options
    return replace(options, extra={**options.extra, f"{BODY_PREFIX}repetition_detection": json.dumps(detection(count))})
