"""From the text of a completion to raw triplets, and rejects with reasons."""

from harness.parsing.answer import ParsedTriplets, parse_triplets

__all__ = ["ParsedTriplets", "parse_triplets"]
