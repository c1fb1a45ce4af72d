"""Runs over documents without gold, or with labels that no human wrote: stored, exported, never ranked."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from harness import api
from harness.analyses.leaderboards import leaderboards
from harness.cli.main import app
from harness.encoders.scores import score_writer
from harness.errors import InputError
from harness.records.metrics import Metrics
from harness.runs.config import RunConfig
from harness.runs.results import RunResult
from harness.runs.sources.imported import import_run
from harness.tracking.content import tracked
from harness.tracking.model_card import model_card_block
from harness.types import PairScores
from tests.corpora import RELATIONS, labelled_by, without_gold, write_corpus

ANSWERS = [
    {"contains": "Town0", "text": "(E1 | country | E3)\n(E1 | country | E3)\nEND"},
    {"contains": "Town1", "text": "(E2 | capital | E4)\nEND"},
]
OUTCOME = [("Document 0", 0, 2, "P17"), ("Document 1", 1, 3, "P36")]


@pytest.fixture
def unlabelled(tmp_path: Path) -> Path:
    return without_gold(write_corpus(tmp_path / "data", 3))


def run(corpus: Path, prompt: str = "tagged", **options: Any) -> RunResult:
    folder = corpus.parent
    (folder / "answers.jsonl").write_text("".join(json.dumps(one) + "\n" for one in ANSWERS), encoding="utf-8")
    scripted = {"model_options": {"answers": str(folder / "answers.jsonl")}, "results": folder / "results"}
    return api.run("mock", prompt, dataset=str(corpus), **scripted, **options)


def command(*arguments: object) -> str:
    """What a command prints, in this process; raises what it raises."""
    return CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False).stdout


def test_a_run_without_gold_stores_its_predictions_and_no_score(unlabelled: Path) -> None:
    result = run(unlabelled)
    metrics = json.loads((result.folder.path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["labels"] == {"kind": "none", "name": ""}
    told = {name: value for name, value in metrics["metrics"].items() if value is not None}
    assert told == {"predicted": 2, "predicted_elsewhere": 0, "documents": 3}
    assert metrics["per_relation"] == metrics["per_document"] == {}
    assert len(json.loads((result.folder.path / "predictions.json").read_text(encoding="utf-8"))) == 2
    assert (result.as_json()["not_scored"], result.as_json()["silver"]) == ("no gold labels: not scored", None)


def test_without_gold_no_command_shows_a_score(unlabelled: Path) -> None:
    folder = run(unlabelled).folder
    results = ["--results-dir", folder.path.parents[1]]
    scored = command("score", folder.run_id, *results)
    assert scored.splitlines()[:2] == ["scores     no gold labels: not scored", "predicted  2 triplets"]
    assert "F1" not in scored + command("leaderboard", *results)
    assert "no gold labels: not scored" in command("leaderboard", *results)
    for kind in ("csv", "markdown", "latex", "json"):
        shown = command("leaderboard", "--format", kind, *results)
        assert not any(word in shown for word in ("nan", "NaN", "None", "0.0,", " 0.00 "))
    (row,) = json.loads(command("leaderboard", "--format", "json", *results))[0]["unranked"]
    assert row["f1"] is row["precision"] is row["ign_f1"] is None


def test_runs_without_gold_of_before_this_was_told_are_not_ranked_either(unlabelled: Path) -> None:
    folder = run(unlabelled).folder
    zeros = dict.fromkeys(("precision", "recall", "f1", "intra_f1", "inter_f1"), 0.0)
    old = {"metrics": {**zeros, "ign_f1": None, "gold": 0, "predicted": 2}, "per_document": {}, "per_relation": {}}
    folder.write_metrics(Metrics.model_validate({"scorer_version": 1, **old}))
    (board,) = leaderboards(folder.path.parents[1])
    assert list(board.ranked["run_id"]) == []
    assert list(board.unranked["reason"]) == ["no gold labels: not scored"]
    assert board.unranked["f1"].isna().all()


@pytest.mark.parametrize(
    ("options", "needs"),
    [
        ({"prompt": "classify", "candidates": "gold"}, "--candidates gold"),
        ({"prompt": "choice", "candidates": "gold"}, "--candidates gold"),
        ({"prompt": "rhf", "prompt_options": {"given": "relations"}}, "-P given=relations"),
        ({"prompt": "rhf", "prompt_options": {"given": "heads"}}, "-P given=heads"),
    ],
)
def test_options_that_take_from_the_labels_are_refused_without_any(
    unlabelled: Path, options: dict[str, Any], needs: str
) -> None:
    with pytest.raises(InputError, match=f"^{needs} needs gold labels, and the documents of corpus all have none"):
        run(unlabelled, **options)


def test_labels_without_a_triplet_give_no_score(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", 2)
    content = json.loads(corpus.read_text(encoding="utf-8"))
    corpus.write_text(json.dumps([{**one, "labels": []} for one in content]), encoding="utf-8")
    result = run(corpus)
    assert not result.is_scored
    assert (result.metrics.official.recall, result.metrics.official.f1) == (None, None)


def test_a_run_over_other_relations_does_not_replace_one(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", 2)
    first = run(corpus)
    table = corpus.parent / "rel_info.json"
    relations = json.loads(table.read_text(encoding="utf-8"))
    table.write_text(json.dumps({**relations, "P99": "another"}), encoding="utf-8")
    with pytest.raises(InputError, match="was made with other relations"):
        run(corpus)
    assert RunResult.load(first.folder).metrics == first.metrics


@pytest.mark.parametrize("prompt", ["rhf", "pairwise", "judge", "choice", "statements"])
def test_every_other_method_runs_without_gold(unlabelled: Path, prompt: str) -> None:
    needs_pairs = {"candidates": "all"} if prompt in ("judge", "choice", "statements") else {}
    result = run(unlabelled, prompt, limit=1, **needs_pairs)
    assert not result.is_scored
    assert {"steps", "proposal", "refinement"}.isdisjoint(result.metrics.as_json())


def test_examples_and_other_gold_do_not_come_from_documents_without_labels(unlabelled: Path, tmp_path: Path) -> None:
    labelled = write_corpus(tmp_path / "labelled", 3)
    with pytest.raises(InputError, match=r"^--shots needs gold labels"):
        run(labelled, shots=1, shots_from=str(unlabelled))
    folder = run(labelled).folder
    for option, needs in (("--gold", "--gold"), ("--train", "a training file, for Ign F1,")):
        with pytest.raises(InputError, match=f"^{needs} needs gold labels"):
            command("score", folder.path, option, unlabelled)


def test_what_explains_scores_says_in_one_line_that_there_are_none(unlabelled: Path) -> None:
    first, second = run(unlabelled), run(unlabelled, prompt_options={"refs": "name"})
    results = first.folder.path.parents[1]
    asked: list[tuple[str, Callable[[], object]]] = [
        ("nothing to compare", lambda: api.compare(first.folder, second.folder)),
        ("nothing for a model card", lambda: model_card_block(first)),
        ("--surface needs gold", lambda: command("score", first.folder.path, "--surface")),
        ("an ablation needs gold", lambda: _ablate(unlabelled, results)),
        ("--gold needs gold", lambda: command("prompts", "show", "tagged", "--gold", "--dataset", unlabelled)),
    ]
    for told, ask in asked:
        with pytest.raises(InputError, match=told) as error:
            ask()
        assert "\n" not in str(error.value)
    content = tracked(first)
    assert (content.tags["harness.labels"], "f1" in content.metrics) == ("none", False)


def _ablate(corpus: Path, results: Path) -> str:
    options = ["--model", "mock", "--prompt", "tagged", "--axis", "refs=id,name", "--results-dir", results]
    return command("ablate", "--dataset", corpus, *options)


def test_a_run_without_gold_can_be_scored_where_the_labels_are(unlabelled: Path, tmp_path: Path) -> None:
    gold = write_corpus(tmp_path / "gold", 3)
    folder = run(unlabelled).folder
    scored = json.loads(command("score", folder.path, "--gold", gold, "--json"))
    assert scored["metrics"]["gold"] == 9
    assert scored["not_scored"] is None


def test_counts_of_documents_without_gold_tell_nothing_of_relations(unlabelled: Path) -> None:
    told = command("data", "stats", unlabelled)
    assert "labels           3 of 3 documents have none" in told
    assert not any(word in told for word in ("NA pairs", "triplets", "relations used"))
    counts = json.loads(command("data", "stats", unlabelled, "--json"))
    assert counts["triplets"] is counts["na_pairs"] is counts["intra_share"] is None
    assert counts["candidate_pairs"] == 36


@pytest.mark.parametrize("kind", ["model", "distant"])
def test_scores_against_labels_of_no_human_are_called_silver_and_never_ranked(tmp_path: Path, kind: str) -> None:
    corpus = labelled_by(write_corpus(tmp_path, 3), kind, "gpt-4o")
    result = run(corpus)
    silver = result.label_source.silver
    assert silver.startswith("silver: ")
    assert "gpt-4o" in silver
    results = result.folder.path.parents[1]
    (board,) = leaderboards(results)
    assert (len(board.ranked), list(board.unranked["reason"])) == (0, [silver])
    assert board.unranked["f1"].notna().all()
    for shown in (
        command("score", result.folder.path),
        command("leaderboard", "--results-dir", results),
        command("score", result.folder.path / "predictions.json", "--gold", corpus),
        command("data", "stats", corpus),
        command("data", "validate", corpus),
        json.dumps(dict(tracked(result).tags)),
    ):
        assert silver in shown
    assert result.as_json()["silver"] == silver


@pytest.mark.parametrize("labels", [None, []])
def test_a_file_that_tells_no_relation_needs_the_table_of_relations(unlabelled: Path, labels: list[Any] | None) -> None:
    documents = [{**one, "labels": labels} for one in json.loads(unlabelled.read_text(encoding="utf-8"))]
    unlabelled.write_text(json.dumps(documents), encoding="utf-8")
    unlabelled.with_name("rel_info.json").unlink()
    with pytest.raises(InputError, match=r"no rel_info\.json beside the file: put one there"):
        run(unlabelled)


def test_a_run_over_documents_of_which_some_have_labels_is_refused(unlabelled: Path) -> None:
    documents = json.loads(unlabelled.read_text(encoding="utf-8"))
    documents[0]["labels"] = []
    unlabelled.write_text(json.dumps(documents), encoding="utf-8")
    with pytest.raises(InputError, match=r"document 'Document 1' has no .labels. and others have some"):
        run(unlabelled)


def test_a_corpus_without_a_document_is_refused(unlabelled: Path) -> None:
    unlabelled.write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match="there is no document in it"):
        run(unlabelled)


# --- export


def predictions_in(file: Path) -> list[tuple[str, int, int, str]]:
    if file.suffix == ".zip":
        with zipfile.ZipFile(file) as archive:
            assert archive.namelist() == ["result.json"]
            content = archive.read("result.json")
    else:
        content = file.read_bytes()
    items = json.loads(content)
    assert all(sorted(item) == ["evidence", "h_idx", "r", "t_idx", "title"] for item in items)
    return [(item["title"], item["h_idx"], item["t_idx"], item["r"]) for item in items]


@pytest.mark.parametrize("name", ["mine.zip", "result.json", "MINE.ZIP"])
def test_an_export_holds_every_triplet_once_in_the_servers_format(unlabelled: Path, tmp_path: Path, name: str) -> None:
    folder = run(unlabelled).folder
    out = tmp_path / name
    said = command("export", folder.path, "--format", "codalab", "--out", out)
    assert said == f"2 triplets of 3 documents: {out}\n"
    assert predictions_in(out.rename(out.with_suffix(out.suffix.lower()))) == OUTCOME


def test_the_same_run_is_exported_as_the_same_bytes(unlabelled: Path, tmp_path: Path) -> None:
    folder = run(unlabelled).folder
    files = [tmp_path / "a.zip", tmp_path / "b.zip"]
    for file in files:
        command("export", folder.path, "--out", file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_imported_predictions_and_scores_are_exported_too(
    unlabelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scores = tmp_path / "scores.npz"
    with score_writer(scores, tuple(RELATIONS)) as writer:
        for number in range(3):
            row = np.array([[float(number == 0), -1, -1, -1, 0]])
            writer.write(PairScores(f"Document {number}", tuple(RELATIONS), np.array([[0, 2]]), row))
    result = import_run(scores, RunConfig("other", dataset=str(unlabelled), results=tmp_path / "results"))
    done = json.loads(command("export", result.folder.run_id, "--json"))
    assert done == {"out": f"{result.folder.run_id}.zip", "predictions": 1, "documents": 3, "in_split": 3}
    assert predictions_in(tmp_path / done["out"]) == OUTCOME[:1]


def test_a_partial_run_says_how_much_is_missing(unlabelled: Path, tmp_path: Path) -> None:
    folder = run(unlabelled, limit=2).folder
    done = CliRunner().invoke(app, ["export", str(folder.path), "--out", str(tmp_path / "part.zip")])
    assert "partial: 1 documents of the split were not asked about" in done.stderr


@pytest.mark.parametrize("name", ["mine.txt", "mine", "folder"])
def test_a_file_of_another_ending_is_refused(unlabelled: Path, tmp_path: Path, name: str) -> None:
    folder = run(unlabelled).folder
    with pytest.raises(InputError, match=r"ends in \.zip or \.json"):
        command("export", folder.path, "--out", tmp_path / name)
