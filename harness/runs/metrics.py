"""From the records of a run to its metrics: the one function that scores, for runs of any source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.label_source import NO_LABELS
from harness.methods.retrieval import retrieval_scores
from harness.methods.settings import MethodSettings
from harness.methods.table import create_method, method_kind
from harness.prompting.variant import load_variant
from harness.records.metrics import Metrics
from harness.runs.totals import RunTotals
from harness.runs.training_file import TrainingFile
from harness.scoring.entities import EndToEndScores, Found, NumberedEntities
from harness.scoring.official import SCORER_VERSION, score
from harness.scoring.steps import score_steps
from harness.types import Document, Request

if TYPE_CHECKING:
    from harness.methods.questions import CandidateRelations
    from harness.refiners.task_distribution import HardPairs

ALL_PAIRS = "pairwise"
"""The prompt that asks about every pair, which proposing candidates saves."""

NOT_GIVEN = "none"
"""What the option ``given`` of a prompt in steps says where no step's result is taken from the labels."""


_OF_GOLD_ENTITIES = ("intra_", "inter_", "mention_")
"""Scores by the mentions of the labels' entities."""


@dataclass(frozen=True)
class LlmPart:
    """What an LLM was asked with, and how often; ``hard_pairs`` are those that it decided for an encoder, if any."""

    settings: MethodSettings
    hard_pairs: HardPairs | None = None
    samples: int = 1


def metrics_of(
    documents: Iterable[Document],
    totals: RunTotals,
    training: TrainingFile | None,
    *,
    given: str = NOT_GIVEN,
    llm: LlmPart | None = None,
) -> Metrics:
    """The metrics of records that were added up in ``totals``; ``documents`` can be iterated again.

    The official scores, in all and per relation and document, and who wrote the labels. Besides: the scores of the
    ``steps`` of a method in steps, of which the one named ``given`` was taken from the labels; and of the ``llm`` that
    worked with an encoder, ``refinement`` where it decided hard pairs, ``proposal`` where it was given pairs; and
    ``retrieval`` where relations were chosen for each document. Of a run that found its entities, ``end_to_end``.

    Without a gold triplet every score is None, and there is nothing else.
    """
    facts = training.facts if training else None
    metrics = totals.scorer.metrics(facts) if totals.scorer else score(documents, totals.by_title, facts)
    if not metrics.triplets.gold:
        # Recall is no number then, whether the labels are empty or left out.
        metrics = replace(metrics, label_source=NO_LABELS)
    is_scored = metrics.label_source != NO_LABELS
    content: dict[str, Any] = {
        "scorer_version": SCORER_VERSION,
        "training_sha256": training.sha256 if training else None,
        "labels": asdict(metrics.label_source),
        "metrics": metrics.as_dict(),
        "per_relation": {one: asdict(scores) for one, scores in metrics.per_relation.items()} if is_scored else {},
        "per_document": {one: list(counts) for one, counts in metrics.per_document.items()} if is_scored else {},
    }
    if is_scored and (totals.found or given != NOT_GIVEN):
        steps = score_steps(documents, totals.found, totals.by_title)
        content["steps"] = {"given": given, **{step: asdict(scores) for step, scores in steps.items()}}
    if is_scored and totals.entities:
        content["end_to_end"] = asdict(EndToEndScores.of(_found(documents, totals)))
        # What is said of candidate pairs and chosen relations is said of the labels' entities.
        llm = None
        # Wrong triplets of entities that are none of the labels have no distance and no mentions of the labels.
        content["metrics"] |= {name: None for name in content["metrics"] if name.startswith(_OF_GOLD_ENTITIES)}
    if is_scored and llm and llm.hard_pairs:
        from harness.refiners.evaluation import refinement_scores

        content["refinement"] = refinement_scores(documents, llm.hard_pairs, totals.by_title)
    if is_scored and llm and (source := llm.settings.candidates):
        from harness.refiners.evaluation import proposal_scores

        content["proposal"] = {
            **proposal_scores(documents, source, totals.by_title, _options(llm.settings)),
            "saved": _saved_against_all_pairs(documents, llm.settings, totals.usage, llm.samples),
        }
    if is_scored and llm and (retrieval := llm.settings.retrieval):
        content["retrieval"] = retrieval_scores(retrieval, documents)
    return Metrics.model_validate(content)


def _options(settings: MethodSettings) -> CandidateRelations | None:
    """The relations that candidate pairs are asked about; None where it is all of them."""
    from harness.methods.questions import OPTIONS, CandidateRelations

    return CandidateRelations(settings) if OPTIONS in settings.options else None


def _found(documents: Iterable[Document], totals: RunTotals) -> Iterator[Found]:
    for document in documents:
        entities = totals.entities.get(document.title, NumberedEntities({}))
        predictions = entities.in_order(totals.by_title.get(document.title, ()))
        yield document, list(entities.by_number.values()), predictions


def _saved_against_all_pairs(
    documents: Iterable[Document], own: MethodSettings, usage: Mapping[str, int], samples: int
) -> dict[str, int] | None:
    """Requests and tokens that asking about every pair would have taken besides; None where no tokens were counted.

    None, too, where what is asked depends on answers (`hrt`). Every pair is asked about with this run's options where
    its prompt can do so, else with `pairwise` and its own, as often. Requests are counted exactly. Tokens are
    estimated: the characters of the prompts, and of answers as the labels give them, at as many characters a token as
    this run's own prompts have.
    """
    variant, options, kind = own.variant, own.options, method_kind(own.variant)
    if kind.reads_labels:
        return None
    if not kind.narrows_to_candidates:
        variant = load_variant(ALL_PAIRS).in_language(own.variant.language)
        options = variant.choose({})
    unbound = replace(own, level="none", form=None)
    settings = replace(unbound, variant=variant, options=options, candidates=None)
    asked_characters = samples * sum(len(text) for text, _ in _exchanges(unbound, documents))
    if not asked_characters or not usage["prompt_tokens"]:
        return None
    tokens_per_character = usage["prompt_tokens"] / asked_characters
    requests = characters = 0
    for prompt, answer in _exchanges(settings, documents):
        requests += samples
        characters += samples * (len(prompt) + len(answer))
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
