"""An answer as the journal holds it, and its parts that a step of a document has too."""

from __future__ import annotations

from typing import Annotated

from pydantic import Strict

from harness.records.base import Checked, Number, Total
from harness.types import FinishReason

_Alternative = Annotated[tuple[str, Number], Strict(False)]


class TokenUsage(Checked):
    prompt_tokens: Total
    completion_tokens: Total
    cached_tokens: Total | None = None
    estimated: bool = False


class Logprob(Checked):
    token: str
    logprob: Number
    top: list[_Alternative]


class Answer(Checked):
    """What is stored of a completion."""

    text: str
    finish_reason: FinishReason
    usage: TokenUsage
    reasoning: str
    refusal: str
    logprobs: list[Logprob]
    latency_s: Number
    adjusted: list[str] = []
