"""The entity finder: a tagger of mentions and a scorer of mention pairs over one encoder."""

FINDER = "entities-minilm"
"""The packaged finder."""
