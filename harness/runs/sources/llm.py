"""What a run of documents through a prompt and an annotation of texts share: an LLM is asked."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.errors import InputError
from harness.methods.settings import MethodSettings
from harness.prompting.variant import PromptVariant, text_sha256
from harness.runs.config import OPTIONS, RunConfig
from harness.runs.planned_run import PlannedRun
from harness.runs.sources.adapters import adapter_origins, adapters_label
from harness.types import Adapter, Method, ModelSpec, Runner, RunnerOptions, Sampling, Supports


@dataclass(frozen=True)
class LlmRun(PlannedRun):
    """A checked configuration whose model answers a prompt."""

    runner: Runner
    """The backend; nothing is started."""
    settings: MethodSettings
    """What a method needs to build its requests and read the answers."""
    adapters: Mapping[str, Adapter] = field(default_factory=dict)
    """What answers each step; "" stands for every other step."""

    @abstractmethod
    def method(self) -> Method:
        """What asks about a document, and reads the answers."""

    @property
    def id_parts(self) -> tuple[str, ...]:
        return self.settings.variant.name, self.settings.level

    def resolved(self) -> dict[str, Any]:
        settings = self.settings
        return {
            "dataset": self.dataset_identity(),
            "model": {"name": self.spec.name, "identity": dict(self.runner.identity)},
            "prompt": {
                "name": settings.variant.name,
                "version": settings.variant.description.version,
                "sha256": settings.variant.sha256,
                "options": dict(settings.options),
                **{
                    f"{option}_sha256": text_sha256(settings.variant, template)
                    for option, template in settings.general_templates.items()
                },
            },
            "constraint": {"level": settings.level, "form": settings.form},
            "adapters": dict(settings.adapters) or None,
            "max_triplets": settings.max_triplets,
            # A setting that is left to the model is none: one that is added later changes no id.
            "sampling": {name: value for name, value in asdict(settings.sampling).items() if value is not None},
            "repeat": settings.repeat,
        }

    @property
    def prompt_label(self) -> str:
        variant = self.settings.variant
        defaults = variant.choose({})
        changed = [f"{key}={value}" for key, value in self.settings.options.items() if value != defaults.get(key)]
        return " ".join([variant.name, *changed, *([adapters_label(self.adapters)] if self.adapters else [])])

    @property
    def answering(self) -> list[tuple[str, Adapter]]:
        """The adapters by the step that each answers; one that is in the model's weights answers every step."""
        from runners.adapters import merged_into

        merged = merged_into(self.spec.model_id)
        return [*([("", merged)] if merged else []), *self.adapters.items()]

    def adapters_told(self) -> list[dict[str, Any]]:
        return list(adapter_origins(self.answering, self.settings, self.documents))


def runner_of(config: RunConfig, spec: ModelSpec, adapters: Iterable[Adapter] = ()) -> Runner:
    """The runner of a model, with adapters, under the configuration's options; nothing is started."""
    from runners.registry import create_runner

    options = RunnerOptions(
        base_url=config.base_url,
        max_connections=config.max_connections,
        log_dir=config.results / "logs",
        extra=config.model_options,
        adapters=tuple({adapter.sha256: adapter for adapter in adapters}.values()),
    )
    return create_runner(spec, options)


def most_triplets(config: RunConfig, spec: ModelSpec, variant: PromptVariant, adapters: Collection[Adapter]) -> int:
    """The longest list that is asked for; the bound of a small model is not that of an adapter for it."""
    of_model = None if adapters else spec.max_triplets
    return config.max_triplets or of_model or variant.description.max_triplets


def sampling_of(config: RunConfig, runner: Runner, spec: ModelSpec, enough: int) -> Sampling:
    """How answers are decoded: at most ``enough`` tokens, or half the context, unless the user says otherwise.

    Thinking comes on top. Raises InputError for a budget of it that the model does not take.
    """
    context = runner.supports.context or spec.context
    thinking = config.thinking_tokens or 0
    most = config.max_tokens or (min(enough + thinking, context // 2) if context else enough + thinking)
    asked = {name: getattr(config, name) for name, option in OPTIONS.items() if option.part == "sampling"}
    sampling = Sampling(**{**asked, "max_tokens": most})
    if problem := thinking_problem(spec.name, runner.supports, sampling):
        raise InputError(problem)
    return sampling


def thinking_problem(name: str, supports: Supports, sampling: Sampling) -> str:
    """Why the model called ``name`` does not take the budget for thinking, and what to do; empty if it does."""
    budget, taken = sampling.thinking_tokens, supports.thinking
    if budget is None:
        return ""
    if taken is None:
        return (
            f"{name} cannot be told how many tokens to think: leave out --thinking-tokens, or say how much with "
            "--reasoning-effort; a field of its server's own can be given with -M body.FIELD=N"
        )
    if 0 < budget < taken.least:
        return f"{name} thinks in {taken.least} tokens or more: give --thinking-tokens {taken.least}, or 0 for none"
    if budget and taken.temperature is not None and sampling.temperature != taken.temperature:
        return f"{name} thinks at temperature {taken.temperature:g} only: give --temperature {taken.temperature:g}"
    if budget >= sampling.max_tokens:
        return (
            f"--thinking-tokens {budget} leaves no room for an answer of at most {sampling.max_tokens} tokens, "
            "thinking included: give fewer, or a larger --max-tokens"
        )
    return ""
