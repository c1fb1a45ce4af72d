"""`harness import`: another system's files as stored runs, and what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.analyses.leaderboards import leaderboards
from harness.encoders.scores import ScoreFile, score_writer
from harness.errors import InputError
from harness.runs.config import RunConfig
from harness.runs.rescore import rescore_run
from harness.runs.results import RunResult
from harness.runs.sources.imported import import_run
from harness.types import Dataset, PairScores
from tests.commands import error_line, harness, harness_json
from tests.paths import REPOSITORY

FORMS = REPOSITORY / "tests" / "datasets" / "good"


def submission(sample: Dataset) -> list[dict[str, Any]]:
    return [
        {"title": document.title, "h_idx": head, "t_idx": tail, "r": relation}
        for document in sample.documents
        for head, relation, tail in (label.triplet for label in document.labels)
    ]


def stored(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def config(results: Path) -> RunConfig:
    return RunConfig(model="their-system", dataset="sample", results=results)


def test_predictions_become_a_ranked_run_marked_imported(sample: Dataset, tmp_path: Path) -> None:
    file = stored(tmp_path / "theirs.json", submission(sample))
    content = harness_json("import", file, "--model", "their-system", "--dataset", "sample", "--results-dir", tmp_path)
    assert content["metrics"]["f1"] == 1.0
    (board,) = leaderboards(tmp_path)
    assert board.ranked[["model", "runner", "f1"]].to_numpy().tolist() == [["their-system", "imported", 1.0]]
    refused = harness("retry", content["run_id"], "--results-dir", tmp_path)
    assert "was imported" in error_line(refused)


def test_a_relation_that_stands_for_none_is_no_prediction(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.json"
    shutil.copy(FORMS / "no_relation.json", corpus)
    stored(tmp_path / "rel_info.json", {"P17": "country", "NR": "No relation"})
    items = [
        {"title": "Lund", "h_idx": 0, "t_idx": 1, "r": "P17"},
        {"title": "Lund", "h_idx": 1, "t_idx": 0, "r": "NR"},
    ]
    asked = replace(config(tmp_path), dataset=str(corpus))
    result = import_run(stored(tmp_path / "theirs.json", items), asked)
    assert (result.metrics.official.predicted, result.metrics.official.gold) == (1, 2)
    with score_writer(tmp_path / "scores.npz", ("P17", "NR")):
        pass
    with pytest.raises(InputError, match="scores 'NR', which stands for no relation in corpus"):
        import_run(tmp_path / "scores.npz", asked)


async def test_an_imported_run_can_be_scored_again(imported: RunResult) -> None:
    again = await rescore_run(imported.folder, None)
    assert again.metrics == imported.metrics


def test_the_same_file_is_the_same_run_and_another_is_another(sample: Dataset, tmp_path: Path) -> None:
    first = stored(tmp_path / "a.json", submission(sample))
    assert import_run(first, config(tmp_path)).folder == import_run(first, config(tmp_path)).folder
    other = stored(tmp_path / "b.json", submission(sample)[1:])
    assert import_run(other, config(tmp_path)).folder != import_run(first, config(tmp_path)).folder


def test_scores_are_kept_in_the_order_of_the_dataset(sample: Dataset, logits: Path, tmp_path: Path) -> None:
    file = ScoreFile(logits)
    shuffled = tmp_path / "shuffled.npz"
    with score_writer(shuffled, file.relations) as writer:
        for title in reversed(list(file)):
            writer.write(file[title])
    result = import_run(shuffled, config(tmp_path))
    kept = ScoreFile(result.folder.path / "pair_scores.npz")
    assert list(kept) == [document.title for document in sample.documents]
    assert all(np.array_equal(kept[title].scores, file[title].scores) for title in file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"title": "No such document"}, "is no document of sample dev"),
        ({"h_idx": 99}, "so there is no pair"),
        ({"r": "P99999"}, "no relation 'P99999'"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(
    sample: Dataset, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    items = submission(sample)
    items[3] |= change
    with pytest.raises(InputError, match=message):
        import_run(stored(tmp_path / "theirs.json", items), config(tmp_path))
    assert not leaderboards(tmp_path)


@pytest.mark.parametrize("fault", ["title", "missing", "pair", "shape", "schema", "twice", "sentences"])
def test_scores_that_do_not_fit_are_refused(logits: Path, tmp_path: Path, fault: str) -> None:
    messages = {
        "title": "is no document",
        "missing": "has no scores of",
        "pair": "has no pair",
        "shape": "do not fit its pairs",
        "schema": "scores another schema",
        "twice": "do not fit its pairs",
        "sentences": "sentences for evidence",
    }
    file, changed = ScoreFile(logits), tmp_path / "changed.npz"
    relations = ("P99999", *file.relations[1:]) if fault == "schema" else file.relations
    with score_writer(changed, relations) as writer:
        for number, title in enumerate(file):
            scores = file[title]
            values = scores.scores
            pairs = scores.pairs
            if number == 2 and fault == "missing":
                continue
            if number == 2:
                title = "Elsewhere" if fault == "title" else title
                pairs = pairs + 100 if fault == "pair" else np.zeros_like(pairs) if fault == "twice" else pairs
                values = values[:, 1:] if fault == "shape" else values
            attention = np.zeros((len(pairs), 99)) if fault == "sentences" else None
            writer.write(PairScores(title, relations, pairs, values, attention))
    with pytest.raises(InputError, match=messages[fault]):
        import_run(changed, config(tmp_path))


def test_a_file_that_is_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        import_run(tmp_path / "nothing.json", config(tmp_path))
    (tmp_path / "broken.npz").write_bytes(b"PK not really")
    with pytest.raises(InputError, match="not a file of pair scores"):
        import_run(tmp_path / "broken.npz", config(tmp_path))
