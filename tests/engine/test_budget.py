"""A budget admits a request only if its worst case fits, and waits for requests that may turn out cheaper."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from harness.engine.budget import Budget, BudgetExhausted, Limits, Prices, with_usage
from harness.types import Completion, Message, Request, Sampling, Usage

REQUEST = Request((Message("user", "x" * 300),), Sampling(max_tokens=100))  # 100 prompt tokens at most, 200 in all


async def test_a_request_that_could_pass_the_token_limit_is_refused() -> None:
    budget = Budget(Limits(tokens=199), None, Usage())
    with pytest.raises(BudgetExhausted, match="--max-tokens-total 199"):
        await budget.reserve(REQUEST)


async def test_what_earlier_sessions_spent_counts() -> None:
    budget = Budget(Limits(tokens=1000), None, Usage(prompt_tokens=900))
    with pytest.raises(BudgetExhausted):
        await budget.reserve(REQUEST)


async def test_a_settled_request_frees_what_it_did_not_use() -> None:
    budget = Budget(Limits(tokens=400), None, Usage())
    for _ in range(5):
        reserved = await budget.reserve(REQUEST)
        budget.settle(reserved, Usage(30, 20))
    with pytest.raises(BudgetExhausted):
        await budget.reserve(REQUEST)


async def test_it_waits_for_requests_in_flight_before_giving_up() -> None:
    budget = Budget(Limits(tokens=300), None, Usage())
    reserved = await budget.reserve(REQUEST)
    waiting = asyncio.create_task(budget.reserve(REQUEST))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    budget.settle(reserved, Usage(10, 10))
    assert await waiting == Usage(100, 100)


async def test_cost_counts_prompt_and_completion_at_their_prices() -> None:
    prices = Prices(prompt=1.0, completion=10.0)
    assert prices.cost_usd(100, 100) == pytest.approx(0.0011)
    await Budget(Limits(cost_usd=0.0012), prices, Usage()).reserve(REQUEST)
    with pytest.raises(BudgetExhausted, match="--max-cost"):
        await Budget(Limits(cost_usd=0.0010), prices, Usage()).reserve(REQUEST)


WRITTEN = Completion("y" * 30, "stop", reasoning="z" * 60)


@pytest.mark.parametrize(
    ("reported", "charged"),
    [
        (Usage(80, 20, 5), Usage(80, 20, 5)),
        (Usage(), Usage(100, 30, estimated=True)),
        (Usage(80, 0), Usage(80, 30, estimated=True)),
        (Usage(0, 20), Usage(100, 20, estimated=True)),
        (Usage(10**12, 20, -1), Usage(100, 20, estimated=True)),
        (Usage(20_000, 20, 10**6), Usage(100, 20, estimated=True)),
        (Usage(80, 50_000), Usage(80, 30, estimated=True)),
        (Usage(2_000, 20_000), Usage(2_000, 20_000)),
    ],
)
def test_tokens_that_a_server_does_not_report_are_estimated_from_the_text(reported: Usage, charged: Usage) -> None:
    assert with_usage(replace(WRITTEN, usage=reported), REQUEST).usage == charged


def test_an_answer_without_text_costs_nothing_unless_it_was_cut() -> None:
    assert with_usage(Completion("", "stop", Usage(80, 0)), REQUEST).usage == Usage(80, 0)
    cut = Completion("half", "length", Usage(80, 0))
    assert with_usage(cut, REQUEST).usage == Usage(80, REQUEST.sampling.max_tokens, estimated=True)
