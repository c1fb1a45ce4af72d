"""Entities and relations by a language model, which is asked about all texts by an annotation and by a run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.datasets.docred_output import as_docred, document_output, write_schema
from harness.extraction.entities import EntitiesByTitle
from harness.extraction.inputs import Text
from harness.extraction.pipeline import Extractor, Outcome, tokenised
from harness.extraction.results import extracted, labelled
from harness.json_files import json_text
from harness.runs.config import RunConfig
from harness.runs.failures import unanswered
from harness.types import Document, Prediction

if TYPE_CHECKING:
    from harness.annotation.execute import AnnotationResult
    from harness.datasets.plain import PlainDocument
    from harness.runs.execute import Observer
    from harness.runs.results import RunResult

TEXTS = "texts.json"


ANNOTATE = "annotate"
"""The prompt that asks for entities."""


async def entities_by_llm(texts: Sequence[Text], config: RunConfig, observer: Observer) -> tuple[EntitiesByTitle, str]:
    """The entities that a language model finds, and in words of which texts it gave no whole answer: these have none.

    It is asked as `harness annotate` asks; ``config`` names it. The same texts are the same annotation: what was
    answered is not asked again. Raises what an annotation raises.
    """
    from harness.annotation.execute import annotate
    from harness.annotation.plan import annotation_of
    from harness.datasets.docred import read_documents

    documents = [tokenised(text) for text in texts]
    checksum = hashlib.sha256(json_text([[one.title, one.text] for one in documents]).encode()).hexdigest()
    asking = replace(config, prompt=ANNOTATE)
    asked = annotation_of(asking, "redocred", "texts", documents, checksum, entities_only=True)
    result = await annotate(asked, observer)
    found = {one.title: one.entities for one in read_documents(result.corpus)}
    return EntitiesByTitle(found), _problem(result)


async def extract_by_llm(
    extractor: Extractor, texts: Sequence[Text], config: RunConfig, observer: Observer
) -> tuple[Iterator[Outcome], str]:
    """Each text in turn, when all have been answered, and in words which of them have no whole answer.

    These have the triplets that they got.
    ``config`` names model and prompt; its dataset is the corpus of the texts, in ``extractions`` of its results folder.
    The same texts and entities are the same run: what was answered is not asked again. Raises what a
    run raises.
    """
    from harness.runs.execute import execute
    from harness.runs.plan import prepare

    plain = [tokenised(text) for text in texts]
    documents = [found for found, _ in extractor.find(plain)]
    corpus = _write_corpus(config.results / "extractions", extractor, documents)
    result = await execute(prepare(replace(config, dataset=str(corpus))), observer)
    found = {record.title: record.predictions for record in result.folder.documents()}
    return _outcomes(extractor, texts, plain, documents, found), _problem(result)


def _problem(result: AnnotationResult | RunResult) -> str:
    failures = result.failures
    return f"{unanswered(result.manifest)}; what helps: {failures[0].remedy}" if failures else ""


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
