"""The options of a run that an extraction by a language model takes, and what must fit between them."""

from __future__ import annotations

from harness.errors import InputError
from harness.models import resolve_model
from harness.runs.config import OPTIONS, RunConfig
from harness.types import PredictionSource

NOTHING = "none"
"""What stands for no relations at all: entities alone."""
OF_RELATIONS = (
    "prompt", "prompt_options", "constrain", "relation_texts", "candidates", "refine", "refine_options", "adapter",
    "max_triplets", "max_tokens",
)  # fmt: skip
"""The options of a run that say what a language model is asked about relations."""
OF_REQUESTS = ("max_connections", "max_retries", "timeout_s", "limits")
"""The options of a run that say how requests are sent."""


def prompt_for(asked: RunConfig) -> str:
    """The prompt that asks for relations where none is named."""
    return "choice" if asked.refine else "pairwise" if asked.candidates else "hrt"


def check_no_model(relations: str, asked: RunConfig, finder: str | None) -> None:
    """Raise InputError for options of a language model where none is asked."""
    unused = OF_RELATIONS if finder else (*OF_RELATIONS, *OF_REQUESTS, "base_url")
    for option in (OPTIONS[name] for name in unused):
        value = getattr(asked, option.name)
        for typed, one in option.typed(value):
            if one != typed.default and one:
                kind = "no model" if relations == NOTHING else "an encoder"
                raise InputError(
                    f"{typed.flag} is of a language model, and --relations {relations} is {kind}: leave it out, or "
                    "give --relations MODEL"
                )


def check_pairs(asked: RunConfig) -> None:
    """Raise InputError unless pairs come from an encoder: a text has no labels, and no stored run is over it."""
    from harness.methods.candidates import ALL

    for flag, name in (("--refine", asked.refine), ("--candidates", asked.candidates)):
        if not name or (name == ALL and flag == "--candidates"):
            continue
        try:
            is_encoder = resolve_model(name).source == PredictionSource.ENCODER
        except InputError:
            is_encoder = False
        if not is_encoder:
            also = "" if flag == "--refine" else f", or {ALL}"
            raise InputError(f"{flag} {name}: give an encoder such as atlop-minilm{also}")
