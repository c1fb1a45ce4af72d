"""Turns raw DocRED-format JSON into the harness's own types, without the loader that is tested elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.types import Document, Entity, Label, Mention, Prediction, Triplet

Raw = Mapping[str, Any]


def documents_from(items: Iterable[Raw]) -> Iterator[Document]:
    """The documents of a DocRED-format list."""
    for item in items:
        yield Document(
            title=item["title"],
            sentences=tuple(tuple(sentence) for sentence in item["sents"]),
            entities=tuple(Entity(tuple(map(_mention, cluster))) for cluster in item["vertexSet"]),
            labels=tuple(
                Label(Triplet(label["h"], label["r"], label["t"]), tuple(label["evidence"])) for label in item["labels"]
            ),
        )


def predictions_from(items: Iterable[Raw]) -> dict[str, list[Prediction]]:
    """The predictions of a submission-format list, by title."""
    predictions: dict[str, list[Prediction]] = {}
    for item in items:
        triplet = Triplet(item["h_idx"], item["r"], item["t_idx"])
        prediction = Prediction(triplet, tuple(item.get("evidence", ())))
        predictions.setdefault(item["title"], []).append(prediction)
    return predictions


def _mention(item: Raw) -> Mention:
    start, end = item["pos"]
    return Mention(item["name"], item["sent_id"], start, end, item["type"])
