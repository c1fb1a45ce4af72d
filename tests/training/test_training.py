"""Training: it learns, repeats itself, goes on after a kill, and keeps what was best."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from harness.datasets.registry import load_dataset
from harness.datasets.splits import few_shot, split_documents
from harness.encoders.backbone import load_tokenizer
from harness.encoders.batching import Collator
from harness.encoders.checkpoint import load_model, new_model, read_config, start_from
from harness.encoders.config import ModelConfig
from harness.encoders.text import DocumentEncoder
from harness.encoders.weights import CONFIG, TRAINING, WEIGHTS
from harness.errors import InputError
from harness.training.collation import Masking
from harness.training.few_shot import FewShotJob
from harness.training.fit import TrainingJob, data_to_train_on, train_encoder
from harness.training.folder import CURVE, STATE
from harness.training.trainer import EpochBatches
from harness.types import Document, Entity, Label, Mention, Relation, RelationSchema, Triplet
from tests.commands import error_line, harness, harness_json
from tests.corpora import labelled_by, without_gold, write_corpus
from tests.encoders.small import OPTIONS, Killed, Recorder


@pytest.fixture
def job(tiny_encoder: Callable[[str], str], corpus: Path) -> TrainingJob:
    options = {**OPTIONS, "encoder": tiny_encoder("bert")}
    return TrainingJob("atlop", str(corpus), choose=6, report=6, seed=3, options=options)


@pytest.mark.parametrize(("stored_every", "first"), [(0.0, 3), (3600.0, 1)])
def test_a_killed_training_goes_on_to_the_same_losses(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored_every: float, first: int
) -> None:
    monkeypatch.setattr("harness.training.folder.STORED_EVERY", stored_every)
    whole = Recorder()
    train_encoder(job, tmp_path / "whole", whole)
    with pytest.raises(Killed):
        train_encoder(job, tmp_path / "cut", Recorder(killed_in=3))
    resumed = Recorder()
    train_encoder(job, tmp_path / "cut", resumed)
    assert [line.epoch for line in resumed.lines] == list(range(first, 5))
    assert resumed.lines == whole.lines[first - 1 :]
    assert resumed.losses == whole.losses[len(whole.losses) * (first - 1) // 4 :]
    weights, expected = (load_file(tmp_path / folder / WEIGHTS) for folder in ("cut", "whole"))
    assert all(torch.equal(weights[name], value) for name, value in expected.items())
    assert whole.losses[-1] < whole.losses[0]


def test_everything_about_a_training_is_in_its_folder(job: TrainingJob, tmp_path: Path) -> None:
    trained = train_encoder(job, tmp_path, Recorder())
    record = json.loads((tmp_path / TRAINING).read_text())
    assert record["question"]["training"]["epochs"] == 4
    assert record["question"]["training"]["seed"] == 3
    assert record["question"]["data"]["train_documents"] == 12
    assert record["result"]["reported"]["documents"] == 6
    with (tmp_path / CURVE).open() as file:
        curve = list(csv.DictReader(file))
    assert [row["epoch"] for row in curve] == ["1", "2", "3", "4"]
    assert trained.best is not None
    assert float(curve[trained.best.epoch - 1]["f1"]) == max(float(row["f1"]) for row in curve)
    assert load_model(tmp_path).config.threshold == trained.best.threshold


def test_a_finished_folder_is_neither_trained_again_nor_given_away(job: TrainingJob, tmp_path: Path) -> None:
    job = replace(job, options={**job.options, "epochs": "1"})
    first = train_encoder(job, tmp_path, Recorder())
    recorded = (tmp_path / TRAINING).read_bytes()
    assert not (tmp_path / STATE).exists()
    again = Recorder()
    trained = train_encoder(job, tmp_path, again)
    assert again.losses == []
    assert (trained.folder, trained.best, trained.reported) == (tmp_path, first.best, first.reported)
    assert (tmp_path / TRAINING).read_bytes() == recorded
    before = (tmp_path / CONFIG).read_bytes()
    with pytest.raises(InputError, match="holds another training"):
        train_encoder(replace(job, seed=4), tmp_path, Recorder())
    assert (tmp_path / CONFIG).read_bytes() == before
    weights = (tmp_path / WEIGHTS).read_bytes()
    (tmp_path / WEIGHTS).unlink()
    train_encoder(job, tmp_path, again)
    assert again.losses
    assert (tmp_path / WEIGHTS).read_bytes() == weights


def test_a_record_whose_result_is_no_result_is_refused(job: TrainingJob, tmp_path: Path) -> None:
    job = replace(job, options={**job.options, "epochs": "1"})
    train_encoder(job, tmp_path, Recorder())
    record = json.loads((tmp_path / TRAINING).read_text())
    for result in ({}, "done", {"best": {"f1": 1}}):
        (tmp_path / TRAINING).write_text(json.dumps({**record, "result": result}))
        with pytest.raises(InputError, match="its result cannot be read"):
            train_encoder(job, tmp_path, Recorder())


def test_a_damaged_state_is_refused(job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.training.folder.STORED_EVERY", 0.0)
    with pytest.raises(Killed):
        train_encoder(job, tmp_path, Recorder(killed_in=2))
    state = tmp_path / STATE
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(InputError, match="remove it to start again"):
        train_encoder(job, tmp_path, Recorder())


def test_frozen_layers_stay_as_pretrained_and_are_not_stored(job: TrainingJob, tmp_path: Path) -> None:
    options = {**job.options, "epochs": "1", "frozen_layers": "1"}
    train_encoder(replace(job, options=options), tmp_path, Recorder())
    stored, pretrained = load_file(tmp_path / WEIGHTS), load_file(Path(options["encoder"]) / "model.safetensors")
    assert not [name for name in stored if "encoder.layer.0." in name or ".embeddings." in name]
    assert [name for name in stored if "encoder.layer.1." in name]
    loaded = load_model(tmp_path).encoder.state_dict()
    for name in ("embeddings.position_embeddings.weight", "encoder.layer.0.output.dense.weight"):
        assert torch.equal(loaded[name], pretrained[name])
    with pytest.raises(InputError, match="the encoder has 2 layers"):
        train_encoder(replace(job, options={**options, "frozen_layers": "3"}), tmp_path / "more", Recorder())


def test_a_training_begins_with_the_weights_of_another(job: TrainingJob, tmp_path: Path) -> None:
    train_encoder(replace(job, options={**job.options, "epochs": "1"}), tmp_path / "first", Recorder())
    options = {**job.options, "epochs": "1", "frozen_layers": "2", "encoder_lr": "1e-9", "rest_lr": "1e-9"}
    following = replace(job, options=options, start=tmp_path / "first", unseen=(corpus_relation(job),))
    train_encoder(following, tmp_path / "second", Recorder())
    first, second = (load_model(tmp_path / folder).state_dict() for folder in ("first", "second"))
    # Frozen or not, what was taken over is stored, since the pretrained encoder does not hold it.
    for name in ("encoder.encoder.layer.0.output.dense.weight", "head.entity.weight"):
        assert torch.allclose(first[name], second[name], atol=1e-4)
    assert first["classifier.weight"].shape != second["classifier.weight"].shape
    origin = json.loads((tmp_path / "second" / TRAINING).read_text())["question"]["data"]
    assert len(origin["start_sha256"]) == 64
    assert 0 < origin["start_weights"] < len(second) - 2
    assert "encoder.embeddings.word_embeddings.weight" not in load_file(tmp_path / "second" / WEIGHTS)
    assert [data["train_documents"] for data in origin["earlier"]] == [12]


def test_the_encoder_inside_a_trained_one_is_shared_with_it(job: TrainingJob, tmp_path: Path) -> None:
    options = {**job.options, "epochs": "1"}
    train_encoder(replace(job, options=options), tmp_path / "first", Recorder())
    head = {**options, "encoder": str(tmp_path / "first"), "frozen_layers": "2", "masked_subwords": "0"}
    train_encoder(replace(job, task="rcp", options=head), tmp_path / "second", Recorder())
    assert not [name for name in load_file(tmp_path / "second" / WEIGHTS) if name.startswith("encoder.")]
    first, second = (load_model(tmp_path / folder).encoder.state_dict() for folder in ("first", "second"))
    assert all(torch.equal(second[name], value) for name, value in first.items())
    train_encoder(replace(job, seed=4, options=options), tmp_path / "other", Recorder())
    for file in (CONFIG, WEIGHTS):
        (tmp_path / "first" / file).write_bytes((tmp_path / "other" / file).read_bytes())
    with pytest.raises(InputError, match="is another version here"):
        load_model(tmp_path / "second")


def test_scores_of_other_relations_are_not_taken_over(job: TrainingJob, tmp_path: Path) -> None:
    train_encoder(replace(job, options={**job.options, "epochs": "1"}), tmp_path, Recorder())
    config = read_config(tmp_path)
    same, turned = (new_model(config.model_copy(update={"relations": one})) for one in _orders(config.relations))
    assert "classifier.weight" in start_from(same, tmp_path)
    assert "classifier.weight" not in start_from(turned, tmp_path)


def _orders(relations: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return relations, relations[::-1]


def test_documents_that_an_earlier_training_saw_are_not_reported_on(job: TrainingJob, tmp_path: Path) -> None:
    first = replace(job, options={**job.options, "epochs": "1"})
    train_encoder(first, tmp_path / "first", Recorder())
    other = replace(first, choose=8, report=8, start=tmp_path / "first")
    with pytest.raises(InputError, match="would be held out: hold out the same"):
        train_encoder(other, tmp_path / "second", Recorder())
    labels = {"encoder": job.options["encoder"], "label_encoder": str(tmp_path / "first"), "hidden_size": "8"}
    glidre = replace(job, task="glidre", options={**labels, "window": "64", "overlap": "8", "epochs": "1"})
    train_encoder(glidre, tmp_path / "third", Recorder())
    origin = json.loads((tmp_path / "third" / TRAINING).read_text())["question"]["data"]
    assert [data["train_documents"] for data in origin["earlier"]] == [12]


def test_weights_of_another_encoder_are_no_beginning(
    job: TrainingJob, tiny_encoder: Callable[[str], str], tmp_path: Path
) -> None:
    train_encoder(replace(job, options={**job.options, "epochs": "1"}), tmp_path / "first", Recorder())
    other = replace(job, options={**job.options, "encoder": tiny_encoder("roberta")}, start=tmp_path / "first")
    with pytest.raises(InputError, match="trained from the encoder"):
        train_encoder(other, tmp_path / "second", Recorder())
    with pytest.raises(InputError, match="cannot be read"):
        train_encoder(replace(job, start=tmp_path / "nowhere"), tmp_path / "third", Recorder())


def corpus_relation(job: TrainingJob) -> Relation:
    """A relation of the job's corpus."""
    return load_dataset(job.train).schema.relations[0]


def test_patience_ends_a_training(job: TrainingJob, tmp_path: Path) -> None:
    slow = {
        **job.options,
        "epochs": "9",
        "patience": "1",
        "encoder_lr": "1e-9",
        "rest_lr": "1e-9",
        "average_decay": "0",
    }
    watcher = Recorder()
    train_encoder(replace(job, options=slow), tmp_path, watcher)
    assert len(watcher.lines) == 2


def test_patience_counts_evaluations(job: TrainingJob, tmp_path: Path) -> None:
    options = {**job.options, "epochs": "9", "patience": "1", "choose_every": "3", "average_decay": "0"}
    watcher = Recorder()
    train_encoder(replace(job, options={**options, "encoder_lr": "1e-9", "rest_lr": "1e-9"}), tmp_path, watcher)
    assert [line.epoch for line in watcher.lines] == [1, 2, 3, 4]


def test_documents_to_choose_by_need_labels(job: TrainingJob, corpus: Path, tmp_path: Path) -> None:
    unlabelled = [{**one, "labels": []} for one in json.loads(corpus.read_text(encoding="utf-8"))]
    dev = tmp_path / "test.json"
    dev.write_text(json.dumps(unlabelled), encoding="utf-8")
    with pytest.raises(InputError, match="no document to choose by has a label"):
        train_encoder(replace(job, dev=str(dev)), tmp_path / "out", Recorder())


@pytest.mark.parametrize("part", ["train", "dev"])
def test_documents_without_gold_are_neither_trained_on_nor_chosen_by(
    job: TrainingJob, corpus: Path, tmp_path: Path, part: str
) -> None:
    (tmp_path / "rel_info.json").write_bytes((corpus.parent / "rel_info.json").read_bytes())
    bare = tmp_path / "bare.json"
    bare.write_bytes(corpus.read_bytes())
    job = replace(job, **{"train": str(corpus), "dev": str(corpus), part: str(without_gold(bare))})
    with pytest.raises(InputError, match="needs gold labels, and the documents of bare all have none"):
        data_to_train_on(job)


def test_a_training_judged_by_labels_of_no_human_is_recorded_as_silver(
    job: TrainingJob, corpus: Path, tmp_path: Path
) -> None:
    marked = tmp_path / "marked.json"
    marked.write_bytes(corpus.read_bytes())
    labelled_by(marked, "model", "gpt-4o")
    _, _, origin = data_to_train_on(replace(job, train=str(marked), dev=str(corpus)))
    assert "silver" not in origin
    _, _, origin = data_to_train_on(replace(job, train=str(corpus), dev=str(marked)))
    assert origin["silver"] == "silver: labels written by a model (gpt-4o)"


def test_evidence_may_be_a_sentence_without_subwords(tiny_encoder: Callable[[str], str]) -> None:
    entities = tuple(Entity((Mention(name, 0, place, place + 1, "LOC"),)) for place, name in enumerate("ab"))
    document = Document("x", (("a", "b"), ()), entities, (Label(Triplet(0, "P17", 1), (1,)),))
    tokenizer = load_tokenizer(tiny_encoder("bert"))
    config = ModelConfig(relations=("P17",), encoder="any", window=64, overlap=8)
    batch = Collator(tokenizer, 64, 8, 1)([DocumentEncoder(tokenizer, config).encode(document, with_labels=True)])
    assert batch.evidence.tolist() == [[0.0, 1.0], [0.0, 0.0]]


def test_only_some_epochs_are_evaluated_and_always_the_last(job: TrainingJob, tmp_path: Path) -> None:
    options = {**job.options, "epochs": "6", "choose_from": "2", "choose_every": "3"}
    recorder = Recorder()
    train_encoder(replace(job, options=options), tmp_path, recorder)
    assert [line.epoch for line in recorder.lines if line.f1 is not None] == [2, 5, 6]


def test_masking_hides_words_but_no_marker(tiny_encoder: Callable[[str], str], documents: list[Document]) -> None:
    tokenizer = load_tokenizer(tiny_encoder("bert"))
    config = ModelConfig(relations=("P17",), encoder="any", window=64, overlap=8)
    encoded = [DocumentEncoder(tokenizer, config).encode(document) for document in documents[:4]]
    collator = Collator(tokenizer, 64, 8, 1)
    plain = collator(encoded).input_ids
    torch.manual_seed(0)
    masked = Masking(collator, tokenizer, 0.5)(encoded).input_ids
    hidden = masked == tokenizer.mask_token_id
    assert torch.equal(masked[~hidden], plain[~hidden])
    assert not torch.isin(
        plain[hidden], torch.tensor([tokenizer.convert_tokens_to_ids("*"), *tokenizer.all_special_ids])
    ).any()
    words = ~torch.isin(plain, torch.tensor([tokenizer.convert_tokens_to_ids("*"), *tokenizer.all_special_ids]))
    assert 0.3 < hidden.sum() / words.sum() < 0.7


def test_few_shot_makes_a_table_and_a_curve(tiny_encoder: Callable[[str], str], corpus: Path, tmp_path: Path) -> None:
    small = {
        "window": 64,
        "overlap": 8,
        "encoder": tiny_encoder("bert"),
        "atlop.block_size": 4,
        "atlop.projection_size": 16,
    }
    small |= {"glidre.hidden_size": 8, "glidre.label_encoder": tiny_encoder("bert")}
    options = [f"-O{key}={value}" for key, value in small.items()]
    command = [
        "train", "few-shot", "--train", corpus, "--choose", 4, "--report", 4, "-n", 1, "-n", 3,
        "--steps", 2, "--epochs", 1, "--seeds", 2, "--all-seeds", 1, *options, "--out", tmp_path,
    ]  # fmt: skip
    done = harness(*command)
    assert done.returncode == 0, done.stderr
    assert "F1 by training documents" in done.stdout
    with (tmp_path / "few_shot.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["n"], row["seed"]) for row in rows] == [
        (model, n, seed)
        for model in ("atlop", "glidre")
        for n, seed in (("1", "0"), ("1", "1"), ("3", "0"), ("3", "1"), ("16", "0"))
    ]
    assert "</svg>" in (tmp_path / "few_shot.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "lstm"), "--model lstm"),
        (("-n", 17), "--size 17: "),
        (("-O", "gldire.hidden_size=8"), "-O gldire.…: write atlop, rcp, glidre, entities, dreeam, llm"),
        (("--from", "glydre=x"), "x"),
        (("--dev", "dev.json"), "--dev: name the documents to report on, too, with --test"),
        (("-O", "batch_size=0"), "-O batch_size"),
    ],
)
def test_unfit_few_shot_requests_are_refused(corpus: Path, arguments: tuple[str | int, ...], message: str) -> None:
    asked = ("train", "few-shot", "--train", corpus, "--choose", 4, "--report", 4, *arguments)
    assert message in error_line(harness(*asked))


def test_few_shot_takes_files_of_its_own_a_start_and_dreeam(
    trained: Path, tiny_encoder: Callable[[str], str], corpus: Path, tmp_path: Path
) -> None:
    dev, test = (write_corpus(tmp_path / name, 4, seed=9) for name in ("dev", "test"))
    test.write_text(test.read_text(encoding="utf-8").replace("Town", "Village"), encoding="utf-8")
    dev.write_text(dev.read_text(encoding="utf-8").replace("Town", "City"), encoding="utf-8")
    options = {**OPTIONS, "encoder": tiny_encoder("bert")}
    del options["evidence_weight"], options["epochs"]
    rows = harness_json(
        "train", "few-shot", "--train", corpus, "--dev", dev, "--test", test, "--model", "dreeam", "-n", 3, "--no-all",
        "--from", f"dreeam={trained}", "--steps", 1, "--epochs", 1, "--seeds", 1,
        *(f"-O{key}={value}" for key, value in options.items()), "--out", tmp_path / "out",
    )  # fmt: skip
    assert [(row["model"], row["n"]) for row in rows] == [("dreeam", 3)]
    question = json.loads((tmp_path / "out" / "dreeam" / "n-3" / "seed-0" / TRAINING).read_text())["question"]
    assert question["training"]["evidence_weight"] == 0.1
    data = question["data"]
    assert (data["start_weights"] > 0, data["dev"], data["test"]) == (True, dev.stem, test.stem)


def test_trainings_of_one_process_may_differ_in_precision(job: TrainingJob, tmp_path: Path) -> None:
    for precision in ("fp32", "bf16"):
        options = {**job.options, "epochs": "1", "precision": precision}
        trained = train_encoder(replace(job, options=options), tmp_path / precision, Recorder())
        assert trained.best is not None


def test_few_shot_trainings_have_at_least_so_many_steps_and_passes() -> None:
    schedules = [
        FewShotJob("atlop", "corpus", size, 0, steps=600)
        .training(400)
        .configs(RelationSchema((Relation("P1", "a"),)))[1]
        for size in (1, 10, None)
    ]
    assert [(one.epochs, one.choose_from, one.choose_every) for one in schedules] == [
        (600, 120, 120),
        (200, 40, 40),
        (12, 2, 2),
    ]


def test_a_proposer_is_trained_to_tell_related_pairs(job: TrainingJob, tmp_path: Path) -> None:
    trained = train_encoder(replace(job, task="rcp", options={**job.options, "epochs": "1"}), tmp_path, Recorder())
    assert trained.reported is not None
    assert trained.reported["f1"] == 0
    assert trained.reported["predicted"]
    assert load_model(tmp_path).config.relations == ("related",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": {"colour": "blue"}}, "-O colour"),
        ({"options": {"epochs": "none"}}, "-O epochs"),
        ({"options": {"threshold": "0.5"}}, "-O threshold: it is chosen by training"),
        ({"options": {"task": "rcp"}}, "-O task: it is that of the command"),
        ({"options": {"seed": "7"}}, "-O seed: write --seed"),
        ({"options": {"entity_types": "[PER]"}}, "no list in JSON; quote it"),
        ({"options": {"window": "1024"}}, "window 1024: the encoder minilm reads 512 tokens at once at most"),
        ({"few_shot": 13}, "--few-shot 13"),
        ({"choose": 20}, "cannot spare"),
    ],
)
def test_unfit_requests_are_refused(job: TrainingJob, tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train_encoder(replace(job, **changes), tmp_path, Recorder())


def test_the_split_is_fixed_and_without_overlap(documents: list[Document]) -> None:
    split = split_documents(documents, 6, 6)
    titles = [one.title for part in (split.train, split.choose, split.report) for one in part]
    assert sorted(titles) == sorted(one.title for one in documents)
    assert split_documents(documents, 6, 6) == split


def test_few_shot_subsets_differ_by_seed_only(documents: list[Document]) -> None:
    assert few_shot(documents, 5, 1) == few_shot(documents, 5, 1)
    assert few_shot(documents, 5, 1) != few_shot(documents, 5, 2)


def test_every_epoch_takes_each_document_once_in_a_new_order() -> None:
    batches = EpochBatches([5, 9, 1, 7, 3, 3, 8], 2, seed=0)
    orders = []
    for epoch in (1, 2):
        batches.current = epoch
        orders.append([index for batch in batches for index in batch])
        assert sorted(orders[-1]) == list(range(7))
    assert orders[0] != orders[1]
    assert len(list(batches)) == len(batches)
