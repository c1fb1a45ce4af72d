"""Training an entity finder: mentions, their types and which are of one entity, on labelled documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.encoders.entities.config import EntityConfig
from harness.errors import InputError
from harness.scoring.counts import Scores, total
from harness.scoring.entities import cluster_counts, mention_counts
from harness.training.objectives import Judged
from harness.types import Document

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator
    from torch import Tensor

    from harness.encoders.entities.batching import EntityBatch, EntityCollator
    from harness.encoders.entities.finder import EntityFinder
    from harness.encoders.entities.inference import Found
    from harness.encoders.entities.model import EntityModel
    from harness.encoders.entities.text import EncodedText, TextEncoder
    from harness.training.collation import Masking
    from harness.training.fit import TrainingJob
    from harness.training.folder import Trained
    from harness.training.trainer import Watcher

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(2, 19))
"""Thresholds of coreference that are tried on the choosing split."""


@dataclass(frozen=True)
class TextMasking:
    """A collator in whose batches a share of the subwords is hidden, other ones each time."""

    collate: EntityCollator
    masking: Masking

    def __call__(self, texts: Sequence[EncodedText]) -> EntityBatch:
        batch = self.collate(texts)
        return replace(batch, read=self.masking.masked(batch.read))


@dataclass(frozen=True)
class EntityObjective:
    """Mentions and entities; ``choose`` are the documents to choose by."""

    encoder: TextEncoder
    collator: EntityCollator
    choose: Sequence[Document]

    @property
    def can_judge(self) -> bool:
        return bool(self.choose)

    def loss(self, model: Any, batch: EntityBatch, accelerator: Accelerator) -> Tensor:
        """The sentences' mean tagging loss, and the pairs' cross-entropy summed, by mention."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        with accelerator.autocast():
            tags, logits = model(batch)
        each = binary_cross_entropy_with_logits(logits, batch.coreferent.float(), reduction="none")
        loss: Tensor = tags + (each * batch.share).sum() / len(batch.read.sentence)
        return loss

    def judge(self, model: Any, accelerator: Accelerator) -> Judged:
        from harness.encoders.entities.inference import EntityInference

        bf16 = accelerator.mixed_precision == "bf16"
        inference = EntityInference((model,), self.encoder, self.collator, accelerator.device, bf16)
        found = list(inference.find(self.choose))
        threshold, scores = best_clusters(found)
        mentions = total(mention_counts(one.entities, of_text.entities(one, threshold)) for one, of_text in found)
        return Judged(scores.precision, scores.recall, scores.f1, None, threshold, mentions.f1)


def best_clusters(found: Sequence[tuple[Document, Found]]) -> tuple[float, Scores]:
    """The threshold with the highest F1 of whole entities, the middle one of several, and the scores there."""
    by_threshold = {
        threshold: total(cluster_counts(one.entities, of_text.entities(one, threshold)) for one, of_text in found)
        for threshold in THRESHOLDS
    }
    best = max(scores.f1 for scores in by_threshold.values())
    several = [threshold for threshold, scores in by_threshold.items() if scores.f1 == best]
    threshold = several[len(several) // 2]
    return threshold, by_threshold[threshold]


def read_once(
    model: EntityModel, collator: EntityCollator, texts: Sequence[EncodedText], device: torch.device
) -> Iterator[EncodedText]:
    """The texts with what an encoder that stays as it is makes of their words."""
    import torch

    model.to(device).eval()
    for text in texts:
        with torch.inference_mode():
            states = model.encoded(collator([text]).to(device))
        yield replace(text, states=states.half().cpu().numpy())


def entity_scores(finder: EntityFinder, documents: Sequence[Document]) -> dict[str, float | int | None]:
    """Scores of mentions and entities on documents, as fractions; ``f1`` and its parts are of entities with types."""
    found = list(zip(documents, finder.find(documents), strict=True))
    scores: dict[str, float | int | None] = {}
    for name, count, typed in (
        ("", cluster_counts, True),
        ("untyped_", cluster_counts, False),
        ("mention_", mention_counts, True),
        ("untyped_mention_", mention_counts, False),
    ):
        one = total(count(gold.entities, of_text.entities, typed=typed) for gold, of_text in found)
        scores |= {f"{name}precision": one.precision, f"{name}recall": one.recall, f"{name}f1": one.f1}
    return scores


def refuse_other_types(train: str) -> None:
    """Raise InputError where joined corpora mark entities of other types: what one marks would be none in another."""
    from harness.datasets.registry import entity_types_of, names_in

    first, *others = names_in(train)
    for other in others:
        if set(entity_types_of(other)) != set(entity_types_of(first)):
            raise InputError(
                f"--train {train}: {first} marks {', '.join(entity_types_of(first))} and {other} "
                f"{', '.join(entity_types_of(other))}: a finder would learn that what one of them does not mark is no "
                "mention; train a finder for each"
            )


def train_entity_finder(job: TrainingJob, folder: Path, watcher: Watcher) -> Trained:
    """Train, keep the best weights in ``folder``, and score the reporting documents with what was kept.

    Resumes and raises as ``fit.train_encoder``.
    """
    import torch

    from harness.encoders.backbone import load_tokenizer
    from harness.encoders.batching import Collator
    from harness.encoders.checkpoint import new_entity_model
    from harness.encoders.config import with_options
    from harness.encoders.entities.batching import EntityCollator
    from harness.encoders.entities.finder import EntityFinder
    from harness.encoders.entities.text import TextEncoder
    from harness.encoders.probing import check_vocabulary
    from harness.encoders.seen import Seen, seen_by
    from harness.encoders.weights import data_of, trained_folder
    from harness.training.collation import Masking
    from harness.training.config import TrainingConfig
    from harness.training.data import data_record
    from harness.training.earlier import refuse_seen
    from harness.training.fit import begun, data_to_train_on, split_options
    from harness.training.folder import Trained, TrainingFiles, finished_training
    from harness.training.trainer import Trainer

    refuse_other_types(job.train)
    _, split, origin = data_to_train_on(job)
    of_model, of_training = split_options(job.options, EntityConfig)
    training = with_options(TrainingConfig(seed=job.seed, rest_lr=1e-3, average_decay=0.99, epochs=20), of_training)
    config = with_options(EntityConfig(), of_model)
    if job.start or job.teacher:
        raise InputError("--from and --teacher: not for an entity finder; leave them out")
    if training.swapped_entities:
        raise InputError(f"-O swapped_entities={training.swapped_entities}: not for an entity finder; leave it at 0")
    accelerator = begun(training)
    model = new_entity_model(config, attention_dropout=training.attention_dropout)
    is_frozen = training.frozen_layers == model.encoder.config.num_hidden_layers
    if is_frozen and (config.shaped_input or training.masked_subwords):
        raise InputError(
            "-O frozen_layers: with all layers frozen every text is read once: write -O shaped_input=false and leave "
            "masked_subwords at 0"
        )
    seen = Seen()
    if source := trained_folder(config.encoder):
        seen = seen_by(source)
        origin |= {"earlier": [data_of(source)]}
    refuse_seen(seen, split, job)
    seen |= Seen.of(split.train, split.choose)
    question = {
        "task": "entities",
        "model": config.model_dump(mode="json"),
        "training": training.model_dump(mode="json"),
        "data": data_record(job, split, origin),
    }
    if (finished := finished_training(folder, question)) is not None:
        return finished
    tokenizer = load_tokenizer(config.encoder)
    encoder = TextEncoder(tokenizer, config)
    collator = EntityCollator(Collator(tokenizer, config.window, config.overlap, 0))
    texts = [encoder.encode(one, with_entities=True) for one in split.train if any(one.sentences)]
    check_vocabulary(config.encoder, model.encoder, max(int(one.input_ids.max(initial=0)) for one in texts))
    if is_frozen:
        texts = list(read_once(model, collator, texts, accelerator.device))
    collate: Any = collator
    if training.masked_subwords:
        collate = TextMasking(collator, Masking(collator.collator, tokenizer, training.masked_subwords))
    objective = EntityObjective(encoder, collator, split.choose)
    trainer = Trainer(model, objective, collate, training, texts, accelerator)
    files = TrainingFiles(folder, question, seen, trainer, config, frozenset())
    files.begin()
    files.resume()
    progress = trainer.run(watcher, files.keep, files.finished)
    finder = EntityFinder(folder, {"threads": str(torch.get_num_threads())})
    best = progress.curve[progress.best_epoch - 1] if progress.best_epoch else None
    reported = entity_scores(finder, split.report) if split.report else None
    trained = Trained(folder, best, reported, sum(line.seconds for line in progress.curve))
    files.end(trained)
    return trained
