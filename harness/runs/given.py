"""What ``--given`` and ``--finder`` leave of the other options: found entities are not those of the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.encoders.entities import FINDER, LLM_FINDER
from harness.errors import InputError
from harness.types import Dataset

if TYPE_CHECKING:
    from harness.runs.config import RunConfig


def check_given(config: RunConfig) -> None:
    """Raise InputError for options that need other entities than the run has."""
    if config.given == "entities":
        if config.finder != FINDER:
            raise InputError("--finder goes with --given nothing or mentions")
        return
    from harness.methods.candidates import ALL
    from harness.methods.settings import GIVEN

    if not config.finder or config.finder.startswith("spacy/"):
        raise InputError(
            f"--finder {config.finder or '(empty)'}: a run takes {FINDER}, a folder of `harness train entities`, or "
            f"{LLM_FINDER}; spaCy finds entities for `harness extract --entities`"
        )
    given, of_labels = f"--given {config.given}", "of the labels' entities: leave out one of them"
    if config.given == "mentions" and config.finder == LLM_FINDER:
        raise InputError(
            f"--finder {LLM_FINDER}: a language model finds mentions and joins them in one answer: use --given nothing"
        )
    if config.candidates not in (None, ALL):
        raise InputError(f"{given}: --candidates {config.candidates} are pairs of the labels' entities: use {ALL}")
    if config.refine:
        raise InputError(f"{given}: --refine {config.refine} has the scores {of_labels}")
    if config.relations_per_pair == "one":
        raise InputError(f"{given}: --relations-per-pair one is about the pairs {of_labels}")
    if (step := config.prompt_options.get(GIVEN, "none")) != "none":
        raise InputError(f"{given}: -P {GIVEN}={step} takes results {of_labels}")


def check_finds_entities(config: RunConfig, dataset: Dataset) -> None:
    """Raise InputError for a corpus that says which pairs of its own entities are candidates."""
    if next(iter(dataset.documents)).candidates is not None:
        raise InputError(
            f"--given {config.given}: {dataset.name} says which pairs of its own entities are candidates: leave it out"
        )
