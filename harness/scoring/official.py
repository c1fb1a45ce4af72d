"""The official scorer of DocRED and Re-DocRED: one pass over the documents, no rounding.

Triplet, Ign and evidence scores are those of DocRED's evaluation (Yao et al., ACL 2019); intra, inter,
inter-long, frequent and long-tail those of Re-DocRED's (Tan et al., EMNLP 2022); pair scores, where a pair is
related or not, those of Table 5 of LMRC ("LLM with Relation Classifier for Document-Level Relation
Extraction").
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.errors import InputError
from harness.label_source import NO_LABELS, LabelSource
from harness.scoring.breakdowns import FREQUENT_RELATIONS, MentionCounter, RelationCounter, SpanCounter
from harness.scoring.counts import Counts, Scores, f1
from harness.types import Document, Prediction, Triplet

SCORER_VERSION = 1
"""Raised whenever a change makes any score differ; leaderboards rank runs of one version only.

A score that was 0 and is now not available, as there was nothing to measure, is no such change.
"""

IGN_EPSILON = 1e-5
"""Added to the denominator of Ign precision by the official code."""

FIRST_GOLD_EVIDENCE = 1
"""The official code starts its total of gold evidence sentences here, not at 0."""


TrainFacts = frozenset[tuple[str, str, str]]
"""The facts that a training file states by name, which Ign F1 leaves out of the count.

``(head mention name, tail mention name, relation id)`` of every training label.
"""


def facts_in_train(documents: Iterable[Document]) -> TrainFacts:
    """Collect the facts of the training documents, which are read once and not kept.

    A label gives one fact for each pair of a mention name of its head and one of its tail, as in
    DocRED's evaluation (Yao et al., ACL 2019).
    """
    return frozenset(
        (head_name, tail_name, label.triplet.relation)
        for document in documents
        for label in document.labels
        for head_name in document.entities[label.triplet.head].names
        for tail_name in document.entities[label.triplet.tail].names
    )


@dataclass(frozen=True, slots=True)
class Metrics:
    """Every official score of one set of predictions; all fractions are 0 to 1. Nothing is a score without gold labels.

    - ``triplets``: micro scores over distinct ``(title, head, tail, relation)``.
    - ``ign``: without the correct triplets that the training file states; None without such a file.
      Its recall is that of ``triplets``, and so is its gold count.
    - ``evidence``: over sentence ids, see ``score``; None where no prediction, or no label, has any.
    - ``intra``, ``inter``, ``inter_long``: by sentence distance, see ``SpanCounter``.
    - ``frequent``, ``long_tail``: by relation id, see ``FREQUENT_RELATIONS``.
    - ``pairs``: over distinct ordered pairs (head, tail), related or not.
    - ``mentions``: over pairs of mentions, see ``MentionCounter``.
    - ``macro_f1``: the unweighted mean of F1 over the relations that occur in the gold labels.
    - ``per_relation``: relation id to scores, for relations that are gold or were predicted.
    - ``per_document``: title to counts, in the order of the documents.
    - ``predicted_elsewhere``: distinct predictions for titles that are not among the documents. They are
      wrong, and in no row of ``per_document``.
    - ``not_candidates``: distinct predictions for pairs that are no candidates by the corpus' definition. They are
      counted nowhere else. None where all pairs are candidates.
    - ``label_source``: who wrote the labels.
    """

    triplets: Scores
    ign: Scores | None
    evidence: Scores | None
    intra: Scores
    inter: Scores
    inter_long: Scores
    frequent: Scores
    long_tail: Scores
    pairs: Scores
    mentions: Scores
    macro_f1: float
    per_relation: Mapping[str, Scores]
    per_document: Mapping[str, Counts]
    predicted_elsewhere: int
    label_source: LabelSource
    not_candidates: int | None = None

    def as_dict(self) -> dict[str, float | int | None]:
        """The corpus-level scores and counts under flat names, ready for JSON; None for what is not available.

        Not available is the F1 of a part that has no gold triplet and no prediction, and without gold labels all but
        what was predicted.
        """
        flat: dict[str, float | int | None] = {
            "precision": self.triplets.precision,
            "recall": self.triplets.recall,
            "f1": self.triplets.f1,
            "ign_precision": self.ign.precision if self.ign else None,
            "ign_f1": self.ign.f1 if self.ign else None,
            "evidence_precision": self.evidence.precision if self.evidence else None,
            "evidence_recall": self.evidence.recall if self.evidence else None,
            "evidence_f1": self.evidence.f1 if self.evidence else None,
            "intra_f1": _f1_of_part(self.intra),
            "inter_f1": _f1_of_part(self.inter),
            "inter_long_f1": _f1_of_part(self.inter_long),
            "frequent_f1": _f1_of_part(self.frequent),
            "long_tail_f1": _f1_of_part(self.long_tail),
            "macro_f1": self.macro_f1,
            "pair_precision": self.pairs.precision,
            "pair_recall": self.pairs.recall,
            "pair_f1": self.pairs.f1,
            "mention_precision": self.mentions.precision,
            "mention_recall": self.mentions.recall,
            "mention_f1": self.mentions.f1,
            "correct": self.triplets.correct,
            "predicted": self.triplets.predicted,
            "gold": self.triplets.gold,
            "correct_in_train": self.triplets.correct - self.ign.correct if self.ign else None,
            "predicted_elsewhere": self.predicted_elsewhere,
            "documents": len(self.per_document),
        }
        if self.not_candidates is not None:
            flat["not_candidates"] = self.not_candidates
        if self.label_source == NO_LABELS:
            return {name: value if name in _COUNTED_WITHOUT_GOLD else None for name, value in flat.items()}
        return flat


_COUNTED_WITHOUT_GOLD = ("predicted", "predicted_elsewhere", "not_candidates", "documents")


def score(
    documents: Iterable[Document],
    predictions: Mapping[str, Sequence[Prediction]],
    train_facts: TrainFacts | None = None,
) -> Metrics:
    """Score predictions, given by title, against the labels of documents that are read once and not kept.

    Identical triplets of a document count once, with the evidence of the first. Whatever is not gold is a
    wrong prediction: self-pairs, entity indices outside the document and unknown titles too. Ign scores
    need ``train_facts`` (an empty set counts as a training file without labels).

    Evidence, as the official code counts it: correct sentences over correct triplets, predicted ones over
    all distinct predictions of known titles, gold ones over all labels, starting at 1.

    Where a corpus defines the candidate pairs of its documents, a prediction for another pair is left out, as in the
    literature on such corpora, and counted apart.

    Documents without gold, if any, leave all without a score. Raises InputError if two documents share a title, as
    predictions could not tell them apart.
    """
    scorer = Scorer()
    for document in documents:
        scorer.add(document, predictions.get(document.title, ()))
    scorer.add_others(predictions)
    return scorer.metrics(train_facts)


class Scorer:
    """The running totals of ``score``, for predictions that come document by document."""

    def __init__(self) -> None:
        self.per_document: dict[str, Counts] = {}
        self._correct_names: list[tuple[Collection[str], Collection[str], str]] = []
        self._relations = RelationCounter()
        self._spans = SpanCounter()
        self._mentions = MentionCounter()
        self._pairs = Counts(0, 0, 0)
        self._evidence = Counts(0, 0, FIRST_GOLD_EVIDENCE)
        self._predicted_elsewhere = 0
        self._not_candidates: int | None = None
        self._label_sources: set[LabelSource] = set()

    def add(self, document: Document, predictions: Sequence[Prediction]) -> None:
        if document.title in self.per_document:
            raise InputError(f"two documents are titled {document.title!r}; remove or rename one of them")
        self._label_sources.add(document.label_source)
        gold = {label.triplet: label.evidence for label in document.labels}
        predicted = self._candidates(document, _distinct(predictions))
        correct = gold.keys() & predicted.keys()

        self.per_document[document.title] = Counts(len(correct), len(predicted), len(gold))
        self._relations.add(correct, predicted, gold)
        self._spans.add(document, correct, predicted, gold)
        self._mentions.add(document, correct, predicted, gold)

        gold_pairs, predicted_pairs = _pairs(gold), _pairs(predicted)
        self._add_pairs(Counts(len(gold_pairs & predicted_pairs), len(predicted_pairs), len(gold_pairs)))

        self._evidence = Counts(
            self._evidence.correct + sum(len(set(gold[t]).intersection(predicted[t])) for t in correct),
            self._evidence.predicted + sum(len(set(evidence)) for evidence in predicted.values()),
            self._evidence.gold + sum(len(label.evidence) for label in document.labels),
        )
        entities = document.entities
        self._correct_names += ((entities[t.head].names, entities[t.tail].names, t.relation) for t in correct)

    def _candidates(
        self, document: Document, predicted: dict[Triplet, tuple[int, ...]]
    ) -> dict[Triplet, tuple[int, ...]]:
        """The predictions for candidate pairs; the others are counted."""
        if document.candidates is None:
            return predicted
        pairs = set(document.candidates)
        kept = {one: evidence for one, evidence in predicted.items() if (one.head, one.tail) in pairs}
        self._not_candidates = (self._not_candidates or 0) + len(predicted) - len(kept)
        return kept

    def add_others(self, predictions: Mapping[str, Sequence[Prediction]]) -> None:
        """Count the predictions for titles that are not among the documents so far: wrong, and without distance."""
        for title in predictions.keys() - self.per_document.keys():
            predicted = _distinct(predictions[title])
            self._predicted_elsewhere += len(predicted)
            self._relations.add((), predicted, ())
            self._add_pairs(Counts(0, len(_pairs(predicted)), 0))

    def _add_pairs(self, more: Counts) -> None:
        self._pairs = Counts(*(old + new for old, new in zip(self._pairs, more, strict=True)))

    def metrics(self, train_facts: TrainFacts | None = None) -> Metrics:
        """The scores of what was added so far."""
        by_relation = self._relations.by_relation()
        triplets = Scores.of(_total(by_relation.values()))
        per_relation = {relation: Scores.of(counts) for relation, counts in by_relation.items()}
        in_gold = [scores.f1 for scores in per_relation.values() if scores.gold]
        frequent = [counts for relation, counts in by_relation.items() if relation in FREQUENT_RELATIONS]
        long_tail = [counts for relation, counts in by_relation.items() if relation not in FREQUENT_RELATIONS]
        return Metrics(
            triplets=triplets,
            ign=None if train_facts is None else ign_scores(triplets, self._correct_in(train_facts)),
            evidence=Scores.of(self._evidence) if self._has_evidence else None,
            intra=Scores.of(self._spans.counts("intra")),
            inter=Scores.of(self._spans.counts("inter_short", "inter_long")),
            inter_long=Scores.of(self._spans.counts("inter_long")),
            frequent=Scores.of(_total(frequent)),
            long_tail=Scores.of(_total(long_tail)),
            pairs=Scores.of(self._pairs),
            mentions=Scores.of(self._mentions.counts),
            macro_f1=sum(in_gold) / len(in_gold) if in_gold else 0.0,
            per_relation=per_relation,
            per_document=self.per_document,
            predicted_elsewhere=self._predicted_elsewhere,
            not_candidates=self._not_candidates,
            label_source=LabelSource.merged(self._label_sources),
        )

    @property
    def _has_evidence(self) -> bool:
        return self._evidence.predicted > 0 and self._evidence.gold > FIRST_GOLD_EVIDENCE

    def _correct_in(self, train_facts: TrainFacts) -> int:
        """How many correct triplets the training file states for any of the names of their entities."""
        return sum(
            any((head, tail, relation) in train_facts for head in heads for tail in tails)
            for heads, tails, relation in self._correct_names
        )


def _f1_of_part(scores: Scores) -> float | None:
    return scores.f1 if scores.gold or scores.predicted else None


def _distinct(predictions: Sequence[Prediction]) -> dict[Triplet, tuple[int, ...]]:
    """The distinct triplets, each with the evidence of its first prediction."""
    evidence: dict[Triplet, tuple[int, ...]] = {}
    for prediction in predictions:
        evidence.setdefault(prediction.triplet, prediction.evidence)
    return evidence


def _pairs(triplets: Iterable[Triplet]) -> set[tuple[int, int]]:
    return {(triplet.head, triplet.tail) for triplet in triplets}


def ign_scores(triplets: Scores, correct_in_train: int) -> Scores:
    """The Ign scores: ``triplets`` without the correct ones that the training file states."""
    correct = triplets.correct - correct_in_train
    predicted = triplets.predicted - correct_in_train
    precision = correct / (predicted + IGN_EPSILON)
    return Scores(precision, triplets.recall, f1(precision, triplets.recall), correct, predicted, triplets.gold)


def _total(counts: Iterable[Counts]) -> Counts:
    return Counts(*(sum(column) for column in zip(Counts(0, 0, 0), *counts, strict=True)))
