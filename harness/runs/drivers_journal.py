"""The journal of a driver's results folder, read and written by workers of a Ray cluster on other machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.engine.journal import JOURNAL_FILE, Journal, Spent
from harness.store import LOCK
from harness.types import Completion

Files = Mapping[str, bytes]
"""The content of files by their path below a folder."""


class Keeper:
    """An actor beside the driver that holds the journal of the results folder, and knows how far each run is.

    ``needed`` are the folders of the runs whose scores the runs build on.
    """

    def __init__(self, results: Path, needed: Iterable[Path]) -> None:
        self._results = results
        self._needed = needed
        self._documents: dict[str, int] = {}

    @cached_property
    def _journal(self) -> Journal:
        return Journal(self._results / JOURNAL_FILE)

    def journal(self, method: str, *values: Any) -> Any:
        """What a method of the journal returns."""
        return getattr(self._journal, method)(*values)

    def inputs(self) -> Files:
        """The files of the runs that are needed, by their path below a results folder."""
        return {f"runs/{one.name}/{name}": content for one in self._needed for name, content in read_files(one).items()}

    def tell(self, run_id: str, documents: int) -> None:
        """Hear how many documents of a run are done."""
        self._documents[run_id] = documents

    def documents(self) -> int:
        """How many documents of all runs are done."""
        return sum(self._documents.values())


@dataclass(frozen=True)
class DriversJournal:
    """The driver's journal, from a worker: an answer is committed there before anybody sees it."""

    keeper: Any
    answers_of: str = ""
    """The run under which answers are stored, where it is another than the one that asks."""

    def get(self, key: bytes) -> Completion | None:
        found: Completion | None = self._call("get", key)
        return found

    def put(self, key: bytes, run_id: str, completion: Completion, retry: str = "") -> Completion:
        stored: Completion = self._call("put", key, self.answers_of or run_id, completion, retry)
        return stored

    async def store(self, key: bytes, run_id: str, completion: Completion, retry: str = "") -> Completion:
        stored: Completion = await self.keeper.journal.remote("put", key, self.answers_of or run_id, completion, retry)
        return stored

    def was_given_in(self, retry: str, key: bytes) -> bool:
        return bool(self._call("was_given_in", retry, key))

    def end_retry(self, retry: str) -> None:
        self._call("end_retry", retry)

    def spent(self, run_id: str) -> Spent:
        return Spent(*self._call("spent", self.answers_of or run_id))

    def last_answer_at(self, run_id: str, since: float, until: float) -> float | None:
        found: float | None = self._call("last_answer_at", self.answers_of or run_id, since, until)
        return found

    def _call(self, method: str, *values: Any) -> Any:
        import ray

        return ray.get(self.keeper.journal.remote(method, *values))


def keeper_of(ray: Any, results: Path, needed: Iterable[Path] = ()) -> Any:
    """A Keeper on the driver's node, which Ray starts anew if it dies."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    kept = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Keeper)
    return kept.options(scheduling_strategy=here).remote(results, needed)


def read_files(folder: Path) -> Files:
    """The files of a folder by name, without its lock."""
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file() and one.name != LOCK}
