"""The leaderboard ranks what is complete and comparable, and says why the rest is not ranked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.analyses.leaderboards import Leaderboard, RunFilter, leaderboards
from harness.analyses.leaderboards.across import SYSTEM, across, named_system, shared_documents
from harness.analyses.leaderboards.ranking import MISMATCHED
from harness.errors import InputError
from harness.prompting.relations import COUNTED_TYPES
from harness.redaction import HIDDEN
from harness.runs import consistency
from harness.runs.failures import MOST_FAILED
from harness.runs.planned_run import question_digest
from harness.scoring.counts import Counts
from harness.scoring.official import SCORER_VERSION
from harness.store import RunFolder
from tests.commands import harness_here
from tests.simulated import golds, simulated
from tests.stored_runs import GOLD, OF_AN_ENCODER, as_manifest, manifest_of, simulated_run, write_run

DOCUMENTS = 100


def write_systems(results: Path, recalls: dict[str, float]) -> None:
    """Systems over the same 100 documents, each of which finds its share of the gold triplets."""
    rng = np.random.default_rng(7)
    gold = golds(rng, DOCUMENTS)
    for name, recall in recalls.items():
        write_run(results, name, simulated(rng, recall, 8, gold))


def only_board(results: Path, **filters: str) -> Leaderboard:
    (board,) = leaderboards(results, RunFilter(**filters))
    return board


def test_runs_are_ranked_by_f1(tmp_path: Path) -> None:
    simulated_run(tmp_path, "low", 0.1)
    simulated_run(tmp_path, "high", 0.9)
    board = only_board(tmp_path)
    assert list(board.ranked["model"]) == ["high", "low"]
    assert list(board.ranked["rank"]) == [1, 2]
    assert list(board.ranked["seconds"]) == [5.0, 5.0], "a session that only replayed took no model time"


def test_runs_that_the_tests_do_not_tell_apart_share_a_rank(tmp_path: Path) -> None:
    write_systems(tmp_path, {"a": 0.5, "b": 0.499, "c": 0.3, "d": 0.299, "e": 0.1})
    ranked = only_board(tmp_path).ranked.set_index("model")
    assert dict(ranked["rank"]) == {"a": 1, "b": 1, "c": 3, "d": 3, "e": 5}
    for test in ("p_bootstrap", "p_randomisation"):
        p_values = list(ranked[test])
        assert np.isnan(p_values[0])
        assert [p < 0.05 for p in p_values[1:]] == [False, True, False, True]


def test_a_row_is_compared_with_the_first_of_its_group_not_only_with_the_row_above(tmp_path: Path) -> None:
    """Each of these is like its neighbours, but the last is not like the first."""
    recalls = {f"system {number}": 0.5 - 0.008 * number for number in range(8)}
    write_systems(tmp_path, recalls)
    ranked = only_board(tmp_path).ranked
    assert ranked["rank"].iloc[1] == 1
    assert ranked["rank"].iloc[-1] > 1


def test_repetitions_are_one_row_with_mean_and_deviation(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    gold = golds(rng, DOCUMENTS)
    systems = [("m", number, {}) for number in range(3)] + [("m", 3, {"max_triplets": 5}), ("n", 0, {})]
    for model, number, more in systems:
        question = {
            "model": {"name": model},
            "repeat": number,
            "sampling": {"seed": number, "temperature": 0.7},
            **more,
        }
        counts = simulated(rng, 0.5 + number / 50, 8, gold)
        write_run(tmp_path, f"run-{model}-{number}", counts, question=question)
    each = leaderboards(tmp_path, each_run=True)[0].ranked.set_index("run_id")
    assert len(each) == 5
    assert each["runs"].isna().all()
    ranked = only_board(tmp_path).ranked.set_index("run_id")
    row = ranked.loc["run-m-0 run-m-1 run-m-2"]
    assert len(ranked) == 3
    f1 = each.loc[["run-m-0", "run-m-1", "run-m-2"]]["f1"]
    assert (row["runs"], row["f1"], row["f1_spread"]) == (3, pytest.approx(f1.mean()), pytest.approx(f1.std()))
    assert row["f1_low"] < row["f1"] < row["f1_high"]
    assert row["seconds"] == 5.0
    assert row.isna()["per_hour"], "answers of other runs took none of its time"
    assert row["requests"] == DOCUMENTS


def test_rows_that_differ_in_their_decoding_tell_so(tmp_path: Path) -> None:
    config = {"dataset": "sample", "split": None, "data_dir": None}
    asked = [
        {},
        {"temperature": 0, "top_p": 1.0},
        {"temperature": 0.7, "top_p": 0.9},
        {"max_triplets": 30, "max_tokens": 512},
    ]
    for number, more in enumerate(asked):
        told = {"prompt_label": "tagged", "config": {**config, **more}}
        simulated_run(tmp_path, f"m{number}", 0.5, manifest=told)
    prompts = only_board(tmp_path).ranked.set_index("model")["prompt"]
    assert list(prompts.sort_index()) == [
        "tagged",
        "tagged",
        "tagged temperature=0.7 top-p=0.9",
        "tagged max-triplets=30 max-tokens=512",
    ]


def test_the_interval_is_around_the_score(tmp_path: Path) -> None:
    write_systems(tmp_path, {"a": 0.5})
    row = only_board(tmp_path).ranked.iloc[0]
    assert row["f1_low"] < row["f1"] < row["f1_high"] < row["f1_low"] + 0.1


def test_the_order_of_the_documents_in_a_run_does_not_matter(tmp_path: Path) -> None:
    gold = [Counts(number % 3, 5, 6) for number in range(20)]
    titles = [f"document {number}" for number in range(20)]
    write_run(tmp_path, "a", gold, titles=titles)
    write_run(tmp_path, "b", gold[::-1], titles=titles[::-1])
    assert list(only_board(tmp_path).ranked["p_bootstrap"])[1] == 1.0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"manifest": {"documents": {"asked": 10, "in_split": 20}}}, "partial: 10 of 20 documents"),
        ({"manifest": {"statuses": {"ok": 8, "api_error": 2}}}, "2 of 10 documents without a full answer: 2 api_error"),
        ({"manifest": {"statuses": {"ok": 9, "truncated": 1}}}, "1 of 10 documents without a full answer: 1 truncated"),
        ({"manifest": {"statuses": {"refused": 10}}}, "10 of 10 documents without a full answer: 10 refused"),
        ({"labels": {"kind": "none", "name": ""}}, "no gold labels: not scored"),
        ({"labels": {"kind": "model", "name": "gpt-4o"}}, "silver: labels written by a model (gpt-4o)"),
        ({"labels": {"kind": "distant", "name": ""}}, "silver: labels of distant supervision"),
        ({"manifest": {"status": "running"}}, "running"),
        ({"question": {"prompt": {"options": {"given": "heads"}}}}, "consults gold: the heads come from the labels"),
        (
            {"manifest": {"documents": {"asked": 10, "in_split": 20}}, "question": {"candidates": "gold"}},
            "partial: 10 of 20 documents; consults gold: the candidates come from the labels",
        ),
        (
            {"question": {"relation_texts": COUNTED_TYPES, "prompt": {"options": {"options": "8"}}}},
            "consults gold: the argument types come from the labels",
        ),
        ({"scorer_version": SCORER_VERSION + 1}, "`harness score` it again"),
        ({"titles": [f"another {number}" for number in range(10)]}, MISMATCHED),
    ],
)
def test_what_cannot_be_compared_stands_apart_with_its_reason(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    simulated_run(tmp_path, "a", 0.1)
    prompt = {"options": {"given": "none", "options": "8"}}
    simulated_run(tmp_path, "b", 0.2, question={"prompt": prompt, "refine": {}, "relation_texts": COUNTED_TYPES})
    simulated_run(tmp_path, "c", 0.9, **changes)
    board = only_board(tmp_path)
    assert sorted(board.ranked["model"]) == ["a", "b"]
    assert list(board.unranked["model"]) == ["c"]
    assert reason in board.unranked["reason"].iloc[0]


def test_runs_with_few_failures_are_ranked_where_that_is_allowed(tmp_path: Path) -> None:
    simulated_run(tmp_path, "a", 0.5, manifest={"statuses": {"ok": 9, "api_error": 1}})
    (board,) = leaderboards(tmp_path, max_failed=0.1)
    assert list(board.ranked["coverage"]) == [0.9]
    assert board.note.startswith("up to 10% of a run's documents may lack a full answer")
    assert only_board(tmp_path).as_json()["max_failed"] == MOST_FAILED


def test_a_board_of_complete_answers_has_no_note(tmp_path: Path) -> None:
    simulated_run(tmp_path, "a", 0.5)
    assert only_board(tmp_path).note == ""


def test_another_file_under_the_same_name_is_another_board_with_its_checksum(tmp_path: Path) -> None:
    simulated_run(tmp_path, "a", 0.1)
    simulated_run(tmp_path, "b", 0.2, question={"dataset": {"name": "sample", "split": "dev", "sha256": "bb"}})
    boards = leaderboards(tmp_path)
    assert [len(board.ranked) for board in boards] == [1, 1]
    assert [board.title for board in boards] == ["sample dev, file aa", "sample dev, file bb"]


def test_other_relations_over_the_same_file_are_another_board(tmp_path: Path) -> None:
    for name, relations in (("a", "11"), ("b", "22")):
        simulated_run(tmp_path, name, 0.1, manifest={"schema_sha256": relations})
    boards = leaderboards(tmp_path)
    assert [board.title for board in boards] == [
        "sample dev, file aa, relations 11",
        "sample dev, file aa, relations 22",
    ]


def test_a_run_from_before_relations_were_recorded_is_on_the_board_of_its_file(tmp_path: Path) -> None:
    simulated_run(tmp_path, "a", 0.1)
    simulated_run(tmp_path, "b", 0.2, manifest={"schema_sha256": "11"})
    assert sorted(only_board(tmp_path).ranked["model"]) == ["a", "b"]


def test_the_alignment_of_a_run_is_told(tmp_path: Path) -> None:
    simulated_run(tmp_path, "a", 0.5)
    aligned = {"fingerprint": "f", "texts_sha256": "t", "theta": 0.6}
    for name, over in (("b", "names"), ("c", "descriptions")):
        config = {"dataset": "sample", "split": "dev", "data_dir": None, "align": "/models/minilm", "align_over": over}
        simulated_run(tmp_path, name, 0.5, question={"alignment": aligned}, manifest={"config": config})
    simulated_run(tmp_path, "d", 0.5, manifest=OF_AN_ENCODER, question={"constraint": {"level": ""}})
    ranked = only_board(tmp_path).ranked.set_index("model")
    assert dict(ranked["alignment"]) == {"a": "none", "b": "minilm 0.6", "c": "minilm 0.6 over descriptions", "d": ""}


@pytest.mark.parametrize(
    ("filters", "models"),
    [
        ({"model": "qwen*"}, ["qwen-7b", "qwen-72b"]),
        ({"model": "qwen"}, []),
        ({"prompt": "rhf"}, ["qwen-72b"]),
        ({"prompt": "rhf refs=name"}, ["qwen-72b"]),
        ({"constraint": "none", "model": "*"}, ["llama"]),
        ({"runner": "encoder"}, ["atlop"]),
        ({"dataset": "sam*", "split": "dev"}, ["atlop", "llama", "qwen-72b", "qwen-7b"]),
        ({"split": "test"}, []),
    ],
)
def test_filters_take_patterns(tmp_path: Path, filters: dict[str, str], models: list[str]) -> None:
    simulated_run(tmp_path, "qwen-7b", 0.5)
    simulated_run(tmp_path, "qwen-72b", 0.6, manifest={"prompt_label": "rhf refs=name"})
    simulated_run(tmp_path, "llama", 0.7, question={"constraint": {"level": "none"}})
    simulated_run(tmp_path, "atlop", 0.8, manifest=OF_AN_ENCODER)
    found = [model for board in leaderboards(tmp_path, RunFilter(**filters)) for model in board.ranked["model"]]
    assert sorted(found) == sorted(models)


def test_a_damaged_run_does_not_hide_the_others(tmp_path: Path) -> None:
    simulated_run(tmp_path, "a", 0.1)
    broken = simulated_run(tmp_path, "broken", 0.1)
    (broken.path / "manifest.json").write_text("{", encoding="utf-8")
    no_counts = simulated_run(tmp_path, "no counts", 0.1)
    metrics = {**no_counts.read_metrics().as_json(), "per_document": {"document 0": "none"}}
    (no_counts.path / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    damaged, board = leaderboards(tmp_path)
    assert list(board.ranked["model"]) == ["a"]
    assert damaged.title == "damaged runs"
    assert list(damaged.unranked["run_id"]) == ["broken"]
    assert list(board.unranked["run_id"]) == ["no counts"]
    assert all("damaged" in reason for one in (damaged, board) for reason in one.unranked["reason"])


def changed_scores(**scores: object) -> Callable[[RunFolder], None]:
    def change(run: RunFolder) -> None:
        metrics = run.read_metrics().as_json()
        metrics["metrics"] |= scores
        (run.path / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")

    return change


def negative_seconds(run: RunFolder) -> None:
    manifest = run.read_manifest()
    run.write_manifest(manifest.changed(sessions=[{"started": 0.0, "finished": 5.0, "seconds": -4.0, "sent": 3}]))


def another_question(run: RunFolder) -> None:
    manifest = run.read_manifest()
    question = manifest.question.as_json()
    own = manifest.changed(run_id=f"sample-dev-{question_digest(question)}")
    assert consistency.id_fits(own.run_id, own)
    run.write_manifest(own.changed(question={**question, "model": {"name": "gpt-5"}}))


def cut(name: str, end: int) -> Callable[[RunFolder], None]:
    def change(run: RunFolder) -> None:
        (run.path / name).write_bytes((run.path / name).read_bytes()[:end])

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (changed_scores(f1=None), "f1 is None"),
        (changed_scores(f1="0.5"), "f1: Input should be a valid number"),
        (changed_scores(f1=0.99), "f1 is 0.99, where its counts give"),
        (changed_scores(f1=5.0), "f1 is 5.0, where its counts give"),
        (changed_scores(intra_f1=-0.5), "intra_f1 is -0.5"),
        (changed_scores(ign_f1=0.9, correct_in_train=1), "ign_f1 is 0.9, where its counts give"),
        (changed_scores(correct=1), "correct is 1, where the counts of the documents give"),
        (negative_seconds, "seconds below 0"),
        (another_question, "its question is not that of its id"),
        (cut("documents.jsonl", -3), "documents.jsonl: holds 9 of the run's 10 documents"),
        (cut("documents.jsonl", -1), "documents.jsonl: was cut off in line 10"),
        (cut("predictions.json", -2), "predictions.json: was cut off"),
        (lambda run: (run.path / "documents.jsonl").unlink(), "documents.jsonl: no such file"),
        (lambda run: (run.path / "predictions.json").unlink(), "predictions.json: no such file"),
    ],
)
def test_a_run_whose_files_do_not_fit_each_other_is_damaged(
    tmp_path: Path, change: Callable[[RunFolder], None], reason: str
) -> None:
    simulated_run(tmp_path, "a", 0.1)
    change(simulated_run(tmp_path, "b", 0.2))
    board, *others = leaderboards(tmp_path)
    assert list(board.ranked["model"]) == ["a"]
    assert [len(one.ranked) for one in others] == []
    (told,) = board.unranked["reason"]
    assert told.startswith("damaged: ")
    assert reason in told


def test_a_run_without_metrics_is_told_how_it_is_scored(tmp_path: Path) -> None:
    (simulated_run(tmp_path, "a", 0.1).path / "metrics.json").unlink()
    assert "`harness score a` scores it" in only_board(tmp_path).unranked["reason"].iloc[0]


def test_the_id_of_an_encoder_and_one_with_a_hidden_part_fit() -> None:
    """What is asked of an encoder has no constraint; a hidden part cannot be compared."""
    manifest = as_manifest(manifest_of("a", 1, {"constraint": {"level": ""}}))
    asked = {name: value for name, value in manifest.question.as_json().items() if name != "constraint"}
    assert consistency.id_fits(f"sample-dev-a-{question_digest(asked)}", manifest)
    assert not consistency.id_fits("sample-dev-a-00000000", manifest)
    hidden = as_manifest(manifest_of("a", 1, {"model": {"name": "a", "identity": {"-M key": HIDDEN}}}))
    assert consistency.id_fits("sample-dev-a-00000000", hidden)


def test_missing_values_are_null_in_json(tmp_path: Path) -> None:
    simulated_run(tmp_path, "a", 0.1)
    row = json.loads(json.dumps(only_board(tmp_path).as_json()))["ranked"][0]
    assert row["rank"] == 1
    assert row["ign_f1"] is row["cost_usd"] is row["p_bootstrap"] is None


def test_votes_of_other_runs_and_other_imported_files_are_systems_of_their_own(tmp_path: Path) -> None:
    def combined(name: str, split: str, members: str, share: str) -> None:
        identity = {"name": "votes", "identity": {"least_share": share}}
        question = {"model": identity, "dataset": {"name": "sample", "split": split, "sha256": split}}
        ids = [{"run_id": f"sample-{split}-{member}-{name}"} for member in members]
        manifest = {"runner": "imported", "prompt_label": "", "combines": ids}
        simulated_run(tmp_path, f"sample-{split}-votes-{name}", 0.5, question=question, manifest=manifest)

    for name, split, members, share in [
        ("01", "dev", "ab", "0.5"),
        ("02", "dev", "abc", "0.5"),
        ("03", "dev", "ab", "1"),
        ("04", "test", "ab", "0.5"),
        ("05", "dev", "aac", "0.5"),
        ("06", "dev", "aac", "0.5"),
    ]:
        combined(name, split, members, share)
    for name, recall in (("11", 0.2), ("12", 0.8)):
        question = {"model": {"name": "theirs", "identity": {"file": name}}, "dataset": {"name": "sample"}}
        question["dataset"] |= {"split": "dev", "sha256": "dev"}
        manifest = {"runner": "imported", "prompt_label": ""}
        simulated_run(tmp_path, f"sample-dev-theirs-{name}", recall, question=question, manifest=manifest)
    table = across(leaderboards(tmp_path))
    assert sorted(zip(table["model"], table["prompt"], strict=True)) == [
        ("theirs (11)", ""),
        ("theirs (12)", ""),
        ("votes", "least share 0.5 of a, b"),
        ("votes", "least share 0.5 of a, b, c"),
        ("votes", "least share 1 of a, b"),
        ("votes (05)", "least share 0.5 of 2 a, c"),
        ("votes (06)", "least share 0.5 of 2 a, c"),
    ]
    assert table["sample test"].notna().sum() == 1


def test_a_table_over_corpora_has_a_row_a_system_and_never_mixes_scores(tmp_path: Path) -> None:
    def of(corpus: str, model: str) -> dict[str, Any]:
        return {"dataset": {"name": corpus, "split": "dev", "sha256": corpus}, "model": {"name": model}}

    for number, (corpus, model, recall) in enumerate(
        [("cdr", "a", 0.9), ("cdr", "a", 0.9), ("redocred", "a", 0.4), ("redocred", "b", 0.8)]
    ):
        simulated_run(tmp_path, f"run-{number}", recall, question=of(corpus, model))
    # Neither ranked: another version of the scorer, and labels of a model.
    simulated_run(tmp_path, "old", 0.9, question=of("redocred", "c"), scorer_version=0)
    simulated_run(tmp_path, "silver", 0.9, question=of("redocred", "c"), labels={"kind": "model", "name": "m"})
    table = across(leaderboards(tmp_path))
    assert list(table.columns) == [*SYSTEM, "cdr dev", "redocred dev"]
    assert list(table["model"]) == ["a", "b"]
    assert table["cdr dev"].isna().tolist() == [False, True]
    boards = leaderboards(tmp_path, each_run=True)
    (one,) = {row["f1"] for board in boards for row in board.as_json()["ranked"] if row["run_id"] == "run-0"}
    assert table["cdr dev"][0] == pytest.approx(one)
    shown = harness_here("leaderboard", "--across", "--results-dir", tmp_path, "--format", "markdown").stdout
    assert shown.count("\n|") == 4
    assert f"| {100 * one:.2f} |" in shown
    assert (
        len(json.loads(harness_here("leaderboard", "--across", "--results-dir", tmp_path, "--format", "json").stdout))
        == 2
    )
    done = harness_here("leaderboard", "--across", "--results-dir", tmp_path, "--out", tmp_path / "across.parquet")
    assert (done.returncode, (tmp_path / "across.parquet").is_file()) == (0, True)
    assert "columns and rows of its own" in harness_here("leaderboard", "--across", "--reported").stderr


def test_runs_of_one_system_with_other_settings_are_never_averaged(tmp_path: Path) -> None:
    """A row tells other relation texts; what no row tells is told apart by the run's id."""

    def of(corpus: str, **more: Any) -> dict[str, Any]:
        return {"dataset": {"name": corpus, "split": "dev", "sha256": corpus}, "model": {"name": "a"}, **more}

    config = {"dataset": "x", "split": "dev", "data_dir": None, "relation_texts": "names"}
    runs: list[tuple[str, float, dict[str, Any], dict[str, Any]]] = [
        ("cdr", 0.9, {}, {}),
        ("cdr", 0.3, {"relation_texts": "c1"}, {"config": config}),
        ("gda", 0.5, {"relation_texts": "c2"}, {"config": config}),
        # Another version of the prompt, twice repeated.
        ("dwie", 0.9, {"prompt": {"name": "tagged", "version": 2}, "repeat": 0}, {}),
        ("dwie", 0.9, {"prompt": {"name": "tagged", "version": 2}, "repeat": 1}, {}),
        ("dwie", 0.2, {}, {}),
    ]
    for number, (corpus, recall, question, told) in enumerate(runs):
        simulated_run(tmp_path, f"run-{number}", recall, question=of(corpus, **question), manifest=told)
    boards = leaderboards(tmp_path)
    table = across(boards).set_index(["model", "prompt"])
    assert sorted(table.index) == [
        ("a", "tagged"),
        ("a", "tagged relation-texts=names"),
        ("a (4)", "tagged"),
        ("a (5)", "tagged"),
    ]
    assert table["cdr dev"].notna().tolist() == [True, True, False, False]
    assert table.loc[("a", "tagged relation-texts=names"), ["cdr dev", "gda dev"]].notna().all()
    shown = {row["f1"] for board in boards for row in board.as_json()["ranked"]}
    assert set(table[["cdr dev", "gda dev", "dwie dev"]].stack().dropna()) == shown


def test_numbered_titles_are_those_of_one_file_only(tmp_path: Path) -> None:
    def of(corpus: str, split: str, file: str) -> dict[str, Any]:
        return {"dataset": {"name": corpus, "split": split, "sha256": file}, "model": {"name": "a"}}

    for name, split, file, titles in (
        ("fewrel", "dev", "one", "sentence {}"),
        ("fewrel", "dev-m5-seed-0", "one", "sentence {}"),
        ("wiki-zsl", "m5-seed-0", "other", "sentence {}"),
        ("mine", "all", "a", "{}"),
        ("yours", "all", "b", "{}"),
        ("cdr", "dev", "c", "75427{}"),
        ("biored", "dev", "d", "75427{}"),
    ):
        numbered = [titles.format(f"{number:02}" if "7" in titles else number) for number in range(len(GOLD))]
        simulated_run(tmp_path, f"{name}-{split}", 0.5, question=of(name, split, file), titles=numbered)
    notes = shared_documents(leaderboards(tmp_path))
    assert [note.partition(" have ")[0] for note in notes] == [
        "biored dev and cdr dev",
        "fewrel dev and fewrel dev-m5-seed-0",
    ]


def test_imported_files_of_a_named_system_give_their_mean(tmp_path: Path) -> None:
    for name, recall in (("seed-0", 0.2), ("seed-1", 0.8), ("other", 0.5)):
        question = {"model": {"name": f"theirs/{name}"}, "dataset": {"name": "cdr", "split": "dev", "sha256": "cdr"}}
        manifest = {"runner": "imported", "prompt_label": ""}
        simulated_run(tmp_path, f"cdr-dev-{name}", recall, question=question, manifest=manifest)
    boards = leaderboards(tmp_path)
    alone = across(boards).set_index("model")["cdr dev"]
    table = across(boards, [named_system("Theirs=cdr:theirs/seed-*")]).set_index("model")["cdr dev"]
    assert set(table.index) == {"Theirs", "theirs/other"}
    assert table["Theirs"] == pytest.approx((alone["theirs/seed-0"] + alone["theirs/seed-1"]) / 2)
    with pytest.raises(InputError, match="--system theirs/other: is the name of a model on cdr dev; choose another"):
        across(boards, [named_system("theirs/other=cdr:theirs/seed-*")])


def test_models_trained_for_one_corpus_each_are_one_row(tmp_path: Path) -> None:
    def of(corpus: str, model: str) -> dict[str, Any]:
        return {"dataset": {"name": corpus, "split": "dev", "sha256": corpus}, "model": {"name": model}}

    for number, (corpus, model, recall) in enumerate(
        [
            *(("docred", "e/atlop-docred/seed-0", 0.5), ("docred", "e/atlop-docred/seed-1", 0.7)),
            *(("redocred", "e/atlop-redocred/seed-0", 0.6), ("redocred", "b", 0.8)),
            # An encoder on the other corpus is no part of the row: it was not trained for it.
            ("docred", "e/atlop-redocred/seed-0", 0.9),
        ]
    ):
        simulated_run(tmp_path, f"run-{number}", recall, question=of(corpus, model))
    boards = leaderboards(tmp_path)
    one = named_system("ATLOP = docred:e/atlop-docred/*, redocred:e/atlop-redocred/*")
    table = across(boards, [one]).set_index("model")
    f1 = {row["model"]: row["f1"] for board in boards[:1] for row in board.as_json()["ranked"]}
    mean = (f1["e/atlop-docred/seed-0"] + f1["e/atlop-docred/seed-1"]) / 2
    assert list(table.index) == ["ATLOP", "b", "e/atlop-redocred/seed-0"]
    assert table.loc["ATLOP", "docred dev"] == pytest.approx(mean)
    assert table.loc["ATLOP", ["docred dev", "redocred dev"]].notna().all()
    assert table.loc["e/atlop-redocred/seed-0", ["docred dev", "redocred dev"]].notna().tolist() == [True, False]

    given = ("--system", "ATLOP=docred:e/atlop-docred/*,redocred:e/atlop-redocred/*")
    done = harness_here("leaderboard", "--across", *given, "--results-dir", tmp_path, "--format", "markdown")
    assert "| ATLOP |" in done.stdout
    documents = len(boards[0].titles)
    assert f"note: docred dev and redocred dev have {documents} documents in common, by their titles" in done.stderr
    for options, told in (
        (("--system", "ATLOP"), "--system ATLOP: write NAME=DATASET:MODEL,DATASET:MODEL"),
        (("--system", "A=docred:"), "--system A=docred:: write NAME=DATASET:MODEL"),
        (("--system", "A=cdr:*"), "--system A: no ranked run is of its datasets and models"),
        (("--system", "A=docred:e/*", "--system", "B=doc*:*"), "--system A and B both take e/atlop-"),
    ):
        refused = harness_here("leaderboard", "--across", *options, "--results-dir", tmp_path)
        assert (refused.returncode, told in refused.stderr) == (2, True), refused.stderr
    alone = harness_here("leaderboard", "--system", "A=docred:*", "--results-dir", tmp_path)
    assert "--system names rows of the table over all datasets: give --across, too" in alone.stderr
