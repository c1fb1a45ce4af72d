"""From the text of a completion to raw triplets or entities, and rejects with reasons."""

from harness.parsing.answer import ParsedTriplets, parse_triplets
from harness.parsing.entities import ParsedEntities, RawEntity, parse_entities

__all__ = ["ParsedEntities", "ParsedTriplets", "RawEntity", "parse_entities", "parse_triplets"]
