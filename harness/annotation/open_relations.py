"""Relations that a model named freely: names that differ in spelling alone are one relation."""

from __future__ import annotations

from collections.abc import Iterable

from harness.alignment.normalise import normalise
from harness.escaping import NO_RELATION
from harness.types import RawTriplet, Relation, RelationSchema

LONGEST_NAME = 80
"""Characters; what is longer is a sentence and names no relation."""


def relations_named(triplets: Iterable[RawTriplet]) -> RelationSchema:
    """The relations of ``triplets`` in order of appearance.

    ``IS_LOCATED_IN`` and ``is located in`` are one relation, whose name is the latter and whose id is
    ``is_located_in``, in every document alike. ``None``, names without a letter or digit and
    names of over 80 characters are no relations.
    """
    names = dict.fromkeys(normalise(triplet.relation) for triplet in triplets)
    return RelationSchema(
        tuple(
            Relation(name.replace(" ", "_"), name)
            for name in names
            if len(name) <= LONGEST_NAME and any(map(str.isalnum, name)) and name != normalise(NO_RELATION)
        )
    )


def relation_of(relation_id: str) -> Relation:
    """The relation that :func:`relations_named` gave this id."""
    return Relation(relation_id, relation_id.replace("_", " "))
