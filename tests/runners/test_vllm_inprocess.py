"""What is particular to the runner ``vllm_inprocess``; what it shares with all is in test_conformance.py."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from harness.errors import InputError, ModelUnavailable
from harness.models import resolve_model
from harness.types import Adapter, AdapterBase, ModelSpec, RunnerOptions
from runners import vllm_flags, vllm_inprocess
from runners.vllm_flags import engine_flags
from runners.vllm_inprocess import VllmInprocessRunner
from runners.vllm_requests import lora_request
from runners.vllm_server import server_command

SPEC = ModelSpec("small", "vllm_inprocess", "org/small")


def test_the_engine_gets_the_flags_that_the_server_gets() -> None:
    options = RunnerOptions(extra={"device": "cpu", "flag.max-num-seqs": "8"})
    spec = resolve_model("vllm-inprocess/mistral-small-2501")
    flags = engine_flags(spec, options)
    assert flags["tokenizer-mode"] == "mistral"
    assert flags["max-num-seqs"] == "8"
    assert '"backend":"xgrammar"' in flags["structured-outputs-config"]
    command = server_command(spec, options, 8000)
    for name, value in flags.items():
        assert command[command.index(f"--{name}") + 1] == value or not value


def test_a_repositorys_sampling_defaults_are_left_out() -> None:
    assert engine_flags(SPEC, RunnerOptions())["generation-config"] == "vllm"


def test_without_a_gpu_a_large_model_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_flags, "has_gpu", lambda: False)
    runner = VllmInprocessRunner(resolve_model("vllm-inprocess/qwen2.5-72b"), RunnerOptions())
    with pytest.raises(ModelUnavailable, match=r"4 GPUs of 80 GB.*--base-url.*smollm2-135m"):
        runner.check()


def test_without_vllm_the_package_and_the_server_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_inprocess, "has_vllm", lambda _python: False)
    runner = VllmInprocessRunner(SPEC, RunnerOptions(extra={"device": "cpu"}))
    with pytest.raises(ModelUnavailable, match=r"docre-harness\[vllm\].*vllm/org/small"):
        runner.check()


def test_it_is_another_model_than_the_servers_and_its_context_is_the_given_one() -> None:
    options = RunnerOptions(extra={"flag.max-model-len": "2048"})
    runner = VllmInprocessRunner(SPEC, options)
    assert runner.identity["provider"] == "vllm-inprocess"
    assert runner.identity["-M flag.max-model-len"] == "2048"
    assert runner.supports.context == 2048


def test_a_request_names_its_adapter_as_vllm_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = ModuleType("vllm.lora.request")
    module.LoRARequest = lambda *arguments: arguments  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm.lora.request", module)
    adapters = tuple(Adapter(tmp_path, letter * 64, 8, AdapterBase()) for letter in "ab")
    assert lora_request("", adapters) is None
    assert lora_request("b" * 64, adapters) == ("b" * 64, 2, str(tmp_path))
    runner = VllmInprocessRunner(SPEC, RunnerOptions(extra={"device": "cpu"}, adapters=adapters))
    assert runner.supports.adapters == ("a" * 64, "b" * 64)


def test_a_device_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="device=tpu"):
        VllmInprocessRunner(SPEC, RunnerOptions(extra={"device": "tpu"}))


def test_a_flag_that_only_the_server_has_is_told() -> None:
    pytest.importorskip("vllm")
    with pytest.raises(InputError, match="--root-path"):
        vllm_inprocess._engine_arguments({"model": "org/small", "root-path": "/x"})
