"""What an encoder brings from its training: where its threshold was chosen, and which documents it saw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.encoders.seen import Role, seen_of, told
from harness.encoders.weights import data_of, has_chosen_threshold

if TYPE_CHECKING:
    from harness.records.manifest import EncoderOrigin

UNCOUNTED = (
    "whether the encoder saw the documents was not counted when this was run: `harness score` counts them (the "
    "encoder's own run first)"
)


def encoder_origin(folder: Path, threshold: float, roles: Iterable[Role], *, is_given: bool = False) -> dict[str, Any]:
    """For the manifest: the threshold added to NA's score, where it was chosen, and what of the documents was seen.

    ``chosen_on`` is empty where the threshold ``is_given`` by the user or was not chosen, and where the encoder's
    folder does not tell. ``roles`` are those of the run's documents.
    """
    chosen_on = "" if is_given or not has_chosen_threshold(folder) else _chosen_on(data_of(folder))
    return {"threshold": threshold, "chosen_on": chosen_on, **seen_of(roles)}


def seen_told(encoder: EncoderOrigin | None) -> str:
    """What the manifest's record of an encoder says of the documents in words; "" where none of them was seen.

    Manifests once had ``seen`` only, which told whether the encoder was trained on the same file.
    """
    if encoder and encoder.seen_documents:
        return told(encoder.seen_documents.as_json())
    return f"the encoder saw the documents: {encoder.seen}" if encoder and encoder.seen else UNCOUNTED


def _chosen_on(data: Mapping[str, Any]) -> str:
    if "dev" in data:
        return str(data["dev"])
    return f"{data['choose']} documents held out of {data.get('train')}" if data.get("choose") else ""
