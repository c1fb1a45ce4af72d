"""The language of a text: what its file states, or else what py3langid (Lui and Baldwin, 2012) tells from it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec

from harness.errors import InputError, ModelUnavailable

LIBRARY = "py3langid"


def codes_of(given: Iterable[str]) -> tuple[str, ...]:
    """The codes that a user gives; InputError for what is none."""
    codes = tuple(dict.fromkeys(map(stated_as, given)))
    if wrong := [one for one in codes if not re.fullmatch("[a-z]{2,3}", one)]:
        raise InputError(f"--language {wrong[0]}: write a code of two or three letters, such as en")
    return codes


def stated_as(code: str) -> str:
    """A stated code without its country or script: ``en`` for ``en-US``, ``fra`` for ``fra_Latn``, in small letters."""
    return code.strip().casefold().replace("_", "-").partition("-")[0]


def written_in(text: str) -> str:
    """The ISO 639-1 code of a text's language, the likeliest of those that the library knows.

    Raises ModelUnavailable where the library is not installed.
    """
    if find_spec(LIBRARY) is None:
        raise ModelUnavailable(
            "--language: the texts do not state their language (a column or key `language`), and telling it needs "
            "pip install 'docre-harness[language]'"
        )
    language: str = import_module(LIBRARY).classify(text)[0]
    return language
