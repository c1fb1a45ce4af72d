"""Checks of the values of a JSON file: a wrong one is a fault with its path and what to do."""

from __future__ import annotations

import re
from pathlib import Path

from harness.errors import InputError
from harness.json_files import shown

_SURROGATE = re.compile("[\ud800-\udfff]")
_DIGITS = re.compile("-?[0-9]{1,18}")

_KINDS = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}


class Fault(Exception):
    """What is wrong with a value, and the path of keys and indices that leads to it."""

    def __init__(self, problem: str, *where: str | int) -> None:
        super().__init__(problem)
        self.problem = problem
        steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in where]
        self.field = "".join(steps).removeprefix(".")


def refusal(path: Path | str, name: str, value: object, fault: Fault) -> InputError:
    """The error about a value of a file, which ``name`` and its own title name."""
    title = value.get("title") if isinstance(value, dict) else None
    place = f"{name} ({shown(title)})" if isinstance(title, str) else name
    return InputError(f"{path}: {f'{place}: {fault.field}' if fault.field else place}: {fault.problem}")


def member_of(fields: dict[str, object], key: str, *where: str | int) -> object:
    if key not in fields:
        raise Fault("is missing; add it", *where, key)
    return fields[key]


def object_of(value: object, *where: str | int) -> dict[str, object]:
    if not isinstance(value, dict):
        raise wrong_kind("an object", value, *where)
    return value


def list_of(value: object, *where: str | int, remedy: str = "correct it") -> list[object]:
    if not isinstance(value, list):
        raise wrong_kind("a list", value, *where, remedy=remedy)
    return value


def integer_of(value: object, *where: str | int) -> int:
    """A whole number, also one that is written as text or with a fraction of zero."""
    if type(value) is int:
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    raise wrong_kind("a whole number", value, *where)


def index_of(value: object, size: int, noun: str, *where: str | int) -> int:
    """A number from 0 below ``size``, which counts what ``noun`` names."""
    index = value if type(value) is int else integer_of(value, *where)
    if not 0 <= index < size:
        there_are = f"they are numbered 0 to {size - 1}" if size else "the document has none"
        raise Fault(f"there is no {noun} {digits(index)}; {there_are}", *where)
    return index


def token_of(value: object, *where: str | int) -> str:
    if not isinstance(value, str):
        raise wrong_kind("a string", value, *where)
    if not value.isascii() and _SURROGATE.search(value):
        raise Fault(f"{shown(value)} holds half of a surrogate pair; give the whole character", *where)
    return value


def tokens_of(value: object, *where: str | int, remedy: str = "correct it") -> tuple[str, ...]:
    """A list of strings."""
    words = list_of(value, *where, remedy=remedy)
    try:
        # Joined, all are checked at once.
        if "".join(words).isascii():  # type: ignore[arg-type]
            return tuple(words)  # type: ignore[arg-type]
    except TypeError:
        pass  # One is no string.
    return tuple(token_of(word, *where, place) for place, word in enumerate(words))


def text_of(value: object, *where: str | int) -> str:
    text = value if type(value) is str and value.isascii() else token_of(value, *where)
    if not text:
        raise Fault("is empty; give it a text", *where)
    return text


def title_of(value: object) -> str:
    """A title, also one that is a number, as the id of an abstract is."""
    return str(value) if type(value) is int else text_of(value, "title")


def evidence_of(fields: dict[str, object], *where: str | int) -> list[tuple[int, object]]:
    """The sentences of ``evidence`` with their places in it; none where it is absent, null or ``[null]``."""
    given = fields.get("evidence")
    sentences = [] if given is None else list_of(given, *where, "evidence")
    return [(place, sentence) for place, sentence in enumerate(sentences) if sentence is not None]


def wrong_kind(wanted: str, value: object, *where: str | int, remedy: str = "correct it") -> Fault:
    # Parquet has kinds of values that JSON has not, such as bytes and times.
    of_other_kind = f"a value of the kind {type(value).__name__}"
    kind = f"the number {digits(value)}" if type(value) in (int, float) else _KINDS.get(type(value), of_other_kind)
    return Fault(f"must be {wanted}, not {kind}; {remedy}", *where)


def digits(value: object) -> str:
    """A number cut to a readable length: JSON allows thousands of digits."""
    digits = str(value)
    return digits if len(digits) <= 20 else digits[:17] + "..."
