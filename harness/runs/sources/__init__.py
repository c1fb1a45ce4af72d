"""A file for each source of predictions: an LLM, an encoder, another system."""
