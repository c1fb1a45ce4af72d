"""What is particular to the runner ``transformers``; what it shares with all is in test_conformance.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.answers.label import read_labels
from harness.errors import FatalError, InputError, ModelUnavailable
from harness.models import load_models, resolve_model
from harness.types import Message, ModelSpec, Request, RunnerOptions, Sampling
from runners import transformers_local
from runners.transformers_local import TransformersRunner
from tests.tiny_llm import tiny_llm

SPEC = ModelSpec("small", "transformers", "org/small")


def runner_of(spec: ModelSpec = SPEC, **extra: str) -> TransformersRunner:
    return TransformersRunner(spec, RunnerOptions(extra=extra))


@pytest.fixture
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformers_local, "has_gpu", lambda: False)


@pytest.mark.usefixtures("_no_gpu")
def test_the_precision_is_part_of_the_identity_and_follows_the_device() -> None:
    assert runner_of().identity["dtype"] == "float32"
    assert runner_of(device="gpu").identity["dtype"] == "bfloat16"
    assert runner_of(dtype="float16").identity["dtype"] == "float16"


def test_how_many_are_decoded_at_once_is_no_part_of_the_identity() -> None:
    assert runner_of(batch="2", threads="1").identity == runner_of().identity
    assert runner_of(batch="2").supports.max_connections == 2


def test_other_weights_in_a_folder_are_another_model(tmp_path: Path) -> None:
    spec = ModelSpec("mine", "transformers", str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"a")
    first = runner_of(spec).identity
    (tmp_path / "model.safetensors").write_bytes(b"ab")
    assert runner_of(spec).identity != first


@pytest.mark.parametrize(("key", "value"), [("device", "tpu"), ("dtype", "int4"), ("batch", "0"), ("threads", "x")])
def test_an_option_of_the_wrong_kind_is_told(key: str, value: str) -> None:
    with pytest.raises(InputError, match=f"-M {key}={value}"):
        runner_of(**{key: value})


@pytest.mark.usefixtures("_no_gpu")
def test_a_model_for_gpus_is_refused_without_one() -> None:
    spec = resolve_model("transformers/qwen2.5-7b")
    with pytest.raises(ModelUnavailable, match=r"1 GPU.*none here.*smollm2-135m"):
        runner_of(spec).check()
    runner_of(spec, device="cpu").check()


def test_a_model_for_several_gpus_is_referred_to_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformers_local, "has_gpu", lambda: True)
    assert load_models()["qwen2.5-72b"].gpus > 1
    with pytest.raises(ModelUnavailable, match=r"4 GPUs.*one here.*vLLM"):
        runner_of(resolve_model("transformers/qwen2.5-72b")).check()


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformers_local, "find_spec", lambda name: None if name == "outlines" else object())
    with pytest.raises(ModelUnavailable, match=r"outlines.*docre-harness\[transformers\]"):
        runner_of().check()


def test_only_a_gguf_file_needs_its_reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(transformers_local, "find_spec", lambda name: None if name == "gguf" else object())
    path = tmp_path / "model.gguf"
    path.write_bytes(b"")
    runner_of().check()
    with pytest.raises(ModelUnavailable, match="gguf"):
        runner_of(ModelSpec("m", "transformers", str(path))).check()


@pytest.mark.parametrize("path", ["/no/such/folder", "./absent", "absent.gguf"])
def test_a_missing_path_is_refused_at_once(path: str) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        runner_of(ModelSpec("m", "transformers", path)).check()


async def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    (tmp_path / "config.json").write_text("{}")
    runner = runner_of(ModelSpec("m", "transformers", str(tmp_path)))
    with pytest.raises(FatalError, match="transformers cannot load") as raised:
        await runner.__aenter__()
    assert "\n" not in str(raised.value)


async def test_the_first_tokens_of_labels_are_read_however_improbable_they_are(tmp_path: Path) -> None:
    spec = ModelSpec("tiny", "transformers", str(tiny_llm(tmp_path / "tiny")))
    labels = ("Oslo Airport", "bergen", "none")
    request = Request((Message("user", "?"),), Sampling(max_tokens=1), top_logprobs=1, labels=labels, first_tokens=True)
    async with TransformersRunner(spec, RunnerOptions()) as runner:
        (token,) = (await runner.generate(request)).logprobs
        (few,) = (await runner.generate(replace(request, labels=()))).logprobs
    assert {"O", "o", "b", "B", "n", "N"} <= {word for word, _ in token.top}
    assert (len(few.top), token.top[0]) == (1, few.top[0])
    reading = read_labels([token], labels)
    assert (reading.unread, reading.logprobs is not None) == (frozenset(), True)
    assert read_labels([few], labels).unread or read_labels([few], labels).logprobs is None
