"""Times grammars of the largest Re-DocRED dev document: ``python -m tests.bench.grammar_cost [--slow]``.

Every engine compiles for a vocabulary of single bytes, so that its figures are of the grammar alone. ``--slow``
adds outlines-core at level ``format``, which takes minutes.
"""

from __future__ import annotations

import json
import sys
import timeit
from collections.abc import Callable
from functools import partial
from typing import get_args

from harness.grammar import GrammarLevel, TripletGrammar
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
    print(f"| level | at most | form | characters | render | {' | '.join(COMPILERS)} |")
    print("|---|---:|---|---:|---:|" + "---:|" * len(COMPILERS))
    for level in get_args(GrammarLevel):
        for max_triplets in (20, 100):
            grammar = TripletGrammar(entities, relations, level, max_triplets)
            for form in get_args(GrammarForm):
                print(row(grammar, form, slow), flush=True)


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


def row(grammar: TripletGrammar, form: GrammarForm, slow: bool) -> str:
    constraint = grammar.render(form)
    cells = [milliseconds(partial(grammar.render, form))]
    for engine, compile_constraint in COMPILERS.items():
        takes_minutes = engine == "outlines-core" and grammar.level == "format"
        if engine == "outlines-core" and (form != "regex" or (takes_minutes and not slow)):
            cells.append("")
        else:
            cells.append(milliseconds(partial(compile_constraint, constraint), repeat=1 if takes_minutes else 5))
    label = f"{grammar.level} | {grammar.max_triplets} | {form} | {len(constraint.text)}"
    return f"| {label} | {' | '.join(cells)} |"


def milliseconds(action: Callable[[], object], repeat: int = 5) -> str:
    return f"{min(timeit.repeat(action, number=1, repeat=repeat)) * 1000:.2f}"


if __name__ == "__main__":
    main()
