"""A run ends when its server answers nobody any more, and goes on when requests fail by themselves."""

from __future__ import annotations

import pytest

from harness.engine.outages import FEW, MANY, Outages
from harness.engine.stop import Interrupted, StopSignal
from harness.errors import (
    ContextOverflow,
    FatalError,
    Outage,
    OutageError,
    RequestError,
    RequestRefused,
    RetryableError,
    RunnerError,
)

NAMED: tuple[Outage, ...] = ("quota", "key", "access", "connection")


def outage(kind: Outage) -> RunnerError:
    return RetryableError("refused", outage=kind) if kind == "connection" else OutageError(f"no {kind}", kind)


def fail(outages: Outages, times: int, error: RunnerError) -> None:
    for _ in range(times):
        outages.failed(error, StopSignal())


def answered(*, by_server: bool = True) -> Outages:
    outages = Outages()
    outages.answered(by_server=by_server)
    return outages


@pytest.mark.parametrize("by_server", [True, False], ids=["by the server", "from the journal"])
@pytest.mark.parametrize("kind", NAMED)
def test_after_an_answer_a_few_failures_of_a_kind_stop_the_run(kind: Outage, by_server: bool) -> None:
    outages, stop = answered(by_server=by_server), StopSignal()
    fail(outages, FEW - 1, outage(kind))
    with pytest.raises(Interrupted, match=f"{FEW} requests in a row failed: "):
        outages.failed(outage(kind), stop)
    assert stop.reason


@pytest.mark.parametrize("kind", ["key", "access", "connection"])
def test_before_any_answer_the_first_failure_ends_the_run_as_bad_input(kind: Outage) -> None:
    with pytest.raises(FatalError):
        fail(Outages(), 1, outage(kind))


def test_a_quota_that_was_used_up_before_leaves_a_run_that_can_be_resumed() -> None:
    with pytest.raises(Interrupted, match="no quota"):
        fail(Outages(), 1, outage("quota"))


def test_an_answer_of_the_server_begins_the_count_anew_and_one_of_the_journal_does_not() -> None:
    outages = answered()
    for _ in range(5):
        fail(outages, FEW - 1, outage("quota"))
        outages.answered(by_server=True)
    fail(outages, FEW - 1, outage("quota"))
    outages.answered(by_server=False)
    with pytest.raises(Interrupted):
        fail(outages, 1, outage("quota"))


def test_other_failures_between_do_not_hide_an_outage() -> None:
    outages = answered()
    for _ in range(FEW - 1):
        fail(outages, 1, outage("key"))
        fail(outages, 1, RetryableError("HTTP 500"))
    with pytest.raises(Interrupted, match="no key"):
        fail(outages, 1, outage("key"))


def test_an_overload_is_waited_for_longer_than_what_does_not_pass() -> None:
    outages, busy = answered(), RetryableError("HTTP 503", overloaded=True)
    fail(outages, MANY - 1, busy)
    with pytest.raises(Interrupted, match=f"{MANY} requests in a row failed: HTTP 503"):
        fail(outages, 1, busy)


@pytest.mark.parametrize("error", [RequestError("HTTP 400"), RetryableError("HTTP 500")])
def test_requests_that_fail_by_themselves_end_nothing_once_something_was_answered(error: RunnerError) -> None:
    fail(answered(), 3 * MANY, error)


def test_a_run_in_which_nothing_ever_worked_is_given_up() -> None:
    outages = Outages()
    fail(outages, MANY - 1, RequestError("HTTP 400"))
    with pytest.raises(FatalError, match=f"the first {MANY} requests all failed, the last with: HTTP 400"):
        fail(outages, 1, RequestError("HTTP 400"))


@pytest.mark.parametrize("error", [ContextOverflow("long"), RequestRefused("flagged"), FatalError("no grammar")])
def test_what_a_document_is_the_reason_for_says_nothing_of_the_server(error: RunnerError) -> None:
    outages = Outages()
    fail(outages, 3 * MANY, error)
    outages.check_end(StopSignal())


@pytest.mark.parametrize(("kind", "is_unfinished"), [(kind, kind != "access") for kind in NAMED])
def test_a_run_whose_last_documents_met_an_outage_is_not_complete(kind: Outage, is_unfinished: bool) -> None:
    outages = answered()
    fail(outages, 1, outage(kind))
    if is_unfinished:
        with pytest.raises(Interrupted, match="the last requests failed"):
            outages.check_end(StopSignal())
    else:  # a firewall may refuse access to one document only
        outages.check_end(StopSignal())
    outages.answered(by_server=True)
    outages.check_end(StopSignal())
