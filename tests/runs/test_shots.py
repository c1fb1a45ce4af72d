"""Shots are drawn by seed, never from what is evaluated, and are part of a run's question."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.runs.config import RunConfig
from harness.runs.plan import Experiment, prepare
from tests.corpora import write_corpus


def experiment(dataset: Path | str = "sample", **options: object) -> Experiment:
    return prepare(RunConfig(model="mock", prompt="tagged", dataset=str(dataset), **options))  # type: ignore[arg-type] # fields by name


def titles(prepared: Experiment) -> list[str]:
    return [document.title for document in prepared.settings.shots]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path, 12)


def test_the_same_seed_draws_the_same_documents_and_another_seed_others(corpus: Path) -> None:
    drawn = [titles(experiment(corpus, limit=4, shots=4, shots_from=str(corpus), seed=seed)) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_more_shots_go_on_from_fewer(corpus: Path) -> None:
    fewer, more = (titles(experiment(corpus, limit=2, shots=k, shots_from=str(corpus))) for k in (2, 5))
    assert more[:2] == fewer


@pytest.mark.parametrize("seed", range(5))
def test_no_evaluated_document_is_shown(corpus: Path, seed: int) -> None:
    prepared = experiment(corpus, limit=7, shots=5, shots_from=str(corpus), seed=seed)
    assert not set(titles(prepared)) & {document.title for document in prepared.documents}
    with pytest.raises(InputError, match="only 5 labelled documents besides those evaluated"):
        experiment(corpus, limit=7, shots=6, shots_from=str(corpus), seed=seed)


def test_an_evaluated_text_under_another_title_is_not_shown(corpus: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.json"
    text = corpus.read_text(encoding="utf-8").replace("Document ", "Copy ").replace('"lies"', '"LIES"')
    copy.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="has only 0 labelled documents"):
        experiment(corpus, shots=1, shots_from=str(copy))


def test_the_training_split_at_hand_is_preferred_and_the_built_in_corpus_is_the_last_resort(tmp_path: Path) -> None:
    train = write_corpus(tmp_path, 3)
    train.rename(tmp_path / "train_revised.json")
    dev = write_corpus(tmp_path, 2, seed=1)
    dev.write_text(dev.read_text(encoding="utf-8").replace("Town", "City"), encoding="utf-8")
    dev.rename(tmp_path / "dev_revised.json")
    with pytest.raises(InputError, match="redocred train has only 1 labelled"):
        experiment("redocred", data_dir=tmp_path, shots=2)
    (tmp_path / "train_revised.json").unlink()
    prepared = experiment("redocred", data_dir=tmp_path, shots=2)
    assert prepared.shots
    assert prepared.shots.dataset == "sample"
    relations = {label.triplet.relation for document in prepared.settings.shots for label in document.labels}
    assert relations <= {"P17", "P36", "P1376", "P131"}


def test_shots_are_part_of_the_question(corpus: Path) -> None:
    ids = {
        experiment(corpus, limit=2, shots=shots, shots_from=str(corpus), seed=seed).run_id
        for shots, seed in [(1, 0), (2, 0), (1, 1)]
    }
    assert len(ids | {experiment(corpus, limit=2).run_id}) == 4
    manifest = experiment(corpus, limit=2, shots=2, shots_from=str(corpus)).asked()
    assert manifest.prompt_label == "tagged shots=2"
    assert len(manifest.question.shots.titles) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shots_from": "sample"}, "--shots"),
        ({"relation_texts": "redocred"}, "uses no relation texts"),
        ({"prompt_options": {"descriptions": "short"}, "relation_texts": "redocerd"}, "did you mean 'redocred'"),
    ],
)
def test_options_that_contradict_each_other_are_told(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        experiment(**options)


def test_a_schema_without_texts_cannot_be_described(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, 1)
    relations = (tmp_path / "rel_info.json").read_text(encoding="utf-8")
    (tmp_path / "rel_info.json").write_text(relations.replace("{", '{"P0": "knows", '), encoding="utf-8")
    with pytest.raises(InputError, match=r"lack 1 of the schema's relations, such as P0 \(knows\)"):
        experiment(corpus, prompt_options={"descriptions": "full"})
