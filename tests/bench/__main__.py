"""All benchmarks: ``make bench``, or ``make bench BENCH_ARGS=engine`` for one."""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = {
    "engine": "engine_speed",
    "servers": "server_speed",
    "streaming": "streaming",
    "large": "large_runs",
    "scoring": "scoring_speed",
    "leaderboard": "leaderboard_speed",
    "statistics": "statistics_check",
    "encoders": "encoder_speed",
    "adapters": "adapter_speed",
    "glidre": "glidre_memory",
    "grammar": "grammar_cost",
    "variants": "variant_speed",
    "alignment": "alignment_speed",
    "report": "report_size",
}
"""Name -> module of this package."""


def main() -> None:
    """Run the named benchmarks, or all; the exit code is 1 if any bound was missed."""
    chosen = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in chosen if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"no benchmark {unknown[0]!r}: there is {', '.join(BENCHMARKS)}")
    missed = False
    for name in chosen:
        print(f"# {name}", flush=True)
        # In a process of its own: Linux counts the parent's memory in the peak of a child.
        done = subprocess.run([sys.executable, "-m", f"{__package__}.{BENCHMARKS[name]}"], check=False)
        missed = missed or done.returncode != 0
    sys.exit(int(missed))


if __name__ == "__main__":
    main()
