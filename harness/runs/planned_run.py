"""What is run on which documents, and the name of the folder that holds the outcome."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.datasets.gold import label_source_of
from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.records.manifest import Asked
from harness.records.metrics import Metrics
from harness.redaction import shown
from harness.runs.config import RunConfig
from harness.runs.metrics import metrics_of
from harness.runs.totals import RunTotals
from harness.runs.training_file import TrainingFile
from harness.types import Dataset, Document, ModelSpec, RelationSchema


def dataset_of(config: RunConfig, loaded: Dataset | None = None, *, knows_relations: bool = False) -> Dataset:
    """The documents that a run is over, which may be loaded already, with the relations to look for.

    Raises InputError as ``load_dataset`` does, where only some documents have labels, and where no relation is known,
    unless the model ``knows_relations`` of its own, as encoders do.
    """
    dataset = loaded or load_dataset(config.dataset, config.split, config.data_dir)
    label_source_of(dataset)
    if not dataset.schema.relations and not knows_relations:
        raise InputError(
            f"{config.dataset}: no relation to look for is known, as there are no labels and no rel_info.json beside "
            'the file: put one there, {"P17": "country", ...}'
        )
    return dataset


@dataclass(frozen=True)
class FirstDocuments:
    """The first ``count`` of ``documents``."""

    documents: Iterable[Document]
    count: int

    def __iter__(self) -> Iterator[Document]:
        return itertools.islice(iter(self.documents), self.count)


@dataclass(frozen=True)
class Scope:
    """What experiments with LLMs and with encoders share."""

    config: RunConfig
    spec: ModelSpec
    dataset: Dataset

    @property
    def document_count(self) -> int:
        size = len(self.dataset.documents)
        return size if self.config.limit is None else min(self.config.limit, size)

    @property
    def documents(self) -> Iterable[Document]:
        """The documents that are asked about; they can be iterated again and again."""
        return FirstDocuments(self.dataset.documents, self.document_count)

    def metrics(self, totals: RunTotals, training: TrainingFile | None) -> Metrics:
        """The metrics of the run's records."""
        return metrics_of(self.documents, totals, training)

    def dataset_identity(self) -> dict[str, str]:
        return {"name": self.dataset.name, "split": self.dataset.split, "sha256": self.dataset.sha256}


@dataclass(frozen=True)
class PlannedRun(Scope, ABC):
    """A run that can be made; each source of predictions says what its options stand for."""

    @abstractmethod
    def resolved(self) -> dict[str, Any]:
        """The parts of the question that stand for what options name; None for those that the run has not."""

    def question(self) -> dict[str, Any]:
        """All that can change the result, as JSON."""
        return {**self.config.question(self.resolved(), self.spec.source), "limit": self.config.limit}

    @property
    def id_parts(self) -> tuple[str, ...]:
        """What the run's id names besides dataset, split and model."""
        return ()

    @property
    def prompt_label(self) -> str:
        """The prompt with what was changed in it, for tables; empty where no LLM is asked."""
        return ""

    def encoder(self) -> Mapping[str, Any]:
        """What is known of the encoder that the run builds on, as ``EncoderOrigin``; empty without one."""
        return {}

    def adapters_told(self) -> list[dict[str, Any]]:
        """The adapters that answer, each as ``AdapterOrigin``."""
        return []

    def chosen(self) -> list[dict[str, Any]]:
        """The options that were chosen by scores of the run's own documents, each as ``ChosenSetting``."""
        return []

    @property
    def run_id(self) -> str:
        """Readable parts, then a hash of everything that can change the result: same question, same folder."""
        readable = (self.dataset.name, self.dataset.split, self.spec.name, *self.id_parts)
        return "-".join([*(_safe(name) for name in readable if name), question_digest(self.question())])

    def asked(self) -> Asked:
        """What is asked, for the manifest. Whatever could be a secret is hidden."""
        question = self.question()
        model = {**question["model"], "identity": shown(question["model"]["identity"])}
        return Asked.model_validate(
            {
                "run_id": self.run_id,
                "runner": self.spec.runner,
                "prompt_label": self.prompt_label,
                "question": {"constraint": {"level": ""}, **question, "model": model},
                "documents": {"asked": self.document_count, "in_split": len(self.dataset.documents)},
                # Left out where there is nothing to tell, as in most runs.
                **({"encoder": dict(encoder)} if (encoder := self.encoder()) else {}),
                **({"adapters": adapters} if (adapters := self.adapters_told()) else {}),
                **({"chosen_settings": chosen} if (chosen := self.chosen()) else {}),
                "prices": {
                    "in": self.spec.price_in,
                    "out": self.spec.price_out,
                    **({} if self.spec.price_batch is None else {"batch": self.spec.price_batch}),
                },
                "schema_sha256": schema_sha256(self.dataset.schema),
                "config": self.config.with_absolute_paths().as_json(),
            }
        )


def schema_sha256(schema: RelationSchema) -> str:
    """Of the ids and names of the relations, in their order: other ones are other prompts."""
    return hashlib.sha256(json.dumps([[one.id, one.name] for one in schema.relations]).encode()).hexdigest()


def question_digest(question: Mapping[str, Any]) -> str:
    """What a run's id ends in: eight hexadecimal digits of everything that can change its result."""
    text = json.dumps(question, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "_", name).strip("_.") or "x"
