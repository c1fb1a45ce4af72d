"""How an encoder is trained: the record that, with the data, decides its weights."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

TeacherLoss = Literal["binary", "mse"]
LossName = Literal["adaptive_threshold", "adaptive_focal", "binary", "focal"]


class TrainingConfig(BaseModel):
    """How a model is trained; with the data and the seed, all that decides its weights.

    - ``encoder_lr``, ``rest_lr``: peak learning rates of AdamW for the encoder and for the new layers; they
      rise over ``warmup`` (a fraction of all steps) and then fall to 0 as ``schedule`` says.
    - ``evidence_weight``: of the loss that pulls a pair's attention to its evidence sentences (DREEAM, Ma et
      al., EACL 2023); 0: off.
    - ``attention_dropout``: of the encoder's attention weights; its other dropout stays as it was pretrained.
    - ``masked_subwords``: the share of a training document's subwords that is hidden behind the mask token, other
      ones in every epoch; markers stay.
    - ``swapped_entities``: the share of a training document's entities, but places, that has the names of others of
      their type and role, other ones in every epoch.
    - ``focal_gamma``: of the focal losses: ``adaptive_focal`` (KD-DocRE, Tan et al., Findings of ACL 2022) and
      ``focal`` (Lin et al., ICCV 2017), in which relations that hold weigh ``focal_alpha`` and others the rest of 1.
    - ``label_count``: relations in a GLiDRE batch: those that hold, and others drawn up to this number.
    - ``label_wordings``: each batch of GLiDRE reads a relation by its name or by another wording of it, drawn anew; the
      shipped wordings are of Re-DocRED's relations.
    - ``teacher_weight``: of the loss against a teacher's scores, where there is a teacher; the labels' loss weighs the
      rest of 1. ``teacher_loss``: ``binary`` cross-entropy to its probabilities, or ``mse``, the mean squared
      difference of margins over NA (KD-DocRE).
    - ``teacher_evidence_weight``: of the loss that pulls the attention of every pair to the sentences where the
      teacher's lies (self-training of DREEAM); 0: off.
    - ``average_decay``: of the exponential average of the weights that is evaluated and saved; 0: off.
    - ``patience``: evaluations without a better F1 on the choosing split before training stops; 0: never.
    - ``choose_from``, ``choose_every``: first epoch that is evaluated, and from one to the next; the last of ``epochs``
      always is. Others are not worth the time.
    - ``choose_threshold``: whether the threshold is chosen on the choosing split, or stays 0.
    - ``freeze_word_embeddings``, ``frozen_layers``: what stays as the encoder has it, and is then left out of the
      saved weights: its word embeddings, and so many of its layers from below with all its embeddings.
    - ``freeze_label_encoder``: all of GLiDRE's label encoder stays as it is, too.
    - ``precision``: ``bf16`` autocasts matrix products; ``auto`` does so where a GPU is used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(default=30, ge=1)
    batch_size: int = Field(default=4, ge=1)
    encoder_lr: float = Field(default=1e-4, gt=0)
    rest_lr: float = Field(default=3e-4, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.06, ge=0, lt=1)
    schedule: Literal["linear", "cosine"] = "linear"
    clip_norm: float = Field(default=1.0, gt=0)
    attention_dropout: float = Field(default=0.0, ge=0, lt=1)
    masked_subwords: float = Field(default=0.0, ge=0, lt=1)
    swapped_entities: float = Field(default=0.0, ge=0, le=1)
    loss: LossName = "adaptive_threshold"
    focal_gamma: float = Field(default=1.0, ge=0)
    focal_alpha: float = Field(default=0.8, ge=0, le=1)
    label_count: int = Field(default=100, ge=1)
    label_wordings: bool = False
    evidence_weight: float = Field(default=0.0, ge=0)
    teacher_weight: float = Field(default=0.5, ge=0, le=1)
    teacher_loss: TeacherLoss = "binary"
    teacher_evidence_weight: float = Field(default=0.0, ge=0)
    average_decay: float = Field(default=0.0, ge=0, lt=1)
    patience: int = Field(default=0, ge=0)
    choose_from: int = Field(default=1, ge=1)
    choose_every: int = Field(default=1, ge=1)
    choose_threshold: bool = True
    freeze_word_embeddings: bool = True
    frozen_layers: int = Field(default=0, ge=0)
    freeze_label_encoder: bool = False
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    seed: int = 0
