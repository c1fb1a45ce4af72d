"""The table of a corpus's relations beside its documents, and which relation of it stands for none."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from harness.datasets.fields import Fault, member_of, object_of, text_of, wrong_kind
from harness.errors import InputError, why_unreadable
from harness.json_files import shown, whole_value
from harness.types import Relation, RelationSchema

SCHEMA_FILE = "schema.toml"
RELATION_TABLES = (SCHEMA_FILE, "rel_info.json", "rel_info.json.gz", "rel2id.json")
"""Names of the table beside a file of documents; the first that is there is read."""

NONE = ""
"""What ``relation_id`` gives for a relation that stands for none; no relation has this id."""

NONE_NAMES = frozenset(
    {"na", "n a", "nr", "none", "null", "no rel", "no relation", "norelation", "not related", "unrelated"}
)
"""Names of the relation that stands for none, in lower case; white space, ``_`` and other marks count alike."""

_MARKS = re.compile(r"[\W_]+")


def table_beside(path: Path) -> Path | None:
    """The file of the relation table in the folder of a file of documents; None where there is none."""
    tables = (path.parent / name for name in RELATION_TABLES)
    return next((table for table in tables if table.is_file()), None)


def schema_beside(path: Path) -> RelationSchema | None:
    """The relation table in the folder of a file of documents; None where there is none."""
    table = table_beside(path)
    return read_schema(table) if table else None


def read_schema(path: Path) -> RelationSchema:
    """Read ``rel_info.json``: relation id -> relation name, in the order of the file; other forms in docs/formats.md.

    A schema file (``.toml``) has a table for each relation, whose ``name`` and ``none`` are read here.

    A relation that stands for none is told by its name (``NONE_NAMES``), or by ``{"name": ..., "none": true}`` in
    place of the name. Raises InputError for another form, a table without a relation, and one name of two relations.
    """
    try:
        is_schema_file = path.suffix == ".toml"
        table = _schema_tables(path) if is_schema_file else whole_value(path, "the relation table")
        rows = list(_rows(table))
        relations = tuple(Relation(id, name) for id, name, is_none in rows if not is_none)
        owners: dict[str, str] = {}
        for relation in relations:
            if (owner := owners.setdefault(relation.name, relation.id)) != relation.id:
                raise Fault(f"has the name {shown(relation.name)} of {owner}; rename one", relation.id)
        if not relations:
            raise Fault('holds no relation; write {"id": "name", ...}')
    except Fault as fault:
        field = f"relation {shown(fault.field)}" if fault.field else "the relation table"
        raise InputError(f"{path}: {field}: {fault.problem}") from None
    none = tuple(id for id, _, is_none in rows if is_none)
    return RelationSchema(relations, none, str(path.resolve()) if is_schema_file else "")


def _schema_tables(path: Path) -> dict[str, dict[str, object]]:
    """The tables of a schema file by relation id, each with a name: its own, or the id."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} cannot be read: {why_unreadable(error)}") from None
    return {id: {"name": id, **table} for id, table in content.items() if isinstance(table, dict)}


def relation_id(written: str, schema: RelationSchema | None) -> str | None:
    """The id of the relation that a label or a prediction names, by its id or else its name.

    ``NONE`` for one that stands for none; None for one that the schema does not have. Without a schema every text is
    an id.
    """
    if schema and written in schema.by_id:
        return written
    if (schema and written in schema.none) or means_none(written):
        return NONE
    if schema is None:
        return written
    named = schema.by_name.get(written)
    return named.id if named else None


@lru_cache(maxsize=4096)
def means_none(name: str) -> bool:
    """Whether a name is one of ``NONE_NAMES``."""
    return _MARKS.sub(" ", name.casefold()).strip() in NONE_NAMES


def _rows(table: object) -> Iterator[tuple[str, str, bool]]:
    """Id, name, and whether the relation stands for none, of every relation of a table in any of its forms."""
    seen: set[str] = set()
    for id, value in _entries(table):
        if id in seen:
            raise Fault("is given twice; keep one", id)
        seen.add(id)
        is_none: object = None
        if isinstance(value, dict):
            is_none = value.get("none")
            value = member_of(value, "name", id)
        if not isinstance(value, str):
            raise wrong_kind("a string", value, id, remedy='give the name alone, or {"name": "..."}')
        name = text_of(value, id)
        if not isinstance(is_none, bool | None):
            raise wrong_kind("true or false", is_none, id, "none")
        yield text_of(id, id), name, means_none(name) if is_none is None else is_none


def _entries(table: object) -> Iterator[tuple[str, object]]:
    if isinstance(table, list):
        for index, row in enumerate(table):
            if isinstance(row, str):
                yield row, row
            elif isinstance(row, list) and len(row) == 2:
                yield text_of(row[0], index, 0), row[1]
            else:
                yield text_of(member_of(object_of(row, index), "id", index), index, "id"), row
        return
    named = object_of(table)
    if named and all(type(number) is int for number in named.values()):
        # rel2id.json: relation id -> number; the ids have to serve as names.
        for id in sorted(named, key=lambda id: named[id]):  # type: ignore[arg-type,return-value] # all are int
            yield id, id
        return
    yield from named.items()
