"""Runs whose model answers with LoRA adapters: whose step, which id, what the record tells, what is ranked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.analyses.not_ranked import reasons_not_ranked
from harness.cli.options import key_values
from harness.cli.summary import answer_lines
from harness.errors import InputError
from harness.models import resolve_model
from harness.prompting.variant import load_variant
from harness.runs.config import RunConfig
from harness.runs.plan import Experiment, prepare
from harness.runs.results import RunResult
from harness.runs.sources.llm import most_triplets
from harness.store import find_run
from tests.commands import error_line, harness_here
from tests.paths import REPOSITORY
from tests.runners.tiny_gguf import tiny_model, write_adapter, write_tiny_gguf

for _package in ("torch", "transformers", "peft", "gguf", "xllamacpp"):
    pytest.importorskip(_package, reason="needs pip install 'docre-harness[adapters,local]'")


SAMPLE = REPOSITORY / "harness" / "datasets" / "sample" / "documents.json"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A tiny llama, ``tiny.gguf``, and the adapters ``one`` and ``two``."""
    folder = tmp_path_factory.mktemp("run-adapters")
    model = tiny_model()
    write_tiny_gguf(folder / "tiny.gguf", model)
    write_adapter(folder / "one", model, 1, {"prompt": "tagged", "options": {}, "epochs": 3})
    write_adapter(folder / "two", model, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE_DIR", str(folder / "cache"))
        yield folder


def prepared(folder: Path, prompt: str, **adapter: str) -> Experiment:
    adapters = {step.removeprefix("every"): str(folder / name) for step, name in adapter.items()}
    config = RunConfig(str(folder / "tiny.gguf"), prompt, "sample", adapter=adapters)
    return prepare(config, model_needed=False)


def test_every_step_is_answered_by_its_own_adapter(folder: Path) -> None:
    experiment = prepared(folder, "rhf", relations="one", every="two")
    one, two = experiment.adapters["relations"].sha256, experiment.adapters[""].sha256
    said = experiment.method().demonstrate(next(iter(experiment.documents)))
    assert {(part.step, part.request.adapter) for part in said} == {("relations", one), ("heads", two), ("facts", two)}
    assert experiment.question()["adapters"] == {"relations": one, "": two}
    assert experiment.prompt_label.endswith("adapter=relations:one+two")


def test_without_an_adapter_the_question_is_as_before(folder: Path, tmp_path: Path) -> None:
    plain = prepared(folder, "tagged")
    assert "adapters" not in plain.question()
    with_one = prepared(folder, "tagged", every="one")
    moved = shutil.copytree(folder / "one", tmp_path / "one")
    elsewhere = prepare(RunConfig(str(folder / "tiny.gguf"), "tagged", "sample", adapter={"": str(moved)}))
    assert plain.run_id != with_one.run_id == elsewhere.run_id


@pytest.mark.parametrize(
    ("record", "used", "told"),
    [
        ({}, {"every": "mine"}, ""),
        ({"prompt": "tagged", "options": {}}, {"every": "mine"}, ""),
        ({"prompt": {"name": "compact"}}, {"every": "mine"}, "it was trained for the prompt compact, not rhf"),
        (
            {"prompt": {"name": "rhf", "sha256": "0"}},
            {"every": "mine"},
            "it was trained for another text of the prompt",
        ),
        ({"step": "heads"}, {"heads": "mine"}, ""),
        ({"step": "heads"}, {"facts": "mine"}, "it was trained for the step heads, not facts"),
        ({"step": "heads"}, {"every": "mine"}, "it was trained for the step heads, not every step"),
        ({"output": "json"}, {"every": "mine"}, "it was trained for answers as json, not lines"),
    ],
)
def test_a_run_that_asks_otherwise_than_the_training_did_is_warned_of(
    folder: Path, record: dict[str, object], used: dict[str, str], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    mine = shutil.copytree(folder / "two", folder / "mine", dirs_exist_ok=True)
    (mine / "adapter.json").write_text(json.dumps({"format": 1, **record}))
    (origin,) = prepared(folder, "rhf", **used).adapters_told()
    assert origin["asked_otherwise"].startswith(told)
    assert bool(origin["asked_otherwise"]) == bool(told) == ("warning: the adapter" in caplog.text)


def test_options_of_the_prompt_are_compared_too(folder: Path) -> None:
    asked = prepared(folder, "rhf").resolved()["prompt"]
    mine = shutil.copytree(folder / "two", folder / "mine", dirs_exist_ok=True)
    (mine / "adapter.json").write_text(json.dumps({"format": 1, "prompt": asked}))
    (same,) = prepared(folder, "rhf", every="mine").adapters_told()
    asked["options"] |= {"descriptions": "full", "evidence": "sentences"}
    (mine / "adapter.json").write_text(json.dumps({"format": 1, "prompt": asked}))
    (other,) = prepared(folder, "rhf", every="mine").adapters_told()
    told = "it was trained for evidence=sentences, not none; descriptions=full, not none"
    assert (same["asked_otherwise"], other["asked_otherwise"]) == ("", told)


def test_a_small_models_bound_is_not_that_of_an_adapter_for_it(folder: Path) -> None:
    spec, config = resolve_model("smollm2-135m"), RunConfig("smollm2-135m", "compact")
    variant, adapters = load_variant("compact"), prepared(folder, "tagged", every="one").adapters.values()
    assert most_triplets(config, spec, variant, ()) == spec.max_triplets == 10
    assert most_triplets(config, spec, variant, adapters) == 100
    assert most_triplets(replace(config, max_triplets=7), spec, variant, adapters) == 7


def test_texts_are_annotated_with_adapters(folder: Path, tmp_path: Path) -> None:
    text = tmp_path / "one.txt"
    text.write_text("Paris is a city.", encoding="utf-8")
    command = ["annotate", text, "--model", folder / "tiny.gguf", "--max-tokens", "4", "-M", "threads=1"]
    command += ["--results-dir", tmp_path, "--adapter", f"entities={folder / 'one'}", "--json", "--constrain", "none"]
    done = harness_here(*command)
    manifest = json.loads((Path(json.loads(done.stdout)["run_dir"]) / "manifest.json").read_text(encoding="utf-8"))
    (told,) = manifest["adapters"]
    assert manifest["question"]["adapters"] == {"entities": told["sha256"]}
    assert "--adapter nothing=...: prompt 'annotate' has the steps entities, relations" in error_line(
        harness_here(*command, "--adapter", f"nothing={folder / 'one'}")
    )


def test_a_step_that_the_prompt_does_not_have_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="'rhf' has the steps facts, heads, relations"):
        prepared(folder, "rhf", extract="one")


def test_an_adapter_is_typed_with_its_step_or_without(tmp_path: Path) -> None:
    typed = [f"{tmp_path}/a=b", "facts=one"]
    assert key_values(typed, "--adapter", bare=True) == {"": f"{tmp_path}/a=b", "facts": "one"}
    assert key_values(["one"], "--adapter", bare=True) == {"": "one"}
    with pytest.raises(InputError, match="--adapter VALUE or KEY=VALUE"):
        key_values(["facts="], "--adapter", bare=True)


def test_a_run_tells_what_its_adapter_saw_and_is_asked_again_with_it_only(folder: Path, tmp_path: Path) -> None:
    adapter = shutil.copytree(folder / "one", tmp_path / "mine")
    run = ["run", "--model", folder / "tiny.gguf", "--prompt", "tagged", "--dataset", "sample", "--limit", "2"]
    run += ["--max-tokens", "4", "--results-dir", tmp_path, "--display", "none", "-M", "threads=1"]
    harness_here(*run, "--adapter", adapter)
    (stored,) = (tmp_path / "runs").iterdir()
    before = json.loads(harness_here(*run, "--adapter", adapter, "--dry-run", "--json").stdout)
    assert (before["run_id"], before["documents"]) == (stored.name, 2)
    result = RunResult.load(find_run(tmp_path, stored.name))
    (told,) = result.manifest.adapters
    assert (told.name, told.rank, told.training["epochs"]) == ("mine", 4, 3)
    assert result.manifest.question.adapters == {"": told.sha256}
    unknown = "what the adapter saw in training is unknown"
    assert result.seen_by_adapter == unknown
    assert unknown in list(reasons_not_ranked(result, 1.0))
    assert ("seen before", f"{unknown}; not ranked") in answer_lines(result)

    retry = ["retry", stored.name, "--results-dir", tmp_path, "--model", folder / "tiny.gguf", "--display", "none"]
    assert "repeat them: harness retry RUN --adapter FOLDER" in error_line(harness_here(*retry))
    assert "made with another" in error_line(harness_here(*retry, "--adapter", folder / "two"))
    assert harness_here(*retry, "--adapter", adapter).returncode == 1
    assert harness_here("score", stored.name, "--results-dir", tmp_path).returncode == 0

    first, *_ = json.loads(SAMPLE.read_text(encoding="utf-8"))
    documents = tmp_path / "first.json"
    documents.write_text(json.dumps([first]), encoding="utf-8")
    assert harness_here("train", "seen", adapter, "--documents", documents).returncode == 0
    config = RunConfig(str(folder / "tiny.gguf"), "tagged", "sample", limit=2, adapter={"": str(adapter)})
    (again,) = prepare(config, model_needed=False).asked().adapters
    assert again.seen == "the adapter saw the documents: it was trained on 1 of the 2 documents"
