"""The embedded model in tests: fetched once, and skipped with a reason where it cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ModelUnavailable
from harness.models import resolve_model
from runners.model_file import fetch_model


def embedded_model_file() -> Path:
    """The file of SmolLM2, at hand after this; skips without xllamacpp or a network to fetch it from."""
    pytest.importorskip("xllamacpp", reason="the embedded model needs pip install 'docre-harness[local]'")
    try:
        return fetch_model(resolve_model("smollm2-135m"))
    except ModelUnavailable as error:
        pytest.skip(f"no network for the model file: {error}")
