"""From a configuration to a checked plan: everything a run needs is found before anything is spent."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.datasets.gold import with_gold
from harness.encoders.seen import seen_by
from harness.errors import InputError
from harness.methods.base import PromptMethod
from harness.methods.candidates import GOLD
from harness.methods.found_entities import OverFoundEntities
from harness.methods.settings import GIVEN, MethodSettings, choose_constraint
from harness.methods.table import check_beginning, create_method, enough_tokens, method_kind, uses_relation_texts
from harness.methods.voting import LEAST_SHARE, Voting
from harness.models import resolve_model
from harness.prompting.languages import ENGLISH
from harness.prompting.relations import RelationTexts, relation_texts_for
from harness.prompting.variant import LANGUAGE, load_variant
from harness.records.metrics import Metrics
from harness.records.question import PROPOSES_PAIRS
from harness.refiners.options import RefineOptions
from harness.refiners.proposer import ScoredPairs
from harness.refiners.refined import Refined
from harness.refiners.stored_triplets import StoredTriplets
from harness.refiners.task_distribution import HardPairs
from harness.runs.alignment import alignment_identity, load_alignment
from harness.runs.chosen_settings import chosen_settings
from harness.runs.config import RunConfig
from harness.runs.language import with_language
from harness.runs.metrics import NOT_GIVEN, LlmPart, metrics_of
from harness.runs.planned_run import Scope, dataset_of
from harness.runs.results import RunResult
from harness.runs.retrieval import load_retrieval
from harness.runs.shots import Shots, draw_shots
from harness.runs.sources.adapters import adapters_of, warn_of_other_use
from harness.runs.sources.encoder_origin import encoder_origin
from harness.runs.sources.encoder_scores import pair_source_of, scores_named
from harness.runs.sources.entities import RunEntities, entities_of
from harness.runs.sources.llm import LlmRun, most_triplets, runner_of, sampling_of
from harness.runs.totals import RunTotals
from harness.runs.training_file import TrainingFile
from harness.types import Dataset, PredictionSource

log = logging.getLogger(__name__)

REWRITE = "rewrite them and take out the line drafted_from"
"""What makes a schema of a draft."""


@dataclass(frozen=True)
class Refinement:
    """The encoder's hard pairs, which are what the LLM is asked about, and how its answers are used."""

    hard_pairs: HardPairs
    options: RefineOptions

    @property
    def identity(self) -> dict[str, Any]:
        return {"scores": self.hard_pairs.scores.identity, **asdict(self.options)}


@dataclass(frozen=True)
class Experiment(LlmRun):
    """A checked configuration, ready to run: every input was found and fits the others."""

    relation_texts: RelationTexts | None = None
    shots: Shots | None = None
    refinement: Refinement | None = None
    entities: RunEntities | None = None

    def method(self) -> PromptMethod:
        """What turns a document into predictions."""
        related = self._relating()
        return OverFoundEntities(related, self.entities.finding) if self.entities else related

    def _relating(self) -> PromptMethod:
        """What asks about a document with entities."""
        if (count := self.config.samples) > 1:
            # No repetition of a run shares a number with another's samples.
            numbers = range(self.config.repeat * count, (self.config.repeat + 1) * count)
            samples = [
                create_method(replace(self.settings, repeat=number, more=numbers[-1] - number)) for number in numbers
            ]
            return Voting(tuple(samples), self._vote_share)
        method = create_method(self.settings)
        if self.refinement is None:
            return method
        return Refined(method, self.refinement.hard_pairs, self.refinement.options.fusion)

    @property
    def _vote_share(self) -> float:
        return LEAST_SHARE if self.config.vote_share is None else self.config.vote_share

    @property
    def id_parts(self) -> tuple[str, ...]:
        return (*super().id_parts, *([f"given {self.config.given}"] if self.entities else []))

    def resolved(self) -> dict[str, Any]:
        pairs, alignment, samples = self.settings.candidates, self.settings.alignment, self.config.samples
        retrieval = self.settings.retrieval
        return {
            **super().resolved(),
            "task": PROPOSES_PAIRS if method_kind(self.settings.variant).proposes_pairs else None,
            "candidates": pairs and pairs.identity,
            "given": self.entities and dict(self.entities.identity),
            "refine": self.refinement and self.refinement.identity,
            "votes": {"samples": samples, "least_share": self._vote_share} if samples > 1 else None,
            "relation_texts": self.relation_texts and self.relation_texts.sha256,
            "shots": self.shots and self.shots.identity,
            "alignment": alignment and alignment_identity(alignment),
            "retrieval": retrieval and retrieval.identity,
        }

    @property
    def prompt_label(self) -> str:
        """The variant's name with the options not at their default, its shots, the source of its pairs, alignment."""
        parts = [super().prompt_label]
        if self.entities:
            parts.append(f"given={self.config.given} finder={Path(self.config.finder).name}")
        if self.shots:
            parts.append(f"shots={len(self.shots.documents)}")
        if self.settings.candidates:
            parts.append(f"candidates={self.settings.candidates.name}")
        if self.refinement:
            parts.append(f"refine={self.refinement.hard_pairs.scores.name}")
            parts += [f"{key}={value}" for key, value in self.config.refine_options.items()]
        if retrieval := self.settings.retrieval:
            parts.append(f"relations={retrieval.count} by {retrieval.embedder.name}")
        if self.config.window:
            parts.append(f"window={self.config.window}")
        if self.config.reasoning_effort is not None:
            parts.append(f"reasoning-effort={self.config.reasoning_effort}")
        if self.config.thinking_tokens is not None:
            parts.append(f"thinking-tokens={self.config.thinking_tokens}")
        if self.config.samples > 1:
            parts.append(f"samples={self.config.samples}")
            parts += [f"vote-share={self._vote_share:g}"] if self._vote_share != LEAST_SHARE else []
        if alignment := self.settings.alignment:
            parts.append(f"align={alignment.relations.embedder.name} theta={alignment.theta:g}")
            if self.config.align_over == "descriptions":
                parts.append("align-over=descriptions")
        return " ".join(parts)

    def encoder(self) -> Mapping[str, Any]:
        if self.refinement:
            return self.refinement.hard_pairs.scores.encoder
        if self.entities and (finder := self.entities.finder):
            return encoder_origin(finder.folder, finder.threshold, map(seen_by(finder.folder).role, self.documents))
        source = self.settings.candidates
        return source.scores.encoder if isinstance(source, ScoredPairs) else {}

    def built_on(self) -> list[dict[str, Any]]:
        if not isinstance(source := self.settings.candidates, StoredTriplets):
            return []
        run = RunResult.load(source.folder)
        return [{"run_id": run.folder.run_id, "not_ranked": list(run.knowing_documents())}]

    def metrics(self, totals: RunTotals, training: TrainingFile | None) -> Metrics:
        hard_pairs = self.refinement.hard_pairs if self.refinement else None
        llm = LlmPart(self.settings, hard_pairs, self.config.samples)
        given = self.settings.options.get(GIVEN, NOT_GIVEN)
        return metrics_of(self.documents, totals, training, given=given, llm=llm)

    def chosen(self) -> list[dict[str, Any]]:
        return chosen_settings(self)


def prepare(config: RunConfig, *, model_needed: bool = True, dataset: Dataset | None = None) -> Experiment:
    """Find and check everything a run needs, before anything is started or spent.

    ``dataset`` is what the configuration names, where it is loaded already. Raises InputError or ModelUnavailable
    with one line on what is wrong; without ``model_needed`` it does not matter whether the model could run here.
    """
    spec = resolve_model(config.model, config.base_url)
    if spec.source == PredictionSource.ENCODER:
        raise InputError(f"model {spec.name} is an encoder: `harness run` takes it without --prompt; nothing else does")
    if not config.prompt:
        raise InputError(f"model {spec.name} needs a prompt: give --prompt (`harness prompts` lists them)")
    if model_needed:
        config.check_source(PredictionSource.LLM)
    variant = load_variant(config.prompt)
    config = with_language(config, variant)
    options = variant.choose(config.prompt_options)
    variant = variant.in_language(options.get(LANGUAGE, ENGLISH))
    adapters = adapters_of(config, variant)
    runner = runner_of(config, spec, adapters.values())
    dataset = dataset_of(config, dataset)
    if config.candidates == GOLD:
        with_gold(dataset, f"--candidates {GOLD}")
    if (given := options.get(GIVEN, "none")) != "none":
        with_gold(dataset, f"-P {GIVEN}={given}")
    if model_needed:
        runner.check()
    kind = method_kind(variant)
    check_beginning(variant, options, runner.supports, spec.name)
    scope = Scope(config, spec, dataset)
    refinement = _refinement(scope)
    if kind.ranks_candidates and config.samples > 1:
        raise InputError(
            f"prompt {variant.name!r} reads the probabilities of all candidates, which --samples do not vote on: leave "
            "out --samples"
        )
    max_triplets = most_triplets(config, spec, variant, adapters.values())
    level, form = choose_constraint(config.constrain, runner.supports, kind.forms)
    settings = MethodSettings(
        variant=variant,
        options=options,
        schema=dataset.schema,
        level=level,
        form=form,
        max_triplets=max_triplets,
        sampling=sampling_of(config, runner, spec, enough_tokens(variant, options, max_triplets)),
        repeat=config.repeat,
        max_top_logprobs=runner.supports.max_top_logprobs,
        candidates=pair_source_of(config, dataset, scope.selected),
        questions=refinement.hard_pairs if refinement else None,
        alignment=load_alignment(config, dataset.schema),
        retrieval=load_retrieval(config, dataset.schema),
        adapters={step: adapter.sha256 for step, adapter in adapters.items()},
        in_episodes=dataset.in_episodes,
        in_corpora=bool(dataset.annotated),
        window=config.window,
    )
    entities = entities_of(config, spec, dataset, runner)
    experiment = Experiment(config, spec, dataset, runner, settings, adapters, None, None, refinement, entities)
    experiment = _with_texts_and_shots(experiment)
    warn_of_other_use(experiment.answering, settings)
    create_method(experiment.settings)
    if settings.candidates and not entities:
        for document in experiment.documents:
            settings.candidates.pairs(document)
    return experiment


def _refinement(scope: Scope) -> Refinement | None:
    config = scope.config
    if config.refine and config.samples > 1:
        raise InputError("--refine reads probabilities, on which --samples do not vote: leave out one of them")
    if config.refine is None:
        if config.refine_options:
            raise InputError("-R sets options of --refine: name an encoder or a stored run with it")
        return None
    options = RefineOptions.of(config.refine_options)
    scores = scores_named("--refine", config.refine, config, scope.dataset, scope.selected)
    return Refinement(HardPairs(scores, options.distribution), options)


def _with_texts_and_shots(experiment: Experiment) -> Experiment:
    """The experiment with the texts that its prompt uses, and the documents that it demonstrates."""
    config, settings = experiment.config, experiment.settings
    texts = shots = None
    if uses_relation_texts(settings):
        texts = relation_texts_for(settings.schema, config.relation_texts)
        if texts.drafted_from == experiment.dataset.sha256:
            raise InputError(
                "the relation texts are a draft from the labels of these very documents: draft them from training "
                f"documents, or {REWRITE}"
            )
        if texts.drafted_from:
            log.warning("warning: the relation texts are a draft, and a prompt shows them as they are: %s", REWRITE)
        settings = replace(settings, relation_texts=texts.by_id)
    elif config.relation_texts and config.align_over != "descriptions" and settings.retrieval is None:
        raise InputError(f"prompt {settings.variant.name!r} uses no relation texts: leave out --relation-texts")
    if config.shots:
        shots = draw_shots(config, experiment.dataset, experiment.selected)
        settings = replace(settings, shots=shots.documents)
    elif config.shots_from:
        raise InputError("--shots-from names where examples come from: say how many with --shots")
    return replace(experiment, settings=settings, relation_texts=texts, shots=shots)
