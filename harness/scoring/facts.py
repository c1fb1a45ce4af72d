"""The facts that a training file states by name: what Ign F1 leaves out of the count."""

from __future__ import annotations

from collections.abc import Iterable

from harness.types import Document

TrainFacts = frozenset[tuple[str, str, str]]
"""``(head mention name, tail mention name, relation id)`` of every training label."""


def facts_in_train(documents: Iterable[Document]) -> TrainFacts:
    """Collect the facts of the training documents, which are read once and not kept.

    A label gives one fact for each pair of a mention name of its head and one of its tail, as in
    DocRED's evaluation (Yao et al., ACL 2019).
    """
    return frozenset(
        (head_name, tail_name, label.triplet.relation)
        for document in documents
        for label in document.labels
        for head_name in document.entities[label.triplet.head].names
        for tail_name in document.entities[label.triplet.tail].names
    )
