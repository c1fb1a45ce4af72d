"""The LoRA adapters that a run's model answers with: read, and what they bring from their training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.encoders.seen import Seen, seen_by, seen_of
from harness.errors import InputError
from harness.prompting.variant import TEMPLATE_SUFFIX, PromptVariant
from harness.runs.config import RunConfig
from harness.types import Adapter, Document


def adapters_of(config: RunConfig, variant: PromptVariant) -> dict[str, Adapter]:
    """The adapter of each step that ``--adapter`` names; "" stands for every other step.

    Raises InputError for a step that the prompt does not have, and for a folder that holds no sound adapter.
    """
    from runners.adapters import read_adapter

    steps = sorted(file.stem for file in variant.directory.glob(f"*{TEMPLATE_SUFFIX}"))
    for step in config.adapter:
        if step and step not in steps:
            raise InputError(f"--adapter {step}=...: prompt {variant.name!r} has the steps {', '.join(steps)}")
    return {step: read_adapter(Path(folder)) for step, folder in config.adapter.items()}


def adapters_label(adapters: Mapping[str, Adapter]) -> str:
    """The adapters in the label of a prompt, by the names of their folders; empty without any."""
    named = [
        f"{step}:{one.folder.resolve().name}" if step else one.folder.resolve().name for step, one in adapters.items()
    ]
    return f"adapter={'+'.join(named)}" if named else ""


def adapter_origins(adapters: Mapping[str, Adapter], documents: Iterable[Document]) -> Iterator[dict[str, Any]]:
    """For the manifest, each as ``AdapterOrigin``; ``documents`` are those of the run."""
    seen: dict[str, Seen] = {one.sha256: seen_by(one.folder) for one in adapters.values()}
    counted = {sha256: seen_of(map(what.role, documents), ADAPTER) for sha256, what in seen.items()}
    for step, one in adapters.items():
        yield {
            "step": step,
            "name": one.folder.resolve().name,
            "sha256": one.sha256,
            "rank": one.rank,
            "training": dict(one.record),
            **counted[one.sha256],
        }


ADAPTER = "adapter"
"""What the record of seen documents calls an adapter."""
