"""From a completion to raw triplets, entities, listed names or a chosen option, and rejects with reasons."""

from harness.parsing.entities import ParsedEntities, RawEntity, parse_entities
from harness.parsing.lists import ParsedList, parse_list
from harness.parsing.option import Option, ParsedOption, parse_option
from harness.parsing.triplets import ParsedTriplets, parse_triplets

__all__ = [
    "Option",
    "ParsedEntities",
    "ParsedList",
    "ParsedOption",
    "ParsedTriplets",
    "RawEntity",
    "parse_entities",
    "parse_list",
    "parse_option",
    "parse_triplets",
]
