"""Runs: model, prompt and data become a stored, scored run, whatever its predictions come from."""
