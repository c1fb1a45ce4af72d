"""All benchmarks: ``make bench``, or ``make bench BENCH_ARGS=engine`` for one."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tests.bench import (
    alignment_speed,
    encoder_speed,
    engine_speed,
    glidre_memory,
    grammar_cost,
    large_runs,
    leaderboard_speed,
    report_size,
    scoring_speed,
    server_speed,
    statistics_check,
    streaming,
    variant_speed,
)

BENCHMARKS: dict[str, Callable[[], bool | None]] = {
    "engine": engine_speed.main,
    "servers": server_speed.main,
    "streaming": streaming.main,
    "large": large_runs.main,
    "scoring": scoring_speed.main,
    "leaderboard": leaderboard_speed.main,
    "statistics": statistics_check.main,
    "encoders": encoder_speed.main,
    "glidre": glidre_memory.main,
    "grammar": grammar_cost.main,
    "variants": variant_speed.main,
    "alignment": alignment_speed.main,
    "report": report_size.main,
}


def main() -> None:
    """Run the named benchmarks, or all; the exit code is 1 if any bound was missed."""
    chosen = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in chosen if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"no benchmark {unknown[0]!r}: there is {', '.join(BENCHMARKS)}")
    sys.argv = sys.argv[:1]
    missed = False
    for name in chosen:
        print(f"# {name}", flush=True)
        missed = BENCHMARKS[name]() is False or missed
    sys.exit(int(missed))


if __name__ == "__main__":
    main()
