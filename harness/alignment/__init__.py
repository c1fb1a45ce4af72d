"""Alignment: what a model wrote, mapped to the entities and relations that exist."""
