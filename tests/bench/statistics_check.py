"""Whether intervals and tests keep what they promise: ``python -m tests.bench.statistics_check``.

2,000 simulated evaluations over 500 documents, as 500 would leave each share uncertain by a point. The interval of a
system whose true F1 is known should cover it in 93% to 97% of them, and a paired test at 0.05 should reject a true
null in 3% to 7%.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from harness.scoring.resampling import RESAMPLES
from tests.bench.report import Measurement, report
from tests.simulated import shares

SIMULATIONS, DOCUMENTS = 2000, 500


def measure() -> Iterator[Measurement]:
    covered, *rejected = (100 * share for share in shares(SIMULATIONS, DOCUMENTS, RESAMPLES))
    note = f"{SIMULATIONS} simulations of {DOCUMENTS} documents, {RESAMPLES} resamples"
    yield Measurement("% of intervals cover the true F1", covered, at_least=93, at_most=97, note=note)
    kinds = ("independent systems", "systems that mostly agree")
    names = [f"{test}, {kind}" for kind in kinds for test in ("paired bootstrap", "approximate randomisation")]
    for name, share in zip(names, rejected, strict=True):
        yield Measurement(f"% of true nulls are rejected by {name}", share, at_least=3, at_most=7)


def main() -> bool:
    """Simulate; whether all shares are as promised."""
    return report(measure())


if __name__ == "__main__":
    sys.exit(not main())
