"""Paired differences between two runs: overall, and of each part of the triplets, such as those of one relation.

A difference is run B's score minus run A's, with the interval of the paired bootstrap over documents. A part counts as
different only if both tests say so, so the larger p-value is the one that is corrected: the bootstrap is liberal where
few documents differ, and exchanging answers also finds a difference where one run merely predicts more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.analyses.pairing import PairedDocument
from harness.scoring.corrections import CORRECTIONS, Correction
from harness.scoring.resampling import (
    Randomisation,
    Resampling,
    f1_of,
    middle,
    precision_of,
    recall_of,
    turned_share,
)
from harness.types import Triplet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.scoring.resampling import Measure

    Counted = NDArray[np.int32]

PartOf = Callable[[PairedDocument, Triplet], str | None]
"""What part of the triplets one belongs to; None for one that belongs to none."""


class PairedTests:
    """The resamples and the random exchanges of documents that all differences of one comparison share."""

    def __init__(self, documents: int, resamples: int) -> None:
        self.resampling = Resampling(documents, resamples)
        self.randomisation = Randomisation(documents, resamples)


def overall(documents: Sequence[PairedDocument], tests: PairedTests) -> list[dict[str, Any]]:
    """Precision, recall and F1 of both runs, the difference with its interval, and the p-values of both tests."""
    _, a, b = _counts(documents, lambda _document, _triplet: "all")
    total_a, total_b = (tests.resampling.totals(counts[:, 0]) for counts in (a, b))
    measures: Mapping[str, Measure] = {"precision": precision_of, "recall": recall_of, "f1": f1_of}
    rows = []
    for name, measure in measures.items():
        score_a, score_b = (float(measure(counts[:, 0].sum(axis=0))) for counts in (a, b))
        resampled = measure(total_b) - measure(total_a)
        rows.append(
            {
                "measure": name,
                "a": score_a,
                "b": score_b,
                "difference": score_b - score_a,
                **middle(resampled)._asdict(),
                "p_bootstrap": turned_share(resampled),
                "p_randomisation": float(tests.randomisation.p_value(a[:, 0], b[:, 0], measure)),
            }
        )
    return rows


def by_part(
    documents: Sequence[PairedDocument], part_of: PartOf, tests: PairedTests, correction: Correction
) -> list[dict[str, Any]]:
    """A row per part, the most frequent in the labels first: what was found by which run, F1 and its difference.

    Parts in which the counts of both runs are the same in every document have no p-value, and are not counted among
    the tests that are corrected for: no test could reject there (Tarone, 1990).
    """
    import numpy as np

    parts, a, b = _counts(documents, part_of)
    f1_a, f1_b = (f1_of(counts.sum(axis=0)) for counts in (a, b))
    resampled = tests.resampling.f1(b) - tests.resampling.f1(a)
    tested = np.flatnonzero((a != b).any(axis=(0, 2)))
    by_bootstrap = np.array([turned_share(resampled[:, place]) for place in tested])
    by_randomisation = tests.randomisation.p_value(a[:, tested], b[:, tested])
    adjusted = CORRECTIONS[correction](np.maximum(by_bootstrap, by_randomisation).tolist())
    p_values = dict(zip(tested.tolist(), zip(by_bootstrap, by_randomisation, adjusted, strict=True), strict=True))
    found = _found(documents, part_of)
    rows = []
    for place, part in enumerate(parts):
        p_bootstrap, p_randomisation, p_adjusted = p_values.get(place, (None, None, None))
        rows.append(
            {
                "part": part,
                **found[part],
                "f1_a": float(f1_a[place]),
                "f1_b": float(f1_b[place]),
                "difference": float(f1_b[place] - f1_a[place]),
                **middle(resampled[:, place])._asdict(),
                "p_bootstrap": p_bootstrap,
                "p_randomisation": p_randomisation,
                "p_adjusted": p_adjusted,
            }
        )
    return sorted(rows, key=lambda row: (-row["gold"], row["part"]))


def tally(document: PairedDocument, triplets: Sequence[Triplet]) -> Counter[str]:
    """Of these triplets: gold ones by who found them, and wrong predictions by who made them."""
    counted: Counter[str] = Counter()
    for triplet in triplets:
        by_a, by_b = triplet in document.a, triplet in document.b
        if triplet in document.gold:
            counted["gold"] += 1
            counted["both" if by_a and by_b else "only_a" if by_a else "only_b" if by_b else "neither"] += 1
        else:
            counted["wrong_a"] += by_a
            counted["wrong_b"] += by_b
    return counted


FOUND = ("gold", "both", "only_a", "only_b", "neither", "wrong_a", "wrong_b")
"""The columns of ``tally``: gold triplets and who found them, then predictions that are not gold."""


def _found(documents: Sequence[PairedDocument], part_of: PartOf) -> dict[str, dict[str, int]]:
    counted: dict[str, Counter[str]] = {}
    for document in documents:
        by_part: dict[str, list[Triplet]] = {}
        for triplet in document.triplets:
            if (part := part_of(document, triplet)) is not None:
                by_part.setdefault(part, []).append(triplet)
        for part, triplets in by_part.items():
            counted.setdefault(part, Counter()).update(tally(document, triplets))
    return {part: {name: several[name] for name in FOUND} for part, several in counted.items()}


def _counts(documents: Sequence[PairedDocument], part_of: PartOf) -> tuple[list[str], Counted, Counted]:
    """The parts, and each run's counts [documents, parts, 3] of correct, predicted and gold."""
    import numpy as np

    named = [
        [(triplet, part) for triplet in document.triplets if (part := part_of(document, triplet)) is not None]
        for document in documents
    ]
    parts = sorted({part for several in named for _, part in several})
    place_of = {part: place for place, part in enumerate(parts)}
    a, b = (np.zeros((len(documents), len(parts), 3), dtype=np.int32) for _ in range(2))
    for row, (document, several) in enumerate(zip(documents, named, strict=True)):
        for triplet, part in several:
            is_gold = triplet in document.gold
            for counts, predicted in ((a, document.a), (b, document.b)):
                is_predicted = triplet in predicted
                counts[row, place_of[part]] += (is_gold and is_predicted, is_predicted, is_gold)
    return parts, a, b
