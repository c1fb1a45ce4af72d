"""``metrics.json``: the scores of a run."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from harness.records.base import Checked, Count, Number


class _Scores(Checked):
    model_config = ConfigDict(strict=True, extra="allow")
    __pydantic_extra__: dict[str, Number | None] = Field(init=False)

    precision: Number | None
    recall: Number | None
    f1: Number | None
    ign_f1: Number | None
    intra_f1: Number | None
    inter_f1: Number | None


class _RelationScores(Checked):
    f1: Number
    gold: Count
    precision: Number = 0.0
    recall: Number = 0.0
    predicted: Count = 0
    correct: Count = 0


class Metrics(Checked):
    """The scores of a run: in all, by relation, and by document as counts of correct, predicted and gold."""

    scorer_version: int
    metrics: _Scores
    per_relation: dict[str, _RelationScores]
    per_document: dict[str, Annotated[list[Count], Field(min_length=3, max_length=3)]]
