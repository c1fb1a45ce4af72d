"""A finder and a scorer by rule, for what is done with entities and relations rather than how they are found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

import numpy as np

from harness.encoders.entities.text import Span
from harness.extraction.entities import by_name
from harness.types import Document, PairScores, Relation, RelationSchema

SCHEMA = RelationSchema((Relation("P19", "place of birth"), Relation("own", "works <b>for</b>")))
HOSTILE = '=HYPERLINK("http://x") <script>alert(1)</script>'


class EveryPair:
    """Scores by rule: everybody was born in every place, and works for every organisation, but less surely."""

    identity: Mapping[str, str] = MappingProxyType({"encoder": "rule"})
    relations = ("P19", "own")

    def score(self, documents: Iterable[Document]) -> Iterator[PairScores]:
        for one in documents:
            count = len(one.entities)
            pairs = np.argwhere(~np.eye(count, dtype=bool))
            scores = np.full((len(pairs), 3), -5.0)
            scores[:, -1] = 0.0
            for row, (head, tail) in enumerate(pairs):
                if one.entities[head].type == "PER":
                    kind = one.entities[tail].type
                    scores[row, 0] = 3.0 if kind == "LOC" else -5.0
                    scores[row, 1] = 0.5 if kind == "ORG" else -5.0
            yield PairScores(one.title, self.relations, pairs, scores)


class KnownNames:
    """Finds a few names."""

    types: Mapping[str, str] = MappingProxyType({"Ada": "PER", "London": "LOC", "Acme": "ORG", "onerror=attack": "ORG"})

    def find(self, documents: Iterable[Document]) -> Iterator[Document]:
        for one in documents:
            places = ((s, t, word) for s, sentence in enumerate(one.sentences) for t, word in enumerate(sentence))
            yield by_name(one, [Span(s, t, t + 1, self.types[word]) for s, t, word in places if word in self.types])
