"""``metrics.json``: the scores of a run. All scores are fractions, 0 to 1; None is a score that is not available."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.label_source import HUMAN, NO_LABELS, LabelKind, LabelSource
from harness.records.base import Count, Number, StoredModel


class StoredScores(StoredModel):
    """Micro precision, recall and F1, and the counts that they come from."""

    precision: Number = 0.0
    """0 to 1."""
    recall: Number = 0.0
    """0 to 1."""
    f1: Number
    """0 to 1."""
    correct: Count = 0
    """Triplets that are predicted and gold."""
    predicted: Count = 0
    """Triplets that are predicted."""
    gold: Count
    """Triplets of the labels."""


class OfficialScores(StoredModel):
    """The scores over all documents, as ``harness.scoring.official.Metrics`` explains them."""

    __pydantic_extra__: dict[str, Number | None] = Field(init=False)

    precision: Number | None
    """Micro precision, 0 to 1."""
    recall: Number | None
    """Micro recall, 0 to 1."""
    f1: Number | None
    """Micro F1, 0 to 1."""
    ign_precision: Number | None = None
    """Precision without the triplets of the training file; None without such a file."""
    ign_f1: Number | None
    """F1 without the triplets of the training file; None without such a file."""
    evidence_precision: Number | None = None
    """Of evidence sentences; None where none are predicted, or marked in the labels."""
    evidence_recall: Number | None = None
    """Of evidence sentences; None where none are predicted, or marked in the labels."""
    evidence_f1: Number | None = None
    """Of evidence sentences; None where none are predicted, or marked in the labels."""
    intra_f1: Number | None
    """F1 over triplets with both entities in one sentence."""
    inter_f1: Number | None
    """F1 over the other triplets."""
    inter_long_f1: Number | None = None
    """F1 over triplets whose entities are far apart."""
    frequent_f1: Number | None = None
    """F1 over the frequent relations."""
    long_tail_f1: Number | None = None
    """F1 over the other relations."""
    macro_f1: Number | None = None
    """Mean of the F1 of each relation."""
    pair_precision: Number | None = None
    """Of related pairs, whatever the relation."""
    pair_recall: Number | None = None
    """Of related pairs, whatever the relation."""
    pair_f1: Number | None = None
    """Of related pairs, whatever the relation."""
    mention_precision: Number | None = None
    """Each triplet counted once for every pair of mentions of its entities."""
    mention_recall: Number | None = None
    """Each triplet counted once for every pair of mentions of its entities."""
    mention_f1: Number | None = None
    """Each triplet counted once for every pair of mentions of its entities."""
    correct: Count | None = None
    """Triplets that are predicted and gold."""
    predicted: Count | None = None
    """Triplets that are predicted."""
    gold: Count | None = None
    """Triplets of the labels."""
    correct_in_train: Count | None = None
    """Correct triplets whose names and relation the training file has."""
    predicted_elsewhere: Count | None = None
    """Predictions for titles that are not among the documents."""
    not_candidates: Count | None = None
    """Predictions for pairs that are no candidates by the corpus' definition; None where all pairs are candidates."""
    documents: Count | None = None
    """Documents scored."""


class StoredLabelSource(StoredModel):
    """Who wrote the labels that the run was scored against."""

    kind: LabelKind
    """``human``, ``model``, ``distant`` or ``none``."""
    name: str = ""
    """Of a model: which."""


class StepScores(StoredModel):
    """The scores of a method in steps; None for a step that it has not."""

    given: str = "none"
    """The step whose result was taken from the labels."""
    relations: StoredScores | None = None
    """The relations of a document."""
    heads: StoredScores | None = None
    """The heads of a relation."""
    facts: StoredScores | None = None
    """The triplets."""

    def asked(self) -> dict[str, StoredScores]:
        """The steps that were asked, in their order."""
        steps = {"relations": self.relations, "heads": self.heads, "facts": self.facts}
        return {step: scores for step, scores in steps.items() if scores}


class RefinementScores(StoredModel):
    """What an LLM added to an encoder, see ``harness.refiners.evaluation``."""

    encoder: StoredScores
    """Of the encoder alone."""
    refined: StoredScores
    """With the LLM's answers."""
    perfect_llm: StoredScores
    """Of an LLM that decides all hard pairs rightly: the bound of any."""
    f1_difference: Number
    """Of ``refined`` from ``encoder``."""
    interval: Annotated[list[Number], Field(min_length=2, max_length=2)]
    """Its 95% interval, by a paired bootstrap over documents."""
    p_value: Number
    """By approximate randomisation, paired over documents."""
    added: Count
    """Triplets that the LLM added."""
    added_right: Count
    """Those that are gold."""
    added_wrong: Count
    """Those that are not."""
    per_document: dict[str, list[Count]] = {}
    """By title: triplets that were added rightly and wrongly."""


class Saved(StoredModel):
    """What asking about every pair would have taken besides; below 0 where it had taken less."""

    requests: int
    """Requests, counted."""
    tokens: int
    """Tokens, estimated."""


class ProposalScores(StoredModel):
    """What candidate pairs are worth, see ``harness.refiners.evaluation``."""

    source: str = ""
    """Where the pairs came from."""
    pairs: StoredScores
    """Of the pairs: related or not."""
    perfect_llm: StoredScores
    """Of an LLM that answers all that is asked about the proposed pairs rightly."""
    missed: Count
    """Gold triplets that were not found."""
    wrong: Count
    """Triplets that were found and are not gold."""
    not_proposed: Count
    """Missed ones whose pair was not proposed."""
    not_offered: Count | None = None
    """Missed ones whose pair was proposed, and asked about other relations only; None where it was about all."""
    unrelated: Count
    """Wrong ones whose pair has no relation."""
    share_of_errors: Number
    """The share of the last two in all errors."""
    saved: Saved | None = None
    """Against asking about every pair; None where no tokens were counted."""


class RetrievalScores(StoredModel):
    """What choosing relations for each document leaves to be found, see ``harness.methods.retrieval``."""

    relations: Count
    """Relations that a document is asked about."""
    of: Count
    """Relations of the schema."""
    found: Count
    """Gold triplets whose relation was chosen for their document."""
    gold: Count
    """Gold triplets."""


class StoredEndToEnd(StoredModel):
    """What of the entities of a run that found them is right, see ``harness.scoring.entities``."""

    mentions: StoredScores
    """By place and type."""
    entities: StoredScores
    """By their mentions and type."""
    strict: StoredScores
    """Triplets between exactly gold entities: the official scores are these."""
    relaxed: StoredScores
    """Triplets between entities that share a mention with a gold one."""


class Metrics(StoredModel):
    """The scores of a run: in all, by relation, by document."""

    scorer_version: int
    """``harness.scoring.official.SCORER_VERSION`` of the scorer."""
    training_sha256: str | None = None
    """The checksum of the training file behind Ign F1; None without one."""
    labels: StoredLabelSource | None = None
    """Who wrote the labels; None in files from before that was recorded."""
    official: OfficialScores = Field(alias="metrics")
    """The scores over all documents."""
    per_relation: dict[str, StoredScores]
    """By relation id, for relations that are gold or were predicted."""
    per_document: dict[str, Annotated[list[Count], Field(min_length=3, max_length=3)]]
    """By title, in the order of the documents: how many triplets were correct, predicted and gold."""
    steps: StepScores | None = None
    """Of a method in steps."""
    refinement: RefinementScores | None = None
    """Of an LLM that decided an encoder's hard pairs."""
    proposal: ProposalScores | None = None
    """Of an LLM that was given candidate pairs."""
    end_to_end: StoredEndToEnd | None = None
    """Of an encoder whose entities were found, or joined."""
    retrieval: RetrievalScores | None = None
    """Of an LLM that was asked about some relations of the schema."""

    @property
    def macro(self) -> dict[str, float]:
        """Means of precision, recall and F1 over the relations of the labels; 0 without one."""
        scores = [one for one in self.per_relation.values() if one.gold]
        return {
            name: sum(float(getattr(one, name)) for one in scores) / max(1, len(scores))
            for name in ("precision", "recall", "f1")
        }

    @property
    def label_source(self) -> LabelSource:
        """Who wrote the labels; where the file does not tell, they are human unless there are none."""
        if self.official.gold == 0:
            return NO_LABELS
        return LabelSource(self.labels.kind, self.labels.name) if self.labels else HUMAN
