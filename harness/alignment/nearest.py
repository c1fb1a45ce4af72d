"""The relation whose text is most similar to what a model wrote, and in which direction it was written.

LMRC (Appendix B) aligns relations outside the schema with the most similar one by SBERT. The cosine of texts
hardly tells "employs" from "employer": what was written is therefore also compared with wordings of the relation
from head to tail and from tail to head, and is called inverted if it is at least as similar to one of the latter.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from harness.alignment.embedding import Embedder
from harness.alignment.normalise import normalise
from harness.escaping import NO_RELATION

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.alignment.vector_cache import Vectors

# Cosines are rounded before anything is decided by them, so that neither the device nor the other texts
# of a batch decide.
COSINE_DECIMALS = 4

_NO_RELATION = normalise(NO_RELATION)


@dataclass(frozen=True, slots=True)
class Readings:
    """The texts of one relation: ``text`` is what the cosine is taken with.

    ``forward`` and ``inverse`` are further wordings, from head to tail and from tail to head. They decide on the
    direction only, and without inverse ones nothing is called inverted.
    """

    relation: str
    text: str
    forward: tuple[str, ...] = ()
    inverse: tuple[str, ...] = ()


class Nearest(NamedTuple):
    """The id of the most similar relation, the cosine (-1 to 1), and whether the string reads from tail to head."""

    relation: str
    cosine: float
    inverted: bool


@dataclass(frozen=True)
class NearestRelations:
    """Finds the nearest of ``readings`` for any string; each distinct string is looked up once.

    Strings are compared in their normal form. Of equally similar relations the first is taken. Safe to use from
    several threads.
    """

    readings: Sequence[Readings]
    embedder: Embedder
    _known: dict[str, Nearest] = field(default_factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @property
    def texts_sha256(self) -> str:
        """The checksum of what decides: the relations and the texts that cosines are taken with, in order."""
        content = json.dumps([(reading.relation, reading.text) for reading in self.readings])
        return hashlib.sha256(content.encode()).hexdigest()

    def nearest(self, text: str) -> Nearest | None:
        """The nearest relation; None for what names none, such as ``-``, an empty text or ``None``."""
        form = normalise(text)
        if not _names_a_relation(form):
            return None
        if form not in self._known:
            self.learn([text])
        return self._known[form]

    def learn(self, texts: Iterable[str]) -> None:
        """Look up all that are new, in one batch, so that ``nearest`` has the answer ready."""
        forms = dict.fromkeys(filter(_names_a_relation, map(normalise, texts)))
        with self._lock:
            new = [form for form in forms if form not in self._known]
            if new:
                self._known.update(zip(new, self._look_up(new), strict=True))

    def knows(self, text: str) -> bool:
        """Whether ``nearest`` answers without embedding anything."""
        form = normalise(text)
        return form in self._known or not _names_a_relation(form)

    def _look_up(self, forms: Sequence[str]) -> list[Nearest]:
        vectors = self.embedder.embed(forms)
        cosines = _rounded(vectors @ self._vectors.text.T)
        found = []
        for vector, row in zip(vectors, cosines, strict=True):
            number = int(row.argmax())
            inverted = self._reads_inverse(number, vector)
            found.append(Nearest(self.readings[number].relation, float(row[number]), inverted))
        return found

    def _reads_inverse(self, number: int, vector: Vectors) -> bool:
        forward, inverse = self._vectors.forward[number], self._vectors.inverse[number]
        if not len(inverse):
            return False
        return bool(_rounded(inverse @ vector).max() >= _rounded(forward @ vector).max())

    @cached_property
    def _vectors(self) -> _ReadingVectors:
        texts = [(one.text, *one.forward, *one.inverse) for one in self.readings]
        distinct = list(dict.fromkeys(text for several in texts for text in several))
        place = {text: number for number, text in enumerate(distinct)}
        vectors = self.embedder.embed(distinct)

        def rows(several: Iterable[str]) -> Vectors:
            return vectors[[place[text] for text in several]]

        return _ReadingVectors(
            text=rows(one.text for one in self.readings),
            forward=[rows((one.text, *one.forward)) for one in self.readings],
            inverse=[rows(one.inverse) for one in self.readings],
        )


class _ReadingVectors(NamedTuple):
    """``text`` is [relations, dimensions]; the others hold an array [wordings, dimensions] for each relation."""

    text: Vectors
    forward: list[Vectors]
    inverse: list[Vectors]


def _rounded(cosines: Vectors) -> NDArray[np.float64]:
    # In double precision: in single precision 0.55 becomes 0.5500000119.
    return cosines.astype("float64").round(COSINE_DECIMALS)


def _names_a_relation(form: str) -> bool:
    return form != _NO_RELATION and any(character.isalnum() for character in form)
