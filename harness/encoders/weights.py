"""The files of a trained encoder: their names, where packaged ones are, reading weights, and writing a folder.

Only safetensors are read, which cannot hold code.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from harness.errors import InputError, StorageError

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, TRAINING, WEIGHTS = "config.json", "training.json", "model.safetensors"
FORMAT = "docre-harness encoder 1"

TRAINED = Path(__file__).with_name("trained")
"""The encoders that ship with the package, a folder each."""


def trained_folder(name: str) -> Path | None:
    """The folder of a trained encoder that is packaged or lies at that path; None for anything else.

    Of an ensemble it is that of the first member.
    """
    folder = folder_named(name)
    members = fields_of(folder).get("members") if folder else None
    return folder / str(members[0]) if folder and members else folder


def folder_named(name: str) -> Path | None:
    """The folder of a trained encoder, or of an ensemble, that is packaged or lies at that path; else None."""
    return next((folder for folder in (TRAINED / name, Path(name)) if fields_of(folder)), None)


def weights_digest(folder: Path) -> str:
    """The checksum of the weights in a trained encoder's folder, of an ensemble one of all members'; "" without any."""
    from harness.datasets.docred import sha256_of

    members = fields_of(folder).get("members") or [""]
    files = [file for name in members if (file := folder / str(name) / WEIGHTS).is_file()]
    digests = [sha256_of(file) for file in files]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest() if digests else ""


@contextmanager
def storing(folder: Path) -> Iterator[None]:
    """Turns what keeps the block from writing into ``folder`` into a StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written ({error.strerror}); choose another --out") from error
    except Exception as error:
        # Of safetensors, which may not be installed, for a disk that is full.
        if type(error).__name__ != "SafetensorError":
            raise
        raise StorageError(f"{folder}: cannot be written ({error}); choose another --out") from error


def refuse_existing(folder: Path) -> None:
    """Raise InputError where the folder to make is there."""
    if folder.exists():
        raise InputError(f"--out {folder} is there: name another folder, or move it away")


@contextmanager
def made_whole(folder: Path) -> Iterator[Path]:
    """A folder to write into, which becomes ``folder`` when the block ends without an error.

    A part of a trained encoder would run as one that has seen nothing.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    with storing(folder):
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
    yield partial
    with storing(folder):
        partial.replace(folder)


def pretrained_name(folder: Path) -> str:
    """The name of the encoder that the trained one in ``folder`` began with."""
    return str(fields_of(folder)["encoder"])


def data_of(folder: Path) -> Mapping[str, Any]:
    """What ``training.json`` says of the documents; nothing for an encoder that came without it.

    ``earlier`` in it is a list of the same for each training that this one began with.
    """
    return _asked(folder, "data")


def has_chosen_threshold(folder: Path) -> bool:
    """Whether the threshold was chosen, as far as ``training.json`` says; that of an ensemble always is."""
    return bool(_asked(folder, "training").get("choose_threshold", True))


def _asked(folder: Path, part: str) -> Mapping[str, Any]:
    """A part of what a training was asked to do; empty where that is not recorded."""
    found: Mapping[str, Any] = (read_record(folder) or {"question": {}})["question"].get(part, {})
    return found


def read_record(folder: Path) -> dict[str, Any] | None:
    """The content of ``training.json``; None where there is none. Raises InputError for a damaged one."""
    path = folder / TRAINING
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        question = content["question"]
        if not all(isinstance(one, dict) for one in (question, question.get("data", {}), question.get("training", {}))):
            raise TypeError("its question is no question of a training")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error}); fetch or train the encoder again") from error
    return cast("dict[str, Any]", content)


def fields_of(folder: Path) -> Mapping[str, Any]:
    """The configuration of a trained encoder; empty where there is none, or that of a pretrained encoder."""
    content = _configuration(folder)
    return content if {"task", "relations", "encoder"} <= content.keys() else {}


def pretrained_kind(folder: Path) -> str:
    """The architecture of the pretrained model in a folder, such as bert; empty for a trained encoder."""
    content = _configuration(folder)
    return "" if "task" in content else str(content.get("model_type", ""))


def _configuration(folder: Path) -> Mapping[str, Any]:
    try:
        content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The stored weights, and the checksums of the shared ones."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; weights are read from safetensors only") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a whole safetensors file ({error}); fetch or train it again") from error
    if FORMAT not in metadata:
        raise InputError(f"{path}: not written by this harness (its metadata has no {FORMAT!r})")
    return weights, json.loads(metadata[FORMAT])["shared"]


def checksum(value: Tensor) -> str:
    """SHA-256 of a tensor's float32 bytes, in hexadecimal; a zero counts as positive."""
    # Averaging equal weights keeps them, but for the sign of their zeros.
    return hashlib.sha256((value.detach().cpu().float() + 0.0).contiguous().numpy().tobytes()).hexdigest()


def mismatch(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """The first difference in names or shapes, in words; empty if there is none."""
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            return f"{name} is missing"
        if name not in expected:
            return f"{name} is not expected"
        if expected[name].shape != found[name].shape:
            return f"{name} has shape {list(found[name].shape)}, not {list(expected[name].shape)}"
    return ""
