"""What a model is asked, and its answer: messages, constraints, sampling, completions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GrammarForm = Literal["regex", "gbnf", "lark", "json_schema"]
AlignOver = Literal["names", "descriptions"]
"""What relations outside the schema are compared by."""
ConstraintLevel = Literal["typed", "closed", "format", "none"]
"""The strictest first: ``typed`` is ``closed``, and relations fit the types of their entities."""
CLOSED_LEVELS: tuple[ConstraintLevel, ...] = ("typed", "closed")
"""The levels that leave no relation outside the schema."""
FinishReason = Literal["stop", "length", "repetition", "content_filter", "unknown"]
"""``repetition``: it was ended because it repeated itself; ``unknown``: nobody says, so it may be cut off."""
Status = Literal["ok", "truncated", "refused", "invalid_output", "context_overflow", "api_error"]


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Constraint:
    """A rendered grammar that the completion must match, in a form that the runner supports."""

    form: GrammarForm
    text: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """Decoding parameters. Temperature 0 is greedy; ``max_tokens`` bounds the completion."""

    max_tokens: int = 1024
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """Everything about one model call that can change its answer, besides the model itself.

    ``top_logprobs`` asks for the log-probabilities of that many alternatives per token (0: none);
    ``repeat`` numbers independent samples of the same request.
    """

    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    constraint: Constraint | None = None
    top_logprobs: int = 0
    repeat: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as the server reports them; ``cached_tokens`` is None where it does not say.

    ``estimated`` says that the server reported none that can be true, and that these were estimated from the text.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int | None = None
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A generated token, its natural-log probability, and the alternatives ``(token, logprob)``."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's answer. ``reasoning`` is thinking that the server kept apart from ``text``.

    ``refusal`` is the provider's own refusal message; ``latency_s`` is the seconds the call took.
    ``adjusted`` names what the runner sent otherwise than asked, because the server refuses it as asked.
    """

    text: str
    finish_reason: FinishReason
    usage: Usage = Usage()
    reasoning: str = ""
    refusal: str = ""
    logprobs: tuple[TokenLogprob, ...] = ()
    latency_s: float = 0.0
    adjusted: tuple[str, ...] = ()

    @property
    def may_be_cut(self) -> bool:
        """Whether the text may break off within a name or a number."""
        return self.finish_reason in ("length", "repetition", "unknown")
