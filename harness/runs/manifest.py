"""The manifest over the life of a run: what was asked, its sessions, and how it stands."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from harness.engine.asking import Traffic
from harness.engine.journal import AnswerStore
from harness.environment import describe_environment
from harness.errors import InputError
from harness.records.manifest import COMPLETE, Asked, CompleteManifest, Manifest, Session, parsed_manifest
from harness.store import MANIFEST, REBUILD, RunFolder

TOLD_OF_TRAFFIC = ("sent", "replayed", "retried")


class RunManifest:
    """Writes ``manifest.json`` of a run of any source, as the run goes on.

    With a journal a run goes on where earlier sessions ended: every state names them all, and a run that was complete
    stays so, with its totals, until new results replace them. A stopped retry, a refused key or a crash takes nothing
    away. Without a journal a run starts again. Raises InputError for a folder whose run was made with other relations.
    """

    def __init__(
        self,
        folder: RunFolder,
        asked: Asked,
        journal: AnswerStore | None = None,
        *,
        is_retry: bool = False,
        sessions: Sequence[Session] = (),
    ):
        self._folder = folder
        self._journal = journal
        earlier = _earlier(folder)
        if earlier and earlier.schema_sha256 not in (None, asked.schema_sha256):
            # The relations are no part of the question, so both runs have one id.
            raise InputError(
                f"{folder.run_id} was made with other relations than those of rel_info.json now: name another "
                "--results-dir, or move that run away"
            )
        earlier = earlier if journal else None
        self._sessions = _closed(earlier.sessions, folder.run_id, journal) if earlier and journal else []
        if sessions:  # those of the parts that are merged
            self._sessions = list(sessions)
        self._was_complete = isinstance(earlier, CompleteManifest)
        self._content = {
            **(earlier.as_json() if earlier and self._was_complete else {}),
            **asked.as_json(),
            **describe_environment(),
        }
        if is_retry:
            # One that was stopped or killed goes on: what it asked again is not asked a third time.
            self._content.setdefault("retry", uuid.uuid4().hex)
        self._session = Session(started=time.time(), finished=None)
        self._started = time.monotonic()

    @property
    def retry(self) -> str:
        """The id of the retry that is under way; empty if none is."""
        return str(self._content.get("retry", ""))

    def begin(self) -> None:
        """Record that a session has begun."""
        self._write("running")

    def end(self, status: str, traffic: Traffic) -> None:
        """Record that the session was ``stopped`` or ``failed``."""
        self._close({name: getattr(traffic, name) for name in TOLD_OF_TRAFFIC}, ended=status)
        self._write(status)

    def complete(self, totals: Mapping[str, Any], work: Traffic | Mapping[str, float | str]) -> CompleteManifest:
        """Record that the run is complete; ``work`` is what the session did, by the names of ``Session``."""
        done = {name: getattr(work, name) for name in TOLD_OF_TRAFFIC} if isinstance(work, Traffic) else work
        self._close(done)
        self._content |= totals
        retry = self._content.pop("retry", "")
        manifest = self._write(COMPLETE)
        if retry and self._journal:
            self._journal.end_retry(retry)
        assert isinstance(manifest, CompleteManifest), "its status says so"
        return manifest

    def _close(self, work: Mapping[str, float | str], **told: str) -> None:
        seconds = round(time.monotonic() - self._started, 3)
        self._session = self._session.changed(finished=time.time(), seconds=seconds, **work, **told)
        if self._journal:
            self._content["spent"] = self._journal.spent(self._folder.run_id)._asdict()

    def _write(self, status: str) -> Manifest | CompleteManifest:
        self._content |= {
            "sessions": [session.as_json() for session in (*self._sessions, self._session)],
            "status": COMPLETE if self._was_complete else status,
        }
        manifest = parsed_manifest(self._content, str(self._folder.path / MANIFEST), REBUILD)
        self._folder.write_manifest(manifest)
        return manifest


def _earlier(folder: RunFolder) -> Manifest | CompleteManifest | None:
    """The manifest of the sessions before this one; None if there is none, or none that can be read."""
    try:
        return folder.read_manifest()
    except InputError:
        return None


def _closed(sessions: list[Session], run_id: str, journal: AnswerStore) -> list[Session]:
    """Earlier sessions; one that was killed is given the time of its last answer as its end."""
    ends = [*(session.started for session in sessions[1:]), time.time()]
    return [
        _killed(session, journal.last_answer_at(run_id, session.started, end) or session.started)
        if session.finished is None
        else session
        for session, end in zip(sessions, ends if sessions else [], strict=True)
    ]


def _killed(session: Session, last: float) -> Session:
    return session.changed(finished=last, seconds=round(last - session.started, 3), ended="killed")
