"""What is on this machine is known by what it holds, not by its place, size or time."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.types import ModelSpec, RunnerOptions
from runners import content
from runners.content import content_digest, file_digest, paths_in
from runners.registry import create_runner


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder as a model's: weights, configuration, and what does not count."""
    folder = tmp_path / "model"
    (folder / ".cache").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights one")
    return folder


def retrain(file: Path, text: bytes) -> None:
    """Other content of the same size, with the old times."""
    before = file.stat()
    file.write_bytes(text)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("runner", ["transformers", "vllm_inprocess", "vllm_server", "llama_cpp"])
def test_weights_trained_anew_in_the_same_folder_are_another_model(runner: str, weights: Path) -> None:
    file = weights / "model.safetensors"
    path = file if runner == "llama_cpp" else weights

    def identity() -> dict[str, str]:
        return dict(create_runner(ModelSpec("mine", runner, str(path)), RunnerOptions()).identity)

    first = identity()
    assert identity() == first
    retrain(file, b"weights two")
    assert identity() != first
    retrain(file, b"weights one")
    assert identity() == first


@pytest.mark.parametrize(
    "option", ["flag.chat-template={}", "flag.lora-modules=mine={}", 'flag.lora-modules={{"path": "{}"}}']
)
def test_files_that_options_name_are_known_by_their_content(option: str, weights: Path) -> None:
    template = weights / "template.jinja"
    key, _, value = option.format(template).partition("=")

    def identity() -> dict[str, str]:
        spec = ModelSpec("m", "vllm_server", "org/hub-model")
        return dict(create_runner(spec, RunnerOptions(extra={key: value})).identity)

    template.write_text("one")
    first = identity()
    template.write_text("two")
    assert identity() != first


def test_a_server_s_model_is_not_looked_for_here(weights: Path) -> None:
    spec = ModelSpec("m", "vllm_server", str(weights))
    first = create_runner(spec, RunnerOptions(base_url="http://a/v1")).identity
    assert first["model"] == str(weights)
    assert "sha256" not in first


def test_moved_or_copied_weights_are_the_same_model(weights: Path) -> None:
    first = content_digest(weights)
    moved = weights.rename(weights.with_name("elsewhere"))
    assert content_digest(moved) == first
    (moved / ".hidden").write_text("not read")
    assert content_digest(moved) == first
    (moved / "model.safetensors").rename(moved / "other.safetensors")
    assert content_digest(moved) != first


def test_an_adapter_stands_for_its_base_model_too(weights: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(weights)}))
    first = content_digest(adapter)
    retrain(weights / "model.safetensors", b"weights two")
    assert content_digest(adapter) != first


def test_a_large_file_is_read_once_and_again_when_it_changed(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(content, "REMEMBERED_FROM_BYTES", 1)
    monkeypatch.setattr(content, "SETTLED_NS", -1)
    read: list[str] = []
    computed = content._computed
    monkeypatch.setattr(content, "_computed", lambda path, size: read.append(path.name) or computed(path, size))
    file = weights / "model.safetensors"
    first = file_digest(file)
    assert file_digest(file) == first
    assert read == [file.name]
    retrain(file, b"weights two")
    assert file_digest(file) != first
    (tmp_path / "cache" / "checksums.json").write_text("no JSON")
    file_digest(file)
    assert len(read) == 3


def test_a_file_that_changed_just_now_is_not_remembered(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(content, "REMEMBERED_FROM_BYTES", 1)
    file_digest(weights / "model.safetensors")
    assert not (tmp_path / "cache").exists()


def test_weights_that_cannot_be_read_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent cannot be read: No such file"):
        content_digest(tmp_path / "absent")


def test_only_what_is_there_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_text("")
    (tmp_path / "deepseek").write_text("")
    assert [str(path) for path in paths_in("0.9 ./a.json x=a.json,b.json deepseek")] == ["a.json", "a.json"]
