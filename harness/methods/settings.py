"""What every method is given: the variant, the schema, and how answers are constrained and decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import InputError
from harness.prompting.variant import PromptVariant
from harness.types import ConstraintLevel, GrammarForm, ModelSpec, RelationSchema, Sampling, Supports


@dataclass(frozen=True)
class MethodSettings:
    """``form`` is the grammar form that the runner honours; None exactly if ``level`` is none."""

    variant: PromptVariant
    options: Mapping[str, str]
    schema: RelationSchema
    level: ConstraintLevel
    form: GrammarForm | None
    max_triplets: int
    sampling: Sampling
    repeat: int = 0

    @property
    def output(self) -> str:
        """The notation that the prompt asks for: ``json`` where the grammar is a JSON schema, else ``lines``."""
        return "json" if self.form == "json_schema" else "lines"


def choose_form(level: ConstraintLevel, supports: Supports, spec: ModelSpec) -> GrammarForm | None:
    """The runner's preferred grammar form; raises InputError if it has none and ``level`` asks for one."""
    if level == "none":
        return None
    if not supports.forms:
        raise InputError(
            f"{spec.name} ({spec.runner}) cannot constrain its output, so --constrain {level} is not possible: "
            "use --constrain none, or a server that can (vLLM, llama.cpp, strict JSON schema)"
        )
    return supports.forms[0]
