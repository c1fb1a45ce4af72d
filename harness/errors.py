"""Every error that a user or the engine is meant to see; each says what is wrong and what to do."""

from __future__ import annotations

from typing import Literal

Outage = Literal["", "quota", "key", "access", "connection", "overload"]
"""Why a server answers nobody: no credit or quota is left, it refuses the key, or access to the model, it is not
reached, or has too much to do."""


class HarnessError(Exception):
    """A problem that the user can solve, reported in one line; the command line exits with ``exit_code``."""

    exit_code = 2


def why_unreadable(error: Exception) -> str:
    """What keeps a file from being read, in the words of its own library but for Python's numbers and types."""
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)


class InputError(HarnessError):
    """A file, folder, name or option is not usable."""


class ModelUnavailable(HarnessError):
    """The model cannot run here (no GPU, no key, no package); the message names an alternative."""


class StorageError(HarnessError):
    """A file could not be written: full disk, read-only folder."""


class RunnerError(HarnessError):
    """A model call failed. The subclass tells the engine whether to try again.

    ``answer`` is the whole text that the server sent. It is for the runner alone, never shown or stored: it may hold
    a key. ``outage`` is empty where only this request failed. ``retry_after_s`` is the server's own wish in seconds,
    if it stated one.
    """

    answer = ""
    outage: Outage = ""
    retry_after_s: float | None = None


class RetryableError(RunnerError):
    """Worth trying again: rate limit, server error, timeout, broken connection, unusable body.

    ``overloaded`` says the server asked for less load (429, 503), so that concurrency shrinks.
    """

    def __init__(
        self, message: str, *, retry_after_s: float | None = None, overloaded: bool = False, outage: Outage = ""
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.overloaded = overloaded
        self.outage = outage or ("overload" if overloaded else "")


class OutageError(RunnerError):
    """No request succeeds until the account, the key or the server is seen to; trying again at once is of no use.

    Before anything was answered it ends the run; later it does after a few in a row, and the run can be resumed.
    """

    def __init__(self, message: str, outage: Outage, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.outage = outage
        self.retry_after_s = retry_after_s


class RequestError(RunnerError):
    """The server will never answer this request (a 4xx other than 408, 409, 429)."""


class ContextOverflow(RequestError):
    """The prompt and the completion do not fit the model's context."""


class RequestRefused(RequestError):
    """The provider's moderation will not have this prompt answered; the document ends ``refused``."""


class FatalError(RunnerError):
    """No request of this run can succeed: server that will not start, certificate that is not trusted, no grammar."""
