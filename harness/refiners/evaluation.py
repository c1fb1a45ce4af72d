"""What each part of a hybrid system contributes: the encoder alone, the LLM's additions, and how far both could go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from harness.methods.candidates import Pair, PairSource
from harness.methods.questions import CandidateRelations
from harness.refiners.task_distribution import HardPairs
from harness.scoring.counts import Counts, Scores
from harness.scoring.resampling import Resampling
from harness.types import Document, Prediction, Triplet

Predicted = Mapping[str, Sequence[Prediction]]
"""Predictions by the title of their document."""


class _Sums(NamedTuple):
    """Counts of each document, in the order of the documents."""

    encoder: list[Counts]
    refined: list[Counts]
    perfect: list[Counts]


def refinement_scores(documents: Iterable[Document], hard_pairs: HardPairs, refined: Predicted) -> dict[str, Any]:
    """What ``metrics.json`` holds of a refinement; fractions are 0 to 1.

    ``encoder`` and ``refined`` are their micro scores, ``perfect_llm`` those of the encoder with every right and no
    wrong addition: the bound of any LLM on these hard pairs. ``f1_difference`` is refined minus encoder, with its
    paired bootstrap interval over documents; ``added``, ``added_right`` and ``added_wrong`` count triplets, in
    ``per_document`` right and wrong ones by title.
    """
    sums = _Sums([], [], [])
    per_document: dict[str, list[int]] = {}
    for document in documents:
        gold = gold_triplets(document)
        own = {prediction.triplet for prediction in hard_pairs.scores.of(document).predictions()}
        found = {prediction.triplet for prediction in refined[document.title]}
        possible = {
            Triplet(hard.pair[0], relation, hard.pair[1])
            for hard in hard_pairs.of(document)
            for relation in hard.relations
        }
        for system, triplets in zip(sums, (own, found, own | (possible & gold)), strict=True):
            system.append(_counts(triplets, gold))
        added = found - own
        per_document[document.title] = [len(added & gold), len(added - gold)]
    right, wrong = (sum(column) for column in zip(*per_document.values(), strict=True))
    difference = Resampling(len(per_document)).difference([sums.encoder], [sums.refined])
    return {
        "encoder": _scores(sums.encoder),
        "refined": _scores(sums.refined),
        "perfect_llm": _scores(sums.perfect),
        "f1_difference": difference.value,
        "interval": list(difference.interval),
        "p_value": difference.p_value,
        "added": right + wrong,
        "added_right": right,
        "added_wrong": wrong,
        "per_document": per_document,
    }


def proposal_scores(
    documents: Iterable[Document], source: PairSource, predicted: Predicted, options: CandidateRelations | None = None
) -> dict[str, Any]:
    """What ``metrics.json`` holds of candidate pairs and what became of them; fractions are 0 to 1.

    ``pairs`` are the micro scores of related or not, as in LMRC's Table 5; ``perfect_llm`` the triplet scores of a
    model that answers all proposed pairs rightly. Of all errors, missed and wrong triplets, those ``not_proposed``
    (missed with their pair) and those on ``unrelated`` pairs are the proposal's: ``share_of_errors``. With ``options``,
    a pair is asked about some relations only: no model can state the others, and missed triplets of proposed pairs with
    such a relation are ``not_offered``.
    """
    pairs: list[Counts] = []
    perfect: list[Counts] = []
    missed = wrong = not_proposed = unrelated = 0
    not_offered = None if options is None else 0
    for document in documents:
        gold = gold_triplets(document)
        related = {_pair(triplet) for triplet in gold}
        proposed = set(source.pairs(document))
        found = {prediction.triplet for prediction in predicted[document.title]}
        pairs.append(Counts(len(proposed & related), len(proposed), len(related)))
        possible = {triplet for triplet in gold if _pair(triplet) in proposed}
        if options is not None and not_offered is not None:
            offered = options.of_pairs(document, sorted(proposed & related))
            without = {triplet for triplet in possible if triplet.relation not in offered[_pair(triplet)]}
            not_offered += len(without - found)
            possible -= without
        perfect.append(_counts(possible, gold))
        missed += len(gold - found)
        wrong += len(found - gold)
        not_proposed += sum(_pair(triplet) not in proposed for triplet in gold - found)
        unrelated += sum(_pair(triplet) not in related for triplet in found - gold)
    errors = missed + wrong
    return {
        "source": source.name,
        "pairs": _scores(pairs),
        "perfect_llm": _scores(perfect),
        "missed": missed,
        "wrong": wrong,
        "not_proposed": not_proposed,
        "not_offered": not_offered,
        "unrelated": unrelated,
        "share_of_errors": (not_proposed + unrelated) / errors if errors else 0.0,
    }


def gold_triplets(document: Document) -> set[Triplet]:
    """The distinct triplets of a document's labels."""
    return {label.triplet for label in document.labels}


def _pair(triplet: Triplet) -> Pair:
    return triplet.head, triplet.tail


def _counts(found: set[Triplet], gold: set[Triplet]) -> Counts:
    return Counts(len(found & gold), len(found), len(gold))


def _scores(counts: Sequence[Counts]) -> dict[str, Any]:
    scores = Scores.of(Counts(*(sum(column) for column in zip(*counts, strict=True))))
    return {name: getattr(scores, name) for name in Scores.__slots__}
