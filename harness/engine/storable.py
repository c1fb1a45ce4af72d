"""What a model sent, made storable: valid Unicode and finite numbers, whatever runner it came through."""

from __future__ import annotations

from dataclasses import replace

from harness.types import Completion, TokenLogprob

# vLLM's own value for a masked token; a probability of zero has no finite logarithm and no JSON number.
IMPOSSIBLE_LOGPROB = -9999.0


def storable(completion: Completion) -> Completion:
    """The completion with every lone surrogate replaced, and every log-probability a number from -9999 to 0.

    Text with lone surrogates cannot be written as UTF-8. A log-probability that is not a number counts as impossible.
    """
    return replace(
        completion,
        text=storable_text(completion.text),
        reasoning=storable_text(completion.reasoning),
        refusal=storable_text(completion.refusal),
        logprobs=tuple(
            TokenLogprob(
                *_pair(token.token, token.logprob),
                tuple(_pair(*alternative) for alternative in token.top),
                token.unlisted,
            )
            for token in completion.logprobs
        ),
    )


def storable_text(text: str) -> str:
    """The text with a question mark for every lone surrogate."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _pair(token: str, logprob: float) -> tuple[str, float]:
    # Rounding leaves a certain token a little above 0. Comparisons with NaN are false.
    finite = min(logprob, 0.0) if IMPOSSIBLE_LOGPROB <= logprob < 1 else IMPOSSIBLE_LOGPROB
    return storable_text(token), finite
