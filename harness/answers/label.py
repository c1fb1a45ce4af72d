"""Answers of one token that begins a label: only the probabilities of the labels are read (method ``hrt``)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.answers.base import AnswerForm, Output
from harness.answers.notation import gbnf, lark, quoted_choice, regex_choice, strict_object
from harness.answers.status import bad_ending
from harness.types import Completion, Reject, Status, TokenLogprob


@dataclass(frozen=True, slots=True)
class LabelReading:
    """The natural logarithm of each label's probability among all labels; None where nothing could be read.

    ``label_mass`` is the probability, 0 to 1, that the answer begins with any of the labels.
    """

    logprobs: tuple[float, ...] | None
    label_mass: float = 0.0
    rejects: tuple[Reject, ...] = ()
    unread: frozenset[int] = frozenset()
    """The places of the labels that no returned token begins."""

    def odds_against_last(self) -> list[float]:
        """The log odds of every other label against the last one.

        Where neither was returned, nothing tells which of them is likelier: the odds are -infinity, so that what a
        server with few alternatives leaves out is not taken for an answer. Raises ValueError where nothing was read.
        """
        if self.logprobs is None:
            raise ValueError("no label could be read")
        *others, last = self.logprobs
        if len(others) not in self.unread:
            return [one - last for one in others]
        return [-math.inf if place in self.unread else one - last for place, one in enumerate(others)]


@dataclass(frozen=True)
class LabelForm(AnswerForm[LabelReading]):
    """One of ``labels``, of which the first token is enough: answers may be cut after it.

    No grammar has to be enforced, since nothing but the labels is read.
    """

    labels: tuple[str, ...]

    def regex(self) -> str:
        return regex_choice(self.labels)

    def gbnf(self) -> str:
        return gbnf({"root": quoted_choice(self.labels)})

    def lark(self) -> str:
        return lark({"start": quoted_choice(self.labels)})

    def json_schema(self) -> dict[str, object]:
        return strict_object({"answer": {"type": "string", "enum": list(self.labels)}})

    def write(self, content: str, output: Output) -> str:  # noqa: ARG002 - a label is the same in every notation
        return content

    def read(self, completion: Completion) -> LabelReading:
        reading = read_labels(completion.logprobs, self.labels)
        if reading.logprobs is None and completion.logprobs:
            return replace(reading, rejects=(Reject("no_label", completion.text.strip()),))
        return reading

    def status(self, completion: Completion, reading: LabelReading) -> tuple[Status, str]:  # noqa: ARG002
        """An answer whose probabilities could be read is whole, wherever it was cut."""
        if completion.logprobs:
            return "ok", ""
        ending = bad_ending(completion, is_whole=True)
        is_refused = ending is not None and ending[0] == "refused"
        return ending if ending and is_refused else ("invalid_output", "the answer came without log-probabilities")


def read_labels(tokens: Sequence[TokenLogprob], labels: Sequence[str]) -> LabelReading:
    """The probabilities of ``labels`` at the first token that is not blank.

    A token counts for the labels that it begins, in equal parts where there are several (``New`` for ``New York``
    and ``New Jersey``). A label that no returned token begins gets its part of what was not returned, but no more than
    the least that was, and at least 1e-12, so that no logarithm is infinite.
    """
    first = next((token for token in tokens if token.token.strip() or not token.token), None)
    if first is None:
        return LabelReading(None)
    alternatives = dict(first.top) or {first.token: first.logprob}
    mass, least, missing = [0.0] * len(labels), 1.0, 1.0
    folded = [label.casefold() for label in labels]
    for word, logprob in alternatives.items():
        probability = min(1.0, math.exp(logprob)) if logprob < math.inf else 0.0
        least, missing = min(least, probability), missing - probability
        if not (begun := word.strip().casefold()):
            continue
        fitting = [place for place, label in enumerate(folded) if label.startswith(begun)]
        if fitting and begun == folded[-1]:
            fitting = [len(folded) - 1]
        for place in fitting:
            mass[place] += probability / len(fitting)
    found = sum(mass)
    if not found > 0:
        return LabelReading(None)
    floor = max(min(least, missing) / len(labels), 1e-12)
    total = sum(max(one, floor) for one in mass)
    unread = frozenset(place for place, one in enumerate(mass) if not one > 0)
    return LabelReading(tuple(math.log(max(one, floor) / total) for one in mass), found, unread=unread)
