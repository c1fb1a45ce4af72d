"""GLiDRE through the common training and running code, on seen and on unseen relations."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from harness.cli.unseen import summary
from harness.datasets.registry import load_dataset
from harness.datasets.splits import Split
from harness.datasets.subset import drawn_relations
from harness.encoders.batching import Batch, LabelSampler
from harness.encoders.checkpoint import read_config
from harness.encoders.glidre import Glidre
from harness.encoders.glidre_config import GlidreConfig
from harness.encoders.scorer import EncoderScorer
from harness.encoders.scores import ScoreFile
from harness.encoders.seen import SEEN
from harness.encoders.text import EncodedDocument
from harness.encoders.weights import CONFIG, TRAINING, WEIGHTS
from harness.errors import InputError
from harness.prompting.wordings import load_relation_wordings
from harness.runs.config import RunConfig
from harness.runs.sources.encoder import PAIR_SCORES, execute_encoder, prepare_encoder
from harness.scoring.counts import Counts
from harness.training.data import split_to_train_on
from harness.training.fit import TrainingJob, reported_scores, train_encoder
from harness.training.held_out import joined, some_of_each, without_relations
from harness.training.unseen import TESTS, MacroScores, UnseenJob, _test_set, classified, extracted, run_unseen
from harness.types import Document, PairScores, Relation, RelationSchema
from tests.commands import error_line, harness, harness_json
from tests.corpora import RELATIONS
from tests.documents import SCHEMA, document
from tests.encoders.small import Killed, Recorder

OPTIONS = {
    "window": "64",
    "overlap": "8",
    "hidden_size": "16",
    "dropout": "0.1",
    "epochs": "4",
    "label_count": "3",
    "encoder_lr": "0.003",
    "rest_lr": "0.003",
}


@pytest.fixture
def options(tiny_encoder: Callable[[str], str]) -> dict[str, str]:
    return {**OPTIONS, "encoder": tiny_encoder("bert"), "label_encoder": tiny_encoder("bert")}


@pytest.fixture
def job(options: dict[str, str], corpus: Path) -> TrainingJob:
    return TrainingJob("glidre", str(corpus), choose=6, report=6, seed=3, options=options)


def test_a_killed_training_goes_on_to_the_same_losses(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.training.folder.STORED_EVERY", 0.0)
    job = replace(job, options={**job.options, "average_decay": "0.5", "epochs": "3"})
    whole = Recorder()
    train_encoder(job, tmp_path / "whole", whole)
    with pytest.raises(Killed):
        train_encoder(job, tmp_path / "cut", Recorder(killed_in=2))
    resumed = Recorder()
    train_encoder(job, tmp_path / "cut", resumed)
    assert resumed.lines == whole.lines[1:]
    assert resumed.losses == whole.losses[len(whole.losses) // 3 :]
    cut, uncut = load_file(tmp_path / "cut" / WEIGHTS), load_file(tmp_path / "whole" / WEIGHTS)
    assert cut.keys() == uncut.keys()
    assert all(torch.equal(cut[name], uncut[name]) for name in uncut)
    assert whole.losses[-1] < whole.losses[0]


def test_a_frozen_label_encoder_is_not_stored(job: TrainingJob, tmp_path: Path) -> None:
    job = replace(job, options={**job.options, "freeze_label_encoder": "true", "epochs": "1"})
    trained = train_encoder(job, tmp_path, Recorder())
    assert not [name for name in load_file(tmp_path / WEIGHTS) if name.startswith("label_encoder.")]
    assert trained.reported is not None


def test_an_adaptive_threshold_is_learned_with_its_loss(job: TrainingJob, tmp_path: Path) -> None:
    job = replace(job, options={**job.options, "loss": "adaptive_threshold", "epochs": "1"})
    train_encoder(job, tmp_path, Recorder())
    config = read_config(tmp_path)
    assert isinstance(config, GlidreConfig)
    assert config.adaptive
    assert "threshold.0.weight" in load_file(tmp_path / WEIGHTS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": {"typed_markers": "true"}}, "-O typed_markers: there is attention_dropout"),
        ({"options": {"adaptive": "true"}}, "it follows from the loss"),
        ({"options": {"pooling": "max"}}, "-O pooling"),
        ({"unseen": tuple(Relation(*one) for one in RELATIONS.items())}, "all 4 relations are held out"),
    ],
)
def test_unfit_requests_are_refused(job: TrainingJob, tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train_encoder(replace(job, **changes), tmp_path, Recorder())


def test_a_trained_folder_scores_the_relations_of_any_corpus(job: TrainingJob, tmp_path: Path) -> None:
    train_encoder(replace(job, options={**job.options, "epochs": "1"}), tmp_path / "tiny", Recorder())
    config = RunConfig(model=str(tmp_path / "tiny"), dataset="sample", limit=3, results=tmp_path)
    experiment = prepare_encoder(config)
    result = execute_encoder(experiment, lambda: None)
    stored = ScoreFile(result.folder.path / PAIR_SCORES)
    assert stored.relations == tuple(relation.id for relation in experiment.dataset.schema.relations)
    lower = prepare_encoder(replace(config, model_options={"threshold": "0.01"}))
    assert lower.run_id != experiment.run_id
    more = execute_encoder(lower, lambda: None)
    assert more.metrics.official.predicted > result.metrics.official.predicted


def fewrel(folder: Path) -> Path:
    """A small FewRel: eight sentences of each of three relations, one of them known to the corpus."""
    sentence = {"tokens": ["river", "lies", "in", "land"], "h": ["river", "Q1", [[0]]], "t": ["land", "Q2", [[3]]]}
    content = {relation: [sentence] * 8 for relation in ("P17", "P26", "P40")}
    names = {"P17": ["country", "-"], "P26": ["spouse", "-"], "P40": ["child", "-"]}
    (folder / "val_wiki.json").write_text(json.dumps(content))
    (folder / "pid2name.json").write_text(json.dumps(names))
    return folder


def copy_of(corpus: Path, folder: Path, town: str, relation: str = "") -> str:
    """The corpus with other names of towns and, with ``relation``, other relations."""
    folder.mkdir()
    for name in (corpus.name, "rel_info.json"):
        text = corpus.with_name(name).read_text(encoding="utf-8").replace("Town", town)
        for place, (id, named) in enumerate(RELATIONS.items() if relation else ()):
            text = text.replace(f'"{id}"', f'"X{place}"').replace(f'"{named}"', f'"{relation} {place}"')
        (folder / name).write_text(text, encoding="utf-8")
    return str(folder / corpus.name)


def test_it_is_chosen_by_other_relations_than_those_trained_on_and_reported_on_another_file(
    job: TrainingJob, corpus: Path, tmp_path: Path
) -> None:
    dev = copy_of(corpus, tmp_path / "dev", "City", "link")
    test = copy_of(corpus, tmp_path / "test", "Village")
    options = {**job.options, "epochs": "1", "choose_threshold": "true"}
    job = replace(job, dev=dev, test=test, options=options)
    trained = train_encoder(job, tmp_path / "tiny", Recorder())
    assert read_config(tmp_path / "tiny").relations == (*RELATIONS, *(f"X{place}" for place in range(len(RELATIONS))))
    assert trained.best
    assert trained.reported
    tested = load_dataset(test)
    assert trained.reported["gold"] == len({(d.title, one.triplet) for d in tested.documents for one in d.labels})
    with pytest.raises(InputError, match=r"of its documents, such as .*, are among those to train on or to choose by"):
        train_encoder(replace(job, test=dev), tmp_path / "other", Recorder())
    # What an earlier training saw is no test either.
    more = copy_of(corpus, tmp_path / "more", "Place")
    start = replace(job, train=more, dev=None, test=str(corpus), start=tmp_path / "tiny")
    with pytest.raises(InputError, match="an earlier training, which this one builds on, saw"):
        train_encoder(start, tmp_path / "next", Recorder())


def test_unseen_relations_leave_no_trace_in_a_training(corpus: Path, documents: list[Document], tmp_path: Path) -> None:
    sentences = load_dataset("fewrel", data_dir=fewrel(tmp_path))
    schema = joined(load_dataset(str(corpus)).schema, sentences.schema)
    assert [one.id for one in schema.relations] == [*RELATIONS, "P26", "P40"]
    train = [*documents, *some_of_each(sentences, 2, seed=0)]
    unseen = {"P17", "P40"}
    seen, split = without_relations(schema, Split(train, documents[:2], documents[2:4]), unseen)
    assert [one.id for one in seen.relations] == ["P36", "P1376", "P131", "P26"]
    for part in (split.train, split.choose, split.report):
        assert not [label for one in part for label in one.labels if label.triplet.relation in unseen]
    added = [one for one in split.train if one.title.startswith("sentence")]
    assert [one.labels[0].triplet.relation for one in added] == ["P26", "P26"]


@pytest.mark.parametrize("test", TESTS)
def test_unseen_relations_are_drawn_held_out_and_tested(
    options: dict[str, str], corpus: Path, tmp_path: Path, test: str
) -> None:
    job = UnseenJob(
        test,
        str(corpus),
        unseen=2,
        sentences=2,
        choose=4,
        report=14,
        fewrel=fewrel(tmp_path),
        options={**options, "epochs": "1"},
    )
    result = run_unseen(job, tmp_path / "out", Recorder())
    held_out = json.loads((tmp_path / "out" / TRAINING).read_text())["question"]["data"]["unseen"]
    assert held_out == list(result.relations)
    assert len(held_out) == 2
    assert not set(held_out) & set(json.loads((tmp_path / "out" / CONFIG).read_text())["relations"])
    assert set(result.scores.per_relation) == set(held_out)
    assert result.tested == (16 if test == "sentences" else 14)
    again = Recorder()
    assert run_unseen(job, tmp_path / "out", again) == result
    assert again.losses == []


def test_epoch_and_threshold_can_be_chosen_by_relations_that_are_not_trained_on(
    corpus: Path, tmp_path: Path, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.training.unseen.MIN_LABELS", 1)
    few = {**options, "epochs": "1"}
    job = UnseenJob("documents", str(corpus), 1, choose_by=1, choose=10, report=10, options=few)
    result = run_unseen(job, tmp_path / "out", Recorder())
    data = json.loads((tmp_path / "out" / TRAINING).read_text())["question"]["data"]
    scored = read_config(tmp_path / "out").relations
    assert data["unseen"] == list(result.relations)
    assert scored[2:] == tuple(data["chosen_by"]), "one relation, behind those that are trained on"
    assert set(scored) == RELATIONS.keys() - {*data["unseen"]}


def test_relations_to_choose_by_are_not_shown_in_training(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: set[int] = set()
    sampled = LabelSampler.__call__

    def watched(self: LabelSampler, documents: list[EncodedDocument]) -> Batch:
        batch = sampled(self, documents)
        shown.update(batch.relation.tolist())
        return batch

    monkeypatch.setattr(LabelSampler, "__call__", watched)
    train_encoder(replace(job, chosen_by=(Relation("P36", RELATIONS["P36"]),)), tmp_path / "out", Recorder())
    relations = read_config(tmp_path / "out").relations
    assert {relations[one] for one in shown} == RELATIONS.keys() - {"P36"}


@pytest.mark.parametrize("frozen", ["true", "false"])
def test_relations_are_read_in_all_their_wordings_and_stored_without_them(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frozen: str
) -> None:
    read: dict[int, set[str]] = defaultdict(set)
    labels_of = Glidre._labels

    def watched(self: Glidre, relation: Tensor) -> Tensor:
        if self.training:
            for one in relation.tolist():
                read[one].add("".join(map(str, self.label_ids[one].tolist())))
        return labels_of(self, relation)

    monkeypatch.setattr(Glidre, "_labels", watched)
    options = {**job.options, "label_wordings": "true", "freeze_label_encoder": frozen, "epochs": "12"}
    whole = train_encoder(replace(job, options=options), tmp_path / "out", Recorder())
    wordings = load_relation_wordings()
    more = sum(len(wordings[one].forward) for one in RELATIONS if one in wordings)
    assert more > 4
    assert len(read) == len(RELATIONS) + more
    assert len({text for texts in read.values() for text in texts}) == len(read)
    assert read_config(tmp_path / "out").label_names == tuple(RELATIONS.values())
    scorer = EncoderScorer(tmp_path / "out", {})
    assert reported_scores(scorer, split_to_train_on(job)[1].report) == whole.reported


def test_wordings_are_for_models_that_read_names_and_relations_that_have_some(
    job: TrainingJob, corpus: Path, tmp_path: Path
) -> None:
    words = {"label_wordings": "true"}
    with pytest.raises(InputError, match="only GLiDRE reads the names"):
        train_encoder(replace(job, task="atlop", options=words), tmp_path / "one", Recorder())
    other = replace(job, train=copy_of(corpus, tmp_path / "other", "City", relation="tie"))
    with pytest.raises(InputError, match="wordings of Wikidata's properties only"):
        train_encoder(replace(other, options={**job.options, **words}), tmp_path / "two", Recorder())


def test_every_seed_draws_its_own_relations() -> None:
    draws = [drawn_relations(map(str, range(20)), 5, seed, "corpus") for seed in (0, 1, 0)]
    assert draws[0] == draws[2] != draws[1]
    assert len(draws[0]) == 5


def scored(title: str, rows: list[list[float]], pairs: list[tuple[int, int]] | None = None) -> PairScores:
    relations = tuple(relation.id for relation in SCHEMA.relations)
    return PairScores(title, relations, np.array(pairs or [(0, 1), (1, 0)]), np.array(rows, dtype=np.float32))


def test_a_sentence_is_answered_by_its_pairs_best_relation() -> None:
    asked = [
        document("a b", [[(0, 0, 1, "X")], [(0, 1, 2, "X")]], [(0, relation, 1)]) for relation in ("P17", "P17", "P36")
    ]
    scores = [
        scored("1", [[-3, -5, -9, 0], [-9, 9, 9, 0]]),
        scored("2", [[1, 2, 0, 0], [9, -9, -9, 0]]),
        scored("3", [[0, 4, 0, 9], [9, -9, -9, 0]]),
    ]
    counts = classified(asked, scores, SCHEMA)
    assert counts == {"P17": Counts(1, 1, 2), "P36": Counts(1, 2, 1), "P495": Counts(0, 0, 0)}


def test_a_label_of_an_entity_with_itself_is_no_question() -> None:
    asked = [document("a b", [[(0, 0, 1, "X")], [(0, 1, 2, "X")]], [(0, "P17", 0), (0, "P36", 1)])]
    counts = classified(asked, [scored("1", [[1, 2, -1, 9], [9, 0, 0, 0]])], SCHEMA)
    assert counts == {"P17": Counts(0, 0, 0), "P36": Counts(1, 1, 1), "P495": Counts(0, 0, 0)}


def test_a_pair_is_asked_once_and_may_hold_several_relations() -> None:
    labels = [(0, "P17", 1), (0, "P36", 1), (1, "P36", 0)]
    asked = [document("a b c", [[(0, 0, 1, "X")], [(0, 1, 2, "X")], [(0, 2, 3, "X")]], labels)]
    pairs = [(0, 1), (1, 0), (0, 2)]
    counts = classified(asked, [scored("1", [[1, 2, -1, 9], [-1, -1, 3, 9], [9, 0, 0, 0]], pairs)], SCHEMA)
    assert counts == {"P17": Counts(0, 0, 1), "P36": Counts(1, 1, 2), "P495": Counts(0, 1, 0)}


def test_documents_are_scored_over_all_pairs_by_the_threshold() -> None:
    asked = [document("a b", [[(0, 0, 1, "X")], [(0, 1, 2, "X")]], [(0, "P17", 1), (1, "P36", 0)])]
    counts = extracted(asked, [scored("1", [[1, 2, -1, 0], [-1, -1, 3, 0]])], SCHEMA)
    assert counts == {"P17": Counts(1, 1, 1), "P36": Counts(0, 1, 1), "P495": Counts(0, 1, 0)}


def test_macro_scores_are_means_over_relations() -> None:
    macro = MacroScores.of({"A": Counts(1, 1, 2), "B": Counts(0, 0, 3)})
    assert (macro.precision, macro.recall) == (0.5, 0.25)
    assert macro.f1 == pytest.approx(1 / 3)


def test_an_encoder_that_knows_relations_is_not_tested_on_unseen_ones(corpus: Path, tmp_path: Path) -> None:
    job = UnseenJob("documents", str(corpus), 1, choose=4, report=14, options={"encoder": "atlop-minilm"})
    with pytest.raises(InputError, match=r"-O encoder .*atlop-minilm.*: it was trained on 1 of the 1 relations"):
        run_unseen(job, tmp_path, Recorder())


def test_a_start_that_left_the_relations_out_is_tested_on_them(
    job: TrainingJob, corpus: Path, options: dict[str, str], tmp_path: Path
) -> None:
    few = {**options, "epochs": "1"}
    unseen = UnseenJob("documents", str(corpus), 1, choose=4, report=14, options=few)
    drawn = {one.id for one in _test_set(unseen)[0].relations}
    other = copy_of(corpus, tmp_path / "annotated", "City")
    (tmp_path / "left_out.txt").write_text(RELATIONS[min(drawn)].upper(), encoding="utf-8")
    pretraining = replace(job, train=other, options=few)
    for name, without in (("all", None), ("part", tmp_path / "left_out.txt")):
        train_encoder(replace(pretraining, without=without), tmp_path / name, Recorder())
    with pytest.raises(InputError, match=r"--from .*: it was trained on 1 of the 1 relations that are to be unseen"):
        run_unseen(replace(unseen, start=tmp_path / "all"), tmp_path / "tested", Recorder())
    assert drawn <= set(RELATIONS) - set(read_config(tmp_path / "part").relations)
    result = run_unseen(replace(unseen, start=tmp_path / "part"), tmp_path / "tested", Recorder())
    assert set(result.relations) == drawn
    (tmp_path / "part" / SEEN).unlink()
    with pytest.raises(InputError, match="which relations it was trained on is unknown"):
        run_unseen(replace(unseen, start=tmp_path / "part"), tmp_path / "other", Recorder())


def test_relations_left_out_neither_choose_nor_are_reported_on(
    job: TrainingJob, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[RelationSchema | None] = []

    class Recorded(EncoderScorer):
        def __init__(self, folder: Path, options: dict[str, str], schema: RelationSchema | None = None) -> None:
            asked.append(schema)
            super().__init__(folder, options, schema)

    monkeypatch.setattr("harness.encoders.scorer.EncoderScorer", Recorded)
    dev = copy_of(corpus, tmp_path / "dev", "City", "link")
    test = copy_of(corpus, tmp_path / "test", "Village")
    listed = tmp_path / "left_out.txt"
    listed.write_text("P17\nLink 1\n", encoding="utf-8")
    job = replace(job, dev=dev, test=test, without=listed, options={**job.options, "epochs": "1"})
    trained = train_encoder(job, tmp_path / "tiny", Recorder())
    left = list(RELATIONS)[1:]
    assert read_config(tmp_path / "tiny").relations == (*left, "X0", "X2", "X3")
    assert [[one.id for one in schema.relations] for schema in asked if schema] == [left]
    assert trained.reported
    gold = {(d.title, one.triplet) for d in load_dataset(test).documents for one in d.labels}
    assert trained.reported["gold"] == len([one for one in gold if one[1].relation != "P17"])
    listed.write_text("\n".join(f"link {place}" for place in range(4)), encoding="utf-8")
    with pytest.raises(InputError, match="all 4 relations are held out: leave one to choose by and report on"):
        train_encoder(replace(job, test=dev, dev=None), tmp_path / "other", Recorder())


def test_unseen_relations_are_left_out_by_name_where_training_has_other_ids(
    options: dict[str, str], corpus: Path, tmp_path: Path
) -> None:
    corpus = Path(copy_of(corpus, tmp_path / "open", "City"))
    for name in (corpus.name, "rel_info.json"):
        text = corpus.with_name(name).read_text(encoding="utf-8").replace('"P36"', '"SPOUSE"')
        corpus.with_name(name).write_text(text.replace('"capital"', '"Spouse"'), encoding="utf-8")
    few = {**options, "epochs": "1"}
    job = UnseenJob("sentences", str(corpus), 3, choose=4, report=4, fewrel=fewrel(tmp_path), options=few)
    assert set(run_unseen(job, tmp_path / "out", Recorder()).relations) == {"P17", "P26", "P40"}
    assert read_config(tmp_path / "out").relations == ("P1376", "P131")


@pytest.mark.parametrize(("listed", "told"), [("Country", "P17"), ("countri", "none, as no relation")])
def test_the_command_says_which_relations_it_left_out(
    options: dict[str, str], corpus: Path, tmp_path: Path, listed: str, told: str
) -> None:
    (tmp_path / "left_out.txt").write_text(listed, encoding="utf-8")
    fields = [word for key, value in {**options, "epochs": "1"}.items() for word in ("-O", f"{key}={value}")]
    done = harness(
        *("train", "glidre", "--train", str(corpus), "--choose", "4", "--report", "4", "--out", str(tmp_path / "out")),
        *("--without-relations", str(tmp_path / "left_out.txt"), *fields),
    )
    assert f"relations left out: {told}" in done.stdout


def test_a_missing_fewrel_is_named_by_its_option(corpus: Path, tmp_path: Path) -> None:
    told = error_line(
        harness("train", "unseen", "--train", str(corpus), "--test", "sentences", "--fewrel", str(tmp_path / "no"))
    )
    assert told.endswith("with --fewrel")


def test_unseen_takes_splits_of_corpora(options: dict[str, str], corpus: Path, tmp_path: Path) -> None:
    corpus = Path(copy_of(corpus, tmp_path / "docred", "City"))
    corpus.rename(corpus.with_name("train_annotated.json"))
    fields = [word for key, value in {**options, "epochs": "1"}.items() for word in ("-O", f"{key}={value}")]
    rows = harness_json(
        *("train", "unseen", "--train", "docred:train", "--data-dir", str(corpus.parent), "--test", "pairs"),
        *("-m", "1", "--seeds", "1", "--choose", "4", "--report", "14", "--out", str(tmp_path / "out"), "--json"),
        *fields,
    )
    assert [(row["test"], row["tested"]) for row in rows] == [("pairs", 14)]


def test_too_many_unseen_relations_are_refused(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="4 unseen relations of fewrel: choose from 1 to 3"):
        run_unseen(UnseenJob("sentences", str(corpus), 4, fewrel=fewrel(tmp_path)), tmp_path, Recorder())
    with pytest.raises(InputError, match="unseen relations of corpus"):
        run_unseen(UnseenJob("documents", str(corpus), 4, report=2, choose=2), tmp_path, Recorder())


def test_the_command_makes_a_table(options: dict[str, str], corpus: Path, tmp_path: Path) -> None:
    fields = [word for key, value in {**options, "epochs": "1"}.items() for word in ("-O", f"{key}={value}")]
    rows = harness_json(
        *("train", "unseen", "--train", str(corpus), "--test", "sentences", "-m", "1", "--seeds", "2"),
        *("--fewrel", str(fewrel(tmp_path)), "--choose", "4", "--report", "4", "--sentences", "1"),
        *("--out", str(tmp_path / "out"), "--json", *fields),
    )
    assert [(row["m"], row["seed"], row["f1"]) for row in rows] == [(1, 0, 100.0), (1, 1, 100.0)]
    assert len((tmp_path / "out" / "unseen.csv").read_text().splitlines()) == 3


def test_a_test_that_there_is_not_is_refused(corpus: Path) -> None:
    assert "--test books" in error_line(harness("train", "unseen", "--train", str(corpus), "--test", "books"))


def test_the_table_gives_mean_and_deviation_over_seeds() -> None:
    import pandas as pd

    rows = [
        {"test": "documents", "m": 5, "seed": seed, "precision": 50.0, "recall": 20.0, "f1": f1}
        for seed, f1 in enumerate((10.0, 20.0, 30.0))
    ]
    (line,) = summary(pd.DataFrame(rows)).to_dict("records")
    assert line["f1"] == "20.00 ± 10.00"
    assert (line["m"], line["seeds"]) == ("5", "3")


def test_a_schema_replaces_the_label_set() -> None:
    config = GlidreConfig(relations=("A",), label_names=("a",), label_style="upper")
    other = config.for_schema(RelationSchema((Relation("P1", "place of birth"), Relation("P2", "age"))))
    assert (other.relations, other.label_names) == (("P1", "P2"), ("PLACE_OF_BIRTH", "AGE"))
