"""Corpora of other relations joined to one training: each document teaches and judges its own corpus' relations."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.datasets.conversion import convert
from harness.datasets.registry import CORPORA, load_dataset, load_split
from harness.encoders.backbone import load_tokenizer
from harness.encoders.batching import Collator, LabelSampler
from harness.encoders.config import ModelConfig
from harness.encoders.glidre_config import GlidreConfig
from harness.encoders.plain_text import PlainDocumentEncoder
from harness.encoders.scorer import EncoderScorer
from harness.encoders.text import DocumentEncoder
from harness.errors import InputError
from harness.runs.config import RunConfig
from harness.runs.plan import prepare
from harness.training.config import TrainingConfig
from harness.training.data import split_to_train_on
from harness.training.fit import TrainingJob, data_to_train_on, reported_scores, told_of, train_encoder
from harness.training.llm.fit import AdapterJob, train_adapter
from harness.training.losses import relation_loss
from harness.types import Dataset, Prediction, Triplet
from tests.commands import error_line, harness, harness_here
from tests.corpora import RELATIONS, write_corpus
from tests.encoders.small import OPTIONS, Recorder
from tests.paths import SHARED_DATA
from tests.tiny_llm import tiny_llm

FIXTURES = Path(__file__).resolve().parents[1] / "datasets" / "corpora"
TOWNS, DRUGS = tuple(RELATIONS), ("CID",)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a folder for each corpus: a Re-DocRED of small documents, and CDR's fixture as train and dev."""
    made = write_corpus(tmp_path / "redocred", 12)
    made.rename(made.with_name("dev_revised.json"))
    (tmp_path / "cdr").mkdir()
    source = FIXTURES / "CDR_DevelopmentSet.PubTator.txt"
    for name in ("CDR_TrainingSet", "CDR_DevelopmentSet"):
        shutil.copy(source, tmp_path / "cdr" / f"{name}.PubTator.txt")
    return tmp_path


@pytest.fixture
def both(folder: Path) -> Dataset:
    return load_split("redocred:dev+cdr:train", folder)


def test_each_document_tells_of_the_relations_of_its_corpus(both: Dataset) -> None:
    assert both.annotated == {"redocred": TOWNS, "cdr": DRUGS}
    assert tuple(both.schema.by_id) == (*TOWNS, *DRUGS)
    assert both.schema.none == ("NR",), "what means none in one corpus is no relation of the join"
    *towns, _, _, _ = both.documents
    drugs = list(both.documents)[len(towns) :]
    assert {one.annotated for one in towns} == {TOWNS}
    assert {one.annotated for one in drugs} == {DRUGS}
    assert all(one.candidates is None for one in towns)
    for one in drugs:
        types = {(one.entities[head].type, one.entities[tail].type) for head, tail in one.pairs}
        assert types <= {("CHEM", "DISE")}, "only a chemical and a disease are candidates"


def test_documents_of_the_same_relations_tell_of_all(folder: Path) -> None:
    file = folder / "redocred" / "dev_revised.json"
    for name in (f"redocred:dev+{file}", "cdr:train+cdr:dev"):
        same = load_split(name, folder)
        assert (same.annotated, {one.annotated for one in same.documents}) == ({}, {None})


def test_the_real_files_are_joined() -> None:
    if not (SHARED_DATA / "cdr" / "train.json").is_file() or not (SHARED_DATA / "redocred").is_dir():
        pytest.skip("needs CDR and Re-DocRED in ../shared/data")
    real = load_split("redocred:dev-train+cdr:train", SHARED_DATA)
    assert {name: len(relations) for name, relations in real.annotated.items()} == {"redocred": 96, "cdr": 1}
    drugs = [one for one in real.documents if one.annotated == DRUGS]
    assert (len(real.documents), len(drugs)) == (900, 500)
    assert sum(len(one.pairs) for one in drugs) == 5348, "as CDR's train split alone"


@pytest.mark.parametrize("loss", ["adaptive_threshold", "adaptive_focal", "focal", "binary"])
def test_what_a_corpus_does_not_annotate_has_no_part_in_the_loss(loss: str) -> None:
    torch.manual_seed(0)
    config = TrainingConfig(loss=loss, focal_gamma=2.0)  # type: ignore[arg-type] # one of four texts
    logits = torch.randn(3, 6, dtype=torch.double, requires_grad=True)
    labels = torch.tensor([[1, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 0, 0, 0]], dtype=torch.bool)
    annotated = torch.tensor([True, True, False, True, False]).expand(3, 5)
    known = [0, 1, 3]
    found = relation_loss(logits, labels, config, annotated)
    alone = relation_loss(logits[:, [*known, 5]], labels[:, known], config)
    assert found.item() == pytest.approx(alone.item())
    (gradient,) = torch.autograd.grad(found, logits)
    assert not gradient[:, [2, 4]].any()
    assert gradient[:, [*known, 5]].abs().min() > 0
    every = relation_loss(logits, labels, config, torch.ones(3, 5, dtype=torch.bool))
    assert every.item() == pytest.approx(relation_loss(logits, labels, config).item())
    assert every.item() != pytest.approx(found.item())


def test_batches_of_both_tell_what_is_annotated(both: Dataset, tiny_encoder: Callable[[str], str]) -> None:
    folder = tiny_encoder("bert")
    config = ModelConfig(relations=tuple(both.schema.by_id), encoder=folder, window=64, overlap=8)
    tokenizer = load_tokenizer(folder)
    encoder = DocumentEncoder(tokenizer, config)
    town, drug = (encoder.encode(list(both.documents)[place], with_labels=True) for place in (0, -3))
    collator = Collator(tokenizer, 64, 8, 5)
    assert collator([town, drug]).annotated.tolist() == [[True] * 4 + [False], [False] * 4 + [True]]
    assert collator([town, drug], torch.tensor([4, 1])).annotated.tolist() == [[False, True], [True, False]]
    alone = encoder.encode(replace(next(iter(both.documents)), annotated=None))
    assert collator([alone, alone]).annotated.shape == (2, 0)


def test_label_sets_of_glidre_are_drawn_from_what_the_batch_tells_of(
    both: Dataset, tiny_encoder: Callable[[str], str]
) -> None:
    folder, names = tiny_encoder("bert"), tuple(one.name for one in both.schema.relations)
    config = GlidreConfig(relations=tuple(both.schema.by_id), label_names=names, encoder=folder, label_encoder=folder)
    tokenizer = load_tokenizer(folder)
    encoder = PlainDocumentEncoder(tokenizer, config)
    town, drug = (encoder.encode(list(both.documents)[place], with_labels=True) for place in (0, -3))
    sampler = LabelSampler(Collator(tokenizer, 64, 8, 5), 25, 5)
    assert sorted(sampler([town]).relation.tolist()) == [0, 1, 2, 3]
    assert sampler([drug]).relation.tolist() == [4]
    batch = sampler([town, drug])
    assert sorted(batch.relation.tolist()) == [0, 1, 2, 3, 4]
    assert batch.annotated.tolist() == [
        [number < 4 for number in batch.relation.tolist()],
        [number == 4 for number in batch.relation.tolist()],
    ]


@pytest.mark.parametrize("task", ["atlop", "glidre"])
def test_a_training_on_both_judges_each_by_its_own_relations(
    folder: Path, tiny_encoder: Callable[[str], str], tmp_path: Path, task: str
) -> None:
    options = {"encoder": tiny_encoder("bert"), "epochs": "2", "window": "64", "overlap": "8"}
    if task == "glidre":
        options |= {"label_encoder": tiny_encoder("bert"), "hidden_size": "16"}
    else:
        options = {**OPTIONS, **options, "rest_lr": "0.01"}
    job = TrainingJob(
        task, "redocred:dev+cdr:train", choose=4, report=4, data_dir=folder, options=options  # type: ignore[arg-type]
    )  # fmt: skip
    out = tmp_path / "out"
    trained = train_encoder(job, out, Recorder())
    record = json.loads((out / "training.json").read_text(encoding="utf-8"))
    assert record["question"]["data"]["annotated"] == {"redocred": 4, "cdr": 1}
    assert json.loads((out / "config.json").read_text(encoding="utf-8"))["relations"] == [*TOWNS, *DRUGS]
    _, split, _ = data_to_train_on(job)
    assert {one.annotated for one in split.report} == {TOWNS, DRUGS}, "held out of both"
    assert trained.reported is not None
    scorer = EncoderScorer(out)
    counted = sum(
        len(told_of(one, scores.predictions()))
        for one, scores in zip(split.report, scorer.score(split.report), strict=True)
    )
    assert trained.reported["predicted"] == counted == (reported_scores(scorer, split.report) or {})["predicted"]


def test_epoch_and_threshold_are_chosen_by_a_corpus_relations_alone(folder: Path) -> None:
    job = TrainingJob("atlop", "redocred:dev+cdr:train", dev="cdr:dev", data_dir=folder)
    with pytest.raises(InputError, match="--dev cdr:dev: 3 of its documents"):
        split_to_train_on(job)
    job = replace(job, train="redocred:dev+cdr:train", dev="redocred:dev")
    with pytest.raises(InputError, match="--dev redocred:dev: 12 of its documents"):
        split_to_train_on(job)
    rows = json.loads((folder / "redocred" / "dev_revised.json").read_text(encoding="utf-8"))
    (folder / "redocred" / "test_revised.json").write_text(
        json.dumps([{**rows[0], "sents": [["Another", *rows[0]["sents"][0]]]}])
    )
    _, split, _ = split_to_train_on(replace(job, dev="redocred:test"))
    assert [one.annotated for one in split.choose] == [TOWNS]


def test_predictions_of_a_relation_that_nobody_annotated_are_not_judged(both: Dataset) -> None:
    town = next(iter(both.documents))
    found = [Prediction(Triplet(0, relation, 1)) for relation in ("P17", "CID", "related")]
    assert [one.triplet.relation for one in told_of(town, found)] == ["P17", "related"]
    assert told_of(replace(town, annotated=None), found) == found


def test_published_corpora_may_call_their_relations_alike_and_files_may_not(tmp_path: Path) -> None:
    for name in ("dwie", "docred"):
        (tmp_path / name).mkdir()
    convert(FIXTURES / "dwie", tmp_path / "dwie" / "test.json", CORPORA["dwie"])
    shutil.copy(FIXTURES / "docred" / "dev.json", tmp_path / "docred" / "dev.json")
    both = load_split("docred:dev+dwie:test", tmp_path)
    assert {name: len(relations) for name, relations in both.annotated.items()} == {"docred": 96, "dwie": 65}
    alike = [one.id for one in both.schema.relations if one.name == "part of"]
    assert alike == ["P361", "part_of"]
    with pytest.raises(InputError, match="relation member_of is called 'member of', as P463 is in a corpus"):
        load_split(f"docred:dev+{tmp_path / 'dwie' / 'test.json'}", tmp_path)


def test_a_prompt_is_learned_with_the_relations_of_the_document_s_corpus(both: Dataset) -> None:
    config = RunConfig(model="mock", prompt="tagged", dataset="redocred:dev+cdr:train")
    experiment = prepare(config, model_needed=False, dataset=both)
    for place, own, other in (
        (0, "capital of", "chemical induces disease"),
        (-3, "chemical induces disease", "capital of"),
    ):
        (asked,) = experiment.method().demonstrate(list(both.documents)[place])
        text = " ".join(message.content for message in asked.request.messages).lower()
        assert own in text
        assert other not in text
    with pytest.raises(InputError, match="leave out --shots"):
        prepare(replace(config, shots=1), model_needed=False, dataset=both)


def test_a_finder_is_not_trained_on_corpora_that_mark_other_entities(folder: Path) -> None:
    done = harness(
        "train", "entities", "--train", "redocred:dev+cdr:train", "--data-dir", folder, "--out", folder / "finder"
    )  # fmt: skip
    assert done.returncode == 2
    assert "redocred:dev marks PER, ORG, LOC, TIME, NUM, MISC and cdr:train CHEM, DISE" in error_line(done)


def test_one_folder_serves_several_corpora(folder: Path) -> None:
    assert len(load_dataset("cdr", "dev", folder).documents) == 3
    assert len(load_dataset("cdr", "dev", folder / "cdr").documents) == 3
    (folder / "dev.json").write_text("[]", encoding="utf-8")
    assert len(load_dataset("cdr", "dev", folder).documents) == 3, "the corpus' own folder stands before others' files"
    with pytest.raises(InputError, match=r"test\.json: no such file"):
        load_dataset("cdr", "test", folder)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--model", "atlop-minilm", "--dataset"),
        ("score", "p.json", "--gold"),
        ("prompts", "show", "tagged", "--dataset"),
    ],
)
def test_runs_and_scores_are_of_one_corpus(
    folder: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    Path("p.json").write_text("[]", encoding="utf-8")
    done = harness_here(*arguments, "redocred:dev+cdr:dev", "--data-dir", folder)
    assert done.returncode == 2
    assert "take redocred:dev and cdr:dev one after the other" in error_line(done)


def test_an_adapter_learns_and_is_chosen_by_the_relations_of_each_corpus(folder: Path, tmp_path: Path) -> None:
    run = RunConfig(model=str(tiny_llm(tmp_path / "model")), prompt="tagged")
    options = {
        "epochs": "1",
        "batch_size": "2",
        "lr": "0.01",
        "rank": "4",
        "max_length": "4096",
        "choose_documents": "2",
    }
    job = AdapterJob(run, "redocred:dev+cdr:train", choose=2, report=1, few_shot=2, options=options, data_dir=folder)
    trained = train_adapter(job, tmp_path / "adapter", Recorder())
    record = json.loads((tmp_path / "adapter" / "training.json").read_text(encoding="utf-8"))
    assert record["question"]["data"]["annotated"] == {"redocred": 4, "cdr": 1}
    assert trained.reported is not None
    with pytest.raises(InputError, match="-O na: is drawn from the pairs of one corpus"):
        train_adapter(
            replace(job, run=replace(run, prompt="pairwise"), options={**options, "na": "1"}),
            tmp_path / "na",
            Recorder(),
        )
