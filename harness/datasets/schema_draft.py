"""A first draft of a schema file, from the names and the labels of a corpus, for a person to rewrite."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from harness.amounts import amount
from harness.errors import InputError, StorageError
from harness.types import Dataset, Relation

_KEYS = ("entity_types", "drafted_from")
"""Of a schema file, besides its relations."""
LEAST_SHARE = 0.01
"""The share of a relation's triplets from which on the type of their heads, or tails, is listed."""
FIRST_WORDS = "DRAFT, to be written over: "

_HEADING = """\
# A draft from {labels} of {documents}. Rewrite descriptions, examples and statements. Write
# argument types from what each relation means: here they are counted. Runs on these very documents refuse a draft.
# Take out the line drafted_from when nothing of the draft is left.
"""


class DraftedText(NamedTuple):
    """What somebody drafted of a relation."""

    description: str
    """A sentence."""
    statement: str
    """A sentence with {head} and {tail}."""


def draft_schema(dataset: Dataset, texts: Mapping[str, DraftedText] | None = None, by: str = "") -> str:
    """The text of a schema file (TOML): a table a relation with its name, drafted texts and counted argument types.

    ``texts`` are those that ``by`` drafted, by relation id; others are made of the name.
    ``drafted_from`` is the checksum of the documents. Raises InputError for a corpus without relations.
    """
    schema = dataset.schema
    if not schema.relations:
        raise InputError(f"{dataset.name}: there are no labels and no relation table, so no relation to draft")
    if taken := [one.id for one in schema.relations if one.id in _KEYS]:
        raise InputError(f"{dataset.name}: the relation {taken[0]} has the name of a key of schema files; rename it")
    heads: dict[str, Counter[str]] = {relation.id: Counter() for relation in schema.relations}
    tails: dict[str, Counter[str]] = {relation.id: Counter() for relation in schema.relations}
    types: Counter[str] = Counter()
    labels = 0
    for document in dataset.documents:
        types.update(entity.type for entity in document.entities)
        for triplet in {label.triplet for label in document.labels}:
            heads[triplet.relation][document.entities[triplet.head].type] += 1
            tails[triplet.relation][document.entities[triplet.tail].type] += 1
            labels += 1
    lines = [_HEADING.format(labels=amount(labels, "label"), documents=amount(len(dataset.documents), "document"))]
    lines += [f"# {len(texts):,} descriptions and statements were drafted by {' '.join(by.split())}."] if texts else []
    lines += [f"entity_types = {_listed(sorted(types))}"] if types else []
    lines += [f"drafted_from = {_quoted(dataset.sha256)}", ""]
    for relation in schema.relations:
        lines += _table(relation, heads[relation.id], tails[relation.id], (texts or {}).get(relation.id))
    for none in schema.none:
        lines += [f"[{_quoted(none)}]", f"name = {_quoted(none)}", "none = true", ""]
    return "\n".join(lines)


def check_absent(path: Path) -> None:
    """Raise InputError for a file that is there, before anything is spent on a draft."""
    if path.exists():
        raise InputError(f"{path}: is there already; a draft never replaces a file")


def write_draft(path: Path, text: str) -> None:
    """Write a draft to a file that is not there yet: InputError where it is, StorageError where it cannot be."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(f"{path}: is there already; a draft never replaces a file") from None
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror or error}); choose another file") from error


def _table(
    relation: Relation, heads: Counter[str], tails: Counter[str], text: DraftedText | None = None
) -> Iterator[str]:
    # Braces are the slots of statements.
    name = relation.name.replace("{", "(").replace("}", ")")
    drafted = text or DraftedText(
        f"the head has the relation {name} to the tail.", f"The relation of {{head}} to {{tail}} is: {name}."
    )
    yield f"[{_quoted(relation.id)}]"
    yield f"name = {_quoted(relation.name)}"
    yield f"description = {_quoted(f'{FIRST_WORDS}{drafted.description}')}"
    yield f"example = {_listed(['Head', relation.name, 'Tail'])}"
    yield f"statement = {_quoted(drafted.statement)}"
    for key, counted in (("head_types", heads), ("tail_types", tails)):
        listed = [kind for kind, count in counted.most_common() if count >= LEAST_SHARE * counted.total()]
        if listed:
            yield f"{key} = {_listed(listed)}"
    yield ""


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _listed(texts: list[str]) -> str:
    return f"[{', '.join(map(_quoted, texts))}]"
