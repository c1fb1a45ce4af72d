"""Times the leaderboard on many stored runs of 500 documents: ``python -m tests.bench.leaderboard_speed``.

Every run has counts of 96 relations and 500 documents. Seconds are those of the whole command in a process of its own,
imports included; memory is that process's peak, with ten times as many runs against few.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.bench.report import Measurement, report
from tests.commands import environment
from tests.simulated import golds, simulated
from tests.stored_runs import write_run

DOCUMENTS, RELATIONS, FEW, MANY = 500, 96, 20, 200


def measure() -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory() as name:
        few, many = Path(name) / "few", Path(name) / "many"
        for results, runs in ((few, FEW), (many, MANY)):
            _write(results, runs)
        start = _child(Path(name) / "none")
        some, all_ = _child(few), _child(many)
        label = f"{DOCUMENTS} documents, 1,000 resamples"
        yield Measurement(f"s for {FEW} runs", some["seconds"], at_most=5, note=label)
        yield Measurement(f"s for {MANY} runs", all_["seconds"], at_most=2, note=label)
        growth = (all_["peak_mb"] - some["peak_mb"]) / (MANY - FEW)
        yield Measurement("MB a run", growth, at_most=0.25, note=f"{some['peak_mb']:.0f} to {all_['peak_mb']:.0f} MB")
        yield Measurement("s without a run", start["seconds"], note="the rest of the above is the leaderboard")


def _write(results: Path, runs: int) -> None:
    rng = np.random.default_rng(0)
    gold = golds(rng, DOCUMENTS)
    for number in range(runs):
        counts = simulated(rng, float(rng.uniform(0.2, 0.6)), 8, gold)
        write_run(results, f"system {number}", counts, relations=RELATIONS)


def _child(results: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.leaderboard_speed", str(results)]
    started = time.perf_counter()
    # As installed: with its modules compiled.
    settings = {name: value for name, value in environment().items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=settings)
    return {"seconds": time.perf_counter() - started, "peak_mb": float(json.loads(done.stderr.splitlines()[-1]))}


def main() -> bool:
    """Measure, or print the leaderboard of one folder; whether all bounds were kept."""
    if len(sys.argv) == 1:
        return report(measure())
    from harness.cli.main import app

    app(["leaderboard", "--format", "json", "--results-dir", sys.argv[1]], standalone_mode=False)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, file=sys.stderr)
    return True


if __name__ == "__main__":
    sys.exit(not main())
