"""What comes out: a text with its entities and relations, by character offsets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.extraction.scores import NA, ScoredPrediction
from harness.label_source import NO_LABELS, LabelSource
from harness.types import Document, Label, Mention, Prediction, RelationSchema

if TYPE_CHECKING:
    import pandas as pd

Offsets = tuple[int, int]
"""Characters ``[start, end)`` of a text."""


@dataclass(frozen=True, slots=True)
class ExtractedMention:
    """One occurrence of an entity in the text."""

    text: str
    """As the author wrote it."""
    start: int
    """Its first character in the text, from 0."""
    end: int
    """The character after its last."""
    sentence: int
    """The number of its sentence, from 0."""


@dataclass(frozen=True, slots=True)
class ExtractedEntity:
    """A person, place, date or other thing, with all its mentions."""

    name: str
    """That of its first mention."""
    type: str
    """Such as PER."""
    mentions: tuple[ExtractedMention, ...]
    """In the order of the text."""


@dataclass(frozen=True, slots=True)
class RankedRelation:
    """A relation that the model scored for a pair, or NA."""

    relation: str
    """Its id, or NA, above which the model itself predicts a relation."""
    name: str
    """Its name."""
    score: float
    """Its probability against none, 0 to 1; of NA, that of a relation which scores as NA does."""
    logit: float
    """What the model computed."""


@dataclass(frozen=True, slots=True)
class ExtractedRelation:
    """A triplet: head and tail are indices into the text's entities."""

    head: int
    relation: str
    """The relation's id, such as P19."""
    name: str
    """Its name, such as place of birth."""
    tail: int
    score: float | None
    """The model's probability of the relation against none, 0 to 1; None from an LLM."""
    evidence: tuple[int, ...]
    """The numbers of the sentences that state it, as far as that can be told."""
    ranking: tuple[RankedRelation, ...] = ()
    """The best relations of the pair and NA, the best first; empty from an LLM."""


@dataclass(frozen=True, slots=True)
class ExtractedDocument:
    """A text with what was found in it; all offsets are characters of ``text``."""

    title: str
    """The name of its file, or as its line says."""
    source: str
    """The path that it came from; - for standard input."""
    text: str
    """The plain text that was read, without the markup of its file."""
    sentences: tuple[Offsets, ...]
    entities: tuple[ExtractedEntity, ...]
    relations: tuple[ExtractedRelation, ...]

    def as_json(self, *, explain: bool = False) -> dict[str, Any]:
        """One line of the output: the fields, with the names of head and tail beside their numbers.

        With ``explain``, each relation has its ``ranking``.
        """
        content = asdict(replace(self, relations=()))
        content["relations"] = [
            {
                "head": one.head,
                "head_name": self.entities[one.head].name,
                "relation": one.relation,
                "name": one.name,
                "tail": one.tail,
                "tail_name": self.entities[one.tail].name,
                "score": one.score,
                "evidence": list(one.evidence),
                **({"ranking": [asdict(ranked) for ranked in one.ranking]} if explain else {}),
            }
            for one in self.relations
        ]
        return content

    def evidence_text(self, relation: ExtractedRelation) -> str:
        """The sentences that state a relation, in one line."""
        found = (self.text[slice(*self.sentences[number])] for number in relation.evidence)
        return " ".join(" ".join(found).split())


def extracted(
    document: Document, source: str, predictions: Sequence[Prediction], schema: RelationSchema, text: str
) -> ExtractedDocument:
    """The found entities and triplets of a tokenised document as offsets of its text."""
    offsets = token_offsets(text, document.sentences)

    def mention(one: Mention) -> ExtractedMention:
        start, end = offsets[one.sent_id][one.start][0], offsets[one.sent_id][one.end - 1][1]
        return ExtractedMention(text[start:end], start, end, one.sent_id)

    entities = tuple(
        ExtractedEntity(
            # As it is written: tokens joined by spaces would tear names apart at hyphens.
            " ".join(mention(entity.mentions[0]).text.split()),
            entity.type,
            tuple(map(mention, sorted(entity.mentions, key=lambda one: (one.sent_id, one.start)))),
        )
        for entity in document.entities
    )
    names = {NA: "no relation"} | {relation.id: relation.name for relation in schema.relations}
    relations = tuple(
        ExtractedRelation(
            one.triplet.head,
            one.triplet.relation,
            names.get(one.triplet.relation, one.triplet.relation),
            one.triplet.tail,
            one.score,
            one.evidence,
            tuple(
                RankedRelation(ranked.relation, names.get(ranked.relation, ranked.relation), *ranked[1:])
                for ranked in (one.ranking if isinstance(one, ScoredPrediction) else ())
            ),
        )
        for one in predictions
    )
    sentences = tuple((one[0][0], one[-1][1]) if one else (0, 0) for one in offsets)
    return ExtractedDocument(document.title, source, text, sentences, entities, relations)


def token_offsets(text: str, sentences: Iterable[Sequence[str]]) -> list[list[Offsets]]:
    """Where each token lies in the text; nothing but white space stands between tokens."""
    place = 0
    found = []
    for sentence in sentences:
        line = []
        for token in sentence:
            start = text.index(token, place)
            place = start + len(token)
            line.append((start, place))
        found.append(line)
    return found


def labelled(document: Document, predictions: Sequence[Prediction], system: str) -> Document:
    """The document with its predictions as labels of a model, for DocRED's format."""
    labels = tuple(Label(one.triplet, one.evidence) for one in predictions)
    source = LabelSource("model", system) if labels else NO_LABELS
    return Document(document.title, document.sentences, document.entities, labels, source)


def triplet_table(documents: Iterable[ExtractedDocument]) -> pd.DataFrame:
    """One row for each triplet: names and types of head and tail, relation, score, evidence sentences."""
    import pandas as pd

    return pd.DataFrame(
        [row for document in documents for row in triplet_rows(document)], columns=list(TRIPLET_COLUMNS)
    )


TRIPLET_COLUMNS = (
    "document", "head", "head_type", "relation", "relation_name", "tail", "tail_type", "score", "evidence",
)  # fmt: skip


def triplet_rows(document: ExtractedDocument) -> list[dict[str, Any]]:
    """The rows of ``triplet_table`` of one document."""
    rows = []
    for one in document.relations:
        head, tail = document.entities[one.head], document.entities[one.tail]
        values = (document.title, head.name, head.type, one.relation, one.name, tail.name, tail.type, one.score)
        rows.append(dict(zip(TRIPLET_COLUMNS, (*values, document.evidence_text(one)), strict=True)))
    return rows
