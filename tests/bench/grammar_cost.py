"""Times grammars of the largest Re-DocRED dev document: ``python -m tests.bench.grammar_cost [--slow]``.

Every engine compiles for a vocabulary of single bytes, so that its figures are of the grammar alone. ``--slow``
adds outlines-core at level ``format``, which takes minutes. It is left out of the grammars of pairs: with a copy of
all relations for every pair it takes minutes at either level.
"""

from __future__ import annotations

import json
import sys
import timeit
from collections.abc import Callable
from functools import partial
from typing import get_args

from harness.answers.pairs import PairForm
from harness.answers.relation_field import GrammarLevel
from harness.answers.triplets import TripletForm
from harness.types import Constraint, GrammarForm
from tests.judges import Judge, llguidance_judge, outlines_core_judge, xgrammar_judge
from tests.paths import SHARED_DATA

COMPILERS: dict[str, Callable[[Constraint], Judge]] = {
    "llguidance": llguidance_judge,
    "xgrammar": xgrammar_judge,
    "outlines-core": outlines_core_judge,
}


def main() -> None:
    entities, relations = largest_document()
    slow = "--slow" in sys.argv[1:]
    print(f"{len(entities)} entities by name, {len(relations)} relations; milliseconds, best of 5 (--slow: of 1)\n")
    print_heading("at most")
    for level in get_args(GrammarLevel):
        for max_triplets in (20, 100):
            grammar = TripletForm(entities, relations, level, max_triplets)
            for form in get_args(GrammarForm):
                takes_minutes = level == "format"
                with_outlines = form == "regex" and (slow or not takes_minutes)
                label = f"{level} | {max_triplets}"
                print(row(label, partial(grammar.render, form), with_outlines, 1 if takes_minutes else 5), flush=True)
    print()
    print_heading("pairs")
    pairs = tuple((head, tail) for head in entities for tail in entities if head is not tail)
    for level in get_args(GrammarLevel):
        for k in (10, 30, 120):
            of_pairs = PairForm(pairs[:k], relations, level, none=True, max_relations=4)
            for form in get_args(GrammarForm):
                print(row(f"{level} | {k}", partial(of_pairs.render, form), with_outlines=False), flush=True)


def print_heading(size: str) -> None:
    print(f"| level | {size} | form | characters | render | {' | '.join(COMPILERS)} |")
    print("|---|---:|---|---:|---:|" + "---:|" * len(COMPILERS))


def largest_document() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The first mention names of the document with most entities, and the names of all relations."""
    folder = SHARED_DATA / "redocred"
    try:
        documents = json.loads((folder / "dev_revised.json").read_text())
        relations = json.loads((folder / "rel_info.json").read_text())
    except FileNotFoundError as error:
        raise SystemExit(f"{error.filename} not found: this benchmark needs Re-DocRED's dev split") from error
    largest = max((document["vertexSet"] for document in documents), key=len)
    return tuple(mentions[0]["name"] for mentions in largest), tuple(relations.values())


def row(label: str, render: Callable[[], Constraint], with_outlines: bool, repeat_outlines: int = 5) -> str:
    constraint = render()
    cells = [milliseconds(render)]
    for engine, compile_constraint in COMPILERS.items():
        if engine == "outlines-core" and not with_outlines:
            cells.append("")
        else:
            repeat = repeat_outlines if engine == "outlines-core" else 5
            cells.append(milliseconds(partial(compile_constraint, constraint), repeat))
    return f"| {label} | {constraint.form} | {len(constraint.text)} | {' | '.join(cells)} |"


def milliseconds(action: Callable[[], object], repeat: int = 5) -> str:
    return f"{min(timeit.repeat(action, number=1, repeat=repeat)) * 1000:.2f}"


if __name__ == "__main__":
    main()
