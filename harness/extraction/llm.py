"""Relations by a language model: the texts with their entities become a corpus, which is run like any other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.datasets.docred_output import as_docred, document_output, write_schema
from harness.extraction.inputs import Text
from harness.extraction.pipeline import Extractor, Outcome, tokenised
from harness.extraction.results import extracted, labelled
from harness.json_files import json_text
from harness.runs.config import RunConfig
from harness.types import Document, Prediction

if TYPE_CHECKING:
    from harness.annotation.texts import PlainDocument
    from harness.runs.execute import Observer

TEXTS = "texts.json"


async def extract_by_llm(
    extractor: Extractor, texts: Iterable[Text], config: RunConfig, observer: Observer
) -> Iterator[Outcome]:
    """Each text in turn, when all have been answered; a text without a whole answer has the triplets that it got.

    ``config`` names model and prompt; its dataset is the corpus of the texts, in ``extractions`` of its results folder.
    The same texts and entities are the same run: what was answered is not asked again. Raises what a
    run raises.
    """
    from harness.runs.execute import execute
    from harness.runs.plan import prepare

    held = list(texts)
    if not held:
        return iter(())
    plain = [tokenised(text) for text in held]
    documents = [found for found, _ in extractor.find(plain)]
    corpus = _write_corpus(config.results / "extractions", extractor, documents)
    result = await execute(prepare(replace(config, dataset=str(corpus))), observer)
    found = {record.title: record.predictions for record in result.folder.documents()}
    return _outcomes(extractor, held, plain, documents, found)


def _outcomes(
    extractor: Extractor,
    texts: Iterable[Text],
    plain: Iterable[PlainDocument],
    documents: Iterable[Document],
    found: Mapping[str, tuple[Prediction, ...]],
) -> Iterator[Outcome]:
    for text, read, document in zip(texts, plain, documents, strict=True):
        predictions = found.get(document.title, ())
        result = extracted(document, text.source, predictions, extractor.schema, read.text)
        yield Outcome(result, labelled(document, predictions, extractor.system))


def _write_corpus(folder: Path, extractor: Extractor, documents: Iterable[Document]) -> Path:
    """The documents in DocRED's format, in a folder named by their content."""
    documents = list(documents)
    table = json_text({one.id: one.name for one in extractor.schema.relations})
    content = "\n".join([table, *(json_text(as_docred(one)) for one in documents)])
    corpus = folder / hashlib.sha256(content.encode()).hexdigest()[:16] / TEXTS
    if not corpus.is_file():
        with document_output(corpus) as output:
            for one in documents:
                output.write(one)
        write_schema(corpus.with_name("rel_info.json"), extractor.schema)
    return corpus
