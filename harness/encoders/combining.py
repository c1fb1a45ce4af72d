"""Making an ensemble of trained encoders: copied into one folder, with a threshold chosen for all."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.encoders.choosing import best_threshold, margins, scores_at
from harness.encoders.ensemble import EnsembleConfig, EnsembleScorer, check_alike, mean_scores
from harness.encoders.fit import Trained, TrainingJob, data_to_train_on, reported_scores
from harness.encoders.scorer import EncoderScorer
from harness.encoders.text import indexed_labels
from harness.encoders.weights import CONFIG, TRAINING, WEIGHTS, data_of, fields_of, storing
from harness.environment import package_versions
from harness.errors import InputError
from harness.scoring.counts import Scores
from harness.types import Document

if TYPE_CHECKING:
    import numpy as np


def make_ensemble(members: Sequence[Path], job: TrainingJob, folder: Path) -> Trained:
    """Copy trained encoders into one folder, choose their common threshold, and score what none has seen.

    Of ``job`` only the documents count: the threshold is chosen on those to choose by, and the scores are of those to
    report on. Raises InputError for fewer than two members, for members that do not fit together, and for a folder
    that is there.
    """
    started = time.perf_counter()
    if len(members) < 2:
        raise InputError("an ensemble needs two trained encoders: name their folders")
    if folder.exists():
        raise InputError(f"--out {folder} is there: name another folder, or move it away")
    scorers = [EncoderScorer(member) for member in members]
    check_alike(scorers)
    _, split, origin = data_to_train_on(job)
    threshold, found = _chosen(scorers, split.choose)
    config = EnsembleConfig(
        task=scorers[0].config.task,
        relations=scorers[0].relations,
        encoder=scorers[0].config.encoder,
        members=tuple(str(number) for number in range(len(members))),
        threshold=threshold,
    )
    _copy(members, config, folder)
    reported = reported_scores(EnsembleScorer(folder), split.report)
    trained = Trained(folder, None, reported, time.perf_counter() - started)
    data = {**origin, "earlier": [data_of(member) for member in members]}
    question = {"task": config.task, "members": [fields_of(member) for member in members], "data": data}
    chosen = {"threshold": threshold, "precision": found.precision, "recall": found.recall, "f1": found.f1}
    result = {**trained.as_json(), "best": chosen}
    content = {"question": question, "result": result, "versions": package_versions()}
    with storing(folder):
        (folder / TRAINING).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return trained


def _chosen(scorers: Sequence[EncoderScorer], documents: Sequence[Document]) -> tuple[float, Scores]:
    """The best threshold on the documents to choose by, and the scores there."""
    labels = [(_label_array(document, scorers[0].relations), len(document.entities)) for document in documents]
    above, gold = margins(labels, (one.scores for one in mean_scores(scorers, documents, 0.0)))
    threshold = best_threshold(above, gold)
    return threshold, scores_at(above, gold, threshold)


def _label_array(document: Document, relations: tuple[str, ...]) -> np.ndarray:
    """The labels [k, 3] of a document: head, tail, number of the relation."""
    import numpy as np

    return np.array(indexed_labels(document, relations)[0], dtype=np.int64).reshape(-1, 3)


def _copy(members: Sequence[Path], config: EnsembleConfig, folder: Path) -> None:
    with storing(folder):
        for name, member in zip(config.members, members, strict=True):
            (folder / name).mkdir(parents=True)
            for file in (CONFIG, WEIGHTS, TRAINING):
                if (member / file).is_file():
                    shutil.copyfile(member / file, folder / name / file)
        (folder / CONFIG).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
