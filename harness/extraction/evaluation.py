"""What an extractor scores end to end on labelled documents, and what each of its stages costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness.encoders.entities.finder import EntityFinder
from harness.extraction.entities import EntitiesByTitle
from harness.extraction.pipeline import Extractor
from harness.scoring.counts import Scores, total
from harness.scoring.entities import EndToEndScores, Found, relaxed_counts, strict_counts
from harness.types import Document, Given

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
    scores = EndToEndScores.of(rows)
    by_score = tuple((least, *_surer(rows, least)) for least in LEAST)
    return EndToEnd(given, scores.mentions, scores.entities, scores.strict, scores.relaxed, by_score)


def _surer(rows: Sequence[Found], least: float) -> tuple[Scores, Scores]:
    """Strict and relaxed scores of the triplets of a probability or more."""
    kept = [(gold, entities, [p for p in found if (p.score or 0.0) >= least]) for gold, entities, found in rows]
    return total(strict_counts(*row) for row in kept), total(relaxed_counts(*row) for row in kept)


def _found(extractor: Extractor, documents: Sequence[Document]) -> Iterator[Found]:
    for gold, (document, predictions) in zip(documents, extractor.find(documents), strict=True):
        yield gold, document.entities, predictions


def _given(extractor: Extractor, documents: Sequence[Document]) -> Extractor:
    """The extractor with these entities, read in one window."""
    entities = EntitiesByTitle({one.title: one.entities for one in documents})
    return replace(extractor, entities=entities, window=max(sum(map(len, one.sentences)) for one in documents))
