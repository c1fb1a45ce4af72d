from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.doctor import examine
from harness.errors import InputError
from harness.models import ENCODER, load_models, resolve_model
from harness.runs.config import RunConfig
from harness.runs.execute import Unwatched, execute
from harness.runs.plan import prepare
from harness.types import ModelSpec, Runner, RunnerOptions
from runners.registry import RUNNERS, create_runner, declared

PROMPTED = [spec for spec in load_models().values() if spec.runner != ENCODER]


@pytest.mark.parametrize("spec", PROMPTED, ids=lambda spec: spec.name)
def test_every_model_gets_a_runner_that_starts_nothing(spec: ModelSpec) -> None:
    runner = create_runner(spec, RunnerOptions())
    assert isinstance(runner, Runner)
    assert runner.name == spec.name
    assert runner.identity["provider"]


def test_every_model_has_an_identity_of_its_own() -> None:
    identities = [tuple(create_runner(spec, RunnerOptions()).identity.items()) for spec in PROMPTED]
    assert len(set(identities)) == len(identities)


def test_an_unknown_runner_is_named_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'abacus'.*llama_cpp"):
        create_runner(ModelSpec("m", "abacus", "m"), RunnerOptions())


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_mistyped_option_is_told_with_the_nearest_one(runner: str) -> None:
    known = max(declared(runner).options, key=len)
    with pytest.raises(InputError, match=f"did you mean {known}"):
        create_runner(ModelSpec("m", runner, "m"), RunnerOptions(extra={known + "x": "1"}))


@pytest.mark.parametrize(
    ("runner", "key", "value"),
    [
        ("llama_cpp", "slots", "0"),
        ("llama_cpp", "threads", "two"),
        ("mock", "latency_ms", "-1"),
        ("mock", "latency_ms", "inf"),
        ("openai_api", "probe", "maybe"),
        ("vllm_server", "start_timeout_s", "soon"),
        ("transformers", "context", "long"),
        ("vllm_inprocess", "stall_timeout_s", "never"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told(runner: str, key: str, value: str) -> None:
    with pytest.raises(InputError, match=f"-M {key}={value}"):
        create_runner(ModelSpec("m", runner, "m"), RunnerOptions(extra={key: value}))


def test_building_a_runner_loads_no_heavy_package() -> None:
    script = (
        "import sys\n"
        "from harness.models import ENCODER, load_models\n"
        "from harness.types import RunnerOptions\n"
        "from runners.registry import create_runner\n"
        "from dataclasses import replace\n"
        "specs = [spec for spec in load_models().values() if spec.runner != ENCODER]\n"
        "for spec in specs: create_runner(spec, RunnerOptions())\n"
        "for name in ('transformers', 'vllm_inprocess'): create_runner(replace(spec, runner=name), RunnerOptions())\n"
        "heavy = {'openai', 'httpx2', 'xllamacpp', 'torch', 'transformers', 'outlines', 'vllm', 'pydantic'}\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout == "[]\n"


NEW_RUNNER = """
from runners.contract import Declaration
from runners.mock import MockRunner
from runners.options import Option

def build(spec, options):
    return MockRunner(lambda _request: options.extra.get("answer", "END"), name=spec.name)

RUNNER = Declaration(
    "parrot", build, {"answer": Option("what is answered")}, prefix="parrot", package="no_parrot", extra="birds",
    purpose="birds", loads_rows=True,
)
"""


async def test_a_new_runner_is_one_file_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "parrot_runner.py").write_text(NEW_RUNNER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(RUNNERS, "parrot", "parrot_runner")
    spec = resolve_model("parrot/grey")
    assert (spec.runner, spec.model_id) == ("parrot", "grey")
    assert resolve_model("parrot/qwen2.5-7b").gpus == load_models()["qwen2.5-7b"].gpus
    with pytest.raises(InputError, match="did you mean answer"):
        create_runner(spec, RunnerOptions(extra={"anwser": "x"}))
    assert ("extra birds", False) in [(finding.name, finding.fine) for finding in examine(tmp_path)]
    config = RunConfig("parrot/grey", "tagged", dataset="sample", limit=2, results=tmp_path / "results")
    result = await execute(prepare(config), Unwatched())
    assert result.manifest.runner == "parrot"
    assert result.manifest.statuses == {"ok": 2}


@pytest.mark.parametrize("name", RUNNERS)
def test_a_runner_is_declared_under_the_name_it_is_registered_by(name: str) -> None:
    assert declared(name).name == name
