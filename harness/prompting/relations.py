"""Relation texts: what each relation of a schema means, written out for a model."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from harness.errors import InputError, why_unreadable
from harness.paths import prompts_dir
from harness.types import RelationSchema

FOLDER = "relations"
DEFAULT_TEXTS = "redocred"
WIKIDATA_TEXTS = (DEFAULT_TEXTS, "fewrel")
"""The shipped texts whose ids are Wikidata's properties. They are read as one: an id means the same in each."""
FROM_NAMES = "names"
"""Stands for texts that are made of the names and descriptions that the schema has."""
COUNTED_TYPES = "27c26c1a8ae892157b632dcf7c9bf7316f1f00e63c028392909bad15f2c3340b"
"""The checksum of earlier shipped texts, whose argument types were counted on the labels of Re-DocRED dev."""

_SLOT = re.compile(r"\{(head|tail)\}")
_BRACES = re.compile(r"\{[^{}]*\}|[{}]")


def _is_sentence(text: str) -> str:
    if not text.endswith((".", "。")):
        raise ValueError("must end with a period")
    return text


def _has_both_slots(text: str) -> str:
    if sorted(_BRACES.findall(text)) != ["{head}", "{tail}"]:
        raise ValueError("must hold {head} and {tail} once each, and no other braces")
    return text


def _are_distinct(types: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(types)) < len(types):
        raise ValueError("names one twice")
    return types


DOCRED_TYPES = ("PER", "ORG", "LOC", "TIME", "NUM", "MISC")
DRAFTED_FROM = "drafted_from"
"""The key of a draft that names the checksum of the documents it was counted on."""
TYPES = "entity_types"
"""The key of a file that names the entity types of its corpus; without it they are DocRED's."""

Text = Annotated[str, Field(min_length=1)]
EntityTypes = Annotated[tuple[Text, ...], Field(min_length=1), AfterValidator(_are_distinct)]
RelationIds = Annotated[tuple[Text, ...], AfterValidator(_are_distinct)]
Description = Annotated[str, AfterValidator(_is_sentence)]
Statement = Annotated[str, AfterValidator(_is_sentence), AfterValidator(_has_both_slots)]


@dataclass(frozen=True, slots=True)
class RelationText:
    """The texts of one relation.

    - ``description``: one or two sentences on head and tail, with one ``example`` triple (head, relation
      name, tail), as AutoRE gives a model (Xue et al., 2024).
    - ``statement``: a sentence with the slots ``{head}`` and ``{tail}``, true exactly when the triple holds, the way
      Drell offers candidate relations as options (Zhang et al., 2025).
    - ``head_types``, ``tail_types``: the entity types of the corpus that head and tail may have, those first that the
      relation is about; empty: any. They are written from the relation's meaning, never counted on labels.
    - ``label``: a word or two that name the relation where a model answers with it alone; None: its name.
    - ``inverse``: ids of relations; one of them holds from tail to head wherever this one holds from head to tail.
    - ``symmetric``: whether the relation holds in both directions.
    - ``transitive``: whether it holds from a to c wherever it holds from a to b and from b to c.
    - ``name``: of the relation, in a file that is the schema of a corpus as well.
    - ``known_types``: the entity types that its file speaks of; those lists say nothing of any other. Empty: of all.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    id: str
    description: Description
    example: tuple[Text, Text, Text]
    statement: Statement
    head_types: EntityTypes = ()
    tail_types: EntityTypes = ()
    label: Text | None = None
    inverse: RelationIds = ()
    symmetric: bool = False
    transitive: bool = False
    name: Text | None = None
    known_types: EntityTypes = ()

    def state(self, head: str, tail: str) -> str:
        """The statement about these two names. They are put in as they are, braces included."""
        names = {"head": head, "tail": tail}
        return _SLOT.sub(lambda slot: names[slot[1]], self.statement)

    def type_rank(self, head: str, tail: str) -> int | None:
        """How far down its lists the relation names these entity types, from 0; None where it does not allow them."""
        if not self.takes_head(head) or not self.takes_tail(tail):
            return None
        sides = ((head, self.head_types), (tail, self.tail_types))
        return sum(allowed.index(kind) if kind in allowed else len(allowed) for kind, allowed in sides)

    def takes_head(self, kind: str) -> bool:
        """Whether a head may be of this type: one that is listed, or that the file does not speak of."""
        return self._takes(kind, self.head_types)

    def takes_tail(self, kind: str) -> bool:
        """As ``takes_head``, of a tail."""
        return self._takes(kind, self.tail_types)

    def _takes(self, kind: str, allowed: tuple[str, ...]) -> bool:
        return not allowed or kind in allowed or (bool(self.known_types) and kind not in self.known_types)


@dataclass(frozen=True)
class RelationTexts:
    """The texts of a schema's relations, by id, and the checksum of the file that they came from.

    ``drafted_from`` is the checksum of the documents whose labels they were drafted from; empty for no draft.
    """

    by_id: Mapping[str, RelationText]
    sha256: str
    drafted_from: str = ""


def relation_texts_for(schema: RelationSchema, name_or_path: str | None = None) -> RelationTexts:
    """The texts of the file named, or of the schema's own, or of the shipped file that has all of them.

    Every relation of ``schema`` has one. Of the shipped files, those of Wikidata's properties come first, and each
    stands for all of these. Anything with a path separator is a path; ``names`` makes the texts of the schema's names
    and descriptions. Raises InputError where a relation has no text, and as ``load_relation_texts`` and
    ``read_relation_texts`` do.
    """
    if name_or_path == FROM_NAMES:
        return _texts_of_names(schema)
    name = name_or_path or schema.texts or _shipped_for(schema)
    if "/" in name or "\\" in name:
        path = Path(name)
        texts = read_relation_texts(path)
        _raise_if_lacking(schema, texts, repr(name))
        return RelationTexts(texts, _sha256(path), drafted_from(path))
    return _shipped_texts(schema, WIKIDATA_TEXTS if name in WIKIDATA_TEXTS else (name,))


def _shipped_texts(schema: RelationSchema, names: tuple[str, ...]) -> RelationTexts:
    """The texts that these shipped files have together.

    Where several have a relation, the one whose example calls it as the schema does is taken, else the first. A single
    file gives all of its texts, several give those of the schema. The checksum is of the files that gave any.
    """
    files = {name: load_relation_texts(name) for name in names}
    _raise_if_lacking(
        schema, {relation for texts in files.values() for relation in texts}, " and ".join(map(repr, names))
    )
    source = {}
    for one in schema.relations:
        having = [name for name, texts in files.items() if one.id in texts]
        source[one.id] = next((name for name in having if files[name][one.id].example[1] == one.name), having[0])
    used = [name for name in names if name in source.values()] or [names[0]]
    if len(used) == 1:
        return RelationTexts(files[used[0]], _sha256(_shipped(used[0])))
    chosen = {relation: files[name][relation] for relation, name in source.items()}
    return RelationTexts(MappingProxyType(chosen), _sha256(*map(_shipped, used)))


def _raise_if_lacking(schema: RelationSchema, texts: Container[str], where: str) -> None:
    if missing := [relation for relation in schema.relations if relation.id not in texts]:
        raise InputError(
            f"relation texts {where} lack {len(missing)} of the schema's relations, such as {missing[0].id} "
            f"({missing[0].name}): write them (`harness schema new` drafts such a file, docs/corpora.md) and name the "
            f"file with --relation-texts, or do with the names alone: --relation-texts {FROM_NAMES}"
        )


def _sha256(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _texts_of_names(schema: RelationSchema) -> RelationTexts:
    """Texts that say no more than the schema: any entity types, no inverses, and one form of statement for all."""
    texts = {}
    for one in schema.relations:
        told = schema.descriptions.get(one.id, "").strip().rstrip(".")
        description = told or f'The head stands in the relation "{one.name}" to the tail'
        what = f'"{one.name}" ({told})' if told else f'"{one.name}"'
        statement = f"The relation {what} holds from {{head}} to {{tail}}."
        texts[one.id] = RelationText(one.id, f"{description}.", ("A", one.name, "B"), statement)
    stated = json.dumps([[one.id, one.statement] for one in texts.values()])
    return RelationTexts(texts, hashlib.sha256(stated.encode()).hexdigest())


@lru_cache
def load_relation_texts(name: str = DEFAULT_TEXTS) -> Mapping[str, RelationText]:
    """The shipped texts for the schema of that name, by relation id, in the order of the file.

    Raises InputError for a name without texts, and as ``read_relation_texts`` does.
    """
    known = shipped_texts()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are texts for {', '.join(known) or 'none'}"
        raise InputError(f"no relation texts {name!r} in {prompts_dir() / FOLDER}: {hint}")
    return read_relation_texts(_shipped(name))


def shipped_texts() -> list[str]:
    """The names of the shipped files of relation texts."""
    return sorted(file.stem for file in (prompts_dir() / FOLDER).glob("*.toml"))


def _shipped_for(schema: RelationSchema) -> str:
    """The first shipped file with a text for every relation; ``DEFAULT_TEXTS`` if none has them all.

    The files of Wikidata's properties count as one, ``DEFAULT_TEXTS``.
    """
    if schema.by_id.keys() <= {relation for name in WIKIDATA_TEXTS for relation in load_relation_texts(name)}:
        return DEFAULT_TEXTS
    for name in shipped_texts():
        if schema.by_id.keys() <= load_relation_texts(name).keys():
            return name
    return DEFAULT_TEXTS


def _shipped(name: str) -> Path:
    return prompts_dir() / FOLDER / f"{name}.toml"


def read_relation_texts(path: Path) -> Mapping[str, RelationText]:
    """Read a file of relation texts: one TOML table per relation id with the other fields of RelationText.

    ``entity_types`` at its top lists the entity types of the corpus, if they are others than DocRED's. Tables with
    ``none = true`` are of relations that stand for none and have no texts.
    Argument types, inverses and symmetry may be left out. Raises InputError, in one line with file, relation and
    field, at the first field that is missing, unknown, not as RelationText describes it, or contradicts another.
    """
    tables = _tables(path)
    adapter = TypeAdapter(RelationText)
    types = _entity_types(path, tables.pop(TYPES, list(DOCRED_TYPES)))
    tables.pop(DRAFTED_FROM, None)
    texts = {}
    for relation, table in tables.items():
        if not isinstance(table, dict) or table.keys() & {"id", "known_types"}:
            raise InputError(
                f"{path}, relation {relation}: must be a table of texts without an id or known types of its own"
            )
        if table.get("none") is True:
            continue
        table.pop("none", None)
        try:
            texts[relation] = adapter.validate_python({"id": relation, "known_types": types, **table})
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise InputError(f"{path}, relation {relation}: {field}: {first['msg']}") from error
        for field, given in (("head_types", texts[relation].head_types), ("tail_types", texts[relation].tail_types)):
            if unknown := [place for place, kind in enumerate(given) if kind not in types]:
                problem = f"{given[unknown[0]]!r} is none of {', '.join(types)} (the file's {TYPES}, or DocRED's)"
                raise InputError(f"{path}, relation {relation}: {field}.{unknown[0]}: {problem}")
    for relation, problem in _contradictions(texts):
        raise InputError(f"{path}, relation {relation}: {problem}")
    return MappingProxyType(texts)


def drafted_from(path: Path) -> str:
    """The checksum of the documents that a file was drafted from; empty for a file that is no draft."""
    return str(_tables(path).get(DRAFTED_FROM, ""))


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} cannot be read: {why_unreadable(error)}") from error


def _entity_types(path: Path, types: object) -> tuple[str, ...]:
    if not isinstance(types, list) or not types or not all(isinstance(one, str) and one for one in types):
        raise InputError(f'{path}: {TYPES}: must be a list of names, such as ["CHEM", "DISE"]')
    return tuple(types)


def _contradictions(texts: Mapping[str, RelationText]) -> Iterator[tuple[str, str]]:
    """Where what a file says of one relation does not fit what it says of another: the relation, and why."""
    for relation, text in texts.items():
        if text.symmetric and (text.inverse or set(text.head_types) != set(text.tail_types)):
            yield relation, "symmetric: it has no inverse, and head_types and tail_types are the same"
        if text.transitive and text.head_types and text.tail_types and not {*text.head_types} & {*text.tail_types}:
            yield relation, "transitive: head_types and tail_types share no type"
        if unknown := [one for one in text.inverse if one not in texts or one == relation]:
            yield relation, f"inverse: {unknown[0]} is no other relation of the file"
            continue
        for here, there in (("head_types", "tail_types"), ("tail_types", "head_types")):
            allowed = [getattr(texts[one], there) for one in text.inverse]
            lacking = set(getattr(text, here)).difference(*allowed)
            if allowed and all(allowed) and lacking:
                yield (
                    relation,
                    f"inverse: {', '.join(text.inverse)} lacks {min(lacking)} of these {here} in its {there}",
                )
