"""JSON as other programs read it: infinity and NaN, which JSON does not have, become null."""

from __future__ import annotations

import json
import math
from typing import Any


def dumps(content: object, **options: Any) -> str:
    """``json.dumps``, with null for every number that is not finite."""
    try:
        return json.dumps(content, allow_nan=False, **options)
    except ValueError:
        return json.dumps(_finite(content), allow_nan=False, **options)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value
