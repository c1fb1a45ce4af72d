"""Refiners: an encoder and an LLM put together (LMRC, Drell)."""
