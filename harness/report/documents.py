"""One document of a report as the data of its page: text, labels, and what every run made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.label_source import NO_LABELS
from harness.report.texts import TextTable
from harness.scoring.mistakes import Mistakes
from harness.spacing import Spacing
from harness.store import DocumentRecord
from harness.types import Document

SCORE_DIGITS = 4


class DocumentData:
    """Collects what the runs made of a document. ``shared`` are the lines that prompts have in common."""

    def __init__(self, document: Document, board: int, shared: TextTable) -> None:
        self._document = document
        self._texts = shared
        self._board = board
        self._gold = list(dict.fromkeys(label.triplet for label in document.labels))
        self._places = {triplet: place for place, triplet in enumerate(self._gold)}
        self._runs: list[dict[str, Any]] = []

    def add(self, run: int, record: DocumentRecord, mistakes: Mistakes) -> None:
        """Triplets that were found are the labels without the missed ones."""
        scores = {one.triplet: one.score for one in reversed(record.predictions) if one.score is not None}
        self._runs.append(
            {
                "run": run,
                "status": record.status,
                "error": record.error,
                "wrong": [[*triplet, kind] for triplet, kind in mistakes.wrong.items()],
                "missed": [[self._places[triplet], kind] for triplet, kind in mistakes.missed.items()],
                "scores": [[*triplet, round(score, SCORE_DIGITS)] for triplet, score in scores.items()],
                "evidence": [[*one.triplet, one.evidence] for one in record.predictions if one.evidence],
                "rejects": [[reject["reason"], reject["text"]] for reject in record.rejects],
                "details": record.details,
                "steps": [self._step(step) for step in record.steps],
            }
        )

    def as_json(self) -> dict[str, Any]:
        document = self._document
        evidence = {label.triplet: label.evidence for label in reversed(document.labels)}
        return {
            "title": document.title,
            "board": self._board,
            "labelled": document.label_source != NO_LABELS,
            "sentences": Spacing.of(document.sentences).spaced(document.sentences),
            "entities": [
                {
                    "type": entity.type,
                    "names": entity.names,
                    "mentions": [[mention.sent_id, mention.start, mention.end] for mention in entity.mentions],
                }
                for entity in document.entities
            ],
            "gold": [[*triplet, evidence[triplet]] for triplet in self._gold],
            "lines": self._texts.own,
            "texts": self._texts.texts,
            "runs": self._runs,
        }

    def _step(self, step: Mapping[str, Any]) -> dict[str, Any]:
        usage, constraint = step["usage"], step["constraint"]
        add = self._texts.add
        return {
            "name": step["name"],
            "messages": [[message["role"], add(message["content"])] for message in step["messages"]],
            "answer": add(step["text"]),
            "reasoning": add(step["reasoning"]) if step["reasoning"] else None,
            "refusal": add(step["refusal"]) if step["refusal"] else None,
            "finish": step["finish_reason"],
            "usage": [usage["prompt_tokens"], usage["completion_tokens"]],
            "seconds": step["latency_s"],
            "constraint": constraint and constraint["form"],
        }
