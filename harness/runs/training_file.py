"""The training file behind Ign F1: the one that is named, or the corpus's own if it is at hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.datasets.gold import with_gold
from harness.datasets.registry import CORPORA, load_dataset
from harness.runs.config import RunConfig
from harness.scoring.official import TrainFacts, facts_in_train

TRAIN = "train"


@dataclass(frozen=True)
class TrainingFile:
    """The facts of a training file, and its checksum."""

    facts: TrainFacts
    sha256: str


def read_training(name_or_path: str | Path, split: str | None = None, folder: Path | None = None) -> TrainingFile:
    """The facts of a file, or of a corpus' split in a folder; InputError for one that is not valid or has no labels."""
    facts: set[tuple[str, str, str]] = set()
    # Collected while the file is checked: it may be too large to keep.
    dataset = load_dataset(
        str(name_or_path), split, folder, each=lambda document: facts.update(facts_in_train([document]))
    )
    with_gold(dataset, "a training file, for Ign F1,")
    return TrainingFile(frozenset(facts), dataset.sha256)


def training_of(config: RunConfig) -> TrainingFile | None:
    """The training split of the run's corpus; None where it is not at hand, or is itself what is run on."""
    corpus = CORPORA.get(config.dataset)
    if corpus is None or TRAIN not in corpus.splits:
        return None
    own, training = corpus.splits[config.split or corpus.default_split], corpus.splits[TRAIN]
    folder = config.data_dir or corpus.folder
    if own.name == training.name or not training.path_in(folder).is_file():
        return None
    return read_training(corpus.name, TRAIN, folder)
