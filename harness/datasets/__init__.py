"""Corpora: loaders by file format, the table of known datasets, their download and their statistics."""

from __future__ import annotations

from harness.datasets.registry import load_dataset

__all__ = ["load_dataset"]
