"""The spaCy component ``docre``; spaCy alone imports this module, by its entry point, when a pipeline names it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import filter_spans, minibatch

from harness.encoders.entities import FINDER
from harness.encoders.entities.text import Span as Mention
from harness.extraction.entities import SPACY_TYPES, EntitiesByTitle, by_name
from harness.extraction.inputs import Text
from harness.extraction.pipeline import tokenised
from harness.extraction.plan import ExtractionConfig, extractor_of
from harness.extraction.results import extracted, token_offsets
from harness.types import Document

OWN = "doc"
"""What stands for the entities that the Doc has already."""


class DocTriplet(NamedTuple):
    """A relation by its id and name, its probability, and of head and tail the first mentions."""

    head: Span
    relation: str
    name: str
    tail: Span
    score: float | None


class Docre:
    """Fills ``doc._.docre`` with what a line of `harness extract` has, and ``doc.ents`` with what a finder found."""

    def __init__(self, config: ExtractionConfig) -> None:
        self._has_finder = config.entities != OWN
        self._extractor = extractor_of(config, None if self._has_finder else EntitiesByTitle({}))

    def __call__(self, doc: Doc) -> Doc:
        return next(self.pipe([doc]))

    def pipe(self, stream: Iterable[Doc], batch_size: int = 16) -> Iterator[Doc]:
        for docs in minibatch(stream, batch_size):
            yield from self._batch(list(docs))

    def _batch(self, docs: Sequence[Doc]) -> Iterator[Doc]:
        read = [list(_sentences(doc)) for doc in docs]
        words = [
            tuple(tuple(doc[token].text for token in one) for one in of) for doc, of in zip(docs, read, strict=True)
        ]
        documents = [Document(str(number), sentences, ()) for number, sentences in enumerate(words)]
        extractor = self._extractor
        if not self._has_finder:
            own = zip(documents, docs, read, strict=True)
            known = {one.title: by_name(one, _mentions(doc, sentences)).entities for one, doc, sentences in own}
            extractor = replace(extractor, entities=EntitiesByTitle(known))
        for doc, (document, predictions) in zip(docs, extractor.find(documents), strict=True):
            found = extracted(document, "", predictions, extractor.schema, doc.text)
            # Plain values: a Doc with spans among its data cannot be stored.
            doc._.docre = found.as_json()
            if self._has_finder:
                doc.ents = filter_spans([_span(doc, m, one.type) for one in found.entities for m in one.mentions])
            yield doc


def _span(doc: Doc, mention: Any, kind: str) -> Span:
    span = doc.char_span(mention.start, mention.end, label=kind)
    assert span is not None
    return span


def _sentences(doc: Doc) -> Iterator[list[int]]:
    """The numbers of the words of each sentence; where no component has set sentences, as `harness extract` does."""
    words = [token for token in doc if not token.is_space]
    starts = {token.idx for token in words if token.is_sent_start}
    if not doc.has_annotation("SENT_START"):
        starts = {line[0][0] for line in token_offsets(doc.text, tokenised(Text("", "", doc.text)).sentences) if line}
    places = [place for place, token in enumerate(words) if token.idx in starts or place == 0]
    for start, end in pairwise([*places, len(words)]):
        yield [token.i for token in words[start:end]]


def _mentions(doc: Doc, sentences: Sequence[Sequence[int]]) -> Iterator[Mention]:
    """The Doc's entities, each up to the end of its sentence; OntoNotes' types become DocRED's."""
    places = {token: (number, place) for number, one in enumerate(sentences) for place, token in enumerate(one)}
    for ent in doc.ents:
        inside = [places[token.i] for token in ent if token.i in places]
        if inside := [one for one in inside if one[0] == inside[0][0]]:
            yield Mention(inside[0][0], inside[0][1], inside[-1][1] + 1, SPACY_TYPES.get(ent.label_, ent.label_))


def _triplets(doc: Doc) -> list[DocTriplet]:
    found = doc._.docre or {"entities": (), "relations": ()}
    first = [
        doc.char_span(one["mentions"][0]["start"], one["mentions"][0]["end"], one["type"]) for one in found["entities"]
    ]
    return [
        DocTriplet(first[one["head"]], one["relation"], one["name"], first[one["tail"]], one["score"])
        for one in found["relations"]
    ]


Doc.set_extension("docre", default=None, force=True)
Doc.set_extension("triplets", getter=_triplets, force=True)


@Language.factory("docre", assigns=["doc._.docre", "doc._.triplets"])
def make_docre(
    nlp: Language,  # noqa: ARG001 - the form of every factory
    name: str,  # noqa: ARG001
    entities: str = FINDER,
    relations: str = "atlop-minilm",
    schema: str = "redocred",
    min_score: float | None = None,
    options: Mapping[str, str] | None = None,
) -> Docre:
    """The component; its settings are those of ``harness.extract``, and ``entities`` may be ``doc``."""
    return Docre(ExtractionConfig(entities, relations, schema, min_score, options=options or {}))
