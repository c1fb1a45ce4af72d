"""From the text of a completion to raw triplets, entities or a chosen option, and rejects with reasons."""

from harness.parsing.answer import ParsedTriplets, parse_triplets
from harness.parsing.entities import ParsedEntities, RawEntity, parse_entities
from harness.parsing.option import Option, ParsedOption, parse_option

__all__ = [
    "Option",
    "ParsedEntities",
    "ParsedOption",
    "ParsedTriplets",
    "RawEntity",
    "parse_entities",
    "parse_option",
    "parse_triplets",
]
