"""A method asked about parts of a long document: overlapping windows of sentences, whose triplets are joined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.answers.status import worst_status
from harness.methods.asking import all_of
from harness.methods.base import Demonstration, PromptMethod
from harness.methods.found_entities import renumbered
from harness.methods.settings import MethodSettings
from harness.methods.windows import Window, triplets_of_known, windows_with_entities
from harness.types import Ask, Document, Extraction, Label, PacedAsk, Triplet

_SCORED = ("candidates", "relations")
"""Details that are lists whose items end in a score; of equal items the highest counts."""
WINDOWS, PAIRS_APART = "windows", "pairs_apart"
OF_THE_DOCUMENT = frozenset({WINDOWS, PAIRS_APART})
"""Details that tell how a document was divided, whatever was answered."""


@dataclass(frozen=True)
class Windowed:
    """The method that ``create`` makes of ``settings``, asked about each window of at most ``words`` words.

    A window has the entities that are mentioned in it; with fewer than two it is not asked about. A document that is no
    longer than a window is asked about as it is. A triplet of several windows counts once, with its highest score.
    A document is only ``ok`` if all its windows are. The details of an extraction are summed; they count the
    ``windows`` and the candidate pairs that no window has together (``pairs_apart``), which cannot be found.
    """

    settings: MethodSettings
    words: int
    create: Callable[[MethodSettings], PromptMethod]

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        windows, method = self.windows(document), self._method()
        if isinstance(ask, PacedAsk) and not ask.first_alone:
            found = await all_of(method.extract(window.document, ask) for window in windows)
        else:
            found = [await method.extract(window.document, ask) for window in windows]
        status, error = worst_status([(one.status, one.error) for one in found], "windows")
        details = [renumbered(one.details, window.numbers) for one, window in zip(found, windows, strict=True)]
        together = {pair for window in windows for pair in _pairs_of(window)}
        return Extraction(
            predictions=tuple(triplets_of_known(windows, [one.predictions for one in found])),
            status=status,
            error=error,
            rejects=tuple(reject for one in found for reject in one.rejects),
            steps=tuple(step for one in found for step in one.steps),
            details={
                **_joined(details),
                WINDOWS: len(windows),
                PAIRS_APART: sum(pair not in together for pair in document.pairs),
            },
        )

    def demonstrate(self, document: Document) -> list[Demonstration]:
        """What each window is asked, and the answers that the labels between its entities give."""
        method = self._method()
        return [said for window in self.windows(document) for said in method.demonstrate(window.document)]

    def windows(self, document: Document) -> list[Window]:
        """The windows that are asked about, with the labels and candidate pairs between their entities."""
        if sum(map(len, document.sentences)) <= self.words:
            return [Window(0, document, tuple(range(len(document.entities))))]
        windows = windows_with_entities(document, self.words)
        return [_completed(window, document) for window in windows if len(window.document.entities) > 1]

    def _method(self) -> PromptMethod:
        return self.create(replace(self.settings, window=None))


def _completed(window: Window, document: Document) -> Window:
    places = {number: place for place, number in enumerate(window.numbers)}
    sentences = range(len(window.document.sentences))
    labels = [
        Label(
            Triplet(places[head], relation, places[tail]),
            tuple(one - window.first for one in label.evidence if one - window.first in sentences),
        )
        for label in document.labels
        for head, relation, tail in [label.triplet]
        if head in places and tail in places
    ]
    pairs = document.candidates
    candidates = pairs and tuple((places[head], places[tail]) for head, tail in pairs if {head, tail} <= places.keys())
    part = replace(
        window.document,
        labels=tuple(labels),
        label_source=document.label_source,
        candidates=candidates,
        unseen=document.unseen,
    )
    return replace(window, document=part)


def _pairs_of(window: Window) -> set[tuple[int, int]]:
    return {(window.numbers[head], window.numbers[tail]) for head, tail in window.document.pairs}


def _joined(details: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """The details of all windows: counts summed, lists one after the other, what is true of any is true."""
    joined: dict[str, object] = {}
    for one in details:
        for name, value in one.items():
            joined[name] = _both(joined[name], value) if name in joined else value
    for name in _SCORED:
        if isinstance(items := joined.get(name), list):
            best: dict[tuple[object, ...], float] = {}
            for *key, score in items:
                best[tuple(key)] = max(score, best.get(tuple(key), score))
            ranked = sorted(best.items(), key=lambda item: -item[1]) if name == "candidates" else best.items()
            joined[name] = [[*key, score] for key, score in ranked]
    return joined


def _both(one: object, other: object) -> object:
    match one, other:
        case bool(), bool():
            return one or other
        case int() | float(), int() | float():
            return one + other
        case list(), list():
            return one + [item for item in other if item not in one]
        case dict(), dict():
            return {**one, **{name: _both(one[name], value) if name in one else value for name, value in other.items()}}
        case _:
            return one
