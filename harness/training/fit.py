"""From files and options to a trained encoder on disk: data, model, training, what it scores."""

from __future__ import annotations

import functools
import operator
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel

from harness.datasets.docred import sha256_of
from harness.datasets.registry import entity_types_of, load_split
from harness.datasets.splits import CHOOSE, REPORT, Split
from harness.datasets.subset import named_in, same_relations
from harness.encoders.checkpoint import new_model, start_from
from harness.encoders.config import (
    ModelConfig,
    Task,
    with_options,
)
from harness.encoders.glidre_config import GlidreConfig
from harness.encoders.seen import SEEN, Seen, seen_by, write_seen
from harness.encoders.weights import WEIGHTS, data_of, trained_folder
from harness.errors import InputError
from harness.training.config import TrainingConfig
from harness.training.data import check_relations, data_record, labels_record, split_to_train_on
from harness.training.earlier import refuse_seen
from harness.training.folder import Trained, TrainingFiles, finished_training
from harness.training.held_out import (
    fewrel_in,
    joined,
    labelled,
    left_by,
    some_of_each,
    with_relations_to_choose_by,
    without_relations,
)
from harness.training.teacher import Teacher
from harness.types import RELATED, Document, PairScorer, Prediction, Relation, RelationSchema

if TYPE_CHECKING:
    from accelerate import Accelerator

    from harness.encoders.text import EncodedDocument
    from harness.training.trainer import Watcher

SETTLED = {
    "adaptive": "it follows from the loss; write -O loss=adaptive_threshold or -O loss=focal",
    "label_names": "they are those of the documents' relations",
    "relations": "they are those of the documents",
    "seed": "write --seed",
    "task": "it is that of the command",
    "threshold": "it is chosen by training (-O choose_threshold=true or false)",
}
"""Fields of the configuration that are no options, and what decides them."""


@dataclass(frozen=True)
class TrainingJob:
    """What the user asked for: one training, of one seed.

    The documents are those of a DataJob. ``options`` are fields of TrainingConfig and of ModelConfig or GlidreConfig.

    The relations ``unseen``, and those that the file ``without`` lists, are left out of all labels and of the label set
    of ``train``, ``dev`` and ``test``, by name or Wikidata property. ``sentences`` adds that many of each
    other relation of FewRel, from the folder ``fewrel`` (default: where it was fetched to), to the documents to
    train on. ``start`` is the folder of a trained encoder whose weights are the first ones, where they fit;
    ``teacher`` that of one whose scores on the training documents are learned beside the labels. By the relations
    ``chosen_by`` alone, which are left out of training too, epoch and threshold are chosen.
    """

    task: Task
    train: str
    dev: str | None = None
    test: str | None = None
    choose: int = CHOOSE
    report: int = REPORT
    few_shot: int | None = None
    seed: int = 0
    unseen: tuple[Relation, ...] = ()
    chosen_by: tuple[Relation, ...] = ()
    without: Path | None = None
    sentences: int = 0
    fewrel: Path | None = None
    start: Path | None = None
    teacher: Path | None = None
    data_dir: Path | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def configs(self, schema: RelationSchema) -> tuple[ModelConfig | GlidreConfig, TrainingConfig]:
        """The two records, defaults filled in; InputError for an option that neither has."""
        of_model, of_training = split_options(self.options, GlidreConfig if self.task == "glidre" else ModelConfig)
        if self.task == "glidre":
            return glidre_configs(schema, self.seed, of_model, of_training)
        is_rcp = self.task == "rcp"
        relations = (RELATED,) if is_rcp else tuple(relation.id for relation in schema.relations)
        types = entity_types_of(self.train)
        model = ModelConfig(task="rcp" if is_rcp else "atlop", relations=relations, entity_types=types)
        training = TrainingConfig(loss="binary" if is_rcp else "adaptive_threshold", seed=self.seed)
        return with_options(model, of_model), with_options(training, of_training)


def start_folder(name: str) -> Path:
    """The folder of the trained encoder that ``--from`` names.

    An ensemble's first member stands for it, as it does where its encoder is asked for.
    """
    from harness.encoders.scorer import encoder_folder

    folder = encoder_folder(name)
    return trained_folder(str(folder)) or folder


def split_options(options: Mapping[str, str], kind: type[BaseModel]) -> tuple[dict[str, str], dict[str, str]]:
    """The options that are fields of the model's record, and those of the training's.

    Raises InputError for one that neither has.
    """
    if settled := sorted(options.keys() & SETTLED):
        raise InputError(f"-O {settled[0]}: {SETTLED[settled[0]]}")
    of_model = {key: value for key, value in options.items() if key in kind.model_fields}
    of_training = {key: value for key, value in options.items() if key in TrainingConfig.model_fields}
    if unknown := sorted(options.keys() - of_model.keys() - of_training.keys()):
        names = sorted({*kind.model_fields, *TrainingConfig.model_fields} - SETTLED.keys())
        raise InputError(f"-O {unknown[0]}: there is {', '.join(names)}")
    return of_model, of_training


def glidre_configs(
    schema: RelationSchema, seed: int, of_model: Mapping[str, str], of_training: Mapping[str, str]
) -> tuple[GlidreConfig, TrainingConfig]:
    """The records of a GLiDRE training: the paper's loss and schedule, learning rates for small encoders."""
    names = tuple(relation.name for relation in schema.relations)
    model = GlidreConfig(relations=tuple(relation.id for relation in schema.relations), label_names=names)
    training = TrainingConfig(
        loss="focal", focal_gamma=3.0, schedule="cosine", warmup=0.1, clip_norm=10.0, choose_threshold=False, seed=seed
    )
    model, training = with_options(model, of_model), with_options(training, of_training)
    return model.for_schema(schema).model_copy(update={"adaptive": training.loss.startswith("adaptive")}), training


def train_encoder(job: TrainingJob, folder: Path, watcher: Watcher) -> Trained:
    """Train, keep the best weights in ``folder``, and score the reporting documents with what was kept.

    A training that was cut off resumes from the last epoch that was stored when the same job is run again; of one that
    is finished, the stored outcome is given back. Raises InputError for unfit data or options, or a folder that holds
    another training.
    """
    import torch

    from harness.encoders.backbone import load_tokenizer
    from harness.encoders.batching import Collator
    from harness.encoders.glidre import Glidre
    from harness.encoders.plain_text import document_encoder
    from harness.encoders.probing import check_vocabulary
    from harness.encoders.scorer import EncoderScorer
    from harness.training.collation import training_collator
    from harness.training.label_wordings import with_wordings
    from harness.training.objectives import PairObjective
    from harness.training.trainer import Trainer

    schema, split, origin = data_to_train_on(job)
    trained, chosen_by = schema, None
    tested = trained if job.chosen_by else None
    if job.task == "glidre":
        if job.test is not None:
            tested = left_by(load_split(job.test, job.data_dir).schema, origin.get("unseen", ()))
        schema, chosen_by = with_relations_to_choose_by(job, split, schema, job.chosen_by, origin.get("unseen", ()))
    elif job.task != "rcp":
        check_relations(job, split, schema)
    config, training = job.configs(schema)
    if training.label_wordings and job.task != "glidre":
        raise InputError("-O label_wordings=true: only GLiDRE reads the names of relations; leave it out")
    accelerator = begun(training)
    model = new_model(config, attention_dropout=training.attention_dropout)
    changed: frozenset[str] = frozenset()
    if job.start is not None:
        changed = start_from(model, job.start)
        origin |= {"start_sha256": sha256_of(job.start / WEIGHTS), "start_weights": len(changed)}
    teacher = None
    if job.teacher is None and training.teacher_evidence_weight:
        raise InputError("-O teacher_evidence_weight: name the --teacher whose attention is learned")
    if job.teacher is not None:
        teacher = Teacher(job.teacher, config, training, bf16=accelerator.mixed_precision == "bf16")
        origin |= {"teacher": teacher.identity}
    inside = [config.encoder, config.label_encoder] if isinstance(config, GlidreConfig) else [config.encoder]
    built_on = (job.start, job.teacher, *map(trained_folder, inside))
    sources = [source for source in built_on if source is not None]
    seen = functools.reduce(operator.or_, map(seen_by, sources), Seen())
    refuse_seen(seen, split, job)
    if sources:
        origin |= {"earlier": [data_of(source) for source in sources]}
    seen |= Seen.of(split.train, split.choose, schema)
    question = {
        "task": job.task,
        "model": config.model_dump(mode="json"),
        "training": training.model_dump(mode="json"),
        "data": data_record(job, split, origin),
    }
    if (finished := finished_training(folder, question)) is not None:
        if not (folder / SEEN).is_file():
            write_seen(folder, seen, question)
        return finished
    learned = labels_record(split.train)
    if training.evidence_weight and job.few_shot is None and not learned["with_evidence"]:
        raise InputError(
            f"-O evidence_weight={training.evidence_weight:g}: no label of --train {job.train} names a sentence: leave "
            "it out, or annotate with -P evidence=sentences"
        )
    tokenizer = load_tokenizer(config.encoder)
    collator = Collator(tokenizer, config.window, config.overlap, len(config.relations))
    encoder = document_encoder(tokenizer, config)
    train, choose = (
        [encoder.encode(document, with_labels=True) for document in documents]
        for documents in (split.train, split.choose)
    )
    highest = max((int(one.input_ids.max(initial=0)) for one in [*train, *choose]), default=0)
    check_vocabulary(config.encoder, model.encoder, highest)
    if teacher is not None:
        train = _taught(teacher, train, split.train, watcher)
    if choose and not any(len(document.labels) for document in choose):
        raise InputError(f"{job.dev or job.train}: no document to choose by has a label; give labelled ones as --dev")
    collate = training_collator(job.task, training, collator, encoder, split.train, len(trained.relations))
    if training.label_wordings and isinstance(model, Glidre) and isinstance(config, GlidreConfig):
        left_out = [relation.name for relation in job.unseen]
        collate = with_wordings(collate, model, config, len(trained.relations), left_out)
    objective = PairObjective(collator, training, choose, chosen_by)
    trainer = Trainer(model, objective, collate, training, [one for one in train if one.pair_count], accelerator)
    files = TrainingFiles(folder, question, seen, trainer, config, changed, learned)
    files.begin()
    files.resume()
    progress = trainer.run(watcher, files.keep, files.finished)
    # On as many threads as the training: another number adds up in another order, also in a training that follows.
    scorer = EncoderScorer(folder, {"threads": str(torch.get_num_threads())}, tested)
    reported = reported_scores(scorer, split.report)
    best = progress.curve[progress.best_epoch - 1] if progress.best_epoch else None
    outcome = Trained(folder, best, reported, sum(line.seconds for line in progress.curve))
    files.end(outcome)
    return outcome


class Placed(Protocol):
    """What a configuration says of where a training runs."""

    @property
    def precision(self) -> str: ...
    @property
    def seed(self) -> int: ...


def begun(training: Placed, *, on_cpu: bool = False) -> Accelerator:
    """Where a training runs and in what precision; its random numbers are seeded.

    Raises InputError for FSDP without a GPU.
    """
    import torch
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import set_seed

    has_gpu = torch.cuda.is_available() and not on_cpu
    if not has_gpu and os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true":
        raise InputError("FSDP takes GPUs, and this runs on the CPU: leave it out of accelerate's configuration")
    bf16 = training.precision == "bf16" or (training.precision == "auto" and has_gpu)
    if has_gpu:
        # Without these, sums on a GPU depend on the order in which its threads finish.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    # Its state outlives a training, and would refuse the next one another precision.
    AcceleratorState._reset_state()
    accelerator = Accelerator(mixed_precision="bf16" if bf16 else "no", cpu=not has_gpu)
    set_seed(training.seed)
    return accelerator


def data_to_train_on(job: TrainingJob) -> tuple[RelationSchema, Split, dict[str, Any]]:
    """The job's relations and documents, and what is recorded of these; InputError where they do not do."""
    learns_from_teacher_alone = job.teacher is not None and job.options.get("teacher_weight") in ("1", "1.0")
    dataset, split, origin = split_to_train_on(job, needs_labels=not learns_from_teacher_alone)
    schema = dataset.schema
    if job.sentences:
        sentences = fewrel_in(job.fewrel)
        schema = joined(schema, sentences.schema)
        split = Split([*split.train, *some_of_each(sentences, job.sentences, job.seed)], split.choose, split.report)
        origin |= {"sentences": job.sentences, "sentences_sha256": sentences.sha256}
    left_out = (*job.unseen, *(named_in(job.without) if job.without else ()))
    if left_out:
        judged_by = [load_split(one, job.data_dir).schema for one in (job.dev, job.test) if one is not None]
        same = (id for one in (schema, *judged_by) for id in same_relations(one, left_out))
        unseen = tuple(dict.fromkeys((*(one.id for one in job.unseen), *same)))
        schema, split = without_relations(schema, split, unseen)
        origin |= {"unseen": list(unseen)} if unseen else {}
    if job.chosen_by:
        others = [one.id for one in job.chosen_by]
        choose = labelled(split.choose, others)
        schema, split = without_relations(schema, split, others)
        split = replace(split, choose=choose)
        origin |= {"chosen_by": others}
    if not any(len(document.entities) > 1 for document in split.train):
        raise InputError(f"{job.train}: no document has two entities, so there is no pair to train on")
    return schema, split, origin


def reported_scores(scorer: PairScorer, documents: Sequence[Document]) -> Mapping[str, float | int | None] | None:
    """The official scores of an encoder, as it was stored, on the reporting documents; None where there are none."""
    from harness.scoring.official import score

    if not documents:
        return None
    found = {
        document.title: told_of(document, scores.predictions())
        for document, scores in zip(documents, scorer.score(documents), strict=True)
    }
    return score(documents, found).as_dict()


def told_of(document: Document, predictions: Sequence[Prediction]) -> Sequence[Prediction]:
    """The predictions that the document's labels can judge.

    Of relations that its corpus does not annotate nobody knows whether they hold, and a run over it leaves them out.
    """
    if document.annotated is None:
        return predictions
    known = {*document.annotated, RELATED}
    return [one for one in predictions if one.triplet.relation in known]


def reported_percent(reported: Mapping[str, float | int | None], task: str, name: str = "f1") -> float:
    """Precision, recall or f1 of what was reported, in percent; of a candidate proposer, that of its pairs."""
    return 100 * float(reported.get(f"pair_{name}" if task == "rcp" else name) or 0.0)


def _taught(
    teacher: Teacher, encoded: Sequence[EncodedDocument], documents: Sequence[Document], watcher: Watcher
) -> list[EncodedDocument]:
    watcher.teaching(0, len(documents))
    taught = []
    for done, one in enumerate(teacher.teach(encoded, documents), 1):
        taught.append(one)
        watcher.teaching(done, len(documents))
    return taught
