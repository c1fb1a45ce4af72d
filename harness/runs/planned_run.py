"""What is run on which documents, and the name of the folder that holds the outcome."""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

from harness.datasets.gold import label_source_of
from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.records.manifest import Asked
from harness.records.metrics import Metrics
from harness.redaction import shown
from harness.runs.config import RunConfig
from harness.runs.metrics import metrics_of
from harness.runs.selection import ChosenDocuments, Part, PartOfDocuments, choose, identity_of
from harness.runs.totals import RunTotals
from harness.runs.training_file import TrainingFile
from harness.types import Dataset, Document, ModelSpec, RelationSchema


def dataset_of(config: RunConfig, loaded: Dataset | None = None, *, knows_relations: bool = False) -> Dataset:
    """The documents that a run is over, which may be loaded already, with the relations to look for.

    Raises InputError as ``load_dataset`` does, where a corpus has no document, where only some documents have labels,
    and where no relation is known, unless the model ``knows_relations`` of its own, as encoders do.
    """
    dataset = loaded or load_dataset(config.dataset, config.split, config.data_dir)
    if loaded is None and next(iter(dataset.documents), None) is None:
        raise InputError(f"{config.dataset}: there is no document in it")
    label_source_of(dataset)
    if not dataset.schema.relations and not knows_relations:
        raise InputError(
            f"{config.dataset}: no relation to look for is known, as there are no labels and no rel_info.json beside "
            'the file: put one there, {"P17": "country", ...}'
        )
    return dataset


@dataclass(frozen=True)
class Scope:
    """What experiments with LLMs and with encoders share."""

    config: RunConfig
    spec: ModelSpec
    dataset: Dataset

    @cached_property
    def selected(self) -> ChosenDocuments:
        """The documents that the configuration chooses, those of all parts."""
        return choose(self.config, self.dataset)

    @cached_property
    def documents(self) -> Iterable[Document]:
        """The documents that are asked about; they can be iterated again and again."""
        part = self.config.part
        return PartOfDocuments(self.selected, Part.of(part)) if part else self.selected

    @cached_property
    def document_count(self) -> int:
        chosen = self.selected
        if self.config.part is None and chosen.titles is None and chosen.stop is not None:
            return chosen.stop - chosen.start
        return sum(1 for _ in self.documents)

    @property
    def undivided(self) -> Self:
        """The same over all chosen documents, of which this may be a part."""
        return replace(self, config=replace(self.config, part=None))

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
        selection = identity_of(self.config, self.selected)
        resolved = {**self.resolved(), "selection": selection}
        return {**self.config.question(resolved, self.spec.source), "limit": self.config.limit}

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

    def built_on(self) -> list[dict[str, Any]]:
        """The stored runs whose triplets are asked about, each as ``BuiltOn``."""
        return []

    def chosen(self) -> list[dict[str, Any]]:
        """The options that were chosen by scores of the run's own documents, each as ``ChosenSetting``."""
        return []

    @property
    def run_id(self) -> str:
        """Readable parts, then a hash of everything that can change the result: same question, same folder."""
        part = f"part {self.config.part}" if self.config.part else ""
        readable = (self.dataset.name, self.dataset.split, self.spec.name, *self.id_parts, part)
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
                **({"part_of": self.undivided.run_id} if self.config.part else {}),
                **({"encoder": dict(encoder)} if (encoder := self.encoder()) else {}),
                **({"adapters": adapters} if (adapters := self.adapters_told()) else {}),
                **({"built_on": built_on} if (built_on := self.built_on()) else {}),
                **({"chosen_settings": chosen} if (chosen := self.chosen()) else {}),
                "prices": {
                    "in": self.spec.price_in,
                    "out": self.spec.price_out,
                    **({} if self.spec.price_batch is None else {"batch": self.spec.price_batch}),
                },
                "schema_sha256": schema_sha256(self.dataset.schema),
                "config": self.stored_config.as_json(),
            }
        )

    @property
    def stored_config(self) -> RunConfig:
        """The configuration from any working folder and machine; a file of titles may be gone by then."""
        config = self.config.with_absolute_paths()
        return replace(config, documents=tuple(sorted(self.selected.titles or ()))) if config.documents else config


def schema_sha256(schema: RelationSchema) -> str:
    """Of the ids and names of the relations, in their order: other ones are other prompts."""
    return hashlib.sha256(json.dumps([[one.id, one.name] for one in schema.relations]).encode()).hexdigest()


def question_digest(question: Mapping[str, Any]) -> str:
    """What a run's id ends in: eight hexadecimal digits of everything that can change its result."""
    text = json.dumps(question, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "_", name).strip("_.") or "x"
