"""Benchmark LLMs on document-level relation extraction."""

__version__ = "0.1.0"
