"""HacRED's format: JSON lines as DocRED's, with characters and words side by side.

Cheng et al. (2021), "HacRED: A Large-Scale Relation Extraction Dataset Toward Hard Cases in Practical Applications",
Findings of ACL. A line has ``id``, ``text``, and each of ``sents``, ``vertex`` and ``labels`` twice: with ``_char``
over characters, with ``_word`` over words. Words are read, so that tokens are what they are elsewhere; labels have no
evidence. A relation is named in Chinese, and its name is its id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from harness.datasets.docred import document_of
from harness.datasets.fields import Fault, member_of, object_of, refusal
from harness.json_files import list_values
from harness.label_source import HUMAN, LabelSource
from harness.types import Document, RelationSchema

_KEYS = {"title": "id", "sents": "sents_word", "vertexSet": "vertex_word", "labels": "labels_word"}
"""DocRED's keys and HacRED's."""


def read_hacred(
    path: Path, schema: RelationSchema | None = None, labelled_by: LabelSource = HUMAN
) -> Iterator[Document]:
    """Yield the documents one by one, titled by their ids; InputError with file, document and field at a fault."""
    seen: set[str] = set()
    for index, value in enumerate(list_values(path, "document")):
        try:
            fields = object_of(value)
            members = {ours: member_of(fields, theirs) for ours, theirs in _KEYS.items() if ours != "labels"}
            try:
                document = document_of({**members, "labels": fields.get(_KEYS["labels"])}, schema, labelled_by)
            except Fault as fault:
                key = re.split(r"[^A-Za-z]", fault.field, maxsplit=1)[0]
                fault.field = _KEYS.get(key, key) + fault.field.removeprefix(key)
                raise
            if document.title in seen:
                raise Fault("is already that of another document; ids must be unique", "id")
            seen.add(document.title)
        except Fault as fault:
            title = {"title": str(value.get("id"))} if isinstance(value, dict) else None
            raise refusal(path, f"document {index}", title, fault) from None
        yield document
