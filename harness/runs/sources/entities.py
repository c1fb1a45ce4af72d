"""The entities of a run that is not given them: what finds them, by ``--given`` and ``--finder``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.encoders.entities import LLM_FINDER
from harness.methods.annotate import MAX_ENTITIES, TOKENS_PER_ENTITY, Annotate, chosen_options
from harness.methods.found_entities import EntityFinding, FoundByEncoder, FoundByModel
from harness.methods.settings import MethodSettings, choose_constraint
from harness.prompting.variant import load_variant
from harness.runs.config import RunConfig
from harness.runs.given import check_finds_entities
from harness.runs.sources.llm import sampling_of
from harness.types import Dataset, ModelSpec, Runner

if TYPE_CHECKING:
    from harness.encoders.entities.finder import EntityFinder

PROMPT = "annotate"
"""The prompt whose question about entities is asked."""


@dataclass(frozen=True)
class RunEntities:
    """What finds the entities of a language model's run, or joins given mentions."""

    finding: EntityFinding
    identity: Mapping[str, str]
    """What tells its entities from those of any other, for the question of the run."""
    finder: EntityFinder | None = None
    """The trained finder; None for the language model."""


def finder_of(config: RunConfig, options: Mapping[str, str] | None = None) -> EntityFinder | None:
    """The trained finder of a run, with ``options`` as of an encoder's ``-M``; None for a run with given entities.

    Raises InputError for a name that is no finder's, ModelUnavailable for a missing package.
    """
    if config.given == "entities":
        return None
    from harness.encoders.entities.finder import entity_finder

    return entity_finder(config.finder, options or {})


def entities_of(config: RunConfig, spec: ModelSpec, dataset: Dataset, runner: Runner) -> RunEntities | None:
    """What finds the entities of a language model's run; None for one with given entities.

    Raises as ``finder_of``, and InputError for a corpus whose candidate pairs are of its own entities.
    """
    if config.given == "entities":
        return None
    check_finds_entities(config, dataset)
    if config.finder != LLM_FINDER and (finder := finder_of(config)):
        entities = finder.find if config.given == "nothing" else finder.join
        return RunEntities(FoundByEncoder(entities), {"given": config.given, **finder.identity}, finder)
    asked = _question(config, spec, dataset, runner)
    identity = {
        "given": config.given,
        "finder": LLM_FINDER,
        "prompt": asked.settings.variant.name,
        "sha256": asked.settings.variant.sha256,
        "options": json.dumps(dict(asked.settings.options), sort_keys=True),
        "max_tokens": str(asked.settings.sampling.max_tokens),
        "form": asked.settings.form or "",
    }
    return RunEntities(FoundByModel(asked), identity)


def _question(config: RunConfig, spec: ModelSpec, dataset: Dataset, runner: Runner) -> Annotate:
    """The question about entities, which the bare model answers, whatever adapters answer the prompt."""
    variant = load_variant(PROMPT)
    options = chosen_options(variant, {}, spec.max_triplets)
    level, form = choose_constraint(config.constrain, runner.supports)
    settings = MethodSettings(
        variant=variant,
        options=options,
        schema=dataset.schema,
        level=level,
        form=form,
        max_triplets=variant.description.max_triplets,
        sampling=sampling_of(config, runner, spec, 64 + TOKENS_PER_ENTITY * int(options[MAX_ENTITIES])),
        repeat=config.repeat,
    )
    return Annotate(settings, entities_only=True)
