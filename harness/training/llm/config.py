"""How an adapter is trained: the record that, with the data, decides its weights; and the papers' settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from runners.adapters import GREATEST_ALPHA

ALL_LINEAR = "all-linear"
"""Stands for every linear layer but the one that makes logits."""

MOST_EPOCHS = 10_000
"""What each of them learns from is drawn before the first, to know the number of steps."""


class LlmTrainingConfig(BaseModel):
    """How an adapter is trained; with the model, the prompt, the data and the seed, all that decides its weights.

    - ``rank``, ``alpha``, ``dropout``, ``targets``, ``variant``: of LoRA (Hu et al., ICLR 2022). ``targets`` are names
      of linear layers, with commas, or ``all-linear``. ``variant`` is ``lora``, ``rslora`` or ``dora``.
    - ``lr``: peak learning rate of AdamW; it rises over ``warmup`` (a fraction of all steps) and falls to 0 as
      ``schedule`` says.
    - ``batch_size``: exchanges (a prompt and its answer) for each step of the optimizer, ``at_once`` of them together
      in memory. Only answers are learned, each of their tokens counts alike.
    - ``share_text``: the exchanges of a document are read as one sequence of at most ``max_length`` tokens, with what
      their prompts begin with once; they see it, and not each other, so losses are those of exchanges read apart.
      ``batch_size`` and ``at_once`` then count sequences. For prompts with many questions about a document.
    - ``exchanges``: the most exchanges of a document in one epoch, others in every epoch; 0: all.
    - ``na``: for `pairwise`, unrelated pairs for each related one of a document, shuffled, with an encoder as
      candidates those that it finds likeliest; unset: all pairs, or the candidates, in order.
    - ``max_length``: tokens of prompt and answer together; a longer exchange is left out.
    - ``quantize``: ``4bit`` loads the base model in four bits (QLoRA, Dettmers et al., NeurIPS 2023); it takes a GPU.
    - ``checkpointing``: activations are computed again in the backward pass; slower, in much less memory.
    - ``precision``: ``bf16`` autocasts matrix products; ``auto`` does so where a GPU is used.
    - ``choose_documents``: the first so many documents to choose by are answered after an epoch, for F1; 0: none, and
      the loss on all of them chooses the epoch.
    - ``choose_every``: from one answered epoch to the next; the last always is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: int = Field(default=3, ge=1, le=MOST_EPOCHS)
    batch_size: int = Field(default=4, ge=1)
    at_once: int = Field(default=1, ge=1)
    lr: float = Field(default=5e-4, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    schedule: Literal["linear", "cosine"] = "cosine"
    clip_norm: float = Field(default=1.0, gt=0)
    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1, lt=GREATEST_ALPHA)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: str = ALL_LINEAR
    variant: Literal["lora", "rslora", "dora"] = "lora"
    share_text: bool | None = None
    exchanges: int = Field(default=0, ge=0)
    na: float | None = Field(default=None, ge=0)
    max_length: int = Field(default=2048, ge=16)
    quantize: Literal["none", "4bit"] = "none"
    checkpointing: bool = False
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    choose_documents: int = Field(default=12, ge=0)
    choose_every: int = Field(default=1, ge=1)
    seed: int = 0


PRESETS: Mapping[str, Mapping[str, Any]] = {
    # LMRC, Tables 6 and 7: the relation classifier on proposed pairs, and the baseline on all pairs.
    "lmrc": {"rank": 8, "alpha": 16, "lr": 1e-4, "batch_size": 4, "epochs": 8},
    "lmrc-baseline": {"rank": 8, "alpha": 16, "lr": 1e-4, "batch_size": 4, "epochs": 2},
    # AutoRE: an adapter for each step, on a base model in four bits.
    "autore": {
        "rank": 100,
        "alpha": 16,
        "dropout": 0.05,
        "targets": "q_proj,v_proj",
        "lr": 5e-5,
        "schedule": "cosine",
        "batch_size": 32,
        "at_once": 8,
        "quantize": "4bit",
        "max_length": 2048,
    },
}
"""Hyperparameters that papers report; what they do not say stays at the default."""
