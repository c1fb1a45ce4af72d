"""Texts through whatever was planned: finders and encoders in this process, language models by runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from harness.extraction.inputs import Text
from harness.extraction.llm import Driver, entities_by_llm, extract_by_llm
from harness.extraction.pipeline import Outcome
from harness.extraction.plan import Extraction


def extract_texts(extraction: Extraction, texts: Iterable[Text], driver: Driver) -> Iterator[Outcome]:
    """Each text in turn; a language model is asked about all of them at once. Raises what a run raises."""
    extractor = extraction.extractor
    if not extraction.asks_a_model:
        yield from extractor.extract(texts)
        return
    held = list(texts)
    if not held:
        return
    if extraction.finding:
        extractor = replace(extractor, entities=entities_by_llm(held, extraction.finding, driver))
    if extraction.relating:
        yield from extract_by_llm(extractor, held, extraction.relating, driver)
    else:
        yield from extractor.extract(held)
