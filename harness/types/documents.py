"""What is read: documents with entities, mentions and labels, the schema of relations, datasets."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple, Self

from harness.label_source import HUMAN, LabelSource


@dataclass(frozen=True, slots=True)
class Mention:
    """One occurrence of an entity: tokens ``[start, end)`` of sentence ``sent_id`` (0-based)."""

    name: str
    """The text as the corpus gives it."""
    sent_id: int
    start: int
    """Its first token in the sentence, from 0."""
    end: int
    """The token after its last."""
    type: str
    """Its entity type, such as PER."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A cluster of coreferent mentions; never empty. Its index in the document is its id."""

    mentions: tuple[Mention, ...]
    """In the order of the corpus; at least one."""

    @property
    def name(self) -> str:
        """The name shown to a model: that of the first mention, as DocRED lists them."""
        return self.mentions[0].name

    @property
    def names(self) -> tuple[str, ...]:
        """All distinct mention names, in order of appearance in the cluster."""
        return tuple(dict.fromkeys(mention.name for mention in self.mentions))

    @property
    def type(self) -> str:
        return self.mentions[0].type


class Triplet(NamedTuple):
    """``(head, relation, tail)``: two entity indices of one document and a relation id such as P17."""

    head: int
    """Index of the head entity in its document."""
    relation: str
    """Relation id, such as P17."""
    tail: int
    """Index of the tail entity."""


@dataclass(frozen=True, slots=True)
class Label:
    """A gold triplet with the ids of the sentences that support it (may be empty)."""

    triplet: Triplet
    """The fact."""
    evidence: tuple[int, ...] = ()
    """Indices of the sentences that state it."""


@dataclass(frozen=True, slots=True)
class Episode:
    """What comes with a query document of a few-shot episode."""

    relations: tuple[str, ...]
    """The ids of the relations that the query is asked about."""
    support: tuple[Document, ...]
    """Documents with all labels of these relations, and with no others."""


@dataclass(frozen=True, slots=True)
class Document:
    """A tokenised document: ``sentences[i][j]`` is token j of sentence i. ``label_source`` says if it has gold.

    ``unrelated`` are the ordered pairs (head, tail) that the labels say have no relation, where they name such pairs.
    ``candidates`` are the ordered pairs that can have a relation by the corpus' definition, such as chemical and
    disease; None: all. Other pairs are not asked about, and predictions for them are not scored. ``episode`` is that of
    a document that is a query in one; its labels are those of the episode's relations. ``unseen`` are the relations
    that it is asked about in a test of relations that training does not have; empty in any other. ``annotated`` are the
    ids of the relations that its labels tell of, where corpora of other relations are joined; None: all. Of another
    relation nothing is known in this document.
    """

    title: str
    """Unique within a corpus."""
    sentences: tuple[tuple[str, ...], ...]
    """Tokens, by sentence."""
    entities: tuple[Entity, ...]
    """What triplets refer to, by index."""
    labels: tuple[Label, ...] = ()
    """The gold triplets; empty where there are none."""
    label_source: LabelSource = HUMAN
    unrelated: tuple[tuple[int, int], ...] = ()
    candidates: tuple[tuple[int, int], ...] | None = None
    episode: Episode | None = None
    unseen: tuple[Relation, ...] = ()
    annotated: tuple[str, ...] | None = None

    def within(self, relations: Container[str]) -> Self:
        """The document with its labels of these relations only, by id."""
        return replace(self, labels=tuple(one for one in self.labels if one.triplet.relation in relations))

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The candidate pairs, by head, then by tail: all n(n-1) ordered ones unless the corpus says which."""
        if self.candidates is not None:
            return self.candidates
        entities = range(len(self.entities))
        return tuple((head, tail) for head in entities for tail in entities if head != tail)


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation type: its id in the dataset (P17) and its name (country)."""

    id: str
    """Such as P17."""
    name: str
    """Such as country."""


@dataclass(frozen=True)
class RelationSchema:
    """The closed set of relations of a dataset, in the dataset's order; ids and names are unique.

    ``none`` are the ids by which its labels say that a pair has no relation; they are no relations. ``texts`` is the
    path of the schema file that it came from, which holds the texts of its relations; empty where there is none.
    ``descriptions`` are those that the corpus itself gives with the names, by id, where it does.
    """

    relations: tuple[Relation, ...]
    """In the corpus's order."""
    none: tuple[str, ...] = ()
    texts: str = ""
    descriptions: Mapping[str, str] = field(default_factory=dict, compare=False)

    @cached_property
    def by_id(self) -> Mapping[str, Relation]:
        return {relation.id: relation for relation in self.relations}

    @cached_property
    def by_name(self) -> Mapping[str, Relation]:
        return {relation.name: relation for relation in self.relations}

    def within(self, relations: Container[str]) -> Self:
        """The schema with these relations only, by id, in its own order."""
        return replace(self, relations=tuple(one for one in self.relations if one.id in relations))


@dataclass(frozen=True)
class Dataset:
    """One split of a corpus. ``documents`` can be iterated again and again, and may stream from disk.

    ``sha256`` is the checksum of the file that the documents came from. ``label_sources`` are those of its documents,
    each with the title of the first. ``annotated`` are the ids of the relations of each of several corpora, by its
    name, where they are joined and have other ones; empty where all documents are annotated with all relations.
    """

    name: str
    """Of the corpus, or of the file."""
    split: str
    """Such as dev; empty for a file."""
    schema: RelationSchema
    """The relations that labels and predictions may have."""
    documents: Collection[Document]
    sha256: str
    label_sources: Mapping[LabelSource, str] = field(default_factory=dict)
    annotated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def in_episodes(self) -> bool:
        """Whether the documents are queries of few-shot episodes; all are, or none is."""
        first = next(iter(self.documents), None)
        return first is not None and first.episode is not None
