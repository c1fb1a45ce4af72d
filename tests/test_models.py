from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.models import given_base_url, load_models, resolve_model
from harness.types import RunnerOptions
from runners.registry import create_runner

OF_THE_PAPERS = [
    *("llama2-7b", "llama2-13b", "llama3-8b", "llama3.1-8b", "gpt-4-turbo"),
    *("mistral-7b", "vicuna-7b"),
    *("qwen2.5-72b", "llama3.3-70b", "mistral-large-2411", "mistral-small-2501", "gpt-3.5-turbo", "gpt-4o"),
]


def test_every_model_of_the_papers_has_a_row() -> None:
    assert set(OF_THE_PAPERS) <= load_models().keys()


def test_what_a_gpu_model_needs_is_stated_and_fits_its_gpus() -> None:
    for spec in load_models().values():
        if spec.runner == "vllm_server":
            assert 0 < spec.memory_gb <= 80 * spec.gpus, spec.name
            assert spec.context, spec.name


def test_prices_come_in_pairs() -> None:
    for spec in load_models().values():
        assert (spec.price_in is None) == (spec.price_out is None), spec.name


@pytest.mark.parametrize(
    ("name", "runner", "provider", "model_id"),
    [
        ("smollm2-135m", "llama_cpp", "", "HuggingFaceTB/SmolLM2-135M-Instruct"),
        ("openai/gpt-9", "openai_api", "openai", "gpt-9"),
        ("openrouter/org/model", "openai_api", "openrouter", "org/model"),
        ("vllm/org/model", "vllm_server", "", "org/model"),
        ("vllm//models/x", "vllm_server", "", "/models/x"),
        ("vllm/./x", "vllm_server", "", "./x"),
        ("vllm-inprocess/org/model", "vllm_inprocess", "", "org/model"),
        ("transformers/org/model", "transformers", "", "org/model"),
        ("transformers//models/own.gguf", "transformers", "", "/models/own.gguf"),
        ("/models/own.gguf", "llama_cpp", "", "/models/own.gguf"),
        ("/models/OWN.GGUF", "llama_cpp", "", "/models/OWN.GGUF"),
        ("llama_cpp//models/own.gguf", "llama_cpp", "", "/models/own.gguf"),
        ("llama-server/Some-7B-Q4_K_M.gguf", "openai_api", "llama-server", "Some-7B-Q4_K_M.gguf"),
        ("lmstudio/org/Some-GGUF/some.gguf", "openai_api", "lmstudio", "org/Some-GGUF/some.gguf"),
        ("models/own.gguf", "llama_cpp", "", "models/own.gguf"),
        ("azure/my-deployment", "openai_api", "azure", "my-deployment"),
    ],
)
def test_a_name_reaches_its_runner(name: str, runner: str, provider: str, model_id: str) -> None:
    spec = resolve_model(name)
    assert (spec.runner, spec.provider, spec.model_id) == (runner, provider, model_id)


def test_the_model_of_a_row_runs_on_another_runner() -> None:
    small, large = load_models()["smollm2-135m"], load_models()["qwen3-8b"]
    unpacked = resolve_model("transformers/smollm2-135m")
    assert (unpacked.extra, unpacked.revision, unpacked.max_triplets) == (small.extra, small.revision, 10)
    from_hub = resolve_model("vllm-inprocess/smollm2-135m")
    assert (from_hub.model_id, from_hub.revision, from_hub.extra) == (small.model_id, "", {})
    assert resolve_model("vllm-inprocess/qwen3-8b").chat == large.chat
    assert resolve_model("transformers/gpt-4o").model_id == "gpt-4o", "an API's model has no weights to load"


@pytest.mark.parametrize(
    ("name", "runner", "model_id"),
    [
        ("org/model", "openai_api", "org/model"),
        ("anything", "openai_api", "anything"),
        ("smollm2-135m", "openai_api", "smollm2-135m"),
        ("Some-7B-Q4_K_M.gguf", "openai_api", "Some-7B-Q4_K_M.gguf"),
        ("./models/own.gguf", "openai_api", "./models/own.gguf"),
        ("llama-server/Some-7B-Q4_K_M.gguf", "openai_api", "Some-7B-Q4_K_M.gguf"),
        ("qwen2.5-72b", "vllm_server", "Qwen/Qwen2.5-72B-Instruct"),
    ],
)
def test_with_a_base_url_every_name_is_asked_for_there(name: str, runner: str, model_id: str) -> None:
    spec = resolve_model(name, "http://127.0.0.1:8000/v1")
    assert (spec.runner, spec.model_id) == (runner, model_id)


@pytest.mark.parametrize(
    ("name", "is_asked_there"),
    [
        *[(name, True) for name in ("gpt-4o", "openai/gpt-9", "openai-compatible/x", "org/model", "unknown")],
        *[(name, False) for name in ("smollm2-135m", "qwen2.5-72b", "mistral/x", "vllm/org/model", "own.gguf", "mock")],
    ],
)
def test_the_environment_names_the_server_of_openais_models_and_of_no_others(
    name: str, is_asked_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert given_base_url(name, None) is None
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    assert given_base_url(name, None) == ("http://127.0.0.1:8000/v1" if is_asked_there else None)
    assert given_base_url(name, " http://other/v1 ") == "http://other/v1"


def test_an_embedded_row_keeps_its_limits_behind_a_base_url() -> None:
    embedded, served = resolve_model("smollm2-135m"), resolve_model("smollm2-135m", "http://127.0.0.1:8000/v1")
    assert embedded.max_triplets
    assert (served.context, served.max_triplets) == (embedded.context, embedded.max_triplets)


@pytest.mark.parametrize(("name", "nearest"), [("smolm2-135m", "smollm2-135m"), ("gpt4o", "gpt-4o")])
def test_a_mistyped_name_is_answered_with_the_nearest_in_one_line(name: str, nearest: str) -> None:
    with pytest.raises(InputError, match=f"did you mean .*{nearest}") as raised:
        resolve_model(name)
    assert "harness models" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_folder_without_a_trained_encoder_is_told_with_what_it_may_be(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=f"no trained encoder, which has model.safetensors; .* transformers/{tmp_path}"
    ):
        resolve_model(str(tmp_path))


@pytest.mark.parametrize("name", ["", "zzz", "nowhere/model", "openai/"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="unknown model"):
        resolve_model(name)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ('[m]\nrunner = "mock"\nmodel_id = "m"\nprise_in = 1', "unknown key 'prise_in'"),
        ('[m]\nrunner = "mock"', "model_id are needed"),
    ],
)
def test_a_bad_row_is_named(row: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text(row)
    with pytest.raises(InputError, match=f"model m: .*{problem}"):
        load_models(path)


@pytest.mark.parametrize(
    ("name", "strict"),
    [
        ("gpt-4-turbo", False),
        ("gpt-3.5-turbo", False),
        ("gpt-4o-2024-05-13", False),
        ("openai/gpt-4-0613", False),
        ("openai/gpt-4-turbo-2024-04-09", False),
        ("openai/gpt-3.5-turbo-0125", False),
        ("openai/gpt-4o-2024-05-13", False),
        ("openai/gpt-4o-2024-08-06", True),
        ("openai/gpt-4.1", True),
        ("gpt-4o", True),
        ("together/gpt-4", True),
    ],
)
def test_rows_say_which_api_models_cannot_be_held_to_a_json_schema(name: str, strict: bool) -> None:
    spec = resolve_model(name)
    assert create_runner(spec, RunnerOptions()).supports.forms == (("json_schema",) if strict else ())


def test_an_encoder_of_one_of_several_seeds_is_named_with_the_folder_above(tmp_path: Path) -> None:
    for name in ("atlop-docred/seed-0", "atlop-redocred/seed-0", "mine"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "model.safetensors").touch()
    names = [
        resolve_model(str(tmp_path / one)).name for one in ("atlop-docred/seed-0", "atlop-redocred/seed-0", "mine")
    ]
    assert names == ["atlop-docred/seed-0", "atlop-redocred/seed-0", "mine"]
