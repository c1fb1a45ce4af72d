"""Files and folders identified by what they hold: their SHA-256, remembered so that a large file is read once."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from harness.errors import InputError
from harness.paths import cache_dir

REMEMBERED_FROM_BYTES = 1 << 20
# A file changed this recently may be changed again without a new time of change.
SETTLED_NS = 2_000_000_000
_BLOCK_BYTES = 1 << 24
_TELL_EVERY_S = 5.0
_MOST_REMEMBERED = 1000
_ADAPTER = "adapter_config.json"

log = logging.getLogger(__name__)


def content_digest(path: Path) -> str:
    """The SHA-256 of a file; of a folder, over the names and contents of the files directly in it.

    Hidden files are left out. A folder that holds an adapter stands for its base model, too, if that is a folder of
    this machine. Raises InputError for what cannot be read.
    """
    try:
        if path.is_file():
            return file_digest(path)
        parts = [[file.name, file_digest(file)] for file in sorted(path.iterdir()) if _counts(file)]
        parts += [["base", content_digest(base)] for base in _adapters_base(path)]
    except OSError as error:
        raise InputError(f"{error.filename or path} cannot be read: {error.strerror or error}") from None
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """The SHA-256 of a file; taken from memory if path, inode, size and both times of change are the same."""
    status = path.stat()
    if status.st_size < REMEMBERED_FROM_BYTES:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    # The time of the inode's change cannot be set back, as the time of the file's change can.
    state = [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
    key = str(path.resolve())
    remembered = _remembered()
    match remembered.get(key):
        case [*known, str(digest)] if known == state:
            return digest
    digest = _computed(path, status.st_size)
    if time.time_ns() - status.st_ctime_ns > SETTLED_NS:
        _remember({**remembered, key: [*state, digest]})
    return digest


def paths_in(text: str) -> Iterator[Path]:
    """The files and folders of this machine that an option's value names, also within ``name=path`` and JSON."""
    for word in re.split(r"[\s=,\"'\[\]{}]+", text):
        if "/" in word or "." in word:
            path = Path(word).expanduser()
            if path.exists():
                yield path


def _counts(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".")


def _adapters_base(folder: Path) -> Iterator[Path]:
    with suppress(OSError, ValueError):
        named = json.loads((folder / _ADAPTER).read_text(encoding="utf-8")).get("base_model_name_or_path")
        if named and Path(named).exists() and Path(named).resolve() != folder.resolve():
            yield Path(named)


def _computed(path: Path, size: int) -> str:
    digest, done, told = hashlib.sha256(), 0, time.monotonic()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            done += len(block)
            if time.monotonic() - told > _TELL_EVERY_S:
                told = time.monotonic()
                log.info("reading %s once, to know its content: %.1f of %.1f GB", path, done / 1e9, size / 1e9)
    return digest.hexdigest()


def _memory() -> Path:
    return cache_dir() / "checksums.json"


def _remembered() -> dict[str, list[object]]:
    try:
        content = json.loads(_memory().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _remember(digests: dict[str, list[object]]) -> None:
    """Replace what is remembered; what two processes learn at once, one of them may have to compute again."""
    kept = digests
    if len(digests) > _MOST_REMEMBERED:
        kept = {key: value for key, value in digests.items() if Path(key).exists()}
    # A cache that cannot be written only costs time.
    with suppress(OSError):
        memory = _memory()
        memory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=memory.parent, delete=False, encoding="utf-8") as file:
            json.dump(kept, file)
        Path(file.name).replace(memory)
