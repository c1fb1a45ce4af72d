"""Counts that describe a corpus, as the papers on document-level relation extraction tabulate them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from harness.label_source import NO_LABELS
from harness.types import Document, Triplet


@dataclass(frozen=True)
class Statistics:
    """Totals over a corpus, after Table 1 of LMRC (Li et al., 2024) and the intra/inter split of DocRED.

    - ``unlabelled_documents`` have no gold, which is not to be labelled with nothing.
    - ``candidate_pairs``: ordered pairs of two different entities of one document, or those that the corpus defines;
      ``related_pairs`` hold at least one relation, ``na_pairs`` none, ``multi_relation_pairs`` two or more different
      ones.
      ``labelled_na_pairs`` are those of which a label says that they have none, as CDR's NR does.
    - ``stated_labels``: the labels as the file states them, a repeated one each time, and of them those that are
      intra, ``intra_stated_labels``; ``labels_with_evidence`` name a sentence, ``evidence_sentences`` so many in all.
    - ``triplets``: distinct (head, relation, tail) of a document. Intra: head and tail have mentions in one
      and the same sentence; inter: they have not.
    - ``words``: tokens; ``longest_document`` is the largest number of tokens in one document.
    - ``shared_names``: names that belong to more than one entity of their document. Names are compared
      exactly and over all mentions, not the first only; ``documents_with_shared_names`` have such names.
    - ``entity_types`` counts entities by the type of their first mention; ``triplets_per_relation`` counts by
      relation id; both run from most to least frequent.
    """

    documents: int
    unlabelled_documents: int
    sentences: int
    words: int
    longest_document: int
    entities: int
    mentions: int
    candidate_pairs: int
    related_pairs: int
    multi_relation_pairs: int
    stated_labels: int
    intra_stated_labels: int
    labels_with_evidence: int
    evidence_sentences: int
    triplets: int
    intra_triplets: int
    shared_names: int
    documents_with_shared_names: int
    labelled_na_pairs: int
    entity_types: Mapping[str, int]
    triplets_per_relation: Mapping[str, int]

    @property
    def na_pairs(self) -> int:
        return self.candidate_pairs - self.related_pairs

    @property
    def inter_triplets(self) -> int:
        return self.triplets - self.intra_triplets

    @property
    def relations_used(self) -> int:
        return len(self.triplets_per_relation)

    def per_document(self, total: int) -> float:
        """A total as a mean over the documents; 0 for an empty corpus."""
        return total / self.documents if self.documents else 0.0

    @property
    def intra_share(self) -> float:
        """Intra triplets as a fraction of all; 0 where there are none."""
        return self.intra_triplets / self.triplets if self.triplets else 0.0

    def as_dict(self) -> dict[str, object]:
        """All fields and what follows from them, as JSON values; means are unrounded.

        None is what the labels would tell, where no document has any.
        """
        content: dict[str, object] = {
            **asdict(self),
            "na_pairs": self.na_pairs,
            "inter_triplets": self.inter_triplets,
            "inter_stated_labels": self.stated_labels - self.intra_stated_labels,
            "intra_share": self.intra_share,
            "relations_used": self.relations_used,
            "sentences_per_document": self.per_document(self.sentences),
            "words_per_document": self.per_document(self.words),
            "entities_per_document": self.per_document(self.entities),
            "mentions_per_document": self.per_document(self.mentions),
            "triplets_per_document": self.per_document(self.triplets),
        }
        if self.documents and self.unlabelled_documents == self.documents:
            content |= dict.fromkeys(_TOLD_BY_LABELS)
        return content


_TOLD_BY_LABELS = (
    *(
        "stated_labels",
        "intra_stated_labels",
        "inter_stated_labels",
        "labels_with_evidence",
        "evidence_sentences",
        "related_pairs",
        "na_pairs",
        "multi_relation_pairs",
        "triplets",
        "intra_triplets",
        "inter_triplets",
    ),
    *("intra_share", "triplets_per_relation", "relations_used", "triplets_per_document"),
)


def statistics(documents: Iterable[Document]) -> Statistics:
    """Count over the documents in one pass that holds one document at a time."""
    totals: Counter[str] = Counter()
    entity_types: Counter[str] = Counter()
    relations: Counter[str] = Counter()
    longest = 0
    for document in documents:
        words = sum(len(sentence) for sentence in document.sentences)
        longest = max(longest, words)
        entities = document.entities
        triplets = {label.triplet for label in document.labels}
        relations_of_pair = Counter((t.head, t.tail) for t in triplets if t.head != t.tail)
        is_intra = {triplet: _is_intra(document, triplet) for triplet in triplets}
        entities_of_name = Counter(name for entity in entities for name in entity.names)
        shared_names = sum(count > 1 for count in entities_of_name.values())
        totals.update(
            documents=1,
            unlabelled_documents=int(document.label_source == NO_LABELS),
            sentences=len(document.sentences),
            words=words,
            entities=len(entities),
            mentions=sum(len(entity.mentions) for entity in entities),
            candidate_pairs=_pair_count(document),
            related_pairs=len(relations_of_pair),
            multi_relation_pairs=sum(count > 1 for count in relations_of_pair.values()),
            stated_labels=len(document.labels),
            intra_stated_labels=sum(is_intra[label.triplet] for label in document.labels),
            labels_with_evidence=sum(bool(label.evidence) for label in document.labels),
            evidence_sentences=sum(len(set(label.evidence)) for label in document.labels),
            triplets=len(triplets),
            intra_triplets=sum(is_intra.values()),
            shared_names=shared_names,
            documents_with_shared_names=int(shared_names > 0),
            labelled_na_pairs=len(document.unrelated),
        )
        entity_types.update(entity.type for entity in entities)
        relations.update(triplet.relation for triplet in triplets)
    return Statistics(
        documents=totals["documents"],
        unlabelled_documents=totals["unlabelled_documents"],
        sentences=totals["sentences"],
        words=totals["words"],
        longest_document=longest,
        entities=totals["entities"],
        mentions=totals["mentions"],
        candidate_pairs=totals["candidate_pairs"],
        related_pairs=totals["related_pairs"],
        multi_relation_pairs=totals["multi_relation_pairs"],
        stated_labels=totals["stated_labels"],
        intra_stated_labels=totals["intra_stated_labels"],
        labels_with_evidence=totals["labels_with_evidence"],
        evidence_sentences=totals["evidence_sentences"],
        triplets=totals["triplets"],
        intra_triplets=totals["intra_triplets"],
        shared_names=totals["shared_names"],
        documents_with_shared_names=totals["documents_with_shared_names"],
        labelled_na_pairs=totals["labelled_na_pairs"],
        entity_types=_by_frequency(entity_types),
        triplets_per_relation=_by_frequency(relations),
    )


def _pair_count(document: Document) -> int:
    entities = len(document.entities)
    return entities * (entities - 1) if document.candidates is None else len(document.candidates)


def _is_intra(document: Document, triplet: Triplet) -> bool:
    head, tail = document.entities[triplet.head], document.entities[triplet.tail]
    return not {m.sent_id for m in head.mentions}.isdisjoint(m.sent_id for m in tail.mentions)


def _by_frequency(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
