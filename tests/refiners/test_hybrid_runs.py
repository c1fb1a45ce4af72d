"""LMRC and Drell as runs: an encoder's stored scores and an LLM, from question to metrics."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cli.display import make_display
from harness.datasets.docred_output import as_docred
from harness.datasets.registry import CORPORA
from harness.encoders.scores import PAIR_SCORES, ScoreFile, score_writer
from harness.errors import InputError
from harness.methods.candidates import GoldPairs
from harness.methods.pairs import PairQuestions
from harness.runs.config import RunConfig
from harness.runs.execute import execute
from harness.runs.plan import Experiment, prepare
from harness.runs.rescore import rescore_run
from harness.runs.results import RunResult
from harness.runs.sources.imported import import_run
from harness.store import RunFolder
from harness.training.llm.examples import with_sampled_pairs
from harness.types import Dataset, Request
from tests.refiners.answers import all_knowing, answering, said


def refined(imported: RunResult, prompt: str = "choice", **more: Any) -> RunConfig:
    results = imported.folder.path.parents[1]
    return RunConfig(
        model="mock", prompt=prompt, dataset="sample", results=results, refine=imported.folder.run_id, **more
    )


async def run(experiment: Experiment) -> RunResult:
    return await execute(experiment, make_display("none"))


@pytest.mark.parametrize(
    ("prompt", "options"),
    [("judge", {}), ("choice", {"model_weight": "4"}), ("choice", {"model_weight": "4", "k": "8"})],
)
async def test_an_llm_that_knows_the_labels_reaches_the_bound(
    imported: RunResult, prompt: str, options: dict[str, str]
) -> None:
    result = await run(all_knowing(prepare(refined(imported, prompt, refine_options=options))))
    scores = result.metrics.as_json()["refinement"]
    assert scores["refined"] == scores["perfect_llm"]
    assert scores["added_wrong"] == 0
    assert scores["added"] == scores["added_right"] > 10
    assert scores["encoder"]["f1"] < scores["refined"]["f1"] == result.metrics.official.f1
    assert 0 < scores["interval"][0] <= scores["f1_difference"] <= scores["interval"][1]


def test_a_training_draws_the_unrelated_pairs_that_an_encoder_finds_likeliest(imported: RunResult) -> None:
    config = replace(refined(imported, "pairwise"), refine=None, candidates=imported.folder.run_id)
    experiment = prepare(config)
    sampled = with_sampled_pairs(experiment.method(), 0.5, seed=1)
    assert isinstance(sampled, PairQuestions)
    document = max(experiment.dataset.documents, key=lambda one: len(one.labels))
    related = set(GoldPairs().pairs(document))
    scores = ScoreFile(imported.folder.path / PAIR_SCORES)[document.title]
    margins = (scores.scores[:, :-1].max(axis=1) - scores.scores[:, -1]).tolist()
    by_margin = sorted(zip(margins, map(tuple, scores.pairs.tolist()), strict=True), reverse=True)
    unrelated = [pair for _, pair in by_margin if pair not in related]
    drawn = set(sampled.source.pairs(document)) - related
    assert len(drawn) == round(0.5 * len(related))
    assert drawn <= set(unrelated[: 2 * len(drawn)])
    assert related < set(sampled.source.pairs(document))


async def test_an_llm_that_always_says_none_leaves_the_encoders_answer(imported: RunResult) -> None:
    experiment = prepare(refined(imported, repeat=1))
    result = await run(answering(experiment, lambda request: said({last_label(request): 1.0})))
    assert result.metrics.official.f1 == imported.metrics.official.f1
    assert result.metrics.as_json()["refinement"]["added"] == 0
    details = result.manifest.details
    assert details["hard_pairs"] + details["easy_pairs"] == imported.manifest.details["pairs"]
    assert details["questions"] == details["hard_pairs"]


def last_label(request: Request) -> str:
    """The letter of `None of the above`."""
    lines = [line for line in request.messages[-1].content.splitlines() if "None of the above" in line]
    return lines[-1].split()[0].strip("().:")


async def test_answers_that_cannot_be_read_add_nothing_and_are_counted(imported: RunResult) -> None:
    result = await run(answering(prepare(refined(imported, repeat=2)), lambda _: "I would rather not say."))
    assert result.metrics.as_json()["refinement"]["added"] == 0
    assert result.manifest.details["undecided"] == result.manifest.details["questions"]
    assert result.manifest.statuses["invalid_output"] > 0


async def test_an_answer_without_probabilities_counts_as_certain(imported: RunResult) -> None:
    result = await run(answering(prepare(refined(imported, repeat=3)), lambda _: "A"))
    details = result.manifest.details
    assert details["without_probabilities"] == details["questions"] == result.metrics.as_json()["refinement"]["added"]


async def test_reading_the_stored_answers_again_changes_nothing(imported: RunResult) -> None:
    result = await run(all_knowing(prepare(refined(imported, repeat=4))))
    again = await rescore_run(result.folder, None)
    assert again.metrics == result.metrics
    assert again.manifest.details == result.manifest.details


async def test_results_that_moved_are_read_again_with_the_scores_beside(logits: Path, tmp_path: Path) -> None:
    encoder = import_run(logits, RunConfig(model="my-encoder", dataset="sample", results=tmp_path / "old"))
    result = await run(all_knowing(prepare(refined(encoder, limit=2))))
    (tmp_path / "old").rename(tmp_path / "new")
    moved = RunFolder(tmp_path / "new" / "runs" / result.folder.run_id)
    assert (await rescore_run(moved, None)).metrics == result.metrics


async def test_the_record_of_a_document_tells_what_every_sum_was_made_of(imported: RunResult) -> None:
    result = await run(all_knowing(prepare(refined(imported, repeat=5))))
    for record in result.folder.documents():
        for answer in record.details["answers"]:  # type: ignore[attr-defined] # a list in every record of this method
            assert len(answer["sums"]) == len(answer["options"])
        added = [list(one.triplet) for one in record.predictions][-len(record.details["added"]) :]  # type: ignore[arg-type]
        assert record.details["added"] == (added if record.details["added"] else [])


async def test_classifying_the_gold_pairs_perfectly_scores_100(tmp_path: Path) -> None:
    config = RunConfig(model="mock", prompt="classify", dataset="sample", results=tmp_path, candidates="gold")
    result = await run(all_knowing(prepare(config)))
    assert result.metrics.official.f1 == 1.0
    proposal = result.metrics.as_json()["proposal"]
    assert (proposal["pairs"]["f1"], proposal["perfect_llm"]["f1"], proposal["share_of_errors"]) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize("candidates", ["all", "gold"])
async def test_the_bound_of_a_perfect_llm_knows_which_relations_are_options(candidates: str, tmp_path: Path) -> None:
    config = RunConfig(
        "mock", "judge", dataset="sample", limit=4, results=tmp_path, candidates=candidates,
        prompt_options={"options": "2"},
    )  # fmt: skip
    experiment = prepare(config)
    result = await run(all_knowing(experiment))
    asked = {
        (record.title, answer["pair"][0], answer["options"][0], answer["pair"][1])
        for record in result.folder.documents()
        for answer in record.details["answers"]  # type: ignore[attr-defined] # a list in every record of this method
    }
    gold = {(document.title, *label.triplet) for document in experiment.documents for label in document.labels}
    proposal = result.metrics.as_json()["proposal"]
    assert (proposal["pairs"]["recall"], proposal["not_proposed"]) == (1.0, 0)
    assert proposal["perfect_llm"]["recall"] == len(gold & asked) / len(gold) == result.metrics.official.recall
    assert proposal["not_offered"] == len(gold - asked) == proposal["missed"]
    assert (proposal["not_offered"] > 0) == (candidates == "all")


async def test_an_encoder_proposes_what_it_scores_above_na(imported: RunResult) -> None:
    results = imported.folder.path.parents[1]
    config = RunConfig(
        model="mock", prompt="classify", dataset="sample", results=results, candidates=imported.folder.run_id
    )
    result = await run(all_knowing(prepare(config)))
    proposal, pairs = result.metrics.as_json()["proposal"], imported.metrics.official.pair_f1
    assert proposal["source"] == "my-encoder"
    assert proposal["pairs"]["f1"] == pytest.approx(pairs)
    assert proposal["perfect_llm"]["recall"] == result.metrics.official.recall
    assert proposal["share_of_errors"] == 1.0
    assert proposal["missed"] == proposal["not_proposed"] > 0
    assert proposal["saved"]["requests"] > 0
    assert proposal["saved"]["tokens"] > 0


@pytest.mark.parametrize("options", [{}, {"k": "40"}, {"k": "1", "refs": "name"}])
@pytest.mark.parametrize("samples", [1, 2])
async def test_asking_about_all_pairs_saves_no_request_against_itself(
    tmp_path: Path, options: dict[str, str], samples: int
) -> None:
    config = RunConfig(
        "mock", "pairwise", dataset="sample", limit=2, results=tmp_path, candidates="all", prompt_options=options,
        samples=samples, temperature=0.5,
    )  # fmt: skip
    result = await run(all_knowing(prepare(config)))
    saved = result.metrics.as_json()["proposal"]["saved"]
    assert saved["requests"] == 0
    # Answers of the labels are counted in characters, those of the run in tokens.
    assert abs(saved["tokens"]) < 0.2 * result.manifest.usage.prompt_tokens


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": "statements"}, "choice and judge"),
        ({"prompt": "tagged"}, "choice and judge"),
        ({"candidates": "gold"}, "without --candidates"),
        ({"refine": "nothing-of-the-kind"}, "no encoder of that name"),
        ({"refine": "mock"}, "is no encoder"),
        ({"refine_options": {"hardness": "2"}}, "hardness=2"),
        ({"refine": None, "refine_options": {"k": "3"}}, "name an encoder"),
    ],
)
def test_what_does_not_fit_is_refused(imported: RunResult, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepare(replace(refined(imported), **change))


@pytest.fixture
def another_sample(tmp_path: Path) -> Callable[[Callable[[list[Any]], list[Any]]], str]:
    """The built-in corpus as a file, changed."""
    folder = CORPORA["sample"].folder

    def write(change: Callable[[list[Any]], list[Any]]) -> str:
        documents = json.loads((folder / "documents.json").read_text(encoding="utf-8"))
        file = tmp_path / "documents.json"
        file.write_text(json.dumps(change(documents)), encoding="utf-8")
        (tmp_path / "rel_info.json").write_bytes((folder / "rel_info.json").read_bytes())
        return str(file)

    return write


def test_scores_of_another_dataset_are_refused(
    imported: RunResult, another_sample: Callable[[Callable[[list[Any]], list[Any]]], str]
) -> None:
    file = another_sample(lambda documents: documents[::-1])
    with pytest.raises(InputError, match="scored another name 'sample' than documents all"):
        prepare(replace(refined(imported), dataset=file))


@pytest.fixture
def copied(imported: RunResult, tmp_path: Path) -> RunFolder:
    """A copy of the imported run, to be damaged."""
    shutil.copytree(imported.folder.path, tmp_path / "runs" / imported.folder.run_id)
    return RunFolder(tmp_path / "runs" / imported.folder.run_id)


def test_scores_in_another_order_are_refused(copied: RunFolder) -> None:
    scores = ScoreFile(copied.path / PAIR_SCORES)
    with score_writer(copied.path / "new.npz", scores.relations) as writer:
        for title in reversed(list(scores)):
            writer.write(scores[title])
    (copied.path / "new.npz").replace(copied.path / PAIR_SCORES)
    with pytest.raises(InputError, match="where the documents asked about have"):
        prepare(RunConfig(model="mock", prompt="choice", dataset="sample", refine=str(copied.path)))


def test_a_run_without_scores_or_unfinished_is_refused(copied: RunFolder) -> None:
    config = RunConfig(model="mock", prompt="choice", dataset="sample", refine=str(copied.path))
    (copied.path / PAIR_SCORES).rename(copied.path / "elsewhere.npz")
    with pytest.raises(InputError, match="holds no pair scores"):
        prepare(config)
    copied.write_manifest(copied.read_manifest().changed(status="running"))
    with pytest.raises(InputError, match="is not complete"):
        prepare(config)


def test_the_first_documents_of_stored_scores_are_enough(imported: RunResult) -> None:
    experiment = prepare(refined(imported, limit=3))
    assert experiment.document_count == 3


async def test_examples_of_other_documents_need_no_scores(imported: RunResult, sample: Dataset, tmp_path: Path) -> None:
    others = tmp_path / "others.json"
    documents = [as_docred(replace(one, title=f"Other {one.title}")) for one in sample.documents][:4]
    for number, document in enumerate(documents):
        document["sents"] = [[*sentence, str(number)] for sentence in document["sents"]]
    others.write_text(json.dumps(documents), encoding="utf-8")
    shutil.copy(CORPORA["sample"].folder / "rel_info.json", tmp_path)
    experiment = prepare(refined(imported, shots=2, shots_from=str(others), limit=2, repeat=11))
    result = await run(answering(experiment, lambda _: said({"A": 1.0})))
    (first, *_) = (record for record in result.folder.documents() if record.steps)
    roles = [message["role"] for message in first.steps[0]["messages"]]
    assert roles.count("assistant") == 2
