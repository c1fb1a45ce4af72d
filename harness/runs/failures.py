"""The documents of a run without a full answer: how many by status, the commonest error of each, and what helps."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.store import DocumentRecord
from harness.types import CLOSED_LEVELS

if TYPE_CHECKING:
    from harness.records.manifest import CompleteManifest, FailureSummary

MOST_FAILED = 0.05
"""The share of documents without a full answer up to which a run is ranked and ends with exit code 0 by default.

What such a document lacks counts as missed, so a score can lose a few points by it and win none.
"""

LONGEST_ERROR = 200
_MORE_TOKENS = 4
_WITHOUT_THINKING = (
    """thinking off (-M 'body.chat_template_kwargs={"enable_thinking": false}' on vLLM, SGLang and llama.cpp """
    "servers, -M body.reasoning_effort=low at OpenAI)"
)
_WORD_WITH_DIGIT = re.compile(r"\S*\d\S*")


class Failure(NamedTuple):
    """How many documents ended with a status that is not ``ok``, the commonest error, and the option that helps."""

    status: str
    documents: int
    error: str
    remedy: str


@dataclass
class FailureCounts:
    """What accumulates over the documents of a run that did not end ok.

    Errors that differ in numbers and ids only are one.
    """

    documents: Counter[str] = field(default_factory=Counter)
    thinking: Counter[str] = field(default_factory=Counter)
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, record: DocumentRecord) -> None:
        if record.status == "ok":
            return
        self.documents[record.status] += 1
        self.thinking[record.status] += any(
            step["finish_reason"] == "length" and step["reasoning"] and not step["text"] for step in record.steps
        )
        error = _one_line(record.error)
        kind = record.status, _WORD_WITH_DIGIT.sub("0", error)
        self.errors[kind] += 1
        self.examples.setdefault(kind, error)

    def as_json(self) -> dict[str, Any]:
        """By status: ``documents``, the commonest ``error``, and how many were cut while ``thinking``."""
        commonest = {kind[0]: self.examples[kind] for kind, _ in reversed(self.errors.most_common())}
        return {
            status: {"documents": count, "error": commonest[status], "thinking": self.thinking[status]}
            for status, count in self.documents.most_common()
        }


def failures_of(manifest: CompleteManifest, again: str) -> list[Failure]:
    """The failures of a run, the most frequent status first; ``again`` says how to ask for them again."""
    counts = Counter({status: count for status, count in manifest.statuses.items() if status != "ok" and count})
    return [
        Failure(status, count, _summary(manifest, status).error, _remedy(status, manifest, again))
        for status, count in counts.most_common()
    ]


def failed_documents(manifest: CompleteManifest) -> int:
    """How many of the documents that were asked about have no full answer: all that did not end ``ok``."""
    return manifest.documents.asked - manifest.statuses.get("ok", 0)


def failed_too_often(manifest: CompleteManifest, most: float) -> bool:
    """Whether more than the share ``most`` of the documents asked about have no full answer, or none has one."""
    asked, failed = manifest.documents.asked, failed_documents(manifest)
    return bool(failed and (failed == asked or failed > most * asked))


def unanswered(manifest: CompleteManifest) -> str:
    """``39 of 40 documents without a full answer: 39 truncated``."""
    by_status = ", ".join(f"{one.documents:,} {one.status}" for one in failures_of(manifest, ""))
    asked = manifest.documents.asked
    return f"{failed_documents(manifest):,} of {asked:,} documents without a full answer: {by_status}"


def _summary(manifest: CompleteManifest, status: str) -> FailureSummary:
    """What the manifest tells of the documents with that status; an older one tells nothing."""
    from harness.records.manifest import FailureSummary

    return manifest.failures.get(status) or FailureSummary()


def _remedy(status: str, manifest: CompleteManifest, again: str) -> str:
    level = manifest.question.constraint.level
    tokens = manifest.question.sampling.get("max_tokens", 0)
    match status:
        case "truncated":
            more = f"--max-tokens {_MORE_TOKENS * tokens} (now {tokens})" if tokens else "--max-tokens"
            if _summary(manifest, status).thinking:
                return f"{_WITHOUT_THINKING}, or {more}"
            return more if level in CLOSED_LEVELS else f"{more}, or --constrain closed, which bounds the list"
        case "context_overflow":
            less = f"--max-tokens below {tokens}" if tokens else "a lower --max-tokens"
            return f"{less}, a larger -M context= where model and runner have it, fewer --shots or a shorter --prompt"
        case "invalid_output":
            return "another --prompt or --model" if level in CLOSED_LEVELS else "--constrain closed"
        case "refused":
            return f"another --model; {again}"
        case _:
            return again


def _one_line(text: str) -> str:
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line if len(line) <= LONGEST_ERROR else f"{line[: LONGEST_ERROR - 3]}..."
