"""Two stored runs against each other: paired differences, and which triplets one found and the other missed."""

from harness.comparison.comparison import Comparison, compare_runs

__all__ = ["Comparison", "compare_runs"]
