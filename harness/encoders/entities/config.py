"""What an entity finder is made of: the record that is saved beside its weights."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.encoders.config import DOCRED_ENTITY_TYPES, default_overlap


class EntityConfig(BaseModel):
    """The shape of an entity finder; all that is needed, besides the weights, to run it.

    - ``entity_types``: the types of mentions, in the order of the tags.
    - ``encoder``, ``window``, ``overlap``: as of ``ModelConfig``.
    - ``layers``: the last hidden layers of the encoder that a word's state is made of.
    - ``shaped_input``: whether the shapes of words (capitals, digits) are added to the encoder's input; not where the
      encoder stays as it is.
    - ``projection_size``: of a word before the LSTM over the words of its sentence; ``word_size``: of it in each
      direction.
    - ``mention_size``: width of a mention where mentions are compared.
    - ``dropout``: of words and of mention pairs.
    - ``threshold``: the probability of coreference from which the mean over two clusters joins them; chosen on the
      choosing split.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Literal["entities"] = "entities"
    relations: tuple[str, ...] = ()
    entity_types: tuple[str, ...] = Field(default=DOCRED_ENTITY_TYPES, min_length=1)
    encoder: str = "minilm"
    window: int = Field(default=512, ge=16)
    overlap: int = Field(default_factory=default_overlap, ge=0)
    layers: int = Field(default=4, ge=1)
    shaped_input: bool = True
    projection_size: int = Field(default=256, ge=1)
    word_size: int = Field(default=160, ge=1)
    mention_size: int = Field(default=64, ge=1)
    dropout: float = Field(default=0.3, ge=0, lt=1)
    threshold: float = Field(default=0.5, ge=0, le=1)

    @model_validator(mode="before")
    @classmethod
    def _without_relations(cls, content: Any) -> Any:
        if isinstance(content, dict) and content.get("relations"):
            raise ValueError("relations: an entity finder has none")
        return content

    @model_validator(mode="after")
    def _fits(self) -> EntityConfig:
        if self.overlap >= self.window - 2:
            raise ValueError(f"overlap {self.overlap} leaves nothing of a window of {self.window} tokens")
        return self
