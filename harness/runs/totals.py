"""What accumulates over the records of a run: predictions, statuses, usage, and what became no prediction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.alignment.decisions import AlignmentExamples, decisions_of
from harness.runs.failures import FailureCounts
from harness.scoring.entities import NumberedEntities
from harness.scoring.official import Scorer
from harness.scoring.steps import Found
from harness.store import DocumentRecord
from harness.types import Document, Prediction


@dataclass
class RunTotals:
    """The sums over the documents of a run; their size is proportional to its predictions.

    A ``scorer`` scores the records as they are added; without one, ``metrics_of`` reads the documents for it.
    """

    by_title: dict[str, Sequence[Prediction]] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)
    failures: FailureCounts = field(default_factory=FailureCounts)
    rejects: Counter[str] = field(default_factory=Counter)
    details: Counter[str] = field(default_factory=Counter)
    usage: Counter[str] = field(default_factory=Counter)
    adjusted: Counter[str] = field(default_factory=Counter)
    servers: Counter[str] = field(default_factory=Counter)
    found: dict[str, Found] = field(default_factory=dict)
    entities: dict[str, NumberedEntities] = field(default_factory=dict)
    cached_tokens_known: bool = False
    alignments: AlignmentExamples = field(default_factory=AlignmentExamples)
    scorer: Scorer | None = None

    def add(self, record: DocumentRecord, document: Document | None = None) -> None:
        """Count a record; a scorer needs its ``document``."""
        if self.scorer is not None and document is not None:
            self.scorer.add(document, record.predictions)
        self.by_title[record.title] = record.predictions
        self.statuses[record.status] += 1
        self.failures.add(record)
        self.rejects.update(reject["reason"] for reject in record.rejects)
        self.details.update({key: value for key, value in record.details.items() if isinstance(value, int) and value})
        for decision in decisions_of(record.details):
            self.alignments.add(decision)
        if found := Found.of(record.details):
            self.found[record.title] = found
        if entities := NumberedEntities.of(record.details):
            self.entities[record.title] = entities
        self.usage["requests"] += record.requests
        for step in record.steps:
            usage = step["usage"]
            self.cached_tokens_known |= usage["cached_tokens"] is not None
            for name in ("prompt_tokens", "completion_tokens", "cached_tokens"):
                self.usage[name] += usage[name] or 0
                if step.get("batch") and name != "cached_tokens":
                    self.usage[f"batch_{name}"] += usage[name]
            self.usage["estimated"] += usage.get("estimated", False)
            self.adjusted.update(step.get("adjusted", ()))
            self.servers.update([server] if (server := step.get("server")) else ())

    def predictions(self) -> Iterator[tuple[str, Prediction]]:
        return ((title, one) for title, several in self.by_title.items() for one in several)

    def as_json(self) -> dict[str, Any]:
        usage: dict[str, int | None] = {
            name: self.usage[name] for name in ("requests", "prompt_tokens", "completion_tokens", "cached_tokens")
        }
        if not self.cached_tokens_known:
            usage["cached_tokens"] = None
        rare = ("estimated", "batch_prompt_tokens", "batch_completion_tokens")
        usage |= {name: self.usage[name] for name in rare if self.usage[name]}
        return {
            "statuses": dict(self.statuses),
            "failures": self.failures.as_json(),
            "rejects": dict(self.rejects),
            "details": dict(self.details),
            "alignments": self.alignments.as_json(),
            "usage": usage,
            # Left out where nothing was, as in most runs.
            **({"adjusted": dict(self.adjusted)} if self.adjusted else {}),
            **({"servers": dict(self.servers)} if self.servers else {}),
        }
