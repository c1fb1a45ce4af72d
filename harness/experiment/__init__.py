"""Experiments: model, prompt and data become a stored, scored run."""
