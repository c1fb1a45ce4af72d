"""The LoRA adapters that a run's model answers with: read, and what they bring from their training."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from harness.encoders.seen import Seen, seen_by, seen_of
from harness.errors import InputError
from harness.methods.settings import MethodSettings
from harness.prompting.variant import AFTER_ANSWERS, GENERAL_OPTIONS, TEMPLATE_SUFFIX, PromptVariant
from harness.runs.config import RunConfig
from harness.types import Adapter, Document

Steps = Collection[tuple[str, Adapter]]
"""Adapters, each with the step of the prompt that it answers; empty for every other step."""
log = logging.getLogger(__name__)


def adapters_of(config: RunConfig, variant: PromptVariant) -> dict[str, Adapter]:
    """The adapter of each step that ``--adapter`` names; "" stands for every other step.

    Raises InputError for a step that the prompt does not have, and for a folder that holds no sound adapter.
    """
    from runners.adapters import read_adapter

    steps = sorted(file.stem for file in variant.directory.glob(f"*{TEMPLATE_SUFFIX}"))
    for step in config.adapter:
        if step and step not in steps:
            raise InputError(f"--adapter {step}=...: prompt {variant.name!r} has the steps {', '.join(steps)}")
    return {step: read_adapter(folder) for step, folder in config.adapter.items()}


def adapters_label(adapters: Mapping[str, Adapter]) -> str:
    """The adapters in the label of a prompt, by the names of their folders; empty without any."""
    named = [
        f"{step}:{one.folder.resolve().name}" if step else one.folder.resolve().name for step, one in adapters.items()
    ]
    return f"adapter={'+'.join(named)}" if named else ""


def asked_otherwise(adapter: Adapter, step: str, settings: MethodSettings) -> str:
    """In what a run that asks it for ``step`` differs from its training, in words; empty if in nothing.

    ``step`` is empty for every step. Only what ``adapter.json`` tells is compared.
    """
    told, trained_step = adapter.record.get("prompt"), adapter.record.get("step")
    differs = []
    if isinstance(told, Mapping):
        variant = settings.variant
        if told.get("name") != variant.name:
            differs.append(f"the prompt {told.get('name')}, not {variant.name}")
        elif told.get("sha256") != variant.sha256:
            differs.append(f"another text of the prompt {variant.name}")
        else:
            defaults = {key: str(option.default) for key, option in GENERAL_OPTIONS.items()}
            trained_options = {**defaults, **(told.get("options") or {})}
            differs += [
                f"{key}={trained_options.get(key)}, not {value}"
                for key, value in {**defaults, **settings.options}.items()
                if key not in AFTER_ANSWERS and trained_options.get(key) != value
            ]
    if trained_step and trained_step != step:
        differs.append(f"the step {trained_step}, not {step or 'every step'}")
    if (output := adapter.record.get("output")) and output != settings.output:
        differs.append(f"answers as {output}, not {settings.output}")
    return f"it was trained for {'; '.join(differs)}" if differs else ""


def warn_of_other_use(adapters: Steps, settings: MethodSettings) -> None:
    """Log a line for each adapter that was trained for something else."""
    for step, one in adapters:
        if told := asked_otherwise(one, step, settings):
            log.warning("warning: the adapter %s: %s", one.folder, told)


def adapter_origins(
    adapters: Steps, settings: MethodSettings, documents: Iterable[Document]
) -> Iterator[dict[str, Any]]:
    """For the manifest, each as ``AdapterOrigin``; ``documents`` are those of the run."""
    seen: dict[str, Seen] = {one.sha256: seen_by(one.folder) for _, one in adapters}
    counted = {sha256: seen_of(map(what.role, documents), ADAPTER) for sha256, what in seen.items()}
    for step, one in adapters:
        yield {
            "step": step,
            "name": one.folder.resolve().name,
            "sha256": one.sha256,
            "rank": one.rank,
            "training": dict(one.record),
            "asked_otherwise": asked_otherwise(one, step, settings),
            **counted[one.sha256],
        }


ADAPTER = "adapter"
"""What the record of seen documents calls an adapter."""
