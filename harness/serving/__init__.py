"""Entities and relations of texts over HTTP: the same extractor as `harness extract`, loaded once."""
