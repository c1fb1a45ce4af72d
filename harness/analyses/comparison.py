"""The comparison of two stored runs as tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.analyses.differences import FOUND, PairedTests, by_part, overall, tally
from harness.analyses.not_ranked import reasons_not_ranked
from harness.analyses.pairing import PairedDocument, PairedRuns, pair_runs
from harness.analyses.stored import store_analysis
from harness.errors import InputError
from harness.runs.failures import MOST_FAILED
from harness.runs.stored_data import WHEREVER, DataPlace
from harness.scoring.corrections import Correction
from harness.scoring.counts import Counts, Scores
from harness.store import RunFolder

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES = 10_000
"""So many that the smallest p-value stays below 0.05 when it is corrected for a hundred relations."""


@dataclass(frozen=True)
class Comparison:
    """Run B against run A over the documents that both were asked about; all fractions are 0 to 1.

    - ``overall``: precision, recall and F1 of both, their difference, its interval and two p-values.
    - ``relations``, ``distances``, ``types``: a row per part, most frequent in the labels first: how many gold triplets
      both, one or neither found, how many wrong ones each predicted, F1 and its difference, both p-values, and the
      larger one corrected for the number of parts.
    - ``documents``: a row per document, in which one of the runs found the most that the other missed first.
    - ``triplets``: every triplet that only one of the runs predicted, right or wrong.
    - ``silver``: what to say of the labels if no human wrote them; else empty.
    - ``not_ranked``: by run, ``a`` or ``b``, why a leaderboard would not rank it; runs that it ranks are left out.
    """

    a: str
    b: str
    dataset: str
    split: str
    documents_compared: int
    documents_asked: tuple[int, int]
    correction: Correction
    overall: pd.DataFrame
    relations: pd.DataFrame
    distances: pd.DataFrame
    types: pd.DataFrame
    documents: pd.DataFrame
    triplets: pd.DataFrame
    silver: str = ""
    not_ranked: Mapping[str, str] = field(default_factory=dict)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        names = ("overall", "relations", "distances", "types", "documents", "triplets")
        return {name: getattr(self, name) for name in names}

    def as_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints; None for what is not available."""
        facts = ("a", "b", "dataset", "split", "documents_compared", "documents_asked", "correction", "silver")
        tables = {name: json.loads(table.to_json(orient="records")) for name, table in self.tables.items()}
        return {**{name: getattr(self, name) for name in facts}, "not_ranked": dict(self.not_ranked), **tables}

    def store(self, folder: Path) -> None:
        """Write every table as a CSV file of its name, and ``comparison.json``; raises StorageError."""
        store_analysis(folder, "comparison", self.as_json(), self.tables)


def compare_runs(
    a: RunFolder,
    b: RunFolder,
    *,
    correction: Correction = "holm",
    resamples: int = RESAMPLES,
    place: DataPlace = WHEREVER,
) -> Comparison:
    """Compare two stored runs.

    Raises InputError as ``pair_runs`` does, or if the documents have nothing to compare.
    """
    import pandas as pd

    paired = pair_runs(a, b, place)
    if not any(document.triplets for document in paired.documents):
        raise InputError(f"{a.run_id} and {b.run_id}: nothing is labelled or predicted in the documents they share")
    tests = PairedTests(len(paired.documents), resamples)
    names = {relation.id: relation.name for relation in paired.schema.relations}
    documents = paired.documents
    relations = pd.DataFrame(by_part(documents, lambda _, triplet: triplet.relation, tests, correction))
    relations.insert(1, "name", [names.get(part, part) for part in relations["part"]])
    dataset = paired.a.manifest.question.dataset
    return Comparison(
        a=a.run_id,
        b=b.run_id,
        dataset=dataset.name,
        split=dataset.split,
        documents_compared=len(documents),
        documents_asked=paired.asked,
        correction=correction,
        overall=pd.DataFrame(overall(documents, tests)),
        relations=relations,
        distances=pd.DataFrame(by_part(documents, PairedDocument.span, tests, correction)),
        types=pd.DataFrame(by_part(documents, PairedDocument.types, tests, correction)),
        documents=_documents_table(paired),
        # A column without values would have no type, and could not choose rows.
        triplets=pd.DataFrame(_disagreements(paired, names), columns=list(_TRIPLET_COLUMNS)).astype({"correct": bool}),
        silver=paired.a.label_source.silver or paired.b.label_source.silver,
        not_ranked={
            name: "; ".join(reasons)
            for name, result in (("a", paired.a), ("b", paired.b))
            if (reasons := list(reasons_not_ranked(result, MOST_FAILED)))
        },
    )


_TRIPLET_COLUMNS = (
    "title",
    "predicted_by",
    "correct",
    "head",
    "relation",
    "name",
    "tail",
    "distance",
    "types",
    "h_idx",
    "t_idx",
)


def _documents_table(paired: PairedRuns) -> pd.DataFrame:
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for document in paired.documents:
        counted = tally(document, document.triplets)
        f1_a, f1_b = (
            Scores.of(Counts(len(document.gold & predicted), len(predicted), len(document.gold))).f1
            for predicted in (document.a, document.b)
        )
        found = {name: counted[name] for name in FOUND}
        rows.append({"title": document.document.title, **found, "f1_a": f1_a, "f1_b": f1_b, "difference": f1_b - f1_a})
    rows.sort(key=lambda row: (-row["only_a"] - row["only_b"], row["title"]))
    return pd.DataFrame(rows)


def _disagreements(paired: PairedRuns, names: dict[str, str]) -> Iterator[dict[str, Any]]:
    for document in paired.documents:
        for triplet in sorted(document.a ^ document.b):
            yield {
                "title": document.document.title,
                "predicted_by": "a" if triplet in document.a else "b",
                "correct": triplet in document.gold,
                "head": _name(document, triplet.head),
                "relation": triplet.relation,
                "name": names.get(triplet.relation, triplet.relation),
                "tail": _name(document, triplet.tail),
                "distance": document.span(triplet),
                "types": document.types(triplet),
                "h_idx": triplet.head,
                "t_idx": triplet.tail,
            }


def _name(document: PairedDocument, entity: int) -> str | None:
    entities = document.document.entities
    return entities[entity].name if entity < len(entities) else None
