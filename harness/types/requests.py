"""What a model is asked, and its answer: messages, constraints, sampling, completions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

GrammarForm = Literal["regex", "gbnf", "lark", "json_schema"]
AlignOver = Literal["names", "descriptions"]
"""What relations outside the schema are compared by."""
RelationsPerPair = Literal["any", "one"]
"""How many relations a candidate pair is known to hold: ``any`` number, or exactly ``one``."""
Given = Literal["nothing", "mentions", "entities"]
"""What a system is given of a document's entities: ``mentions`` are their places and types, not joined."""

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
    """Who says it."""
    content: str
    """The text."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """A rendered grammar that the completion must match, in a form that the runner supports."""

    form: GrammarForm
    """The notation."""
    text: str
    """The grammar in that notation."""


SAMPLES_OF_A_SEED = 1_000_000
"""So many numbers lie between the draws of one seed and those of the next."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Decoding parameters. Temperature 0 is greedy; ``max_tokens`` bounds the completion."""

    max_tokens: int = 1024
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    """The probability mass that is drawn from."""
    seed: int = 0
    """Of the draw, where the server honours one."""
    stop: tuple[str, ...] = ()
    """Texts that end the answer and are not part of it."""
    reasoning_effort: str | None = None
    """How much a reasoning model is to think, in its server's words; None leaves it to the server."""
    thinking_tokens: int | None = None
    """The most tokens that a reasoning model thinks, within ``max_tokens``; None leaves it to the server."""


@dataclass(frozen=True, slots=True)
class Request:
    """Everything about one model call that can change its answer, besides the model itself.

    ``top_logprobs`` asks for the log-probabilities of that many alternatives per token (0: none);
    ``repeat`` numbers independent samples of the same request. ``labels`` are the texts whose probabilities are read:
    runners that can return those of all tokens that spell them, which changes no answer; with ``first_tokens`` those of
    the tokens that begin them. ``more`` says how many further samples, of the next numbers of ``repeat``, will be asked
    for: a server that can gives them in the same call.
    """

    messages: tuple[Message, ...]
    """The chat; a last one of the role assistant is the beginning of the answer."""
    sampling: Sampling = Sampling()
    """How tokens are chosen."""
    constraint: Constraint | None = None
    """What the answer must match; None for free text."""
    top_logprobs: int = 0
    repeat: int = 0
    labels: tuple[str, ...] = ()
    first_tokens: bool = field(default=False, compare=False)
    """Whether the first token of each label is what is read of it."""
    adapter: str = ""
    """The checksum of the LoRA adapter that answers; empty for the model as it is."""
    more: int = field(default=0, compare=False)
    """It changes no answer."""

    @property
    def seed(self) -> int:
        """What the draw of tokens begins with, from 0 and below 2**31.

        The samples of a seed follow each other, as a server numbers several answers to one request. Those of another
        seed are far away: seeds are averaged on leaderboards, so they must not have draws in common.
        """
        return (self.sampling.seed * SAMPLES_OF_A_SEED + self.repeat) % 2**31


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as the server reports them; ``cached_tokens`` is None where it does not say.

    ``estimated`` says that the server reported none that can be true, and that these were estimated from the text.
    """

    prompt_tokens: int = 0
    """Tokens of the prompt."""
    completion_tokens: int = 0
    """Tokens of the answer."""
    cached_tokens: int | None = None
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A generated token, its natural-log probability, and the alternatives ``(token, logprob)``."""

    token: str
    """Its text."""
    logprob: float
    """The natural logarithm of its probability."""
    top: tuple[tuple[str, float], ...] = ()
    """The most probable tokens at its place, best first."""
    unlisted: float | None = None
    """The most probability of a token outside ``top`` that spells one of the request's labels; None where nothing more
    is known than that none has more than the least probable one in ``top``."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's answer. ``reasoning`` is thinking that the server kept apart from ``text``.

    ``refusal`` is the provider's own refusal message; ``latency_s`` is the seconds the call took.
    ``adjusted`` names what the runner sent otherwise than asked, because the server refuses it as asked.
    ``server`` is the one that answered, where there are several; ``batch`` the id of the batch, where it came in one.
    """

    text: str
    finish_reason: FinishReason
    """Why the answer ended."""
    usage: Usage = Usage()
    """What it took."""
    reasoning: str = ""
    refusal: str = ""
    logprobs: tuple[TokenLogprob, ...] = ()
    """Of the answer's tokens; empty where none were asked for."""
    latency_s: float = 0.0
    adjusted: tuple[str, ...] = ()
    server: str = ""
    batch: str = ""
    answered_at: float | None = field(default=None, compare=False)
    """Unix time at which it was stored, of an answer from the journal; None: just now."""

    @property
    def may_be_cut(self) -> bool:
        """Whether the text may break off within a name or a number."""
        return self.finish_reason in ("length", "repetition", "unknown")
