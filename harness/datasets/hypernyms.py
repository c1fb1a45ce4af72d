"""The hypernym filter of CDR: a pair is no candidate if its disease is more general than one the chemical induces.

Verga et al. (2018), "Simultaneously Self-Attending to All Mentions for Full-Abstract Biological Relation Extraction",
NAACL, and Gu et al. (2017). Such a pair has no label, as annotators marked the most specific disease only, and yet it
holds. What is more general is read from a MeSH tree: a table of tree number and MeSH id, apart by a tab, under a
heading, as ``2017MeshTree.txt`` in the public code of Christopoulou et al. (2019).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.datasets.pubtator import IdentifiedDocument
from harness.errors import InputError
from harness.opening import open_text

Tree = Mapping[str, Sequence[str]]
"""MeSH id -> its tree numbers, such as D003556 -> C12.777.419.331. An ancestor's number begins a descendant's."""


def read_mesh_tree(path: Path) -> Tree:
    """Raises InputError for a line that is not of the table's form, and for a table without a disease or chemical."""
    tree: dict[str, list[str]] = {}
    with open_text(path) as lines:
        for number, line in enumerate(lines, 1):
            columns = line.rstrip("\r\n").split("\t")
            if number == 1 or not line.strip():
                continue
            if len(columns) < 2 or not columns[0] or not columns[1]:
                raise InputError(f"{path}, line {number}: write tree number, a tab, and MeSH id")
            tree.setdefault(columns[1].removeprefix("MESH:"), []).append(columns[0])
    if not any(number.startswith("C") for numbers in tree.values() for number in numbers):
        raise InputError(f"{path}: has no tree number of a disease (C...): give a table of tree numbers and MeSH ids")
    return tree


def without_hypernyms(document: IdentifiedDocument, tree: Tree) -> IdentifiedDocument:
    """The document with its candidates without a label as ``unrelated``, but for those that the filter takes out.

    Its candidate pairs are known already. Identifiers that the tree does not hold have no ancestor.
    """
    related = {(label.triplet.head, label.triplet.tail) for label in document.labels}
    of_entity = [tree.get(one.removeprefix("MESH:"), ()) for one in document.identifiers]
    unrelated = tuple(
        (head, tail)
        for head, tail in document.pairs
        if (head, tail) not in related
        if not any(one == head and _is_above(of_entity[tail], of_entity[other]) for one, other in related)
    )
    return replace(document, unrelated=unrelated, candidates=tuple(sorted({*related, *unrelated})))


def _is_above(general: Sequence[str], special: Sequence[str]) -> bool:
    return any(one == other or other.startswith(f"{one}.") for one in general for other in special)
