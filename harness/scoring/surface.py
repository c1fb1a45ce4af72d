"""AutoRE's metric: predicted triplets as strings, compared with the mention names of the gold entities.

AutoRE judges a fact by its strings, not by entity indices, so its scores are not comparable with the
official ones and are never mixed with them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from harness.errors import InputError
from harness.scoring.counts import f1, ratio
from harness.types import Document, Prediction, RawTriplet, RelationSchema, Triplet


@dataclass(frozen=True, slots=True)
class SurfaceScores:
    """Precision ``right / predicted`` and recall ``found / gold`` (fractions, 0 to 1), and their F1.

    - ``predicted``: distinct string triplets of each title, unknown titles included.
    - ``right``: those that fit at least one gold triplet of their document.
    - ``gold``: distinct gold triplets.
    - ``found``: gold triplets that at least one prediction fits, each counted once.

    ``right`` and ``found`` differ where two strings name one entity or one string names two.
    """

    precision: float
    recall: float
    f1: float
    right: int
    predicted: int
    found: int
    gold: int

    def as_dict(self) -> dict[str, float | int]:
        """The scores and counts under names that cannot be taken for the official ones."""
        return {f"surface_{name}": value for name, value in asdict(self).items()}


def score_surface(
    documents: Iterable[Document],
    predictions: Mapping[str, Sequence[RawTriplet]],
    schema: RelationSchema | None = None,
) -> SurfaceScores:
    """Score string triplets, given by title, against the labels of documents that are read once.

    A prediction fits a gold triplet if its head and tail equal, character by character, any mention name
    of the gold head and tail, and its relation is the gold relation's id or, with a schema, its name.
    A prediction that fits several gold triplets (entities that share a name) finds all of them, as a
    string cannot tell them apart.

    Raises InputError if two documents share a title.
    """
    names_to_ids = {relation.name: relation.id for relation in schema.relations} if schema else {}
    right = predicted = found = gold = 0
    titles: set[str] = set()
    for document in documents:
        if document.title in titles:
            raise InputError(f"two documents are titled {document.title!r}; remove or rename one of them")
        titles.add(document.title)
        distinct = _distinct(predictions.get(document.title, ()), names_to_ids)
        fitting = _strings(document)
        hits = [fitting[triplet] for triplet in distinct if triplet in fitting]
        right += len(hits)
        predicted += len(distinct)
        found += len(set().union(*hits))
        gold += len({label.triplet for label in document.labels})
    for title, unplaced in predictions.items():
        if title not in titles:
            predicted += len(_distinct(unplaced, names_to_ids))
    precision, recall = ratio(right, predicted), ratio(found, gold)
    return SurfaceScores(precision, recall, f1(precision, recall), right, predicted, found, gold)


def as_strings(document: Document, predictions: Iterable[Prediction]) -> list[RawTriplet]:
    """Index predictions as AutoRE's metric reads them: the entities' first names, and the relation id.

    An index outside the document becomes the empty string, which fits no gold entity.
    """
    names = {index: entity.name for index, entity in enumerate(document.entities)}
    return [
        RawTriplet(names.get(head, ""), relation, names.get(tail, ""))
        for head, relation, tail in (prediction.triplet for prediction in predictions)
    ]


def _distinct(triplets: Sequence[RawTriplet], names_to_ids: Mapping[str, str]) -> set[RawTriplet]:
    return {RawTriplet(head, names_to_ids.get(relation, relation), tail) for head, relation, tail in triplets}


def _strings(document: Document) -> Mapping[RawTriplet, set[Triplet]]:
    """Every way to write the gold triplets of a document, with the gold triplets that it fits."""
    strings: defaultdict[RawTriplet, set[Triplet]] = defaultdict(set)
    for label in document.labels:
        head, relation, tail = label.triplet
        for head_name in filter(None, document.entities[head].names):
            for tail_name in filter(None, document.entities[tail].names):
                strings[RawTriplet(head_name, relation, tail_name)].add(label.triplet)
    return strings
