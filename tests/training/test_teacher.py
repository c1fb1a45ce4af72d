"""A teacher: its scores reach the pairs and relations they are of, and are what a student learns."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from harness.datasets.registry import load_dataset
from harness.datasets.splits import split_documents
from harness.encoders.backbone import load_tokenizer
from harness.encoders.batching import Collator, LabelSampler
from harness.encoders.checkpoint import read_config
from harness.encoders.config import ModelConfig
from harness.encoders.scorer import EncoderScorer
from harness.encoders.text import DocumentEncoder
from harness.encoders.weights import TRAINING, WEIGHTS
from harness.errors import InputError
from harness.training.config import TrainingConfig
from harness.training.fit import TrainingJob, train_encoder
from harness.training.losses import teacher_loss
from harness.training.teacher import Teacher
from harness.types import Document
from tests.commands import harness
from tests.corpora import labelled_by, without_gold
from tests.encoders.small import OPTIONS, Recorder

CDR = Path(__file__).parents[1] / "datasets" / "corpora" / "dev.data"


@pytest.fixture
def job(trained: Path, corpus: Path) -> TrainingJob:
    """A student of the tiny ATLOP that all tests share."""
    options = {**OPTIONS, "encoder": read_config(trained).encoder}
    return TrainingJob("atlop", str(corpus), choose=2, report=2, teacher=trained, options=options)


def test_scores_reach_the_pairs_and_relations_they_are_of(trained: Path, documents: list[Document]) -> None:
    config = read_config(trained)
    assert isinstance(config, ModelConfig)
    tokenizer = load_tokenizer(config.encoder)
    collator = Collator(tokenizer, config.window, config.overlap, len(config.relations))
    encoder = DocumentEncoder(tokenizer, config)
    encoded = [encoder.encode(document, with_labels=True) for document in documents[:3]]
    assert collator(encoded).taught.shape[1] == 0
    training = TrainingConfig(teacher_evidence_weight=0.1)
    taught = list(Teacher(trained, config, training, bf16=False).teach(encoded, documents[:3]))
    batch = collator(taught)
    scored = list(EncoderScorer(trained, {"precision": "fp32"}).score(documents[:3]))
    learned = (batch.taught, batch.attended)
    places = zip(batch.document.tolist(), batch.head.tolist(), batch.tail.tolist(), *learned, strict=True)
    for document, head, tail, above, attended in places:
        row = scored[document].scores[(scored[document].pairs == (head, tail)).all(1)][0]
        np.testing.assert_allclose(above, row[:-1] - row[-1], atol=2e-2)
        attention = scored[document].sentences
        assert attention is not None
        wanted = attention[(scored[document].pairs == (head, tail)).all(1)][0]
        np.testing.assert_allclose(attended[: len(wanted)], wanted, atol=2e-3)
    torch.manual_seed(0)
    drawn = LabelSampler(collator, 2, collator.relations)(taught)
    assert torch.equal(drawn.taught, batch.taught[:, drawn.relation])


def test_a_student_that_agrees_with_its_teacher_has_nothing_to_learn() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, -4.0]], requires_grad=True)
    above = (logits[:, :-1] - logits[:, -1:]).detach()
    [gradient] = torch.autograd.grad(teacher_loss(logits, above.half()), logits)
    assert gradient.abs().max() < 1e-3
    [gradient] = torch.autograd.grad(teacher_loss(logits, (above + 1).half()), logits)
    assert (gradient[:, :-1] < 0).all()
    assert teacher_loss(logits, above.half(), "mse") < 1e-5
    assert teacher_loss(logits, (above + 2).half(), "mse").item() == pytest.approx(4.0, rel=1e-3)
    hard = teacher_loss(logits, torch.full((2, 2), 100.0).half())
    assert hard.item() == pytest.approx(-torch.nn.functional.logsigmoid(above).sum().item() / 2, rel=1e-3)


def test_a_student_learns_what_its_teacher_says(
    trained: Path, job: TrainingJob, documents: list[Document], tmp_path: Path
) -> None:
    options = {**job.options, "epochs": "12", "encoder_lr": "0.01", "rest_lr": "0.01", "masked_subwords": "0"}
    options |= {"evidence_weight": "0", "choose_threshold": "false"}
    split = split_documents(documents, 2, 2)
    wanted = _above(trained, split.train)
    far = []
    for weight in ("0", "1"):
        train_encoder(replace(job, options={**options, "teacher_weight": weight}), tmp_path / weight, Recorder())
        student = _above(tmp_path / weight, split.train)
        far.append(np.abs(1 / (1 + np.exp(-student)) - 1 / (1 + np.exp(-wanted))).mean())
    assert far[1] < 0.7 * far[0]


def test_a_student_learns_where_its_teacher_attends(trained: Path, job: TrainingJob, tmp_path: Path) -> None:
    corpus = _of_two_sentences(Path(job.train), tmp_path / "two")
    options = {**job.options, "epochs": "6", "evidence_weight": "0", "masked_subwords": "0", "swapped_entities": "0"}
    job = replace(job, train=str(corpus), choose=0, report=0, options={**options, "teacher_weight": "0"})
    documents = list(load_dataset(str(corpus)).documents)
    wanted = _attention(trained, documents)
    far = []
    for weight in ("0", "5"):
        weighed = replace(job, options={**job.options, "teacher_evidence_weight": weight})
        train_encoder(weighed, tmp_path / weight, Recorder())
        far.append(np.abs(_attention(tmp_path / weight, documents) - wanted).mean())
    assert far[1] < 0.7 * far[0]


def _attention(folder: Path, documents: Sequence[Document]) -> np.ndarray:
    found = [one.sentences for one in EncoderScorer(folder).score(documents)]
    return np.concatenate([one for one in found if one is not None])


def _of_two_sentences(corpus: Path, folder: Path) -> Path:
    """The corpus with other names, its sentences divided after the second town, its evidence gone."""
    content = json.loads(corpus.read_text(encoding="utf-8").replace("Town", "City"))
    for one in content:
        one["sents"] = [one["sents"][0][:5], one["sents"][0][5:]]
        for (mention,) in one["vertexSet"]:
            if mention["pos"][0] >= 5:
                mention |= {"sent_id": 1, "pos": [place - 5 for place in mention["pos"]]}
        for label in one["labels"]:
            label["evidence"] = []
    folder.mkdir()
    shutil.copy(corpus.with_name("rel_info.json"), folder)
    (folder / "corpus.json").write_text(json.dumps(content), encoding="utf-8")
    return folder / "corpus.json"


def test_teacher_then_distant_documents_then_human_ones(
    trained: Path, job: TrainingJob, corpus: Path, tmp_path: Path
) -> None:
    """The sequences of DREEAM and KD-DocRE; what a teacher alone is learned from needs no labels."""
    distant = labelled_by(_of_two_sentences(corpus, tmp_path / "distant"), "distant")
    unlabelled = without_gold(_of_two_sentences(corpus, tmp_path / "unlabelled"))
    options = {**job.options, "epochs": "1", "evidence_weight": "0", "swapped_entities": "0"}
    of_dreeam = {"teacher_weight": "0", "teacher_evidence_weight": "0.1"}
    for train, added in ((distant, of_dreeam), (unlabelled, {"teacher_weight": "1", "teacher_loss": "mse"})):
        student, final = train.parent / "student", train.parent / "final"
        learns = replace(job, train=str(train), choose=0, report=0, options={**options, **added})
        train_encoder(learns, student, Recorder())
        done = train_encoder(replace(job, start=student, teacher=None, options=options), final, Recorder())
        assert done.reported is not None
        data = json.loads((final / TRAINING).read_text())["question"]["data"]
        assert data["start_weights"] > 0
        assert data["earlier"][0]["teacher"] == dict(EncoderScorer(trained).identity)
    with pytest.raises(InputError, match="training needs gold labels"):
        train_encoder(replace(learns, options=options), tmp_path / "no labels", Recorder())
    with pytest.raises(InputError, match="name the --teacher whose attention"):
        train_encoder(replace(job, teacher=None, options={**options, **of_dreeam}), tmp_path / "alone", Recorder())


def _above(folder: Path, documents: Sequence[Document]) -> np.ndarray:
    return np.concatenate(
        [(one.scores[:, :-1] - one.scores[:, -1:]).ravel() for one in EncoderScorer(folder).score(documents)]
    )


def test_the_teacher_is_part_of_the_question(trained: Path, job: TrainingJob, tmp_path: Path) -> None:
    job = replace(job, options={**job.options, "epochs": "1"})
    first = Recorder()
    train_encoder(job, tmp_path / "one", first)
    assert first.taught == [(done, 20) for done in range(21)]
    data = json.loads((tmp_path / "one" / TRAINING).read_text())["question"]["data"]
    assert data["teacher"] == dict(EncoderScorer(trained).identity)
    assert [one["train_documents"] for one in data["earlier"]] == [20]
    again = Recorder()
    train_encoder(job, tmp_path / "two", again)
    weights, expected = (load_file(tmp_path / folder / WEIGHTS) for folder in ("two", "one"))
    assert all(torch.equal(weights[name], value) for name, value in expected.items())
    with pytest.raises(InputError, match="holds another training"):
        train_encoder(replace(job, teacher=tmp_path / "two"), tmp_path / "one", Recorder())


def test_unfit_teachers_are_refused(job: TrainingJob, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="would be held out: hold out the same"):
        train_encoder(replace(job, choose=3), tmp_path / "split", Recorder())
    relation = load_dataset(job.train).schema.relations[0]
    with pytest.raises(InputError, match="does not score the relations"):
        train_encoder(replace(job, unseen=(relation,)), tmp_path / "relations", Recorder())
    with pytest.raises(InputError, match="cannot be read"):
        train_encoder(replace(job, teacher=tmp_path / "nowhere"), tmp_path / "missing", Recorder())


def test_the_command_takes_a_teacher(trained: Path, job: TrainingJob, tmp_path: Path) -> None:
    options = [f"-O{key}={value}" for key, value in {**job.options, "epochs": "1"}.items()]
    held_out = ("--choose", "2", "--report", "2")
    done = harness("train", "atlop", "--train", job.train, *held_out, "--teacher", trained, "--out", tmp_path, *options)
    assert done.returncode == 0, done.stderr
    assert "seed 0: the teacher has scored 20 of 20 documents" in done.stderr
    record = json.loads((tmp_path / "seed-0" / TRAINING).read_text())
    assert record["question"]["data"]["teacher"] == dict(EncoderScorer(trained).identity)


def test_a_student_of_all_pairs_learns_of_the_candidates_what_its_teacher_says(
    tiny_encoder: Callable[[str], str], tmp_path: Path
) -> None:
    """CDR's candidates are pairs of chemical and disease; reasoning goes over all pairs."""
    shutil.copy(CDR, tmp_path / "dev.data")
    options = {**OPTIONS, "encoder": tiny_encoder("bert"), "epochs": "1", "evidence_weight": "0", "reasoning": "none"}
    job = TrainingJob("atlop", "cdr:dev", data_dir=tmp_path, choose=0, report=0, options=options)
    teacher = tmp_path / "teacher"
    train_encoder(job, teacher, Recorder())
    options |= {"reasoning": "axial", "teacher_evidence_weight": "0.1", "swapped_entities": "0"}
    student = replace(job, teacher=teacher, options=options)
    for loss in ("adaptive_threshold", "focal"):
        watcher = Recorder()
        train_encoder(replace(student, options={**options, "loss": loss}), tmp_path / loss, watcher)
        assert np.isfinite(watcher.losses).all()

    config = read_config(tmp_path / "focal")
    assert isinstance(config, ModelConfig)
    tokenizer = load_tokenizer(config.encoder)
    documents = [one for one in load_dataset("cdr", "dev", tmp_path).documents if len(one.entities) > 1]
    encoded = [DocumentEncoder(tokenizer, config).encode(one, with_labels=True) for one in documents]
    training = TrainingConfig(teacher_evidence_weight=0.1)
    taught = list(Teacher(teacher, config, training, bf16=False).teach(encoded, documents))
    batch = Collator(tokenizer, config.window, config.overlap, 1)(taught)
    assert len(batch.taught) == len(batch.attended) == len(batch.labels) == sum(one.pair_count for one in encoded)
    scored = list(EncoderScorer(teacher).score(documents))
    pairs = torch.stack([batch.document, batch.head, batch.tail], 1).tolist()
    for (number, head, tail), above, attended in zip(pairs, batch.taught, batch.attended, strict=True):
        row = (scored[number].pairs == (head, tail)).all(1)
        assert row.any() == ((head, tail) in documents[number].pairs)
        assert above.isfinite().all() == bool(attended.any()) == row.any()
        if row.any():
            np.testing.assert_allclose(above, scored[number].margins[row][0], atol=2e-2)
    assert not batch.taught.isfinite().all()
    logits = torch.zeros(len(pairs), 2, requires_grad=True)
    for kind in ("binary", "mse"):
        [gradient] = torch.autograd.grad(teacher_loss(logits, batch.taught, kind), logits)
        assert torch.equal(gradient.any(1), batch.taught.isfinite().all(1)), "other pairs teach nothing"
