"""An answer as the journal holds it, and its parts that a step of a document has too."""

from __future__ import annotations

from typing import Annotated

from pydantic import Strict

from harness.records.base import Checked, Number, Total
from harness.types import FinishReason

_Alternative = Annotated[tuple[str, Number], Strict(False)]


class TokenUsage(Checked):
    prompt_tokens: Total
    """Tokens of the prompt."""
    completion_tokens: Total
    """Tokens of the answer."""
    cached_tokens: Total | None = None
    """Prompt tokens that came from the prefix cache; None where the server does not say."""
    estimated: bool = False
    """Whether the counts were estimated from the text."""


class Logprob(Checked):
    token: str
    """The text of the token."""
    logprob: Number
    """The natural logarithm of its probability."""
    top: list[_Alternative]
    """The alternatives at its place, each with its logarithm."""
    unlisted: Number | None = None
    """The most probability of a token outside ``top`` that spells a label of the question; None where it is unknown."""


class Answer(Checked):
    """What is stored of a completion."""

    text: str
    """What the model wrote."""
    finish_reason: FinishReason
    """Why it ended."""
    usage: TokenUsage
    """What it took."""
    reasoning: str
    """Thinking that the server kept apart."""
    refusal: str
    """The provider's refusal; empty without one."""
    logprobs: list[Logprob]
    """The log-probabilities of its tokens; empty where none were asked for."""
    latency_s: Number
    """Seconds that the call took."""
    adjusted: list[str] = []
    """What was sent otherwise than asked."""
    server: str = ""
    """Which of several servers answered."""
    batch: str = ""
    """The id of the batch that it came in."""
