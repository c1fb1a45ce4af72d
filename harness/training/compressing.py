"""Stores of a trained encoder only what training changed, as factors of low rank."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.datasets.docred import sha256_of
from harness.encoders.checkpoint import model_for, read_any_config, store
from harness.encoders.low_rank import LEFT, factored
from harness.encoders.seen import seen_by, write_seen
from harness.encoders.weights import (
    TRAINING,
    WEIGHTS,
    checksum,
    fields_of,
    made_whole,
    read_record,
    read_weights,
    refuse_existing,
    storing,
)
from harness.errors import InputError
from harness.json_files import json_text


@dataclass(frozen=True)
class Compressed:
    """A compressed encoder on disk, and the bytes of its weights before and after."""

    folder: Path
    rank: int
    before: int
    after: int

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "folder": str(self.folder)}


def compress(source: Path, rank: int, folder: Path) -> Compressed:
    """Write the trained encoder in ``source`` to ``folder``, with differences of at most this rank.

    Matrices that are smaller as they are stay so. Raises InputError for an ensemble, where a folder is there, or where
    nothing would be smaller.
    """
    if "members" in fields_of(source):
        raise InputError(f"{source}: an ensemble; compress its members, then put them together")
    refuse_existing(folder)
    config, record, seen = read_any_config(source), read_record(source), seen_by(source)
    weights, shared = read_weights(source / WEIGHTS)
    own = model_for(config).state_dict()
    pretrained = {name: value for name, value in own.items() if name.startswith(("encoder.", "label_encoder."))}
    stored = factored(weights, pretrained, rank)
    changed = [name.removesuffix(LEFT) for name in stored if name.endswith(LEFT) and name not in weights]
    if not changed:
        raise InputError(
            f"{source}: no matrix of its encoder is smaller in factors of rank {rank}: give a smaller --rank"
        )
    with made_whole(folder) as partial, storing(folder):
        store(partial, config, stored, {**shared, **{name: checksum(pretrained[name]) for name in changed}})
        if record is not None:
            record["compressed"] = {"rank": rank, "weights_sha256": sha256_of(source / WEIGHTS)}
            (partial / TRAINING).write_text(json_text(record, indent=2) + "\n", encoding="utf-8")
        write_seen(partial, seen, record and record["question"])
    return Compressed(folder, rank, (source / WEIGHTS).stat().st_size, (folder / WEIGHTS).stat().st_size)
