"""Running a trained encoder over a split: checked, scored and stored like any run, with its pair scores beside."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any

from harness.encoders.ensemble import EnsembleScorer, pair_scorer
from harness.encoders.scorer import EncoderScorer, encoder_folder
from harness.encoders.scores import PAIR_SCORES, score_writer
from harness.encoders.seen import Seen, seen_by
from harness.environment import describe_environment
from harness.errors import InputError
from harness.experiment.config import RunConfig
from harness.experiment.encoder_origin import encoder_origin
from harness.experiment.results import RunResult, RunTotals, store_scored
from harness.experiment.scope import Scope, dataset_of, schema_sha256
from harness.models import ENCODER, resolve_model
from harness.store import DocumentRecord, RunFolder
from harness.types import Dataset, Extraction

if TYPE_CHECKING:
    from collections.abc import Mapping

PROPOSES_PAIRS = "rcp"
_FIELDS_OF_ENCODERS = {"model", "dataset", "split", "data_dir", "limit", "model_options", "results"}


@dataclass(frozen=True)
class EncoderExperiment(Scope):
    """A checked configuration of an encoder, ready to run."""

    scorer: EncoderScorer | EnsembleScorer
    seen: Seen
    """What the encoder saw in training."""

    @property
    def run_id(self) -> str:
        return self.id_of(self._question())

    def _question(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset_identity(),
            "model": {"name": self.spec.name, "identity": dict(self.scorer.identity)},
            "task": self.scorer.config.task,
            "options": dict(self.config.model_options),
        }

    def manifest(self) -> dict[str, Any]:
        """The part of the manifest that is known before the run."""
        return {
            "run_id": self.run_id,
            "runner": ENCODER,
            "prompt_label": "",
            "encoder": encoder_origin(
                self.scorer.folder,
                self.scorer.config.threshold,
                map(self.seen.role, self.documents),
                is_given="threshold" in self.config.model_options,
            ),
            "question": {**self._question(), "constraint": {"level": ""}, "limit": self.config.limit},
            "documents": {"asked": self.document_count, "in_split": len(self.dataset.documents)},
            "prices": {"in": None, "out": None},
            "schema_sha256": schema_sha256(self.dataset.schema),
            "config": self.config.with_absolute_paths().as_json(),
        }


def is_encoder(config: RunConfig) -> bool:
    """Whether the configured model is an encoder, which takes no prompt."""
    return resolve_model(config.model, config.base_url).runner == ENCODER


def prepare_encoder(
    config: RunConfig, *, model_needed: bool = True, dataset: Dataset | None = None
) -> EncoderExperiment:
    """Find and check everything that the run needs, without loading the model.

    ``dataset`` is what the configuration names, where it is loaded already. Raises InputError for options that an
    encoder does not have, a relation of the corpus that it does not know, or a damaged record of its training;
    ModelUnavailable, if the ``model_needed``, for a missing package.
    """
    for one in fields(RunConfig):
        default = one.default if one.default_factory is MISSING else one.default_factory()
        if one.name not in _FIELDS_OF_ENCODERS and getattr(config, one.name) != default:
            raise InputError(f"{config.model} is an encoder: leave out --{one.name.replace('_', '-')}")
    spec = resolve_model(config.model)
    dataset = dataset_of(config, dataset, knows_relations=True)
    scorer = pair_scorer(encoder_folder(spec.model_id), config.model_options, dataset.schema)
    if model_needed:
        scorer.check()
    return EncoderExperiment(config, spec, dataset, scorer, seen_by(scorer.folder))


def execute_encoder(experiment: EncoderExperiment, scored: Callable[[], None]) -> RunResult:
    """Score, store and evaluate; ``scored`` is called after every document. A cut-off run starts again."""
    folder = RunFolder(experiment.config.results / "runs" / experiment.run_id)
    totals = RunTotals()
    with folder.locked():
        begun, clock = time.time(), time.perf_counter()
        session: dict[str, Any] = {"started": begun, "finished": None}
        manifest: Mapping[str, Any] = {**experiment.manifest(), **describe_environment(), "sessions": [session]}
        folder.write_manifest({**manifest, "status": "running"})
        experiment.scorer.load()
        session["loading_seconds"] = round(time.perf_counter() - clock, 3)
        with (
            folder.document_writer() as documents,
            score_writer(folder.path / PAIR_SCORES, experiment.scorer.relations) as pairs,
        ):
            roles = map(experiment.seen.role, experiment.documents)
            for scores, role in zip(experiment.scorer.score(experiment.documents), roles, strict=True):
                extraction = Extraction(scores.predictions(), details={"pairs": len(scores.pairs)})
                record = DocumentRecord.of(scores.title, extraction, 0, 0.0)
                pairs.write(scores, role)
                documents.write(record)
                totals.add(record)
                scored()
        seconds = round(time.perf_counter() - clock, 3)
        session |= {"finished": begun + seconds, "seconds": seconds, "scored": experiment.document_count}
        return store_scored(folder, manifest, totals, experiment)
