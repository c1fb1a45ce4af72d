"""Candidate pairs come from the labels or from a file that fits the documents, and are part of the run's question."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.methods.candidates import AllPairs, GoldPairs, PairSource, load_pair_source
from harness.runs.config import RunConfig
from harness.runs.plan import Experiment, prepare
from tests.commands import error_line, harness, harness_json
from tests.documents import SCHEMA, document

DOCUMENT = document(
    "a b c", [[(0, 0, 1, "LOC")], [(0, 1, 2, "LOC")], [(0, 2, 3, "LOC")]], [(2, "P17", 0), (0, "P36", 2), (2, "P36", 0)]
)
TITLES = [one.title for one in load_dataset("sample").documents]


def write(folder: Path, content: object) -> str:
    path = folder / "pairs.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


def load(candidates: str) -> PairSource:
    return load_pair_source(candidates, SCHEMA)


def planned(prompt: str, candidates: str | None, **more: object) -> Experiment:
    return prepare(RunConfig(model="mock", prompt=prompt, dataset="sample", candidates=candidates, **more))


def test_all_ordered_pairs_go_by_head_then_tail() -> None:
    assert AllPairs().pairs(DOCUMENT) == ((0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1))


def test_gold_pairs_are_distinct_and_tell_nothing_by_their_order() -> None:
    assert load("gold") == GoldPairs()
    assert GoldPairs().pairs(DOCUMENT) == ((0, 2), (2, 0))


def test_all_pairs_can_be_asked_for_by_name() -> None:
    assert load("all") == AllPairs()


def test_a_source_tells_the_relations_it_proposes(tmp_path: Path) -> None:
    listed = load(write(tmp_path, {"Title": [[2, 1], [0, 1, ["P36", "P17", "P36"]]]}))
    assert listed.pairs(DOCUMENT) == ((2, 1), (0, 1))
    assert listed.relations(DOCUMENT) == {(0, 1): ("P36", "P17")}
    assert GoldPairs().relations(DOCUMENT) == {(2, 0): ("P17", "P36"), (0, 2): ("P36",)}
    assert AllPairs().relations(DOCUMENT) == {}


def test_a_file_gives_its_distinct_pairs_in_its_order(tmp_path: Path) -> None:
    source = load(write(tmp_path, {"Title": [[2, 1], [0, 1], [2, 1]]}))
    assert source.pairs(DOCUMENT) == ((2, 1), (0, 1))
    assert source.name == "pairs.json"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[", "ends inside the table of pairs"),
        ([], "write one object"),
        ({"Title": "gold"}, "should have a list of pairs"),
        ({"Title": [[0, 1, 2]]}, r"\[0, 1, ...\] is no pair"),
        ({"Title": [[0, "1"]]}, "is no pair"),
        ({"Title": [[0, True]]}, "is no pair"),
        ({"Title": [[0, 1, []]]}, "is no pair"),
        ({"Title": [[0, 1, ["P17"], ["P36"]]]}, "is no pair"),
        ({"Title": [[0, 1, ["P17", "P99"]]]}, "no relation 'P99'"),
        ({"Title": [[0, 1, [17]]]}, "no relation 17"),
        ({"Title": [[0, 3]]}, r"cannot have the pair \[0, 3\].*below 3"),
        ({"Title": [[-1, 0]]}, r"cannot have the pair \[-1, 0\]"),
        ({"Title": [[1, 1]]}, r"cannot have the pair \[1, 1\]"),
        ({"Other": []}, "has no document 'Title'"),
        ('{"Title": ' + "[" * 5000, "nested"),
        ('{"Title": [], "Title": []}', "given twice"),
        ({"Title": [[0, [[[[[[[[[[]]]]]]]]]]]]}, "is no pair"),
        ({"Title": "x" * 10**6}, "should have a list of pairs"),
    ],
)
def test_a_file_that_does_not_fit_is_told_in_one_line(tmp_path: Path, content: object, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as raised:
        load(write(tmp_path, content)).pairs(DOCUMENT)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


def test_a_missing_file_is_told() -> None:
    with pytest.raises(InputError, match=r"nowhere\.json: no such file.*gold"):
        load("nowhere.json")


@pytest.mark.parametrize(("prompt", "candidates"), [("classify", None), ("grouped", "gold"), ("tagged", "gold")])
def test_candidates_that_are_missing_or_not_taken_are_told(prompt: str, candidates: str | None) -> None:
    with pytest.raises(InputError, match=f"prompt '{prompt}' .*--candidates"):
        planned(prompt, candidates)


def test_pairwise_asks_about_all_pairs_unless_candidates_are_given(tmp_path: Path) -> None:
    few = write(tmp_path, {title: [[0, 1], [1, 0]] for title in TITLES})
    whole, narrowed = planned("pairwise", None, limit=1), planned("pairwise", few, limit=1)
    first = next(iter(load_dataset("sample").documents))
    asked = [experiment.method().demonstrate(first) for experiment in (whole, narrowed)]
    assert len(asked[0]) > len(asked[1]) == 1
    lines = asked[1][0].answer.splitlines()
    assert [line.split(" | ")[1] for line in lines[:-1]].count("None") >= 1
    assert whole.run_id != narrowed.run_id
    shown = planned("pairwise", few, limit=1, shots=1).method().demonstrate(first)[0].request.messages
    assert "| None |" in shown[2].content, "an example of a pair without a relation"


@pytest.mark.parametrize(("prompt", "is_told"), [("relation-pairs", True), ("hrt", False)])
def test_a_run_narrowed_to_candidates_tells_what_they_are_worth(prompt: str, is_told: bool, tmp_path: Path) -> None:
    few = write(tmp_path, {title: [[0, 1], [1, 0]] for title in TITLES})
    run = harness_json(
        "run", "--model", "smollm2-135m", "--prompt", prompt, "--dataset", "sample", "--limit", "1",
        "--candidates", few, "--results-dir", tmp_path / "results",
    )  # fmt: skip
    assert run["statuses"] == {"ok": 1}
    assert run["metrics"]["predicted"] <= 2 * len(load_dataset("sample").schema.relations)
    folder = next((tmp_path / "results" / "runs").iterdir())
    proposal = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["proposal"]
    assert proposal["pairs"]["predicted"] == 2
    assert (proposal["saved"] is not None) == is_told, "what hrt asks depends on the answers"
    if is_told:
        assert proposal["saved"]["requests"] > 0, "against all relations that any pair may have"


def test_a_file_is_checked_against_the_documents_before_anything_is_asked(tmp_path: Path) -> None:
    fits_two = write(tmp_path, {TITLES[0]: [[0, 1]], TITLES[1]: []})
    assert planned("classify", fits_two, limit=2).document_count == 2
    with pytest.raises(InputError, match=f"no document '{TITLES[2]}'"):
        planned("classify", fits_two, limit=3)


def test_the_content_of_the_candidates_is_part_of_the_question(tmp_path: Path) -> None:
    one = write(tmp_path, {title: [[0, 1]] for title in TITLES if title != "The Slow Clock"} | {"The Slow Clock": []})
    (tmp_path / "other").mkdir()
    other = write(tmp_path / "other", {title: [] for title in TITLES})
    runs = [planned("classify", candidates) for candidates in ("gold", one, other)]
    assert len({run.run_id for run in runs}) == 3
    assert runs[0].question()["candidates"] == "gold"
    assert runs[1].question()["candidates"].startswith("sha256:")
    assert [run.prompt_label for run in runs[:2]] == [
        "classify candidates=gold",
        "classify candidates=pairs.json",
    ]
    assert "candidates" not in planned("tagged", None).question()


def test_room_for_the_answer_grows_with_the_pairs_of_a_request() -> None:
    rooms = [planned("pairwise", None, prompt_options={"k": k}).settings.sampling.max_tokens for k in ("10", "100")]
    assert rooms[1] - rooms[0] == 90 * 48


def test_a_run_on_gold_pairs_is_scored_and_kept_off_the_ranking(tmp_path: Path) -> None:
    script = tmp_path / "answers.jsonl"
    answer = "(E1 | place of birth | E5)\n(E2 | capital | E3)\nEND"
    script.write_text(json.dumps({"contains": "Ingrid Solheim", "text": answer}) + "\n", encoding="utf-8")
    results = tmp_path / "results"
    run = harness_json(
        "run", "--model", "mock", "--prompt", "classify", "--dataset", "sample", "--candidates", "gold",
        "-M", f"answers={script}", "--results-dir", results,
    )  # fmt: skip
    assert (run["metrics"]["correct"], run["rejects"]) == (1, {"unasked_pair": 1})
    assert run["usage"]["requests"] == 31
    assert harness_json("score", run["run_id"], "--results-dir", results)["metrics"] == run["metrics"]
    boards = harness("leaderboard", "--dataset", "sample", "--results-dir", results)
    assert "consults gold: the candidates come from the labels" in boards.stdout


def test_show_takes_candidates_too() -> None:
    shown = harness("prompts", "show", "classify", "--candidates", "gold", "--model", "mock")
    assert "12 entity pairs to classify:" in shown.stdout
    assert "--candidates gold, all, FILE, ENCODER or RUN" in error_line(
        harness("prompts", "show", "classify", "--model", "mock")
    )
