"""What an encoder saw in training: where its threshold was chosen, and whether it knows the documents it is run on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.datasets.registry import part_of
from harness.datasets.splits import CHOOSE, REPORT, SPLIT_SEED
from harness.encoders.weights import data_of, has_chosen_threshold
from harness.types import Dataset

TRAINED_ON = "it was trained on documents of this file"


def encoder_origin(folder: Path, threshold: float, dataset: Dataset, *, is_given: bool = False) -> dict[str, Any]:
    """For the manifest: the threshold added to NA's score, where it was chosen, and what of ``dataset`` was seen.

    ``chosen_on`` is empty where the threshold ``is_given`` by the user or was not chosen; it and ``seen`` are where
    the encoder's folder does not tell, or tells of nothing.
    """
    data = data_of(folder)
    chosen_on = "" if is_given or not has_chosen_threshold(folder) else _chosen_on(data)
    return {"threshold": threshold, "chosen_on": chosen_on, "seen": _seen(data, dataset)}


def _chosen_on(data: Mapping[str, Any]) -> str:
    if "dev" in data:
        return str(data["dev"])
    return f"{data['choose']} documents held out of {data['train']}" if data.get("choose") else ""


def _seen(data: Mapping[str, Any], dataset: Dataset) -> str:
    """What this training, or else one that it began with, saw of the dataset."""
    earlier = (_seen(one, dataset) for one in data.get("earlier", ()))
    return _seen_itself(data, dataset) or next(filter(None, earlier), "")


def _seen_itself(data: Mapping[str, Any], dataset: Dataset) -> str:
    if dataset.sha256 == data.get("sentences_sha256"):
        return TRAINED_ON
    if dataset.sha256 == data.get("dev_sha256"):
        return "its epoch and threshold were chosen on them"
    if dataset.sha256 != data.get("train_sha256"):
        return ""
    fixed = (data.get("choose"), data.get("report"), data.get("split_seed")) == (CHOOSE, REPORT, SPLIT_SEED)
    part = part_of(dataset.name, dataset.split) if fixed else None
    if part == "report":
        return ""
    if part == "choose":
        return "its epoch and threshold were chosen on them"
    return TRAINED_ON
