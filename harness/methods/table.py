"""The methods by the name that ``prompt.toml`` gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.errors import InputError
from harness.methods.settings import MethodSettings
from harness.methods.tagged import Tagged
from harness.types import Method

METHODS: Mapping[str, Callable[[MethodSettings], Method]] = {
    "tagged": Tagged,
}


def create_method(settings: MethodSettings) -> Method:
    """The method that a variant names; raises InputError for a name that is not in the table."""
    name = settings.variant.description.method
    if name not in METHODS:
        raise InputError(f"prompt {settings.variant.name!r} asks for method {name!r}: there is {', '.join(METHODS)}")
    return METHODS[name](settings)
