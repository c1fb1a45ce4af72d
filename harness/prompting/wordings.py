"""Other wordings of relations, forward and inverse: by them, alignment tells in which direction a string reads."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from harness.errors import InputError, why_unreadable
from harness.paths import prompts_dir
from harness.prompting.relations import FOLDER

WORDINGS = "wordings"


@dataclass(frozen=True, slots=True)
class RelationWordings:
    """What a model may write for a relation: ``forward`` from head to tail, ``inverse`` from tail to head."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    forward: tuple[str, ...]
    inverse: tuple[str, ...]

    def __post_init__(self) -> None:
        both = set(self.forward) & set(self.inverse)
        if both:
            raise ValueError(f"{min(both)!r} is both forward and inverse")


@lru_cache
def load_relation_wordings() -> Mapping[str, RelationWordings]:
    """The shipped wordings for Re-DocRED's relations, by id."""
    return read_relation_wordings(prompts_dir() / FOLDER / WORDINGS / "redocred.toml")


def read_relation_wordings(path: Path) -> Mapping[str, RelationWordings]:
    """Read a file with one TOML table per relation id; relations without inverse wordings are left out of it.

    Raises InputError, in one line with file, relation and field, at the first that is not as RelationWordings
    describes it.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} cannot be read: {why_unreadable(error)}") from error
    adapter = TypeAdapter(RelationWordings)
    wordings = {}
    for relation, table in tables.items():
        try:
            wordings[relation] = adapter.validate_python(table)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise InputError(f"{path}, relation {relation}: {field or 'table'}: {first['msg']}") from error
    return MappingProxyType(wordings)
