"""Encoders: small trained models that score every entity pair of a document."""
