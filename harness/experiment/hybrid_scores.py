"""What ``metrics.json`` holds of an LLM's run: its scores, those of its steps, and what an encoder contributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from harness.experiment.plan import Experiment
from harness.experiment.results import RunTotals, scores_of, step_scores_of
from harness.experiment.training import TrainingFile
from harness.label_source import NO_LABELS
from harness.methods.settings import MethodSettings
from harness.methods.table import create_method
from harness.prompting.variant import load_variant
from harness.refiners.evaluation import proposal_scores, refinement_scores
from harness.types import Document, Request

ALL_PAIRS = "pairwise"
"""The prompt that asks about every pair, which proposing candidates saves."""


def llm_scores_of(experiment: Experiment, totals: RunTotals, training: TrainingFile | None) -> dict[str, Any]:
    """All that ``metrics.json`` holds; without gold labels there are no scores of steps and of hybrids either."""
    scores = scores_of(experiment.documents, totals.by_title, training)
    if NO_LABELS in experiment.dataset.label_sources:
        return scores
    steps = step_scores_of(experiment.documents, totals.found, totals.by_title, experiment.settings.options)
    return {**scores, **steps, **hybrid_scores_of(experiment, totals)}


def hybrid_scores_of(experiment: Experiment, totals: RunTotals) -> dict[str, Any]:
    """``refinement`` where the LLM decides an encoder's hard pairs, ``proposal`` where it is given candidate pairs."""
    predictions = totals.by_title
    scores: dict[str, Any] = {}
    if experiment.refinement:
        hard_pairs = experiment.refinement.hard_pairs
        scores["refinement"] = refinement_scores(experiment.documents, hard_pairs, predictions)
    if source := experiment.settings.candidates:
        scores["proposal"] = {
            **proposal_scores(experiment.documents, source, predictions),
            "saved": saved_against_all_pairs(experiment, totals.usage),
        }
    return scores


def saved_against_all_pairs(experiment: Experiment, usage: Mapping[str, int]) -> dict[str, int] | None:
    """Requests and tokens that asking about every pair would have taken besides; None where no tokens were counted.

    Requests are counted exactly. Tokens are estimated: the characters of the prompts, and of answers as the labels
    give them, at as many characters a token as this run's own prompts have.
    """
    variant = load_variant(ALL_PAIRS)
    settings = replace(
        experiment.settings, variant=variant, options=variant.choose({}), candidates=None, level="none", form=None
    )
    own = replace(experiment.settings, level="none", form=None)
    asked_characters = sum(len(text) for text, _ in _exchanges(own, experiment.documents))
    if not asked_characters or not usage["prompt_tokens"]:
        return None
    tokens_per_character = usage["prompt_tokens"] / asked_characters
    requests = characters = 0
    for prompt, answer in _exchanges(settings, experiment.documents):
        requests += 1
        characters += len(prompt) + len(answer)
    tokens = round(characters * tokens_per_character)
    return {
        "requests": requests - usage["requests"],
        "tokens": tokens - usage["prompt_tokens"] - usage["completion_tokens"],
    }


def _exchanges(settings: MethodSettings, documents: Iterable[Document]) -> Iterator[tuple[str, str]]:
    """The text of every prompt of a method, and the answer that the labels give."""
    method = create_method(settings)
    for document in documents:
        for demonstration in method.demonstrate(document):
            yield _text(demonstration.request), demonstration.answer


def _text(request: Request) -> str:
    return "".join(message.content for message in request.messages)
