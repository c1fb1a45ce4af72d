"""What a run of documents through a prompt and an annotation of texts share: an LLM is asked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from harness.methods.settings import MethodSettings
from harness.runs.planned_run import PlannedRun
from harness.types import Runner


@dataclass(frozen=True)
class LlmRun(PlannedRun):
    """A checked configuration whose model answers a prompt."""

    runner: Runner
    """The backend; nothing is started."""
    settings: MethodSettings
    """What a method needs to build its requests and read the answers."""

    @property
    def id_parts(self) -> tuple[str, ...]:
        return self.settings.variant.name, self.settings.level

    def question(self) -> dict[str, Any]:
        settings = self.settings
        return {
            "dataset": self.dataset_identity(),
            "model": {"name": self.spec.name, "identity": dict(self.runner.identity)},
            "prompt": {
                "name": settings.variant.name,
                "version": settings.variant.description.version,
                "sha256": settings.variant.sha256,
                "options": dict(settings.options),
            },
            "constraint": {"level": settings.level, "form": settings.form},
            "max_triplets": settings.max_triplets,
            "sampling": asdict(settings.sampling),
            "repeat": settings.repeat,
        }

    @property
    def prompt_label(self) -> str:
        variant = self.settings.variant
        defaults = variant.choose({})
        changed = [f"{key}={value}" for key, value in self.settings.options.items() if value != defaults[key]]
        return " ".join([variant.name, *changed])
