"""A line of ``documents.jsonl``: what became of one document."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Strict, model_validator

from harness.records.answers import Logprob, TokenUsage
from harness.records.base import Checked, Count, Natural, Number
from harness.types import FinishReason, Status

_Prediction = Annotated[tuple[int, str, int, list[int], Number | None], Strict(False)]
_Candidate = Annotated[tuple[int, str, int, Number], Strict(False)]
_Head = Annotated[tuple[str, int], Strict(False)]
_Pair = Annotated[tuple[int, int], Strict(False)]


class _Reject(Checked):
    reason: str
    text: str


class _Decision(Checked):
    model_config = ConfigDict(strict=True, extra="forbid")

    text: str
    relation: str
    cosine: Number
    kept: bool
    inverted: bool
    head: int | None = None
    tail: int | None = None


class _Found(Checked):
    relations: list[str] = []
    heads: list[_Head] = []


class _OptionAnswer(Checked):
    pair: _Pair
    options: list[str | None]
    probabilities: list[Number] | None
    encoder: list[Number] | None = None

    @model_validator(mode="after")
    def _fits(self) -> _OptionAnswer:
        # Where a pair is known to hold a relation, none of them was no option.
        if self.options.count(None) > 1:
            raise ValueError("only one of the options can be null: none of the relations")
        if any(one is not None and len(one) != len(self.options) for one in (self.probabilities, self.encoder)):
            raise ValueError("each option must have a probability")
        return self


class _Details(Checked):
    alignments: list[_Decision] = []
    found: _Found = _Found()
    answers: list[_OptionAnswer] | None = None
    candidates: list[_Candidate] = []
    """Head, relation id, tail and score of what could have been predicted, too."""


class _Message(Checked):
    role: str
    content: str
    shared: Natural | None = None


class _StoredGrammar(Checked):
    form: str
    sha256: str


class _Step(Checked):
    name: str
    messages: list[_Message]
    constraint: _StoredGrammar | None
    text: str
    reasoning: str
    refusal: str
    finish_reason: FinishReason
    usage: TokenUsage
    latency_s: Number
    status: Status = "ok"
    logprobs: list[Logprob] = []
    adjusted: list[str] = []
    server: str = ""
    batch: str = ""


class Record(Checked):
    """What is stored of one document."""

    title: str
    """The document's title."""
    status: Status
    """How the document ended."""
    error: str
    """Why it is not ok, in one sentence; else empty."""
    predictions: list[_Prediction]
    """Head, relation id, tail, evidence sentences and score of each triplet."""
    rejects: list[_Reject]
    """What of the answers became no prediction."""
    details: _Details
    """What the method counted."""
    layout: Count = 1
    """The version of this line."""
    shared: list[str] = []
    """Beginnings of prompts that several messages share."""
    steps: list[_Step]
    """The exchanges with the model."""
    requests: Count
    """How many answers the document took."""
    seconds: Number
    """While a request of the document was being answered, in whichever session."""
