"""Making an ensemble of trained encoders: copied into one folder, with a threshold chosen for all."""

from __future__ import annotations

import functools
import operator
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.encoders.config import EnsembleConfig, Task
from harness.encoders.ensemble import EnsembleScorer, check_alike
from harness.encoders.entities.finder import EntityFinder
from harness.encoders.scorer import EncoderScorer
from harness.encoders.seen import SEEN, Seen, seen_by, write_seen
from harness.encoders.text import annotated_relations, candidate_pairs, indexed_labels
from harness.encoders.weights import CONFIG, TRAINING, WEIGHTS, data_of, fields_of, made_whole, refuse_existing, storing
from harness.environment import package_versions
from harness.errors import InputError
from harness.json_files import json_text
from harness.scoring.counts import Scores
from harness.training.choosing import best_threshold, margins, scores_at
from harness.training.earlier import refuse_seen
from harness.training.entities import best_clusters, entity_scores
from harness.training.fit import TrainingJob, data_to_train_on, reported_scores
from harness.types import Document

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class MadeEnsemble:
    """An ensemble on disk: its threshold, its scores on the documents that this was chosen by, and on unseen ones."""

    folder: Path
    members: int
    task: Task
    threshold: float
    chosen: Scores
    reported: Mapping[str, float | int | None] | None

    def as_json(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "best": {"threshold": self.threshold, **asdict(self.chosen)},
            "reported": self.reported,
        }


def make_ensemble(members: Sequence[Path], job: TrainingJob, folder: Path, fusion: float = 0.0) -> MadeEnsemble:
    """Copy trained encoders into one folder, choose their common threshold, and score what none has seen.

    Of ``job`` only the documents count: the threshold is chosen on those to choose by, and the scores are of those to
    report on. Of an ensemble among the ``members``, each of its own is one. Raises InputError for fewer than two
    members without ``fusion``, for members that do not fit together or held out other documents, and for a folder that
    is there.
    """
    members = [single for member in members for single in _singles(member)]
    if len(members) < 2 and not fusion:
        raise InputError("an ensemble needs two trained encoders: name their folders")
    refuse_existing(folder)
    kinds = {str(fields_of(member).get("task")) for member in members}
    is_finder = kinds == {"entities"}
    if "entities" in kinds and not is_finder:
        raise InputError("entity finders and other encoders cannot be one: name folders of one kind")
    if is_finder and fusion:
        raise InputError("--fusion: entity finders score no pairs in their evidence; leave it out")
    scorers = [EncoderScorer(member) for member in members] if not is_finder else []
    check_alike(scorers)
    schema, split, origin = data_to_train_on(job)
    earlier = [data_of(member) for member in members]
    seen = functools.reduce(operator.or_, map(seen_by, members))
    refuse_seen(seen, split, job)
    first = scorers[0].config if scorers else EntityFinder(members[0]).config
    config = EnsembleConfig(
        task=first.task,
        relations=scorers[0].relations if scorers else (),
        encoder=first.encoder,
        members=tuple(str(number) for number in range(len(members))),
        fusion=fusion,
    )
    with made_whole(folder) as partial:
        _copy(members, config, partial)
        threshold, chosen = (_chosen_of_finder if is_finder else _chosen)(partial, split.choose)
        _write(config.model_copy(update={"threshold": threshold}), partial, folder)
        reported = _reported(partial, split.report, is_finder=is_finder)
        made = MadeEnsemble(folder, len(members), config.task, threshold, chosen, reported)
        asked = {"members": [fields_of(member) for member in members], "data": {**origin, "earlier": earlier}}
        question = {"task": config.task, **asked, **({"fusion": fusion} if fusion else {})}
        content = {"question": question, "result": made.as_json(), "versions": package_versions()}
        with storing(folder):
            (partial / TRAINING).write_text(json_text(content, indent=2) + "\n", encoding="utf-8")
            write_seen(partial, Seen.of(choose=split.choose, schema=None if is_finder else schema), question)
    return made


def _singles(member: Path) -> list[Path]:
    """The encoder in this folder, or those of an ensemble; InputError for one whose scores are fused."""
    fields = fields_of(member)
    if fields.get("fusion"):
        raise InputError(f"{member}: was made with --fusion and cannot be a member; name its members' folders")
    return [member / str(name) for name in fields.get("members", [""])]


def _chosen(folder: Path, documents: Sequence[Document]) -> tuple[float, Scores]:
    """The best threshold of an ensemble, whose own is 0, on the documents to choose by, and the scores there."""
    scorer = EnsembleScorer(folder)
    labels = [
        (
            _label_array(one, scorer.relations),
            len(one.entities) if (pairs := candidate_pairs(one)) is None else pairs,
            annotated_relations(one, scorer.relations),
        )
        for one in documents
    ]
    above, gold = margins(labels, (one.scores for one in scorer.score(documents)))
    threshold = best_threshold(above, gold)
    return threshold, scores_at(above, gold, threshold)


def _chosen_of_finder(folder: Path, documents: Sequence[Document]) -> tuple[float, Scores]:
    """As ``_chosen``, the probability of coreference, and the scores of entities."""
    return best_clusters(list(EntityFinder(folder).found(documents)))


def _reported(folder: Path, documents: Sequence[Document], *, is_finder: bool) -> Mapping[str, Any] | None:
    """The scores of the ensemble on the reporting documents; None where there are none."""
    if not is_finder:
        return reported_scores(EnsembleScorer(folder), documents)
    return entity_scores(EntityFinder(folder), documents) if documents else None


def _label_array(document: Document, relations: tuple[str, ...]) -> np.ndarray:
    """The labels [k, 3] of a document: head, tail, number of the relation."""
    import numpy as np

    return np.array(indexed_labels(document, relations)[0], dtype=np.int64).reshape(-1, 3)


def _copy(members: Sequence[Path], config: EnsembleConfig, folder: Path) -> None:
    with storing(folder):
        for name, member in zip(config.members, members, strict=True):
            (folder / name).mkdir(parents=True)
            for file in (CONFIG, WEIGHTS, TRAINING, SEEN):
                if (member / file).is_file():
                    shutil.copyfile(member / file, folder / name / file)
    _write(config, folder, folder)


def _write(config: EnsembleConfig, folder: Path, named: Path) -> None:
    with storing(named):
        (folder / CONFIG).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
