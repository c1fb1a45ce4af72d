"""Prompts: variants on disk, rendered strictly and byte-exactly into chat messages."""
