"""Long texts in overlapping windows of whole sentences, and what was found in each as triplets of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.datasets.excerpt import excerpt
from harness.methods.parts import parts_of
from harness.types import Document, Prediction, Triplet


@dataclass(frozen=True)
class Window:
    """Some sentences of a text, from number ``first`` on, as a document of their own."""

    first: int
    document: Document
    numbers: tuple[int, ...] = ()
    """Of its entities in the whole text, where they were known before it was divided."""


def windows_of(document: Document, words: int, whole: float = 1.0) -> list[Window]:
    """The windows of at most ``words`` that cover a text; neighbours share up to a fifth.

    A text of at most ``whole`` windows is one; one sentence may be longer than a window. They have no entities.
    """
    if sum(map(len, document.sentences)) <= whole * words:
        return [Window(0, Document(document.title, document.sentences, ()))] if any(document.sentences) else []
    lengths = [min(len(sentence), words) for sentence in document.sentences]
    parts = parts_of(lengths, words) or [range(len(lengths))]
    return [
        Window(part.start, Document(document.title, document.sentences[part.start : part.stop], ()))
        for part in parts
        if part
    ]


def windows_with_entities(document: Document, words: int, whole: float = 1.0) -> list[Window]:
    """The windows that cover a text whose entities are known, each with the mentions in its sentences."""
    found = []
    for window in windows_of(document, words, whole):
        inside = range(window.first, window.first + len(window.document.sentences))
        found.append(Window(window.first, *excerpt(document, inside)))
    return found


def triplets_of_known(windows: Sequence[Window], found: Sequence[Sequence[Prediction]]) -> list[Prediction]:
    """The triplets of the whole text between entities that were known, each with its highest score."""
    best: dict[Triplet, Prediction] = {}
    for window, predictions in zip(windows, found, strict=True):
        for one in predictions:
            head, relation, tail = one.triplet
            triplet = Triplet(window.numbers[head], relation, window.numbers[tail])
            if triplet not in best or (one.score or 0.0) > (best[triplet].score or 0.0):
                best[triplet] = replace(one, triplet=triplet, evidence=renumbered_evidence(one, window.first))
    return list(best.values())


def renumbered_evidence(prediction: Prediction, first: int) -> tuple[int, ...]:
    """The sentences of a prediction in a window that begins with sentence ``first``, as numbered in the whole text."""
    return tuple(first + sentence for sentence in prediction.evidence)
