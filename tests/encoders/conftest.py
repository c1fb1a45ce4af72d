"""Documents and tiny models that the tests of encoders share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.datasets.docred import read_documents
from harness.datasets.relation_table import read_schema
from harness.training.fit import TrainingJob, train_encoder
from harness.types import Document, RelationSchema
from tests.corpora import write_corpus
from tests.encoders.small import OPTIONS, Recorder
from tests.encoders.tiny import save_tiny_encoder


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The folder of a tiny pretrained encoder of a kind."""
    made: dict[str, str] = {}

    def folder(kind: str = "bert") -> str:
        if kind not in made:
            made[kind] = str(save_tiny_encoder(tmp_path_factory.mktemp(kind), kind))
        return made[kind]

    return folder


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 24 small labelled documents, rel_info.json beside it."""
    return write_corpus(tmp_path_factory.mktemp("corpus"), 24)


@pytest.fixture(scope="session")
def documents(corpus: Path) -> list[Document]:
    return list(read_documents(corpus))


@pytest.fixture(scope="session")
def schema(corpus: Path) -> RelationSchema:
    return read_schema(corpus.with_name("rel_info.json"))


@pytest.fixture(scope="session")
def trained(tiny_encoder: Callable[[str], str], corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a trained ATLOP; the file it was trained on is what it is run on, too."""
    options = {**OPTIONS, "encoder": tiny_encoder("bert"), "epochs": "8", "encoder_lr": "0.01", "rest_lr": "0.01"}
    folder = tmp_path_factory.mktemp("trained") / "tiny-atlop"
    train_encoder(TrainingJob("atlop", str(corpus), choose=2, report=2, options=options), folder, Recorder())
    return folder
