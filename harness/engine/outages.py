"""Telling a server that answers nobody any more from requests that fail by themselves: failures in a row, by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from harness.engine.stop import StopSignal
from harness.errors import ContextOverflow, FatalError, Outage, RequestRefused, RunnerError

FEW, MANY = 3, 20
# How many failures in a row, with no answer between them, are no accident. An overload may pass.
_LIMITS: Mapping[Outage, int] = {"quota": FEW, "key": FEW, "access": FEW, "connection": FEW, "overload": MANY}
# Once is enough before anything was answered.
_FINAL: tuple[Outage, ...] = ("key", "access", "connection")
# No document is the reason for these. Access may be refused to a single one, by a firewall that looks into requests.
_OF_NO_DOCUMENT: tuple[Outage, ...] = ("quota", "key", "connection")
# What the document itself is the reason for.
_OF_A_DOCUMENT = (ContextOverflow, RequestRefused)


class Outages:
    """Gives up on a server that answers no more; one for all runs of a session.

    Where something was answered before, the run is stopped and can be resumed. Where nothing ever was, the key, the
    address or the requests are wrong: FatalError. A quota comes back by itself, so that such a run can be resumed, too.
    """

    def __init__(self) -> None:
        self._answered = False
        self._in_a_row: Counter[Outage] = Counter()
        self._last: dict[Outage, RunnerError] = {}

    def answered(self, *, by_server: bool) -> None:
        """A request was answered, by the server or from the journal."""
        self._answered = True
        if by_server:
            self._in_a_row.clear()

    def failed(self, error: RunnerError, stop: StopSignal) -> None:
        """A request failed, and will not be sent again. Raises Interrupted or FatalError where the run is to end."""
        if isinstance(error, (FatalError, *_OF_A_DOCUMENT)):
            return
        outage = error.outage
        self._in_a_row[outage] += 1
        self._last[outage] = error
        if outage == "quota" and not self._answered:
            _stop(stop, str(error))
        if not self._answered and outage in _FINAL:
            raise FatalError(str(error)) from error
        if not self._answered and (failed := self._in_a_row.total()) >= MANY:
            raise FatalError(f"the first {failed} requests all failed, the last with: {error}") from error
        if self._answered and self._in_a_row[outage] >= _LIMITS.get(outage, float("inf")):
            _stop(stop, f"{self._in_a_row[outage]} requests in a row failed: {error}")

    def check_end(self, stop: StopSignal) -> None:
        """Raise Interrupted if the last requests failed for want of the server: their documents are not done."""
        for outage in _OF_NO_DOCUMENT:
            if self._in_a_row[outage]:
                _stop(stop, f"the last requests failed: {self._last[outage]}")


def _stop(stop: StopSignal, reason: str) -> None:
    stop.request(reason)
    stop.check()
