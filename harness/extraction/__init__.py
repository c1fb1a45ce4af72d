"""Entities and relations of one's own texts: inputs, finders of entities, scorers of relations, outputs."""
