"""A run as the metadata of a model card: the ``model-index`` block that the Hugging Face hub reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import InputError
from harness.label_source import NOT_SCORED
from harness.runs.results import RunResult

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

TASK = "relation-extraction"
_METRICS = {
    "f1": "F1 (micro, official)",
    "precision": "Precision",
    "recall": "Recall",
    "ign_f1": "Ign F1",
    "intra_f1": "Intra-sentence F1",
    "inter_f1": "Inter-sentence F1",
}
_DIGITS = 4


def model_card_block(result: RunResult) -> str:
    """YAML between two lines of ``---``, to stand at the top of a card; scores are fractions with four digits.

    How the run was made (prompt, constraint, documents, labels) is in the arguments of every metric. Raises InputError
    if huggingface_hub is not installed, or the run has no scores.
    """
    if not result.is_scored:
        raise InputError(f"{result.folder.run_id}: {NOT_SCORED}, so there is nothing for a model card")
    try:
        from huggingface_hub import ModelCardData
    except ImportError:
        raise InputError("a model card needs huggingface_hub: pip install 'docre-harness[tracking]'") from None

    data = ModelCardData(model_name=result.manifest.question.model.name, eval_results=_evaluations(result))
    return f"---\n{data.to_yaml()}\n---\n"


def _evaluations(result: RunResult) -> list[EvalResult]:
    from huggingface_hub import EvalResult

    manifest = result.manifest
    dataset, documents = manifest.question.dataset, manifest.documents
    made = {
        "prompt": manifest.prompt_label,
        "constraint": manifest.question.constraint.level,
        "documents": f"{documents.asked} of {documents.in_split}",
        "coverage": round(result.coverage, _DIGITS),
        "consults_gold": result.consults_gold or "no",
        "labels": result.label_source.silver or result.label_source.kind,
        "seen_by_encoder": result.seen_by_encoder or "no",
        "seen_by_adapter": result.seen_by_adapter or "no",
        "chosen_by_documents": result.chosen_by_documents or "no",
        "scorer_version": result.metrics.scorer_version,
        "run_id": result.folder.run_id,
    }
    return [
        EvalResult(
            task_type=TASK,
            task_name="Document-level relation extraction",
            dataset_type=dataset.name,
            dataset_name=dataset.name,
            dataset_split=dataset.split,
            dataset_args={"sha256": dataset.sha256},
            metric_type=metric,
            metric_name=name,
            metric_value=round(value, _DIGITS),
            metric_args=made,
        )
        for metric, name in _METRICS.items()
        if (value := getattr(result.metrics.official, metric)) is not None
    ]
