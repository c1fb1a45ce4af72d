"""A trained encoder through the whole harness: train, run, score again, leaderboard."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.analyses.leaderboards import leaderboards
from harness.datasets.docred import sha256_of
from harness.datasets.registry import load_dataset
from harness.encoders.hardware import default_precision, has_bfloat16
from harness.encoders.scorer import EncoderScorer
from harness.encoders.scores import ScoreFile
from harness.encoders.weights import CONFIG, TRAINING, WEIGHTS, trained_folder
from harness.engine.budget import Limits
from harness.errors import InputError
from harness.runs.config import RunConfig
from harness.runs.merging import merge_parts
from harness.runs.plan import prepare
from harness.runs.rescore import rescore_run
from harness.runs.results import RunResult
from harness.runs.sources.encoder import PAIR_SCORES, execute_encoder, prepare_encoder
from harness.runs.sources.encoder_origin import encoder_origin
from harness.scoring.submission import read_submission
from harness.store import DOCUMENTS, METRICS, PREDICTIONS
from harness.types import Episode, Relation, RelationSchema
from tests.commands import error_line, harness, harness_json
from tests.encoders.small import OPTIONS


@pytest.fixture
def config(trained: Path, corpus: Path, tmp_path: Path) -> RunConfig:
    """A run over documents like those that the encoder was trained on."""
    file = tmp_path / "other" / "others.json"
    file.parent.mkdir()
    file.write_text(corpus.read_text(encoding="utf-8").replace("Town", "City"), encoding="utf-8")
    shutil.copy(corpus.with_name("rel_info.json"), file.parent)
    return RunConfig(model=str(trained), dataset=str(file), results=tmp_path)


def run(config: RunConfig) -> RunResult:
    scored: list[None] = []
    result = execute_encoder(prepare_encoder(config), lambda: scored.append(None))
    assert len(scored) == result.manifest.documents.asked
    return result


def test_a_run_is_stored_and_scored_like_any_other(config: RunConfig) -> None:
    result = run(config)
    metrics = result.metrics.official.as_json()
    assert metrics["predicted"] > 0
    assert metrics["evidence_f1"] > 0
    assert result.coverage == 1.0
    assert result.manifest.usage.requests == 0
    assert result.seconds > 0
    assert result.manifest.sessions[0].precision == default_precision("cpu")
    submitted = read_submission(result.folder.path / PREDICTIONS)
    assert sum(map(len, submitted.values())) == metrics["predicted"]
    (board,) = leaderboards(config.results)
    assert board.ranked["model"].tolist() == ["tiny-atlop"]
    assert board.ranked["f1"].tolist() == [metrics["f1"]]


def test_of_a_few_shot_query_only_the_relations_of_its_episode_are_predicted(config: RunConfig) -> None:
    dataset = load_dataset(config.dataset)
    queries = tuple(replace(one.within(("P17",)), episode=Episode(("P17",), ())) for one in dataset.documents)
    result = execute_encoder(prepare_encoder(config, dataset=replace(dataset, documents=queries)), lambda: None)
    assert list(result.metrics.per_relation) == ["P17"]
    assert set(run(config).metrics.per_relation) > {"P17"}


@pytest.mark.parametrize("instructions", ["avx512_bf16", "amx_bf16"])
def test_bfloat16_is_the_default_where_the_processor_has_it(
    instructions: str, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    assert not has_bfloat16({"avx2": True, instructions: False})
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, instructions: True})
    assert EncoderScorer(trained, {"device": "cpu"}).precision == "bf16"
    assert EncoderScorer(trained, {"device": "cpu", "precision": "fp32"}).precision == "fp32"


def test_a_run_over_what_the_encoder_was_trained_on_is_not_ranked(trained: Path, corpus: Path, tmp_path: Path) -> None:
    result = run(RunConfig(model=str(trained), dataset=str(corpus), results=tmp_path))
    assert result.seen_by_encoder == (
        "the encoder saw the documents: it was trained on 20 of the 24 documents, its epoch or threshold was chosen by "
        "2 of the 24 documents"
    )
    (board,) = leaderboards(tmp_path)
    assert board.unranked["reason"].tolist() == [result.seen_by_encoder]


async def test_scoring_it_again_changes_nothing(config: RunConfig) -> None:
    result = run(config)
    again = await rescore_run(result.folder, None)
    assert again.metrics == result.metrics


def test_the_pair_scores_beside_the_run_hold_its_predictions(config: RunConfig) -> None:
    result = run(config)
    scores = ScoreFile(result.folder.path / PAIR_SCORES)
    assert set(scores) == {record.title for record in result.folder.documents()}
    for record in result.folder.documents():
        assert scores[record.title].pairs.shape == (12, 2)
        assert scores[record.title].predictions() == record.predictions


def test_a_limited_run_is_not_ranked(config: RunConfig) -> None:
    run(RunConfig(model=config.model, dataset=config.dataset, results=config.results, limit=3))
    (board,) = leaderboards(config.results)
    assert board.unranked["reason"].tolist() == ["partial: 3 of 24 documents"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": "tagged"}, "leave out --prompt"),
        ({"temperature": 0.5}, "leave out --temperature"),
        ({"candidates": "gold"}, "leave out --candidates"),
        ({"prompt_options": {"refs": "name"}}, "leave out --prompt-option"),
        ({"limits": Limits(seconds=1)}, "leave out --max-time$"),
        ({"model_options": {"colour": "blue"}}, "-M colour"),
    ],
)
def test_what_an_encoder_does_not_have_is_refused(config: RunConfig, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepare_encoder(RunConfig(model=config.model, dataset=config.dataset, **options))


def test_an_encoder_answers_no_prompt_and_an_llm_needs_one(config: RunConfig) -> None:
    with pytest.raises(InputError, match="is an encoder"):
        prepare(RunConfig(model=config.model, prompt="tagged", dataset="sample"))
    with pytest.raises(InputError, match="give --prompt"):
        prepare(RunConfig(model="mock", dataset="sample"))


def test_the_command_line_trains_and_runs(tiny_encoder: Callable[[str], str], corpus: Path, tmp_path: Path) -> None:
    options = [f"-O{key}={value}" for key, value in {**OPTIONS, "epochs": "1"}.items()]
    done = harness(
        "train", "rcp", "--encoder", tiny_encoder("bert"), "--train", corpus, "--choose", 4, "--report", 4,
        "--few-shot", 8, "--seeds", 2, *options, "--out", tmp_path / "rcp", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)
    assert first["folder"] != second["folder"]
    assert first["reported"]["documents"] == 4
    arguments = ["run", "--model", first["folder"], "--dataset", corpus, "--results-dir", tmp_path]
    content = harness_json(*arguments)
    assert content["metrics"]["pair_f1"] > 0
    assert content["usage"]["prompt_tokens"] == 0
    (board,) = leaderboards(tmp_path)
    (reason,) = board.unranked["reason"].tolist()
    assert reason.endswith("proposes pairs without relations: see its pair F1")
    refused = harness("retry", content["run_id"], "--results-dir", tmp_path)
    assert (refused.returncode, "nothing to retry" in error_line(refused)) == (2, True)


def test_relations_that_the_corpus_lacks_are_left_out(trained: Path, corpus: Path) -> None:
    whole = EncoderScorer(trained)
    schema = RelationSchema((Relation(whole.relations[1], "one"), Relation("P99999", "unknown to the model")))
    documents = list(load_dataset(str(corpus)).documents)[:2]
    fewer = EncoderScorer(trained, schema=schema)
    assert fewer.relations == whole.relations[1:2]
    for found, reference in zip(fewer.score(documents), whole.score(documents), strict=True):
        assert np.array_equal(found.scores, reference.scores[:, [1, -1]])
    with pytest.raises(InputError, match="knows no relation of this corpus"):
        EncoderScorer(trained, schema=RelationSchema((Relation("P99999", "unknown"),)))


def test_a_file_without_relations_is_scored_with_the_models_own(trained: Path, corpus: Path, tmp_path: Path) -> None:
    content = [{**one, "labels": []} for one in json.loads(corpus.read_text(encoding="utf-8"))]
    (tmp_path / "mine.json").write_text(json.dumps(content[:2]), encoding="utf-8")
    result = run(RunConfig(model=str(trained), dataset=str(tmp_path / "mine.json"), results=tmp_path / "results"))
    assert len(list(result.folder.documents())) == 2


def test_a_threshold_that_was_not_chosen_is_not_said_to_be(trained: Path, tmp_path: Path) -> None:
    assert encoder_origin(trained, 0.0, ())["chosen_on"] == "2 documents held out of corpus"
    assert not encoder_origin(trained, 0.0, (), is_given=True)["chosen_on"]
    folder = shutil.copytree(trained, tmp_path / "copy")
    text = (folder / TRAINING).read_text(encoding="utf-8")
    (folder / TRAINING).write_text(text.replace('"choose_threshold": true', '"choose_threshold": false'))
    assert not encoder_origin(folder, 0.0, ())["chosen_on"]


def test_another_configuration_is_another_run(trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained, tmp_path / "copy")
    before = EncoderScorer(folder).identity
    content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    (folder / CONFIG).write_text(json.dumps({**content, "overlap": content["overlap"] + 1}), encoding="utf-8")
    assert EncoderScorer(folder).identity != before


def test_training_begins_with_a_packaged_encoder(corpus: Path, tmp_path: Path) -> None:
    command = ["train", "atlop", "--train", corpus, "--choose", 4, "--report", 4, "--few-shot", 2, "-O", "epochs=1"]
    done = harness(*command, "--from", "atlop-minilm", "--out", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "seed-0" / TRAINING).read_text())
    first = trained_folder("atlop-minilm")
    assert first is not None
    assert record["question"]["data"]["start_sha256"] == sha256_of(first / WEIGHTS)
    for name in ("nowhere", "./missing", "OWNER/with spaces"):
        refused = error_line(harness(*command, "--from", name, "--out", tmp_path / "other"))
        assert refused.startswith(f"error: {name}: ")


def test_parts_of_an_encoders_run_merge_into_the_undivided_one(config: RunConfig, tmp_path: Path) -> None:
    whole = run(config)
    parts = [run(replace(config, part=f"{number}/3")) for number in (1, 2, 3)]
    merged = merge_parts([one.folder for one in parts], tmp_path / "merged")
    for name in (PREDICTIONS, METRICS, DOCUMENTS, PAIR_SCORES):
        assert (merged.folder.path / name).read_bytes() == (whole.folder.path / name).read_bytes()
    times = {"layout": 1, "sessions": None, "config": None, "merged": None}
    assert {**merged.manifest.as_json(), **times} == {**whole.manifest.as_json(), **times}
