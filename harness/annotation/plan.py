"""From a configuration to a checked plan of an annotation, before anything is spent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.annotation.texts import TextCollection, TextFilter, source_of
from harness.answers.reasoned import REASONING_TOKENS
from harness.datasets.registry import CORPORA, PACKAGE
from harness.datasets.relation_table import read_schema
from harness.errors import InputError
from harness.methods.annotate import ENTITIES, MAX_ENTITIES, METHOD, TOKENS_PER_ENTITY, Annotate, chosen_options
from harness.methods.settings import MethodSettings, choose_constraint
from harness.methods.table import TOKENS_PER_EVIDENCE, TOKENS_PER_TRIPLET
from harness.models import resolve_model
from harness.prompting.languages import ENGLISH
from harness.prompting.variant import EVIDENCE, LANGUAGE, REASONING, SCORES, PromptVariant, load_variant
from harness.runs.config import RunConfig
from harness.runs.sources.adapters import adapters_of, warn_of_other_use
from harness.runs.sources.llm import LlmRun, most_triplets, runner_of, sampling_of
from harness.types import Dataset, Document, PredictionSource, RelationSchema

OPEN = "open"


@dataclass(frozen=True)
class AnnotationRun(LlmRun):
    """A checked annotation, ready to run; with ``entities_only``, no relations are asked for.

    ``fewest`` are the least numbers of ``entities`` and ``triplets`` of a document that is written.
    """

    entities_only: bool = False
    fewest: Mapping[str, int] = field(default_factory=dict)

    def method(self) -> Annotate:
        """What turns a text into a document with entities and labels; InputError for settings that do not fit."""
        return Annotate(self.settings, self.entities_only)

    def resolved(self) -> dict[str, Any]:
        parts = super().resolved()
        if self.entities_only:
            parts["prompt"]["steps"] = [ENTITIES]
        return {**parts, "fewest": {name: count for name, count in self.fewest.items() if count} or None}


def prepare_annotation(
    config: RunConfig,
    schema: str,
    kept: TextFilter | None = None,
    fewest: Mapping[str, int] | None = None,
    files: Sequence[str] = (),
) -> AnnotationRun:
    """The annotation whose documents are the texts under ``config.dataset`` that are ``kept``, without entities.

    ``schema`` is ``open``, a corpus of the table such as redocred, or a ``rel_info.json``. ``files`` choose those of a
    data set of the hub, by patterns. Raises InputError or ModelUnavailable with one line on what is wrong.
    """
    texts = TextCollection(source_of(config.dataset, files), kept)
    annotation = annotation_of(config, schema, texts.source.stem, texts, texts.sha256)
    return replace(annotation, fewest=fewest or {})


def annotation_of(
    config: RunConfig,
    schema: str,
    name: str,
    texts: Collection[Document],
    sha256: str,
    *,
    entities_only: bool = False,
) -> AnnotationRun:
    """The annotation of these documents without entities; ``sha256`` is the checksum of their titles and texts."""
    variant = load_variant(config.prompt)
    if variant.description.method != METHOD:
        raise InputError(f"prompt {variant.name!r} does not annotate: its method must be {METHOD!r}")
    relations = _schema(schema)
    spec = resolve_model(config.model, config.base_url)
    if spec.source == PredictionSource.ENCODER:
        raise InputError(
            f"model {spec.name} is an encoder, which relates entities that are marked already: `harness extract` finds "
            "them for it; or annotate with a language model"
        )
    adapters = adapters_of(config, variant)
    runner = runner_of(config, spec, adapters.values())
    runner.check()
    options = _options(variant, config, None if adapters else spec.max_triplets, schema)
    if entities_only:
        options = {name: value for name, value in options.items() if name not in (REASONING, EVIDENCE)}
    variant = variant.in_language(options.get(LANGUAGE, ENGLISH))
    max_triplets = most_triplets(config, spec, variant, adapters.values())
    reasoning = REASONING_TOKENS if REASONING in options else 0
    a_triplet = TOKENS_PER_TRIPLET + (TOKENS_PER_EVIDENCE if EVIDENCE in options else 0)
    enough = 64 + max(reasoning + a_triplet * max_triplets, TOKENS_PER_ENTITY * int(options[MAX_ENTITIES]))
    level, form = choose_constraint(config.constrain, runner.supports)
    settings = MethodSettings(
        variant=variant,
        options=options,
        schema=relations,
        level=level,
        form=form,
        max_triplets=max_triplets,
        sampling=sampling_of(config, runner, spec, enough),
        repeat=config.repeat,
        adapters={step: adapter.sha256 for step, adapter in adapters.items()},
    )
    dataset = Dataset(name, "", relations, texts, _checksum(sha256, relations))
    annotation = AnnotationRun(config, spec, dataset, runner, settings, adapters=adapters, entities_only=entities_only)
    annotation.method()
    warn_of_other_use(annotation.answering, settings)
    return annotation


def _schema(name: str) -> RelationSchema:
    """The relations of ``--schema``; none for an open one."""
    if name == OPEN:
        return RelationSchema(())
    if corpus := CORPORA.get(name):
        packaged = corpus.packaged_relations
        return read_schema(PACKAGE / packaged if packaged else corpus.folder / corpus.relations.name)
    if not Path(name).is_file():
        raise InputError(f"--schema {name}: give {OPEN}, {', '.join(CORPORA)} or a rel_info.json file")
    return read_schema(Path(name))


def _options(variant: PromptVariant, config: RunConfig, most: int | None, schema: str) -> dict[str, str]:
    if config.prompt_options.get(SCORES, "none") != "none":
        raise InputError(f"`harness annotate` writes no scores: leave out -P {SCORES}")
    return chosen_options(variant, {**config.prompt_options, "schema": OPEN if schema == OPEN else "listed"}, most)


def _checksum(texts: str, relations: RelationSchema) -> str:
    """Of all that the documents' annotations depend on beside the model and the prompt."""
    table = json.dumps([[relation.id, relation.name] for relation in relations.relations])
    return hashlib.sha256(f"{texts}\0{table}".encode()).hexdigest()
