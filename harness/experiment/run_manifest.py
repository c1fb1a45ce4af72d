"""The manifest over the life of a run: what was asked, its sessions, and how it stands."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from harness.engine.asking import Traffic
from harness.engine.journal import Journal
from harness.environment import describe_environment
from harness.errors import InputError
from harness.store import RunFolder


class RunManifest:
    """Rewrites ``manifest.json`` as the run goes on; every state names all sessions so far.

    A run that was complete stays so, with its totals, until new results replace them: a stopped
    retry, a refused key or a crash takes nothing away.
    """

    def __init__(
        self, folder: RunFolder, question: Mapping[str, Any], journal: Journal, *, is_retry: bool = False
    ) -> None:
        self._folder = folder
        self._journal = journal
        earlier = _earlier(folder)
        self._was_complete = earlier.get("status") == "complete"
        kept = earlier if self._was_complete else {}
        self._content: dict[str, Any] = {**kept, **question, **describe_environment()}
        self._content["sessions"] = _closed(earlier.get("sessions", []), folder.run_id, journal)
        if is_retry:
            # One that was stopped or killed goes on: what it asked again is not asked a third time.
            self._content.setdefault("retry", uuid.uuid4().hex)
        self._session: dict[str, Any] = {"started": time.time(), "finished": None}
        self._started = time.monotonic()

    @property
    def retry(self) -> str:
        """The id of the retry that is under way; empty if none is."""
        return str(self._content.get("retry", ""))

    def begin(self) -> None:
        """Record that a session has begun."""
        self._content["sessions"].append(self._session)
        self._write("running")

    def end(self, status: str, traffic: Traffic, **more: Any) -> dict[str, Any]:
        """Record how the session ended (complete, stopped or failed); returns the manifest as written."""
        self._session |= {
            "finished": time.time(),
            "seconds": round(time.monotonic() - self._started, 3),
            "sent": traffic.sent,
            "replayed": traffic.replayed,
            "retried": traffic.retried,
            **({} if status == "complete" else {"ended": status}),
        }
        spent = self._journal.spent(self._folder.run_id)
        self._content |= {**more, "spent": spent._asdict()}
        retry = self._content.pop("retry", "") if status == "complete" else ""
        self._write(status)
        if retry:
            self._journal.end_retry(retry)
        return self._content

    def _write(self, status: str) -> None:
        self._content["status"] = "complete" if self._was_complete else status
        self._folder.write_manifest(self._content)


def _earlier(folder: RunFolder) -> dict[str, Any]:
    """The manifest of the sessions before this one; empty if there is none, or none that can be read."""
    try:
        return folder.read_manifest()
    except InputError:
        return {}


def _closed(sessions: list[dict[str, Any]], run_id: str, journal: Journal) -> list[dict[str, Any]]:
    """Earlier sessions; one that was killed is given the time of its last answer as its end."""
    ends = [*(session["started"] for session in sessions[1:]), time.time()]
    for session, end in zip(sessions, ends if sessions else [], strict=True):
        if session["finished"] is None:
            started = session["started"]
            last = journal.last_answer_at(run_id, started, end) or started
            session |= {"finished": last, "seconds": round(last - started, 3), "ended": "killed"}
    return sessions
