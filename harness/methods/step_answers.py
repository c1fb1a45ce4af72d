"""The answers to a document's questions, asked in steps, and what its extraction tells of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.alignment.decisions import RelationDecision, as_details
from harness.methods.asking import ask_all
from harness.methods.outcome import is_mostly_repetition, status_of, worst_status
from harness.parsing import ParsedList, ParsedTriplets, parse_list, parse_triplets
from harness.types import Ask, Completion, Extraction, Prediction, Reject, Request, Status, Step


@dataclass
class StepAnswers:
    """Asks through ``ask``, and keeps every exchange, its status, its rejects and counts."""

    ask: Ask
    _steps: list[Step] = field(default_factory=list)
    _outcomes: list[tuple[Status, str]] = field(default_factory=list)
    _rejects: list[Reject] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)
    _decisions: list[RelationDecision] = field(default_factory=list)
    _mostly_repetition: bool = False

    async def lists(self, step: str, requests: Sequence[Request], known: Callable[[str], bool]) -> list[ParsedList]:
        """The answers to ``requests``, read as lists; ``known`` is as in ``parse_list``."""
        completions = await ask_all(self.ask, requests)
        parsed = [parse_list(one.text, known, truncated=one.finish_reason == "length") for one in completions]
        self._keep(step, requests, completions, parsed)
        return parsed

    async def triplets(self, step: str, requests: Sequence[Request]) -> list[ParsedTriplets]:
        """The answers to ``requests``, read as triplets."""
        completions = await ask_all(self.ask, requests)
        parsed = [parse_triplets(one.text, truncated=one.finish_reason == "length") for one in completions]
        self._keep(step, requests, completions, parsed)
        return parsed

    def add(
        self, rejects: Sequence[Reject], matches: Mapping[str, int], decisions: Sequence[RelationDecision] = ()
    ) -> None:
        """Count what alignment made of an answer."""
        self._rejects += rejects
        self._counts.update(matches)
        self._decisions += decisions

    def extraction(self, predictions: tuple[Prediction, ...], found: Mapping[str, object]) -> Extraction:
        """The document's extraction, with the worst status of its answers; ``found`` is what its steps found."""
        status, error = worst_status(self._outcomes)
        details: dict[str, object] = {**self._counts, **as_details(self._decisions)}
        if "repeated" in details:
            details["mostly_repetition"] = self._mostly_repetition
        if found:
            details["found"] = found
        return Extraction(
            predictions=predictions,
            status=status,
            error=error,
            rejects=tuple(self._rejects),
            steps=tuple(self._steps),
            details=details,
        )

    def _keep(
        self,
        step: str,
        requests: Sequence[Request],
        completions: Sequence[Completion],
        parsed: Sequence[ParsedList | ParsedTriplets],
    ) -> None:
        for request, completion, answer in zip(requests, completions, parsed, strict=True):
            self._steps.append(Step(step, request, completion))
            self._outcomes.append(status_of(completion, answer))
            self._rejects += answer.rejects
            if answer.repeated:
                self._counts["repeated"] += answer.repeated
                self._mostly_repetition |= is_mostly_repetition(answer)
