"""`harness compare` on real runs of the sample corpus: who found what, by which part, and whether it is chance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from harness.analyses.comparison import Comparison, compare_runs
from harness.cli.main import app
from harness.datasets.registry import load_dataset
from harness.errors import HarnessError, InputError
from harness.runs.config import RunConfig
from harness.runs.results import RunResult
from harness.runs.sources.imported import import_run
from harness.scoring.submission import write_submission
from harness.store import RunFolder, find_run
from harness.types import Document, Prediction, Triplet

WRONG = Triplet(0, "P17", 0)


def documents() -> Sequence[Document]:
    return list(load_dataset("sample").documents)


def store(results: Path, name: str, claimed: dict[str, list[Triplet]]) -> RunFolder:
    """A system's predictions on the sample, as a stored run."""
    file = results / f"{name}.json"
    results.mkdir(exist_ok=True)
    write_submission(file, ((title, Prediction(one)) for title, several in claimed.items() for one in several))
    return import_run(file, RunConfig(model=name, dataset="sample", results=results)).folder


def gold(document: Document, *relations: str) -> list[Triplet]:
    """The labels of some relations, or all."""
    return [label.triplet for label in document.labels if not relations or label.triplet.relation in relations]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``country`` finds one relation in all documents, ``first`` all in the first ten, ``wrong`` adds wrong ones."""
    results = tmp_path_factory.mktemp("results")
    store(results, "country", {document.title: gold(document, "P17") for document in documents()})
    store(results, "first", {document.title: gold(document) for document in documents()[:10]})
    store(results, "wrong", {document.title: [*gold(document), WRONG] for document in documents()[:10]})
    return results


def compared(folder: Path, a: str, b: str) -> Comparison:
    return compare_runs(find_run(folder, f"-{a}-"), find_run(folder, f"-{b}-"), resamples=1000)


def test_a_run_that_a_leaderboard_does_not_rank_is_compared_with_the_reason(tmp_path: Path) -> None:
    store(tmp_path, "whole", {document.title: gold(document) for document in documents()})
    file = tmp_path / "part.json"
    write_submission(file, ((documents()[0].title, Prediction(one)) for one in gold(documents()[0])))
    part = import_run(file, RunConfig(model="part", dataset="sample", limit=1, results=tmp_path)).folder
    comparison = compare_runs(find_run(tmp_path, "-whole-"), part, resamples=100)
    assert comparison.not_ranked == {"b": "partial: 1 of 33 documents"}
    assert comparison.as_json()["not_ranked"] == comparison.not_ranked


def test_the_overall_scores_are_those_of_the_runs(folder: Path) -> None:
    comparison = compared(folder, "country", "first")
    table = comparison.overall.set_index("measure")
    for column, name in (("a", "country"), ("b", "first")):
        metrics = RunResult.load(find_run(folder, f"-{name}-")).metrics.official
        assert {measure: table.loc[measure, column] for measure in table.index} == pytest.approx(
            {measure: getattr(metrics, measure) for measure in ("precision", "recall", "f1")}
        )
    assert (table["low"] <= table["difference"]).all()
    assert (table["difference"] <= table["high"]).all()
    assert table.loc["precision", "p_randomisation"] == 1.0, "both are always right"


def test_every_gold_triplet_is_found_by_both_one_or_neither(folder: Path) -> None:
    comparison = compared(folder, "country", "first")
    labels = sum(len(document.labels) for document in documents())
    for table in (comparison.relations, comparison.distances, comparison.types, comparison.documents):
        assert (table["both"] + table["only_a"] + table["only_b"] + table["neither"] == table["gold"]).all()
        assert table["gold"].sum() == labels
        assert table["wrong_a"].sum() == table["wrong_b"].sum() == 0
    country = comparison.relations.set_index("part").loc["P17"]
    in_first = sum(len(gold(document, "P17")) for document in documents()[:10])
    assert (country["both"], country["only_b"], country["neither"]) == (in_first, 0, 0)
    assert country["only_a"] == country["gold"] - in_first
    assert country["name"] == "country"
    assert comparison.relations["gold"].is_monotonic_decreasing


def test_what_only_one_run_predicted_is_listed_with_names_and_types(folder: Path) -> None:
    comparison = compared(folder, "first", "wrong")
    assert len(comparison.triplets) == 10
    row = comparison.triplets.iloc[0]
    entity = next(document for document in documents() if document.title == row["title"]).entities[0]
    assert (row["predicted_by"], bool(row["correct"]), row["name"]) == ("b", False, "country")
    assert row["head"] == row["tail"] == entity.name
    assert row["types"] == f"{entity.type} to {entity.type}"
    assert row["distance"] == "intra"
    assert comparison.documents["wrong_b"].tolist().count(1) == 10


def test_parts_in_which_the_runs_agree_are_not_tested_nor_corrected_for(folder: Path) -> None:
    relations = compared(folder, "first", "wrong").relations.set_index("part")
    tested = relations[relations["p_adjusted"].notna()]
    assert list(tested.index) == ["P17"]
    largest = tested[["p_bootstrap", "p_randomisation"]].max(axis=1)
    assert tested["p_adjusted"].tolist() == largest.tolist(), "one test needs no correction"
    assert (relations.drop(index="P17")["difference"] == 0).all()


def test_a_part_differs_only_if_both_tests_say_so_after_correction(folder: Path) -> None:
    relations = compared(folder, "country", "first").relations.dropna()
    larger = relations[["p_bootstrap", "p_randomisation"]].max(axis=1)
    assert (relations["p_adjusted"] >= larger).all()
    smallest = larger.idxmin()
    assert relations.loc[smallest, "p_adjusted"] == pytest.approx(min(1.0, larger[smallest] * len(relations)))


def test_turning_the_runs_around_turns_the_signs(folder: Path) -> None:
    there, back = compared(folder, "country", "first"), compared(folder, "first", "country")
    assert back.overall["difference"].tolist() == pytest.approx((-there.overall["difference"]).tolist())
    assert back.relations["only_a"].tolist() == there.relations["only_b"].tolist()
    assert back.relations["p_randomisation"].dropna().tolist() == there.relations["p_randomisation"].dropna().tolist()


def test_runs_of_different_parts_of_a_split_are_compared_on_what_they_share(folder: Path, tmp_path: Path) -> None:
    command = ["run", "--model", "mock", "--prompt", "tagged", "--dataset", "sample", "--limit", "4", "--json"]
    partial = CliRunner().invoke(app, [*command, "--results-dir", str(tmp_path)], catch_exceptions=False)
    comparison = compare_runs(RunFolder(Path(json.loads(partial.stdout)["run_dir"])), find_run(folder, "-first-"))
    assert comparison.documents_compared == 4
    assert comparison.documents_asked == (4, 33)
    assert comparison.overall.set_index("measure").loc["f1", "b"] == 1.0


def test_tables_are_printed_stored_and_given_as_json(folder: Path, tmp_path: Path) -> None:
    command = ["compare", "country-imported", "first-imported", "--results-dir", str(folder), "--resamples", "500"]
    out = tmp_path / "comparison"
    shown = CliRunner().invoke(app, [*command, "--top", "3", "--out", str(out)], catch_exceptions=False).stdout
    assert "33 documents in both" in shown
    assert "by relation, most frequent first (p corrected: holm), 3 of" in shown
    content = json.loads(CliRunner().invoke(app, [*command, "--json"], catch_exceptions=False).stdout)
    assert content == json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    for name in ("overall", "relations", "distances", "types", "documents", "triplets"):
        stored = pd.read_csv(out / f"{name}.csv")
        assert len(stored) == len(content[name])
        assert list(stored.columns) == list(content[name][0])


def test_systems_that_agree_everywhere_leave_nothing_to_test(folder: Path, tmp_path: Path) -> None:
    predictions = {document.title: gold(document) for document in documents()[:10]}
    copy = store(tmp_path, "copy", predictions)
    comparison = compare_runs(find_run(folder, "-first-"), copy, resamples=200)
    assert comparison.triplets.empty
    assert comparison.relations["p_adjusted"].isna().all()
    assert comparison.overall["p_bootstrap"].tolist() == [1.0] * 3


@pytest.mark.parametrize(
    ("claimed", "of_b"),
    [
        ({}, {}),
        ({}, {"first": WRONG}),
        ({"first": WRONG}, {"first": WRONG}),
        ({"first": WRONG}, {}),
    ],
)
def test_runs_with_few_or_equal_predictions_are_shown(
    tmp_path: Path, claimed: dict[str, Triplet], of_b: dict[str, Triplet]
) -> None:
    title = documents()[0].title
    runs = [
        store(tmp_path, name, {title: list(several.values())}).run_id for name, several in (("a", claimed), ("b", of_b))
    ]
    for more in ([], ["--json"], ["--out", str(tmp_path / "out")]):
        done = CliRunner().invoke(app, ["compare", *runs, "--results-dir", str(tmp_path), "--resamples", "100", *more])
        assert done.exit_code == 0, done.exception
        if more == ["--json"]:
            assert len(json.loads(done.stdout)["triplets"]) == len(claimed.items() ^ of_b.items())


def test_what_cannot_be_compared_is_told_in_one_line(folder: Path, tmp_path: Path) -> None:
    first = find_run(folder, "-first-")
    with pytest.raises(InputError, match="compared with itself"):
        compare_runs(first, first)
    other = store(tmp_path, "other", {})
    manifest = other.read_manifest()
    for change, message in (
        ({"status": "stopped"}, "is stopped: finish it first"),
        (
            {"question": {**manifest.question.as_json(), "dataset": {"name": "x", "split": "y", "sha256": "z"}}},
            r"not of the same documents: .* sample dev \(file .*\), .* x y \(file z\)",
        ),
    ):
        other.write_manifest(manifest.changed(**change))
        with pytest.raises(HarnessError, match=message):
            compare_runs(first, other)
    other.write_manifest(manifest)
    metrics = other.read_metrics()
    counts = [getattr(metrics.official, name) for name in ("correct", "predicted", "gold")]
    for changed, message in (
        ({"scorer_version": 0}, "another version of the scorer"),
        ({"per_document": {"elsewhere": counts}}, "share no document"),
    ):
        other.write_metrics(metrics.changed(**changed))
        with pytest.raises(HarnessError, match=message):
            compare_runs(first, other)


def test_data_that_has_changed_since_is_noticed(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.json"
    sample = load_dataset("sample")
    source = Path(__file__).parents[2] / "harness" / "datasets" / "sample" / "documents.json"
    corpus.write_bytes(source.read_bytes())
    runs = []
    for name in ("one", "two"):
        file = tmp_path / f"{name}.json"
        write_submission(file, [(documents()[0].title, Prediction(gold(documents()[0])[0]))])
        runs.append(import_run(file, replace(RunConfig(model=name, results=tmp_path), dataset=str(corpus))).folder)
    assert compare_runs(*runs, resamples=100).documents_compared == len(sample.documents)
    corpus.write_bytes(source.read_bytes() + b"\n")
    with pytest.raises(InputError, match=r"has changed since the run: .* has SHA-256"):
        compare_runs(*runs, resamples=100)
