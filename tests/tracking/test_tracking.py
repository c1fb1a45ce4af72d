"""Runs handed to the real MLflow and Weights & Biases clients, offline; the metadata of a model card."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness import run
from harness.errors import InputError
from harness.runs.results import RunResult
from harness.tracking import track_run
from harness.tracking.content import tracked
from harness.tracking.model_card import model_card_block
from harness.tracking.wandb_tracker import refuse_local_server
from tests.commands import environment, error_line, harness

SECRET = "sk-tell-nobody-0123456789"
ANSWER = {"contains": "Ingrid Solheim", "text": "(E1 | place of birth | E5)\nEND"}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    folder = tmp_path_factory.mktemp("private-folder")
    answers = folder / "answers.jsonl"
    answers.write_text(json.dumps(ANSWER) + "\n", encoding="utf-8")
    return run("mock", "tagged", dataset="sample", results=folder, model_options={"answers": str(answers)})


def test_a_tracker_is_told_question_scores_and_usage_but_no_path(result: RunResult) -> None:
    content = tracked(result)
    assert content.parameters["model.name"] == "mock"
    assert content.parameters["prompt.options.refs"] == "id"
    assert content.parameters["constraint.level"] == "closed"
    assert content.metrics["precision"] == 1.0
    assert content.metrics["usage.requests"] == 32
    assert content.metrics["statuses.ok"] == 33
    assert "ign_f1" not in content.metrics, "what is not available is left out, not 0"
    assert content.tags["harness.whole_split"] == "true"
    assert "private-folder" not in json.dumps([dict(content.parameters), dict(content.tags)])


def test_mlflow_keeps_one_run_of_a_stored_run(
    result: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow", reason="the extra tracking is not installed")
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", tmp_path.as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    where = track_run(result, "mlflow")
    assert track_run(result, "mlflow") == where
    client = MlflowClient()
    name, run_id = where.split("/")
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    (logged,) = client.search_runs([experiment.experiment_id])
    assert logged.info.run_id == run_id
    assert logged.info.status == "FINISHED"
    assert logged.info.run_name == result.folder.run_id
    assert logged.data.metrics["f1"] == result.metrics.official.f1
    assert logged.data.params["prompt.name"] == "tagged"
    assert {one.path for one in client.list_artifacts(run_id)} == {"metrics.json", "predictions.json"}
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert SECRET.encode() not in written
    assert b"private-folder" not in written


def test_what_mlflow_refuses_is_told_in_one_line(
    result: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow", reason="the extra tracking is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tmp_path.as_uri())
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    with pytest.raises(InputError, match="MLflow: The filesystem") as error:
        track_run(result, "mlflow")
    assert "\n" not in str(error.value)


def test_a_run_is_handed_over_when_it_ends_and_wandb_adds_nothing_by_itself(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="the extra tracking is not installed")
    done = harness(
        *("run", "--model", "mock", "--prompt", "tagged", "--dataset", "sample", "--limit", "3", "--json"),
        *("--track", "wandb", "--results-dir", tmp_path / "private-results"),
        WANDB_MODE="offline",
        **{name: str(tmp_path / "wandb") for name in ("WANDB_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR")},
        MISTRAL_API_KEY=SECRET,
        HF_TOKEN=SECRET,
    )
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("wandb: /")]
    folder = Path(line.removeprefix("wandb: "))
    (record,) = folder.glob("run-*.wandb")
    content = record.read_bytes()
    assert b"prompt.options.refs" in content
    assert b"pair_f1" in content
    files = b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    assert SECRET.encode() not in files
    assert b"private-results" not in files
    assert not list(folder.rglob("wandb-metadata.json")), "command line and machine are not recorded"


def test_a_working_folder_does_not_choose_where_the_key_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_BASE_URL", raising=False)
    settings = tmp_path / "wandb" / "settings"
    refuse_local_server(settings)
    settings.parent.mkdir()
    settings.write_text("[default]\nbase_url = http://elsewhere\n", encoding="utf-8")
    with pytest.raises(InputError, match="set WANDB_BASE_URL"):
        refuse_local_server(settings)
    monkeypatch.setenv("WANDB_BASE_URL", "http://mine")
    refuse_local_server(settings)


@pytest.mark.parametrize("tracker", ["mlflow", "wandb"])
def test_without_its_package_a_run_is_refused_before_it_begins(tracker: str, tmp_path: Path) -> None:
    hidden = f"import sys; sys.modules['{tracker}'] = None; from harness.cli.main import main; main()"
    command = ["run", "--model", "mock", "--prompt", "tagged", "--dataset", "sample", "--track", tracker]
    done = subprocess.run(
        [sys.executable, "-c", hidden, *command, "--results-dir", str(tmp_path / "results")],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert done.returncode == 2
    assert "docre-harness[tracking]" in error_line(done)
    assert not (tmp_path / "results").exists()


def test_the_card_block_is_a_model_index_that_the_hub_reads(result: RunResult) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="the extra tracking is not installed")
    block = model_card_block(result)
    assert block.startswith("---\n")
    metadata = yaml.safe_load(block.split("---\n")[1])
    (indexed,) = metadata["model-index"]
    assert indexed["name"] == "mock"
    read = hub.ModelCardData(**metadata).eval_results
    values = {one.metric_type: one.metric_value for one in read}
    assert values["precision"] == 1.0
    assert values["f1"] == round(result.metrics.official.f1, 4)
    assert "ign_f1" not in values
    assert {(one.dataset_type, one.dataset_split) for one in read} == {("sample", "dev")}
    assert read[0].metric_args["documents"] == "33 of 33"


def test_the_card_is_printed_and_a_run_that_has_not_ended_is_refused(result: RunResult, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="the extra tracking is not installed")
    assert harness("card", result.folder.path).stdout == model_card_block(result)
    manifest = result.folder.read_manifest()
    stopped = tmp_path / "runs" / "stopped"
    stopped.mkdir(parents=True)
    (stopped / "manifest.json").write_text(json.dumps({**manifest.as_json(), "status": "stopped"}), encoding="utf-8")
    done = harness("card", stopped)
    assert done.returncode == 2
    assert "stopped is stopped: finish it first" in error_line(done)
