"""Budgets of a run: tokens and US dollars are checked before every request is sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from harness.types import Completion, Request, Usage

# English text has about four characters a token; three leaves room for ids, tags and other scripts.
CHARACTERS_PER_TOKEN = 3


# What a server may put around a prompt: its template, a system prompt of its own, the schema of the answer.
MOST_AROUND = 8_192
# What a model may think beyond ``max_tokens`` without showing it: xAI and DashScope do not bound that.
MOST_HIDDEN_THINKING = 32_768


class BudgetExhausted(Exception):
    """The next request could pass a limit; the run stops and can be resumed with a larger one."""


@dataclass(frozen=True)
class Limits:
    """None means no limit. Tokens and dollars count over all sessions of a run.

    ``seconds`` counts from the start of this session; the run keeps it with a timer, which also ends a wait.
    """

    tokens: int | None = None
    cost_usd: float | None = None
    seconds: float | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Prices:
    """US dollars per million tokens."""

    prompt: float
    completion: float

    def cost_usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


class Budget:
    """Counts what was spent and what the requests in flight may still cost at most.

    A request is admitted only if everything spent, everything in flight at its worst and its own
    worst case stay within the limits, so that no limit is ever passed by more than the error of
    the prompt's token estimate. It waits while requests in flight may still turn out cheaper.
    """

    def __init__(self, limits: Limits, prices: Prices | None, spent: Usage) -> None:
        self._limits = limits
        self._prices = prices
        self._prompt_tokens = spent.prompt_tokens
        self._completion_tokens = spent.completion_tokens
        self._in_flight = 0
        self._estimated = False
        self._settled = asyncio.Event()

    async def reserve(self, request: Request, answers: int = 1) -> Usage:
        """Set the worst case of a request for that many answers aside; raises BudgetExhausted if it does not fit."""
        worst = Usage(_prompt_tokens(request), answers * request.sampling.max_tokens)
        while (excess := self._excess(worst)) is not None:
            if not self._in_flight:
                note = " (tokens are estimated: the server does not report them)" if self._estimated else ""
                raise BudgetExhausted(f"{excess}{note}; type the same command with more to go on")
            self._settled.clear()
            await self._settled.wait()
        self._in_flight += 1
        self._add(worst, 1)
        return worst

    def fits(self, request: Request) -> bool:
        """Set the worst case of a request aside, if it fits within the limits; nothing is waited for."""
        worst = Usage(_prompt_tokens(request), request.sampling.max_tokens)
        if self._excess(worst) is not None:
            return False
        self._in_flight += 1
        self._add(worst, 1)
        return True

    def settle(self, reserved: Usage, used: Usage) -> None:
        """Replace a reservation by what the request really used (nothing, if it failed)."""
        self._in_flight -= 1
        self._estimated |= used.estimated
        self._add(reserved, -1)
        self._add(used, 1)
        self._settled.set()

    def _add(self, usage: Usage, sign: int) -> None:
        self._prompt_tokens += sign * usage.prompt_tokens
        self._completion_tokens += sign * usage.completion_tokens

    def _excess(self, worst: Usage) -> str | None:
        """Which limit the request could pass, in words; None if it fits all."""
        limits = self._limits
        prompt_tokens = self._prompt_tokens + worst.prompt_tokens
        completion_tokens = self._completion_tokens + worst.completion_tokens
        if limits.tokens is not None and prompt_tokens + completion_tokens > limits.tokens:
            return f"the next request could pass --max-tokens-total {limits.tokens}"
        if limits.cost_usd is not None and self._prices is not None:
            cost = self._prices.cost_usd(prompt_tokens, completion_tokens)
            if cost > limits.cost_usd:
                return f"the next request could cost more than --max-cost {limits.cost_usd:g} (${cost:.4f})"
        return None


def with_usage(completion: Completion, request: Request, *, has_prompt: bool = True) -> Completion:
    """The completion with its tokens estimated from the text, where the server reports none that can be true.

    The prompt of several answers counts for the first: the others are without (``has_prompt``).
    """
    usage = completion.usage
    prompt_tokens, completion_tokens = usage.prompt_tokens, usage.completion_tokens
    most_read, most_written = _most_tokens(request, completion)
    written = len(completion.text) + len(completion.reasoning) + len(completion.refusal)
    if not has_prompt:
        prompt_tokens = 0
    elif not 0 < prompt_tokens <= most_read:
        prompt_tokens = _prompt_tokens(request)
    if not (0 < completion_tokens <= most_written or completion_tokens == written == 0):
        cut = completion.finish_reason == "length"
        completion_tokens = request.sampling.max_tokens if cut else -(-written // CHARACTERS_PER_TOKEN)
    cached = usage.cached_tokens
    if cached is not None and not 0 <= cached <= most_read:
        cached = None
    is_estimate = (prompt_tokens, completion_tokens) != (usage.prompt_tokens, usage.completion_tokens)
    reported = Usage(prompt_tokens, completion_tokens, cached, usage.estimated or is_estimate)
    return completion if reported == usage else replace(completion, usage=reported)


def _prompt_tokens(request: Request) -> int:
    return sum(len(message.content) for message in request.messages) // CHARACTERS_PER_TOKEN


def _most_tokens(request: Request, completion: Completion) -> tuple[int, int]:
    """The most tokens that prompt and answer can have: no tokenizer makes more than one of a byte."""
    read = [message.content for message in request.messages]
    read += [request.constraint.text] if request.constraint else []
    written = (completion.text, completion.reasoning, completion.refusal)
    return (
        sum(map(_bytes, read)) + MOST_AROUND,
        max(2 * request.sampling.max_tokens, sum(map(_bytes, written))) + MOST_HIDDEN_THINKING,
    )


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
