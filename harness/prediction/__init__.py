"""Triplets of a corpus that nobody scores: read by blocks, predicted, written as Parquet."""
