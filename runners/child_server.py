"""The base of runners that start the server they ask, as a child process."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.errors import HarnessError, RetryableError
from harness.types import Completion, Request
from runners.openai_chat import OpenAIChatRunner
from runners.progress import ProgressWatch, stall_limit
from runners.server_process import ServerProcess

MOST_RESTARTS = 3

log = logging.getLogger(__name__)


class ChildServerRunner(OpenAIChatRunner):
    """Starts its server unless one is given by ``--base-url``; an answer of its own server may take its time."""

    _server: ServerProcess | None = None
    _restarts = 0

    def take_time(self) -> None:
        """Bound the answers by the model's progress, not by their time."""
        self.supports = replace(self.supports, timeout_s=None)
        self._watch = ProgressWatch(self.name, self._progress, stall_limit(self.options.extra))

    async def generate(self, request: Request) -> Completion:
        """Ask the model once; raises FatalError if the server that was started here has stopped."""
        try:
            return await super().generate(request)
        except RetryableError:
            if self._server is not None:
                self._server.check()
            raise

    async def answers(self) -> bool:
        """Whether the server is healthy; one that was started here and has stopped is started again, a few times."""
        if self._server is None or not self._server.has_stopped:
            return await super().answers()
        if self._restarts >= MOST_RESTARTS:
            return False
        self._restarts += 1
        try:
            await self.__aexit__(None, None, None)
            await self.__aenter__()
        except HarnessError as error:
            log.warning("%s was not started again: %s", self.name, error)
            return False
        return True

    async def _serve(
        self, command: Sequence[str], env: Mapping[str, str], log: Path, port: int, limit_s: float | None
    ) -> str:
        """Start the server, wait until it is healthy, and return its base URL."""
        self._server = ServerProcess(command, env, log)
        await self._server.wait_until_healthy(f"http://127.0.0.1:{port}/health", limit_s)
        return f"http://127.0.0.1:{port}/v1"

    async def _stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.stop()
