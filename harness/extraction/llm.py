"""Entities and relations by a language model, which is asked about all texts by an annotation and by a run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from harness.datasets.docred_output import as_docred, document_output, write_schema
from harness.extraction.entities import EntitiesByTitle
from harness.extraction.inputs import Text
from harness.extraction.pipeline import Extractor, Outcome, tokenised
from harness.extraction.results import extracted, labelled
from harness.extraction.scores import evidence_of, scored_predictions
from harness.extraction.windows import WHOLE
from harness.json_files import json_text
from harness.methods.windows import Window, triplets_of_known, windows_with_entities
from harness.runs.config import RunConfig
from harness.runs.failures import unanswered
from harness.types import Document, Prediction, Triplet

if TYPE_CHECKING:
    from harness.annotation.execute import AnnotationResult
    from harness.runs.execute import Observer
    from harness.runs.plan import Experiment
    from harness.runs.results import RunResult
    from harness.runs.sources.encoder import EncoderExperiment

ANNOTATE = "annotate"
"""The prompt that asks for entities."""

Answer = TypeVar("Answer")


class Driver(Protocol):
    """Who runs models for an extraction, and hears what went wrong: a terminal, or Python."""

    def ask(self, work: Callable[[Observer], Coroutine[Any, Any, Answer]]) -> Answer:
        """What a run or an annotation by a language model returns."""
        ...

    def score(self, encoder: EncoderExperiment) -> None:
        """Let an encoder score the documents of a run."""
        ...

    def tell(self, problem: str) -> None:
        """Say that a language model gave no whole answer about some texts."""
        ...


def entities_by_llm(texts: Sequence[Text], config: RunConfig, driver: Driver) -> EntitiesByTitle:
    """The entities that a language model finds; texts without a whole answer have none, and are told.

    It is asked as `harness annotate` asks; ``config`` names it. The same texts are the same annotation: what was
    answered is not asked again. Raises what an annotation raises.
    """
    from harness.annotation.execute import annotate
    from harness.annotation.plan import annotation_of
    from harness.datasets.docred import read_documents

    documents = [tokenised(text) for text in texts]
    checksum = hashlib.sha256(json_text([[one.title, one.text] for one in documents]).encode()).hexdigest()
    asked = annotation_of(
        replace(config, prompt=ANNOTATE), "redocred", "texts", documents, checksum, entities_only=True
    )
    result = driver.ask(lambda observer: annotate(asked, observer))
    _tell(driver, result)
    return EntitiesByTitle({one.title: one.entities for one in read_documents(result.corpus)})


def extract_by_llm(extractor: Extractor, texts: Sequence[Text], config: RunConfig, driver: Driver) -> Iterator[Outcome]:
    """Each text in turn, when all have been answered; those without a whole answer are told, and have what they got.

    ``extractor`` finds the entities. ``config`` names model and prompt, and the encoder that the model refines
    (``refine``) or that proposes its pairs (``candidates``); its dataset is the corpus of the texts, in ``extractions``
    of its results folder. The same texts and entities are the same run: what was answered is not asked again. Raises
    what a run raises.
    """
    from harness.runs.execute import execute
    from harness.runs.plan import prepare
    from harness.runs.sources.encoder_scores import encoders_to_run

    plain = [tokenised(text) for text in texts]
    documents = [found for found, _ in extractor.find(plain)]
    # An encoder scores all pairs of what it reads, so it gets long texts as it does without a language model.
    divided = bool(config.refine or config.candidates)
    titles = {one.title for one in documents}
    windows = [list(_windows(one, extractor.window if divided else None, titles)) for one in documents]
    to_ask = [one.document for of in windows for one in of]
    if not to_ask:  # blank texts, which only Python can give
        yield from extractor.extract(texts)
        return
    corpus = _write_corpus(config.results / "extractions", extractor, to_ask)
    config = replace(config, dataset=str(corpus))
    for encoder in encoders_to_run(config):
        driver.score(encoder)
    experiment = prepare(config)
    result = driver.ask(lambda observer: execute(experiment, observer))
    _tell(driver, result)
    answered = {record.title: record.predictions for record in result.folder.documents()}
    own = _encoders_own(experiment)
    for text, read, document, several in zip(texts, plain, documents, windows, strict=True):
        found = [_found(one.document, answered.get(one.document.title, ()), own) for one in several]
        predictions = triplets_of_known(several, found)
        surest = sorted(predictions, key=lambda one: -(one.score or 0.0))
        outcome = extracted(document, text.source, surest, extractor.schema, read.text)
        yield Outcome(outcome, labelled(document, surest, extractor.system))


def _windows(document: Document, words: int | None, used: set[str]) -> Iterator[Window]:
    """The windows of a text, each with a title that is not ``used``; without ``words`` the whole text is one.

    A text without a sentence has none.
    """
    if not any(document.sentences):
        return
    if words is None:
        yield Window(0, document, tuple(range(len(document.entities))))
        return
    windows = windows_with_entities(document, words, WHOLE)
    for number, window in enumerate(windows, 1):
        title = document.title
        if len(windows) > 1:
            title = f"{title} [{number} of {len(windows)}]"
            while title in used:  # a text may be called so
                title += "+"
            used.add(title)
        yield replace(window, document=replace(window.document, title=title))


EncodersOwn = Callable[[Document], Sequence[Prediction]]


def _found(document: Document, answered: Iterable[Prediction], own: EncodersOwn | None) -> list[Prediction]:
    """What was found in a document of the run.

    With an encoder that is refined, its ``own`` triplets with their probabilities come first, also where the model did
    not answer. What encoder and model sum to is no such probability, so those that the model adds have none.
    """
    found: dict[Triplet, Prediction] = {one.triplet: one for one in own(document)} if own else {}
    for one in answered:
        head, _, tail = one.triplet
        evidence = one.evidence or evidence_of(document.entities[head], document.entities[tail])
        found.setdefault(one.triplet, replace(one, evidence=evidence, score=None if own else one.score))
    return list(found.values())


def _encoders_own(experiment: Experiment) -> EncodersOwn | None:
    """What the encoder of ``--refine`` predicts for a document of the run; None without one."""
    from harness.encoders.calibration import read_calibration
    from harness.encoders.scorer import encoder_folder
    from harness.models import resolve_model

    if not (experiment.refinement and experiment.config.refine):
        return None
    scores = experiment.refinement.hard_pairs.scores
    calibration = read_calibration(encoder_folder(resolve_model(experiment.config.refine).model_id))
    return lambda document: scored_predictions(document, scores.of(document), None, calibration)


def _tell(driver: Driver, result: AnnotationResult | RunResult) -> None:
    if failures := result.failures:
        driver.tell(f"{unanswered(result.manifest)}; what helps: {failures[0].remedy}")


def _write_corpus(folder: Path, extractor: Extractor, documents: Iterable[Document]) -> Path:
    """The documents in DocRED's format, in a folder named by their content, in a file named by their relations.

    The name of the file is part of a run's question: with other relations the same texts are another run.
    """
    documents = list(documents)
    table = json_text({one.id: one.name for one in extractor.schema.relations})
    content = "\n".join([table, *(json_text(as_docred(one)) for one in documents)])
    place = folder / hashlib.sha256(content.encode()).hexdigest()[:16]
    corpus = place / f"texts-{hashlib.sha256(table.encode()).hexdigest()[:6]}.json"
    if not corpus.is_file():
        with document_output(corpus) as output:
            for one in documents:
                output.write(one)
            # Before the corpus has its name: a kill leaves both or no corpus.
            write_schema(place / "rel_info.json", extractor.schema)
    return corpus
