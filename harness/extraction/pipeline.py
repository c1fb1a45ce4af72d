"""Texts through a finder of entities and a scorer of relations: models loaded once, few texts held at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from harness.datasets.plain import PlainDocument
from harness.datasets.tokens import split_sentences
from harness.encoders.calibration import Calibration
from harness.extraction.entities import EntitySource, KnownEntities
from harness.extraction.inputs import Text
from harness.extraction.results import ExtractedDocument, extracted, labelled
from harness.extraction.scores import scored_predictions
from harness.extraction.windows import WHOLE, WINDOW, merged
from harness.label_source import NO_LABELS
from harness.methods.windows import triplets_of_known, windows_of, windows_with_entities
from harness.types import Document, PairScorer, PairScores, Prediction, RelationSchema

MOST_WINDOWS = 16
"""Windows that the models are given at once; the first text is not kept waiting for others."""


@dataclass(frozen=True)
class Outcome:
    """A text's result, and the same in DocRED's form."""

    extracted: ExtractedDocument
    document: Document


@dataclass(frozen=True)
class Extractor:
    """A finder of entities and, unless there is none, a scorer of relations.

    ``least`` is the probability from which a relation is kept; with None, what the scorer itself predicts is.
    ``calibration`` makes probabilities of its margins.
    ``window`` is the most words that the models read at once.
    """

    entities: EntitySource | KnownEntities
    relations: PairScorer | None
    schema: RelationSchema
    system: str
    least: float | None = None
    window: int = WINDOW
    calibration: Calibration = field(default_factory=Calibration)

    def extract(self, texts: Iterable[Text]) -> Iterator[Outcome]:
        """Each text in turn; what the models are given at once grows from one text to ``MOST_WINDOWS`` windows."""
        held: list[Text] = []
        windows, most = 0, 1
        for text in texts:
            held.append(text)
            windows += self.windows_in(text)
            if windows >= most:
                yield from self.batch(held)
                held, windows, most = [], 0, min(2 * most, MOST_WINDOWS)
        # Without a text no model is loaded.
        if held:
            yield from self.batch(held)

    def windows_in(self, text: Text) -> int:
        """How many windows a text has, estimated without reading it."""
        return 1 + len(text.text) // (6 * self.window)

    def batch(self, texts: Sequence[Text], least: Sequence[float | None] | None = None) -> Iterator[Outcome]:
        """Each of a few texts in turn, which the models are given together; ``least`` is as of :meth:`find`."""
        documents = [tokenised(one) for one in texts]
        for text, document, (found, predictions) in zip(texts, documents, self.find(documents, least), strict=True):
            result = extracted(found, text.source, predictions, self.schema, document.text)
            yield Outcome(result, labelled(found, predictions, self.system))

    def find(
        self, documents: Sequence[Document], least: Sequence[float | None] | None = None
    ) -> Iterator[tuple[Document, Sequence[Prediction]]]:
        """Each document in turn with the entities found in it, and the triplets.

        ``least`` has for each document what is here in place of the extractor's own ``least``.
        """
        least = [self.least] * len(documents) if least is None else least
        known = isinstance(self.entities, KnownEntities)
        if isinstance(self.entities, KnownEntities):
            documents = [self.entities.entities(document) for document in documents]
            whole = [windows_with_entities(document, self.window, WHOLE) for document in documents]
            found = [window.document for windows in whole for window in windows]
        else:
            whole = [windows_of(document, self.window, WHOLE) for document in documents]
            found = list(self.entities.find(window.document for windows in whole for window in windows))
        scored = self._scores(self.relations, found) if self.relations else None
        remaining = iter(found)
        for document, windows, probability in zip(documents, whole, least, strict=True):
            complete = [replace(window, document=next(remaining)) for window in windows]
            predictions: list[list[Prediction]] = [
                scored_predictions(window.document, next(scored), probability, self.calibration) if scored else []
                for window in complete
            ]
            if known or not complete:
                entities, triplets = document.entities, triplets_of_known(complete, predictions)
            else:
                together = merged(complete, predictions)
                entities, triplets = together.entities, list(together.predictions)
            surest = sorted(triplets, key=lambda one: -(one.score or 0.0))
            yield replace(document, entities=entities, labels=(), unrelated=()), surest

    @staticmethod
    def _scores(relations: PairScorer, windows: Sequence[Document]) -> Iterator[PairScores]:
        """The scores of each window in turn; of a long text, those of few are held at a time.

        A scorer sorts what it is given by length, and the first scores wait for the last.
        """
        for first in range(0, len(windows), MOST_WINDOWS):
            yield from relations.score(windows[first : first + MOST_WINDOWS])


def tokenised(text: Text) -> PlainDocument:
    """The text as a document without entities; each line of a list is a sentence of its own."""
    sentences = tuple(sentence for block in blocks(text.text) for sentence in split_sentences(block))
    return PlainDocument(text.title, sentences, (), label_source=NO_LABELS, text=text.text)


LIST_LINE = 60
"""Characters that a line of a list has at most; lines of running text that was broken are longer."""


def blocks(text: str) -> Iterator[str]:
    """Parts of the text that no sentence goes beyond: paragraphs, and the lines of lists, tables and chats."""
    for paragraph in re.split(r"\n\s*\n", text):
        lines = paragraph.strip().split("\n")
        is_list = len(lines) > 2 and max(map(len, lines)) <= LIST_LINE
        is_marked = len(lines) > 1 and sum(bool(re.match(r"\s*([-*•\[(|]|\d+[.)])", line)) for line in lines) * 2 > len(
            lines
        )
        yield from lines if is_list or is_marked else [paragraph]
