"""GGUF files of rows that name a repository of the Hugging Face hub: fetched once, or registered from a local file.

The first download records the commit and the SHA-256 of each file. A later one must give the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import InputError, ModelUnavailable, StorageError
from harness.paths import cache_dir
from harness.types import ModelSpec
from runners.content import file_digest
from runners.gguf_header import read_gguf_header, shards

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

Progress = Callable[[str], None]
REPOSITORY, FILE = "repo", "file"
_RECORDS = "hub-files.json"


@dataclass(frozen=True)
class KnownFile:
    """Where a row's model is.

    ``path`` is its first file; ``repository``, ``file`` and ``revision`` (a commit) say where it came from, and are
    empty for a file that the user registered; ``sha256`` has the checksum of each of its files by name.
    """

    path: str
    repository: str
    file: str
    revision: str
    sha256: Mapping[str, str]


def is_hub_row(spec: ModelSpec) -> bool:
    """Whether the row's file is at the hub and was neither fetched nor registered yet."""
    return REPOSITORY in spec.extra


def known_file(spec: ModelSpec) -> Path | None:
    """The first file of the row's model on this machine; None where it was not fetched, or is gone."""
    known = _records().get(spec.name)
    return Path(known.path) if known and Path(known.path).is_file() else None


def must_fetch(spec: ModelSpec) -> ModelUnavailable:
    """The error of a run whose model has not been fetched: large files are not downloaded unasked."""
    size = float(str(spec.extra.get("download_mb", 0))) / 1000
    return ModelUnavailable(
        f"{spec.name} is not on this machine: `harness models fetch {spec.name}` downloads it once ({size:.1f} GB), "
        f"`harness models fetch {spec.name} --from FILE.gguf` takes a file that is there"
    )


def register_file(spec: ModelSpec, path: Path) -> Path:
    """Take a file of this machine as the row's model; it stays where it is. InputError for what is no GGUF file."""
    files = shards(path.expanduser().resolve())
    if missing := [file for file in files if not file.is_file()]:
        raise InputError(f"model {spec.name}: no such file: {', '.join(map(str, missing))}")
    read_gguf_header(files[0])
    _record(spec.name, KnownFile(str(files[0]), "", "", "", {file.name: file_digest(file) for file in files}))
    return files[0]


def fetch_from_hub(spec: ModelSpec, progress: Progress = lambda _line: None) -> Path:
    """The first file of the row's model, downloaded where it is not there; a download that was cut off resumes.

    ``$HF_ENDPOINT`` names another hub. Raises ModelUnavailable if the hub cannot be reached, does not have the file,
    has another than before or none in GGUF, and StorageError if the file cannot be kept. What is not used is removed.
    """
    repository, first = str(spec.extra[REPOSITORY]), str(spec.extra[FILE])
    known = _records().get(spec.name)
    before = known if known and (known.repository, known.file) == (repository, first) else None
    names = [str(Path(first).with_name(file.name)) for file in shards(Path(first))]
    folder = cache_dir() / "models" / "hub" / repository.replace("/", "--")
    if before and all(_has(folder / name, before.sha256.get(Path(name).name)) for name in names):
        return folder / first
    progress(f"fetching {spec.name} from {repository} (once, about {spec.extra.get('download_mb')} MB)")
    revision, sums = _download(spec, repository, names, folder, before)
    if before and sums != before.sha256:
        # Where a known file lies, runs take it for that file.
        _remove(folder / name for name in names if sums[Path(name).name] != before.sha256.get(Path(name).name))
        raise ModelUnavailable(
            f"{spec.name}: {first} has another checksum than at its first download: it was altered on the way or at "
            f"the hub, so it is not used; if that is right, remove the entry {spec.name} of {_place()}"
        )
    _record(spec.name, KnownFile(str(folder / first), repository, first, revision, sums))
    return folder / first


def _download(
    spec: ModelSpec, repository: str, names: list[str], folder: Path, before: KnownFile | None
) -> tuple[str, dict[str, str]]:
    """The commit, and the checksum of each file by its name, once all are in ``folder``."""
    import httpx2
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        revision = (before and before.revision) or spec.revision or None
        info = HfApi().model_info(repository, revision=revision, files_metadata=True)
        for name in names:
            hf_hub_download(repository, name, revision=info.sha, local_dir=folder)
    except GatedRepoError:
        raise ModelUnavailable(
            f"{spec.name}: {repository} is gated: accept its licence at the hub and set $HF_TOKEN, or give a file with "
            "--from FILE.gguf"
        ) from None
    except LocalEntryNotFoundError as error:  # The client's word for a hub that did not answer as it should.
        raise _out_of_reach(spec, error) from None
    except (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError) as error:
        raise ModelUnavailable(f"{spec.name}: {repository} does not have {names[0]} ({_first_line(error)})") from None
    except (OSError, httpx2.HTTPError) as error:
        if isinstance(error, OSError) and error.filename:
            raise StorageError(
                f"{spec.name} cannot be kept under {folder} ({error.strerror}); set $HARNESS_CACHE_DIR to a folder "
                "with enough space"
            ) from None
        raise _out_of_reach(spec, error) from None
    sums = {Path(name).name: file_digest(folder / name) for name in names}
    stated = _stated_sums(info)
    damaged = [name for name in names if stated.get(name, sums[Path(name).name]) != sums[Path(name).name]]
    if not damaged:
        try:
            read_gguf_header(folder / names[0])
        except InputError:  # Such as the page of a proxy, where the hub states no checksum.
            damaged = names
    if damaged:
        _remove(folder / name for name in damaged)
        raise ModelUnavailable(
            f"{spec.name}: {', '.join(damaged)} arrived damaged and was removed: type the same command again"
        )
    return info.sha or "", sums


def _out_of_reach(spec: ModelSpec, error: BaseException) -> ModelUnavailable:
    cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
    return ModelUnavailable(
        f"{spec.name}: cannot be fetched from the hub ({_first_line(cause)}); type the same command again to resume, "
        "or give a file with --from FILE.gguf"
    )


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _stated_sums(info: ModelInfo) -> dict[str, str]:
    """The SHA-256 that the hub states of the files in large storage."""
    return {one.rfilename: one.lfs.sha256 for one in info.siblings or [] if one.lfs}


def _has(path: Path, sha256: str | None) -> bool:
    return path.is_file() and file_digest(path) == sha256


def _place() -> Path:
    return cache_dir() / _RECORDS


def _records() -> dict[str, KnownFile]:
    try:
        content = json.loads(_place().read_text(encoding="utf-8"))
        return {name: KnownFile(**one) for name, one in content.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{_place()} cannot be read ({error}): remove it, and fetch the models again") from None


def _record(name: str, known: KnownFile) -> None:
    place = _place()
    part = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        content = {other: asdict(one) for other, one in {**_records(), name: known}.items()}
        part.write_text(json.dumps(content, indent=1), encoding="utf-8")
        part.replace(place)
    except OSError as error:
        raise StorageError(f"{place} cannot be written: {error.strerror or error}") from None


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
