"""From the text of a completion to raw triplets or listed names, and rejects with reasons."""

from harness.parsing.lists import ParsedList, parse_list
from harness.parsing.triplets import ParsedTriplets, parse_triplets

__all__ = ["ParsedList", "ParsedTriplets", "parse_list", "parse_triplets"]
