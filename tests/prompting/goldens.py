"""The rendered prompts that golden files pin. ``python -m tests.prompting.goldens`` writes them anew.

A variant that has produced a published result is not edited but succeeded by a new one; so a changed
golden file is either a new variant, or a mistake.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.datasets.registry import load_dataset
from harness.methods.settings import MethodSettings
from harness.methods.tagged import Tagged
from harness.prompting.variant import load_variant
from harness.types import Document, GrammarForm, Sampling

FOLDER = Path(__file__).parent / "golden"
TITLES = ("Ingrid Solheim", "A | B (album)")
CASES: dict[str, tuple[dict[str, str], GrammarForm]] = {
    "default": ({}, "gbnf"),
    "names": ({"refs": "name"}, "gbnf"),
    "document_first_without_types": ({"order": "document-first", "types": "hidden"}, "regex"),
    "json": ({}, "json_schema"),
}


def rendered() -> Iterator[tuple[str, str]]:
    """File name and text of every golden prompt."""
    dataset = load_dataset("sample")
    documents = {document.title: document for document in dataset.documents}
    variant = load_variant("tagged")
    for case, (options, form) in CASES.items():
        settings = MethodSettings(
            variant, variant.choose(options), dataset.schema, "closed", form, max_triplets=20, sampling=Sampling()
        )
        for number, title in enumerate(TITLES, 1):
            yield f"tagged_{case}_{number}.txt", as_text(Tagged(settings), documents[title])


def as_text(method: Tagged, document: Document) -> str:
    """All messages of a document's request, each under its role."""
    return "".join(f"=== {message.role}\n{message.content}\n" for message in method.request(document).messages)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in rendered():
        (FOLDER / name).write_bytes(text.encode())
