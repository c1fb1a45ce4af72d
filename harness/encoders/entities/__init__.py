"""The entity finder: a tagger of mentions and a scorer of mention pairs over one encoder."""

FINDER = "entities-minilm"
"""The packaged finder."""
LLM_FINDER = "llm"
"""In place of a finder: the language model that finds the relations is asked for the entities as well."""
