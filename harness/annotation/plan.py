"""From a configuration to a checked plan of an annotation, before anything is spent."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from harness.annotation.method import MAX_ENTITIES, METHOD, Annotate
from harness.annotation.texts import TextCollection
from harness.datasets.docred import read_schema
from harness.datasets.registry import CORPORA, PACKAGE
from harness.errors import InputError
from harness.experiment.config import RunConfig
from harness.experiment.plan import Experiment
from harness.methods.settings import TOKENS_PER_TRIPLET, MethodSettings, choose_form
from harness.models import resolve_model
from harness.prompting.variant import PromptVariant, load_variant
from harness.types import Dataset, ModelSpec, RelationSchema, RunnerOptions, Sampling

OPEN = "open"
# Room for '{"type": "PER", "mentions": ["...", "..."]}' with as many mentions as texts commonly have.
TOKENS_PER_ENTITY = 64


def prepare_annotation(config: RunConfig, schema: str) -> Experiment:
    """The experiment whose documents are the texts under ``config.dataset``, without entities.

    ``schema`` is ``open``, a corpus of the table such as redocred, or a ``rel_info.json``. Raises
    InputError or ModelUnavailable with one line on what is wrong.
    """
    from runners.registry import create_runner

    variant = load_variant(config.prompt)
    if variant.description.method != METHOD:
        raise InputError(f"prompt {variant.name!r} does not annotate: its method must be {METHOD!r}")
    relations = _schema(schema)
    texts = TextCollection(Path(config.dataset))
    spec = resolve_model(config.model, config.base_url)
    runner_options = RunnerOptions(
        base_url=config.base_url,
        timeout_s=config.timeout_s,
        max_connections=config.max_connections,
        log_dir=config.results / "logs",
        extra=config.model_options,
    )
    runner = create_runner(spec, runner_options)
    runner.check()
    options = _options(variant, config, spec, schema)
    max_triplets = config.max_triplets or spec.max_triplets or variant.description.max_triplets
    context = runner.supports.context or spec.context
    enough = 64 + max(TOKENS_PER_TRIPLET * max_triplets, TOKENS_PER_ENTITY * int(options[MAX_ENTITIES]))
    settings = MethodSettings(
        variant=variant,
        options=options,
        schema=relations,
        level=config.constrain,
        form=choose_form(config.constrain, runner.supports, spec),
        max_triplets=max_triplets,
        sampling=Sampling(
            max_tokens=config.max_tokens or (min(enough, context // 2) if context else enough),
            temperature=config.temperature,
            top_p=config.top_p,
            seed=config.seed,
        ),
        repeat=config.repeat,
    )
    Annotate(settings)
    dataset = Dataset(texts.path.stem, "", relations, texts, _checksum(texts, relations))
    return Experiment(config, spec, dataset, runner, settings)


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


def _options(variant: PromptVariant, config: RunConfig, spec: ModelSpec, schema: str) -> dict[str, str]:
    """The variant's options; a model too small to fill a list of triplets is asked for as few entities."""
    options = variant.choose({**config.prompt_options, "schema": OPEN if schema == OPEN else "listed"})
    if spec.max_triplets and MAX_ENTITIES not in config.prompt_options and MAX_ENTITIES in options:
        options[MAX_ENTITIES] = str(min(spec.max_triplets, int(options[MAX_ENTITIES])))
    return options


def _checksum(texts: TextCollection, relations: RelationSchema) -> str:
    """Of all that the documents' annotations depend on beside the model and the prompt."""
    table = json.dumps([[relation.id, relation.name] for relation in relations.relations])
    return hashlib.sha256(f"{texts.sha256}\0{table}".encode()).hexdigest()
