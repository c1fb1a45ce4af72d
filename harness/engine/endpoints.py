"""The servers that answer for a run's model: which one is asked, which are left out, and when they come back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from harness.engine.limiter import AdaptiveLimiter
from harness.engine.session import Preparation, RunnerSession
from harness.errors import FatalError, HarnessError, OutageError, RetryableError, RunnerError
from harness.types import Runner, Server, SeveralServers

# Requests given to a server for each that it works on, from which on a document's other requests may go elsewhere.
FULL = 2
# Failures in a row after which a server is left out, if other servers answer.
FEW = 3
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
# So long without an answer, a server that has requests is asked about its health.
SILENCE_S = 30.0
TICK_S = 0.5

log = logging.getLogger(__name__)


class Elsewhere(Exception):
    """A request failed at one server, and another is to be asked."""


@dataclass(eq=False)
class Endpoint:
    """A server, or the only runner, with what is known of it in this run."""

    runner: Runner
    """How it is asked."""
    preparation: Preparation
    """Its start and its tests."""
    limiter: AdaptiveLimiter
    """How many requests it works on at once."""
    load: int = 0
    """Requests that were given to it and not answered yet."""
    given: int = 0
    """Documents that it was chosen for."""
    failures: int = 0
    """Failures in a row."""
    left_out_until: float | None = None
    """When it is looked at again (monotonic); None while it is asked."""
    why: str = ""
    """What it was left out for."""
    wait_s: float = field(default_factory=lambda: FIRST_WAIT_S)
    """Seconds until it is looked at again when it is left out the next time."""
    heard_at: float = 0.0
    """When it answered last, or was given work after a rest (monotonic)."""
    is_proven: bool = False
    """Whether it answered, or is no server of the start: what it cannot do leaves it out instead of ending the run."""
    is_checked: bool = False
    """Whether it is being looked at."""
    under_way: set[asyncio.Timeout] = field(default_factory=set)
    """The time limits of what it is being asked."""

    @property
    def is_usable(self) -> bool:
        return self.left_out_until is None

    @property
    def fullness(self) -> float:
        return self.load / self.limiter.limit

    def answered(self) -> None:
        """It answered a request."""
        self.failures, self.wait_s, self.heard_at = 0, FIRST_WAIT_S, time.monotonic()
        self.is_proven = True


Home = list[Endpoint]
"""The servers that were asked about a document; the first one's prefix cache holds its prompts."""


class Endpoints:
    """Chooses a server for every request: the document's own while it is not full, else the one with least to do.

    A server that is not reached, refuses the key or fails several times in a row is left out while others answer. It
    is looked at again after a second, then after two, up to a minute, and tested as at the start once it answers. A
    request that failed there is asked of another server. ``new_limiter`` makes the limiter of one server.
    With a single runner there is nothing to choose, and no request goes elsewhere.
    """

    def __init__(self, session: RunnerSession, new_limiter: Callable[[], AdaptiveLimiter]) -> None:
        self._session = session
        self._new_limiter = new_limiter
        self._several = session.runner if isinstance(session.runner, SeveralServers) else None
        self._known: dict[int, Endpoint] = {}
        self._is_ticking = False
        self._checks: set[asyncio.Task[None]] = set()
        self._when_more: list[Callable[[int], None]] = []
        servers: Sequence[Runner] = self._several.servers() if self._several else [session.runner]
        self._in_use = list(map(self._endpoint, servers))
        self._most = self.connections

    @property
    def connections(self) -> int:
        """Requests that all servers together can be sent at once."""
        return sum(one.limiter.maximum for one in self._in_use)

    def when_more(self, callback: Callable[[int], None]) -> None:
        """Call ``callback`` with how many requests more can be sent at once, each time that servers are added."""
        self._when_more.append(callback)

    @contextmanager
    def one_for(self, home: Home, failed: Endpoint | None) -> Iterator[Endpoint]:
        """Within the block, a request of the document whose servers are ``home`` is at the chosen server.

        The server where it ``failed`` before is chosen only if there is no other.
        """
        endpoint = self._choose(home, failed) if self._several else self._in_use[0]
        if not endpoint.load:
            endpoint.heard_at = time.monotonic()
        endpoint.load += 1
        if self._several and not self._is_ticking:
            self._schedule()
        try:
            yield endpoint
        finally:
            endpoint.load -= 1

    def failed(self, endpoint: Endpoint, error: HarnessError) -> bool:
        """Whether a request that failed at the server is to be asked of another; leaves the server out, if need be."""
        if self._several is None or not _is_of_the_server(error):
            return False
        if isinstance(error, FatalError) and not (endpoint.is_proven or endpoint.preparation.has_passed):
            return False
        endpoint.failures += 1
        wish = (error.retry_after_s if isinstance(error, RunnerError) else None) or 0.0
        if wish or _is_lasting(error) or (endpoint.failures >= FEW and not _is_overload(error)):
            self._leave_out(endpoint, str(error), wish)
        return self.has_other(endpoint)

    def has_other(self, endpoint: Endpoint) -> bool:
        """Whether another server can be asked."""
        return any(one.is_usable for one in self._in_use if one is not endpoint)

    def is_better_elsewhere(self, endpoint: Endpoint) -> bool:
        """Whether the server was left out meanwhile, and another can be asked."""
        return not endpoint.is_usable and self.has_other(endpoint)

    def most_moves(self, retries: int) -> int:
        """How many times a request is asked elsewhere."""
        return retries + len(self._in_use) if self._several else 0

    def _endpoint(self, runner: Runner) -> Endpoint:
        if id(runner) not in self._known:
            self._known[id(runner)] = Endpoint(runner, self._session.preparation(runner), self._new_limiter())
        return self._known[id(runner)]

    def _choose(self, home: Home, failed: Endpoint | None) -> Endpoint:
        if failed in home:
            home.remove(failed)
        usable = [one for one in self._in_use if one.is_usable] or self._in_use
        usable = [one for one in usable if one is not failed] or usable
        least = min(usable, key=lambda one: (one.fullness, one.given))
        own = min((one for one in home if one in usable), key=lambda one: one.fullness, default=None)
        if own is not None and (own.fullness < FULL or least.fullness >= 1):
            return own
        home.append(least)
        least.given += 1
        return least

    def _leave_out(self, endpoint: Endpoint, why: str, wish_s: float = 0.0) -> None:
        if not endpoint.is_usable:
            return
        endpoint.why, endpoint.is_proven = why, True
        self._wait(endpoint, wish_s)
        log.warning("%s is left out: %s", endpoint.runner.name, why)

    def _wait(self, endpoint: Endpoint, wish_s: float = 0.0) -> None:
        endpoint.left_out_until = time.monotonic() + max(wish_s, endpoint.wait_s)
        endpoint.wait_s = min(2 * endpoint.wait_s, LONGEST_WAIT_S)

    def _schedule(self) -> None:
        self._is_ticking = True
        asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        """Look at the servers from time to time while there are requests."""
        self._is_ticking = False
        servers = self._update()
        now = time.monotonic()
        for one, server in zip(self._in_use, servers, strict=True):
            is_due = one.left_out_until is not None and now >= one.left_out_until
            is_silent = one.is_usable and one.load > 0 and now - one.heard_at > SILENCE_S
            if (is_due or is_silent) and not one.is_checked:
                one.is_checked = True
                check = asyncio.create_task(self._check(one, server))
                self._checks.add(check)
                check.add_done_callback(self._checks.discard)
        if any(one.load for one in self._known.values()):
            self._schedule()

    def _update(self) -> Sequence[Server]:
        """Take the servers that are named now, in their order."""
        assert self._several is not None
        servers = self._several.servers()
        if (now := list(map(self._endpoint, servers))) != self._in_use:
            for one in set(now) - set(self._in_use):
                one.is_proven = True
            self._in_use = now
            if (more := self.connections - self._most) > 0:
                self._most += more
                for callback in self._when_more:
                    callback(more)
        return servers

    async def _check(self, endpoint: Endpoint, server: Server) -> None:
        try:
            answers = await server.answers()
        finally:
            endpoint.is_checked = False
        if answers and not endpoint.is_usable:
            endpoint.left_out_until, endpoint.failures = None, 0
            endpoint.preparation.repeat_tests()
            log.warning("%s answers again", endpoint.runner.name)
        elif answers:
            endpoint.heard_at = time.monotonic()
        elif endpoint.is_usable:
            self._leave_out(endpoint, f"it has not answered for {SILENCE_S:g} s, nor a question about its health")
            if self.has_other(endpoint):
                for limit in endpoint.under_way:
                    limit.reschedule(asyncio.get_running_loop().time())
        else:
            self._wait(endpoint)


def _is_of_the_server(error: HarnessError) -> bool:
    return isinstance(error, (RetryableError, OutageError, FatalError))


def _is_lasting(error: HarnessError) -> bool:
    return not isinstance(error, RetryableError) or error.outage == "connection"


def _is_overload(error: HarnessError) -> bool:
    return isinstance(error, RetryableError) and error.overloaded
