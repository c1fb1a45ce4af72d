"""Times what the harness adds to a model's work, for every variant: ``python -m tests.bench.variant_speed``.

Prompts and grammars of 500 documents are made and perfect answers to them are read, without a model. It takes
Re-DocRED's dev split where that lies beside the checkout, and the built-in corpus over and over otherwise.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator

from harness.datasets.registry import load_dataset
from harness.methods.table import create_method
from harness.types import Ask, Completion, Dataset, Document, GrammarForm, Request
from tests.bench.report import Measurement, report
from tests.paths import SHARED_DATA
from tests.variants import VARIANTS, settings_of

DOCUMENTS = 500
FORMS: tuple[GrammarForm, ...] = ("gbnf", "lark", "json_schema")


def main() -> bool:
    """Measure; there is no bound, as there is nothing to compare with."""
    dataset, documents = _corpus()
    return report(_measure(dataset, documents))


def _measure(dataset: Dataset, documents: list[Document]) -> Iterator[Measurement]:
    for prompt, form in itertools.product(VARIANTS, FORMS):
        method = create_method(settings_of(prompt, dataset.schema, form))
        begun = time.perf_counter()
        answers: list[dict[Request, str]] = []
        for document in documents:
            answers.append({one.request: one.answer for one in method.demonstrate(document)})
        rendered = time.perf_counter()
        for document, known in zip(documents, answers, strict=True):
            asyncio.run(method.extract(document, _scripted(known)))
        read = time.perf_counter()
        requests = sum(map(len, answers))
        yield Measurement(
            f"s for the prompts and grammars of {len(documents)} documents, {prompt}, {form}",
            rendered - begun,
            note=f"{requests:,} requests; {read - rendered:.2f} s to make them again and read the answers",
        )


def _scripted(answers: dict[Request, str]) -> Ask:
    async def ask(request: Request) -> Completion:
        return Completion(answers[request], "stop")

    return ask


def _corpus() -> tuple[Dataset, list[Document]]:
    folder = SHARED_DATA / "redocred"
    dataset = load_dataset("redocred", "dev", folder) if folder.is_dir() else load_dataset("sample")
    return dataset, list(itertools.islice(itertools.cycle(dataset.documents), DOCUMENTS))


if __name__ == "__main__":
    sys.exit(not main())
