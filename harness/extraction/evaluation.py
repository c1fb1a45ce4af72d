"""What an extractor scores end to end on labelled documents, and what each of its stages costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.encoders.entities.finder import EntityFinder
from harness.extraction.entities import EntitiesByTitle
from harness.extraction.pipeline import Extractor
from harness.scoring.counts import Scores, total
from harness.scoring.entities import cluster_counts, mention_counts, relaxed_counts, strict_counts
from harness.types import Document, Prediction

Given = Literal["nothing", "mentions", "entities"]
Found = tuple[Document, Document, Sequence[Prediction]]
"""A labelled document, the same with the entities that were found, and the triplets of these."""


LEAST = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9)
"""The probabilities at which triplets are counted."""


@dataclass(frozen=True)
class EndToEnd:
    """Micro scores of one extractor on the same documents, where ``given`` was given it."""

    given: Given
    mentions: Scores
    entities: Scores
    strict: Scores
    relaxed: Scores
    by_score: tuple[tuple[float, Scores, Scores], ...] = ()
    """Strict and relaxed scores of the triplets of a probability or more."""


def end_to_end(extractor: Extractor, documents: Sequence[Document]) -> Iterator[EndToEnd]:
    """The scores of an extractor, then those with gold mentions (if its finder can join them) and gold entities."""
    yield scored("nothing", _found(extractor, documents))
    if isinstance(extractor.entities, EntityFinder):
        yield scored("mentions", _found(_given(extractor, list(extractor.entities.join(documents))), documents))
    yield scored("entities", _found(_given(extractor, documents), documents))


def scored(given: Given, found: Iterable[Found]) -> EndToEnd:
    """The scores of what was found."""
    rows = list(found)
    return EndToEnd(
        given,
        total(mention_counts(gold.entities, one.entities) for gold, one, _ in rows),
        total(cluster_counts(gold.entities, one.entities) for gold, one, _ in rows),
        total(strict_counts(gold, one.entities, predictions) for gold, one, predictions in rows),
        total(relaxed_counts(gold, one.entities, predictions) for gold, one, predictions in rows),
        tuple((least, *_surer(rows, least)) for least in LEAST),
    )


def _surer(rows: Sequence[Found], least: float) -> tuple[Scores, Scores]:
    """Strict and relaxed scores of the triplets of a probability or more."""
    kept = [(gold, one, [p for p in found if (p.score or 0.0) >= least]) for gold, one, found in rows]
    return (
        total(strict_counts(gold, one.entities, surer) for gold, one, surer in kept),
        total(relaxed_counts(gold, one.entities, surer) for gold, one, surer in kept),
    )


def _found(extractor: Extractor, documents: Sequence[Document]) -> Iterator[Found]:
    for gold, (document, predictions) in zip(documents, extractor.find(documents), strict=True):
        yield gold, document, predictions


def _given(extractor: Extractor, documents: Sequence[Document]) -> Extractor:
    """The extractor with these entities, read in one window."""
    entities = EntitiesByTitle({one.title: one.entities for one in documents})
    return replace(extractor, entities=entities, window=max(sum(map(len, one.sentences)) for one in documents))
