"""Running a trained encoder over a split: checked, scored and stored like any run, with its pair scores beside."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import tee
from typing import TYPE_CHECKING, Any

from harness.encoders.entities import FINDER, LLM_FINDER
from harness.encoders.scores import PAIR_SCORES, score_writer
from harness.encoders.seen import Seen, seen_by
from harness.errors import InputError
from harness.models import resolve_model
from harness.runs.config import RunConfig
from harness.runs.given import check_finds_entities
from harness.runs.manifest import RunManifest
from harness.runs.planned_run import PlannedRun, dataset_of
from harness.runs.results import RunResult, store_scored
from harness.runs.sources.encoder_origin import encoder_origin
from harness.runs.sources.entities import finder_of
from harness.runs.totals import RunTotals
from harness.scoring.entities import NumberedEntities
from harness.scoring.official import Scorer
from harness.store import DocumentRecord, RunFolder
from harness.types import Dataset, Document, Extraction, PredictionSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.encoders.ensemble import EnsembleScorer
    from harness.encoders.entities.finder import EntityFinder
    from harness.encoders.scorer import EncoderScorer


@dataclass(frozen=True)
class EncoderExperiment(PlannedRun):
    """A checked configuration of an encoder, ready to run."""

    scorer: EncoderScorer | EnsembleScorer
    seen: Seen
    """What the encoder, and the finder if there is one, saw in training."""
    finder: EntityFinder | None = None
    """What finds the entities, or joins given mentions; None where they are given."""

    @property
    def id_parts(self) -> tuple[str, ...]:
        return (f"given {self.config.given}",) if self.finder else ()

    @property
    def prompt_label(self) -> str:
        return " ".join(self.id_parts)

    def with_entities(self, documents: Iterable[Document]) -> Iterator[Document]:
        """Each document in turn with the entities that the encoder sees."""
        if self.finder is None:
            return iter(documents)
        return self.finder.find(documents) if self.config.given == "nothing" else self.finder.join(documents)

    def resolved(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset_identity(),
            "model": {"name": self.spec.name, "identity": dict(self.scorer.identity)},
            "task": self.scorer.config.task,
            "options": dict(self.config.model_options),
            "given": self.finder and {"given": self.config.given, **self.finder.identity},
            # The seed draws documents only.
            "sampling": None,
        }

    def encoder(self) -> Mapping[str, Any]:
        return encoder_origin(
            self.scorer.folder,
            self.scorer.config.threshold,
            map(self.seen.role, self.documents),
            is_given="threshold" in self.config.model_options,
        )


def is_encoder(config: RunConfig) -> bool:
    """Whether the configured model is an encoder, which takes no prompt."""
    return resolve_model(config.model, config.base_url).source == PredictionSource.ENCODER


def prepare_encoder(
    config: RunConfig, *, model_needed: bool = True, dataset: Dataset | None = None
) -> EncoderExperiment:
    """Find and check everything that the run needs, without loading the model.

    ``dataset`` is what the configuration names, where it is loaded already. Raises InputError for options that an
    encoder does not have, a relation of the corpus that it does not know, or a damaged record of its training;
    ModelUnavailable, if the ``model_needed``, for a missing package.
    """
    from harness.encoders.ensemble import pair_scorer
    from harness.encoders.scorer import encoder_folder

    config.check_source(PredictionSource.ENCODER)
    spec = resolve_model(config.model)
    dataset = dataset_of(config, dataset, knows_relations=True)
    scorer = pair_scorer(encoder_folder(spec.model_id), config.model_options, dataset.schema)
    if model_needed:
        scorer.check()
    seen = seen_by(scorer.folder)
    if config.finder == LLM_FINDER:
        raise InputError(f"--finder {LLM_FINDER}: {spec.name} is an encoder; give {FINDER} or a finder's folder")
    finder = finder_of(config, config.model_options)
    if finder is None:
        return EncoderExperiment(config, spec, dataset, scorer, seen)
    check_finds_entities(config, dataset)
    return EncoderExperiment(config, spec, dataset, scorer, seen | seen_by(finder.folder), finder)


def execute_encoder(experiment: EncoderExperiment, scored: Callable[[], None]) -> RunResult:
    """Score, store and evaluate; ``scored`` is called after every document. A cut-off run starts again."""
    folder = RunFolder(experiment.config.results / "runs" / experiment.run_id)
    totals = RunTotals(scorer=Scorer())
    is_one = experiment.config.relations_per_pair == "one"
    with folder.locked():
        manifest = RunManifest(folder, experiment.asked())
        manifest.begin()
        clock = time.perf_counter()
        experiment.scorer.load()
        loading_seconds = round(time.perf_counter() - clock, 3)
        with ExitStack() as files:
            documents = files.enter_context(folder.document_writer())
            # Pairs of entities that were found are no pairs of the labels: nobody else could read their scores.
            pairs = None
            if experiment.finder is None:
                pairs = files.enter_context(score_writer(folder.path / PAIR_SCORES, experiment.scorer.relations))
            read, to_score = tee(experiment.with_entities(experiment.documents))
            scored_documents = zip(experiment.documents, read, experiment.scorer.score(to_score), strict=True)
            for document, seen, scores in scored_documents:
                found = scores.best(document.pairs) if is_one else scores.predictions()
                if asked := document.episode:
                    found = tuple(one for one in found if one.triplet.relation in asked.relations)
                details: dict[str, object] = {"pairs": len(scores.pairs)}
                if pairs is None:
                    numbered = NumberedEntities.against(document, seen.entities)
                    found = numbered.numbered(found)
                    details |= numbered.as_details()
                else:
                    pairs.write(scores, (document, experiment.seen.role(document)))
                record = DocumentRecord.of(scores.title, Extraction(found, details=details), 0, 0.0)
                documents.write(record)
                totals.add(record, document)
                scored()
        work: dict[str, float | str] = {
            "loading_seconds": loading_seconds,
            "precision": experiment.scorer.precision,
            "scored": experiment.document_count,
        }
        return store_scored(folder, manifest, totals, experiment, work)
