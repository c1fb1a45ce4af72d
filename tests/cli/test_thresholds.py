"""`harness sweep threshold`: a precision-recall curve from stored scores."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.analyses.thresholds import CERTAIN, ScoredDocument, at, best_of, curve, scores_of, shown_points
from harness.errors import InputError
from harness.store import DocumentRecord
from harness.types import Document, Extraction, Prediction, Triplet
from tests.chat_server import ChatServer, Rule, completion
from tests.commands import error_line, harness, harness_here, harness_json

A, B, C, D = (Triplet(0, "P17", tail) for tail in (1, 2, 3, 4))
DOCUMENTS = [
    ScoredDocument("one", b"1", frozenset({A, B}), {A: 0.9, C: 0.5}),
    ScoredDocument("two", b"2", frozenset({A}), {A: 0.5, D: 0.1}),
]


def test_the_curve_has_a_point_for_every_score() -> None:
    points = [(point.threshold, point.scores.correct, point.scores.predicted) for point in curve(DOCUMENTS)]
    assert points == [(0.9, 1, 1), (0.5, 2, 3), (0.1, 2, 4)]
    assert best_of(curve(DOCUMENTS)).threshold == 0.5
    assert at(DOCUMENTS, 0.3).scores == curve(DOCUMENTS)[1].scores
    assert at(DOCUMENTS, 0.3).scores.f1 == pytest.approx(2 * 2 / (3 + 3))


def test_few_points_are_shown_with_both_ends() -> None:
    scores = {Triplet(0, "P17", tail): tail / 1000 for tail in range(1, 500)}
    points = curve([ScoredDocument("one", b"1", frozenset({A}), scores)])
    shown = shown_points(points)
    assert (len(points), len(shown)) == (499, 21)
    assert (shown[0], shown[-1]) == (points[0], points[-1])


def test_the_best_point_is_among_those_that_are_shown() -> None:
    scores = {Triplet(0, "P17", tail): tail / 1000 for tail in range(1, 500)}
    points = curve([ScoredDocument("one", b"1", frozenset({Triplet(0, "P17", 333)}), scores)])
    best = best_of(points, in_hundredths=True)
    shown = shown_points(points, best)
    assert best.threshold == 0.33
    assert best in shown
    assert [point.threshold for point in shown] == sorted((point.threshold for point in shown), reverse=True)
    assert len(shown_points(points, points[0])) == 21, "one that is there already is not added"


def test_nothing_to_choose_from_is_said() -> None:
    with pytest.raises(InputError, match="no triplet with a score"):
        best_of(curve([ScoredDocument("one", b"1", frozenset({A}), {})]))


def test_a_threshold_that_an_option_can_have_gives_what_the_option_gives() -> None:
    scores = {A: 0.347, B: 0.3449, C: 0.34, D: 0.0143}
    documents = [ScoredDocument("one", b"1", frozenset({A, B}), scores)]
    assert best_of(curve(documents)).threshold == 0.3449
    typed = best_of(curve(documents), in_hundredths=True)
    assert (typed.threshold, typed.scores.correct, typed.scores.predicted) == (0.34, 2, 3)
    assert typed.scores == at(documents, 0.34).scores
    few = [ScoredDocument("one", b"1", frozenset({D}), {D: 0.0143})]
    assert best_of(curve(few), in_hundredths=True) == replace(at(few, 0.01), threshold=0.01)
    for hundredths in range(1, 101):
        exact = [
            ScoredDocument("one", b"1", frozenset({A}), {A: round(hundredths / 100, 5), B: hundredths / 100 - 1e-5})
        ]
        assert best_of(curve(exact), in_hundredths=True).threshold == hundredths / 100


def test_where_all_thresholds_are_equal_nothing_is_chosen_or_recorded(tmp_path: Path) -> None:
    run = scored_run(tmp_path, lambda _body: spelt("(E1 | country | E2)\nEND"))
    told = harness_here("sweep", "threshold", run["run_id"], "--results-dir", str(tmp_path)).stdout
    assert "at every threshold: there is nothing to choose" in told
    assert not (Path(run["run_dir"]) / "chosen").exists()


def test_a_threshold_is_not_reported_on_scores_of_another_system(tmp_path: Path) -> None:
    run = scored_run(tmp_path, scored, "--limit", "4")
    encoder = harness_json("run", "--model", "atlop-minilm", "--dataset", "sample", "--results-dir", str(tmp_path))
    place = ["--results-dir", str(tmp_path)]
    refused = harness("sweep", "threshold", run["run_id"], "--report", encoder["run_id"], *place)
    assert refused.returncode == 2
    assert "is of atlop-minilm, and the threshold is chosen for scripted with tagged" in error_line(refused)


def test_the_option_that_is_told_gives_the_scores_that_are_told(tmp_path: Path) -> None:
    run = scored_run(tmp_path, scored)
    told = json.loads(
        harness_here("sweep", "threshold", run["run_id"], "--results-dir", str(tmp_path), "--json").stdout
    )
    option = told["chosen"]["option"]
    assert option.startswith("-P least_score=")
    again = scored_run(tmp_path, scored, *option.split())
    assert {name: again["metrics"][name] for name in ("f1", "predicted")} == {
        name: told["chosen"][name] for name in ("f1", "predicted")
    }
    (recorded,) = (Path(run["run_dir"]) / "chosen").iterdir()
    assert json.loads(recorded.read_text(encoding="utf-8"))["value"] == told["chosen"]["threshold"]
    assert again["chosen_by_documents"].startswith(f"{option} was chosen by"), "which keeps the run off the ranking"


def scored_run(results: Path, rule: Rule, *more: str) -> dict[str, Any]:
    """A run of ``tagged`` with scores over the sample; what it prints as JSON."""
    asked = ["run", "--model", "scripted", "--dataset", "sample", "--prompt", "tagged", "-P", "scores=tokens", "--json"]
    place = ["--results-dir", str(results), "-M", "probe=false", "-M", "constrain_with=gbnf"]
    with ChatServer(rule) as server:
        done = harness_here(*asked, *place, "--base-url", server.base_url, *more)
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def spelt(text: str) -> dict[str, Any]:
    """An answer with the log-probabilities of its tokens, all alike."""
    tokens = [{"token": text[place : place + 4], "logprob": -0.1} for place in range(0, len(text), 4)]
    answer = completion(text)
    answer["choices"][0]["logprobs"] = {"content": [{**one, "top_logprobs": [one]} for one in tokens]}
    return answer


def test_a_threshold_is_chosen_on_a_run_and_reported_on_other_documents(tmp_path: Path) -> None:
    run = ["run", "--model", "atlop-minilm", "--dataset", "sample", "--results-dir", str(tmp_path)]
    few, all_of_them = harness_json(*run, "--limit", "4"), harness_json(*run)
    command = ["sweep", "threshold", few["run_id"], "--report", all_of_them["run_id"], "--results-dir", str(tmp_path)]
    out = harness_json(*command, "--out", tmp_path / "curve.csv")
    assert out["chosen"]["predicted"] <= few["metrics"]["predicted"]
    assert out["reported"]["documents"] == sum(all_of_them["statuses"].values()) - 4
    rows = list(csv.DictReader((tmp_path / "curve.csv").open(encoding="utf-8")))
    assert float(rows[-1]["recall"]) == pytest.approx(few["metrics"]["recall"])
    (recorded,) = (Path(few["run_dir"]) / "chosen").iterdir()
    assert len(json.loads(recorded.read_text(encoding="utf-8"))["documents"]) == 4
    assert "is best on these documents" in harness(*command).stdout


def scored(body: dict[str, Any]) -> dict[str, Any]:
    """Two triplets with the probabilities of their tokens; of one document the tokens do not spell the answer."""
    text = "(E1 | country | E2)\n(E2 | country | E1)\nEND"
    tokens = [text[place : place + 4] for place in range(0, len(text), 4)]
    if "Luxembourg" in body["messages"][-1]["content"]:
        tokens[0] = "\ufffd"
    top = [{"token": token, "logprob": -0.1 * (1 + place // 5)} for place, token in enumerate(tokens)]
    answer = completion(text)
    answer["choices"][0]["logprobs"] = {"content": [{**one, "top_logprobs": [one]} for one in top]}
    return answer


@pytest.mark.parametrize(
    "chosen", [("--range", "3:6"), ("--sample", "4"), ("--limit", "5"), ("--documents", "Ingrid Solheim")]
)
def test_the_curve_is_that_of_the_documents_that_were_chosen(tmp_path: Path, chosen: tuple[str, ...]) -> None:
    asked = ["run", "--model", "scripted", "--dataset", "sample", "--prompt", "tagged", "-P", "scores=tokens", "--json"]
    place = ["--results-dir", str(tmp_path), "-M", "probe=false", "-M", "constrain_with=gbnf"]
    with ChatServer(scored) as server:
        run = json.loads(harness_here(*asked, *place, "--base-url", server.base_url, *chosen).stdout)
    found = json.loads(
        harness_here("sweep", "threshold", run["run_id"], "--results-dir", str(tmp_path), "--json").stdout
    )
    last = found["points"][-1]
    assert found["documents"] == sum(run["statuses"].values())
    assert {name: last[name] for name in ("predicted", "correct")} == {
        name: run["metrics"][name] for name in ("predicted", "correct")
    }


def test_triplets_without_a_score_are_left_out_by_no_threshold(tmp_path: Path) -> None:
    asked = ["run", "--model", "scripted", "--dataset", "sample", "--prompt", "tagged", "-P", "scores=tokens", "--json"]
    place = ["--results-dir", str(tmp_path), "-M", "probe=false", "-M", "constrain_with=gbnf"]
    with ChatServer(scored) as server:
        asked += [*place, "--base-url", server.base_url]
        run = json.loads(harness_here(*asked).stdout)
        swept = json.loads(
            harness_here("sweep", "threshold", run["run_id"], "--results-dir", str(tmp_path), "--json").stdout
        )
        assert swept["without_score"] > 0
        assert len(swept["points"]) == 2
        for point in swept["points"]:
            least = math.floor(100 * point["threshold"])
            again = json.loads(harness_here(*asked, "-P", f"least_score={least}").stdout)
            assert again["metrics"]["predicted"] == point["predicted"]
            assert again["spent"]["requests"] == 0


def test_pairs_that_are_no_candidates_of_the_corpus_count_for_nothing() -> None:
    found = (Prediction(A, score=0.5), Prediction(B, score=0.7), Prediction(C), Prediction(D, score=0.9))
    extraction = Extraction(found, details={"candidates": [[*D, 0.9], [4, "P17", 0, 0.2]]})
    record = DocumentRecord.of("one", extraction, 0, 0.0)
    document = Document("one", (("a",),), (), candidates=((0, 1), (0, 3)))
    assert scores_of(document, record) == {A: 0.5, C: CERTAIN}
    assert scores_of(replace(document, candidates=None), record) == {
        A: 0.5, B: 0.7, C: CERTAIN, D: 0.9, Triplet(4, "P17", 0): 0.2,
    }  # fmt: skip
    points = curve([ScoredDocument("one", b"1", frozenset({A, C}), {A: 0.5, C: CERTAIN})])
    assert [(one.threshold, one.scores.correct, one.scores.predicted) for one in points] == [(0.5, 2, 2)]


def test_a_run_without_scores_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "answers.jsonl"
    script.write_text(json.dumps({"contains": "Ingrid", "text": "(E1 | place of birth | E5)\nEND"}) + "\n")
    run = harness_json(
        "run", "--model", "mock", "--prompt", "tagged", "--dataset", "sample", "--limit", "3",
        "-M", f"answers={script}", "--results-dir", tmp_path,
    )  # fmt: skip
    done = harness("sweep", "threshold", run["run_id"], "--results-dir", tmp_path)
    assert done.returncode == 2
    assert "its triplets have no scores; prompts that read probabilities give them" in error_line(done)
