"""Download of a corpus: resumable, retried, and kept only if its checksum is the pinned one.

urllib of the standard library is enough here: files come one after another, are read in pieces, and the
proxies of the environment are honoured; an HTTP library would add a dependency and nothing else.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from harness.datasets.registry import PACKAGE, Corpus, CorpusFile, corpus_named
from harness.errors import InputError, StorageError

ATTEMPTS = 5
WAIT = wait_random_exponential(multiplier=0.5, max=10)
TIMEOUT_S = 30.0
PIECE_BYTES = 256 * 1024

Progress = Callable[[str, int, int | None], None]
"""Called with a file's name, its bytes so far, and its size (None where the server does not say)."""


class _Transient(Exception):
    """The network or the server failed in a way that may pass."""


def fetch(
    name: str,
    target: Path,
    *,
    base_url: str | None = None,
    splits: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Bring the files of a corpus into ``target`` and return their paths, the relation table last.

    ``base_url`` is the folder to fetch from, by default the one in the corpus's environment variable or the
    public repository; ``splits`` defaults to all. A file that is there and has the pinned checksum is not
    fetched again; one that was cut off resumes from its ``.part`` file, also in a later call. Raises InputError
    where the address or what it serves is wrong or out of reach, and StorageError where ``target`` cannot be
    written.
    """
    corpus = corpus_named(name)
    if corpus.is_packaged:
        raise InputError(f"{name} ships inside the package; there is nothing to fetch")
    if not corpus.url:
        raise InputError(
            f"{name} cannot be fetched by one address: get it from {corpus.page}, and name its folder with --data-dir, "
            f"or put it into {corpus.folder}"
        )
    pinned = [split for split, file in corpus.splits.items() if file.blob_id]
    wanted = pinned if splits is None else list(splits)
    for split in wanted:
        if split not in corpus.splits:
            raise InputError(f"{name} has no split {split!r}; it has {', '.join(corpus.listed_splits)}")
        if split not in pinned:
            raise InputError(
                f"{name}: the checksum of {corpus.splits[split].name} is not known: get it from {corpus.page}"
            )
    address = base_url or os.environ.get(corpus.url_variable) or corpus.url
    if not address.startswith(("http://", "https://")):
        raise InputError(f"cannot fetch from {address!r}; give an address that starts with https:// or http://")
    with _storing(target):
        target.mkdir(parents=True, exist_ok=True)
    # Several splits may be parts of one file.
    files = {corpus.splits[split].name: corpus.splits[split] for split in wanted}
    paths = [
        _fetch_file(f"{address.rstrip('/')}/{file.name}", file, target / file.name, progress) for file in files.values()
    ]
    if not corpus.packaged_relations:
        table = corpus.relations
        return [*paths, _fetch_file(f"{address.rstrip('/')}/{table.name}", table, target / table.name, progress)]
    return [*paths, _write_relations(corpus, target)]


def git_blob_id(path: Path) -> str:
    """The SHA-1 that git gives a file's content: of ``blob <size in bytes>``, a NUL byte, the content."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _write_relations(corpus: Corpus, target: Path) -> Path:
    """Write the packaged relation table: the repository of Re-DocRED is not known to hold one."""
    path = target / corpus.relations.name
    part = _part_of(path)
    with _storing(path):
        if not (path.is_file() and git_blob_id(path) == corpus.relations.blob_id):
            shutil.copyfile(PACKAGE / corpus.packaged_relations, part)
            part.replace(path)
    return path


def _fetch_file(url: str, file: CorpusFile, path: Path, progress: Progress | None) -> Path:
    part = _part_of(path)
    with _storing(path):
        if path.is_file() and git_blob_id(path) == file.blob_id:
            return path
        resumed = part.exists() and part.stat().st_size > 0
        _download(url, part, progress)
        if resumed and git_blob_id(part) != file.blob_id:
            # What an earlier call left may be the beginning of another version of the file.
            part.unlink()
            _download(url, part, progress)
        if (found := git_blob_id(part)) != file.blob_id:
            part.unlink()
            raise InputError(
                f"{url}: not the pinned file, so it was removed (git blob id {found}, not {file.blob_id}); "
                f"check the address, or put the right {path.name} into {path.parent} yourself"
            )
        part.replace(path)
    return path


def _part_of(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _download(url: str, part: Path, progress: Progress | None) -> None:
    retrying = Retrying(
        retry=retry_if_exception_type(_Transient), stop=stop_after_attempt(ATTEMPTS), wait=WAIT, reraise=True
    )
    try:
        retrying(_download_once, url, part, progress)
    except _Transient as problem:
        kept = f"{part.stat().st_size:,} bytes are kept" if part.exists() else "nothing was received"
        raise InputError(
            f"{url}: gave up after {ATTEMPTS} attempts ({problem}); {kept}, run the command again to go on"
        ) from None


def _download_once(url: str, part: Path, progress: Progress | None) -> None:
    """Append what is missing to ``part``, or write it anew where the server does not continue it."""
    have = part.stat().st_size if part.exists() else 0
    with _response(url, have) as response:
        if response is None:
            return
        if response.status != http.client.PARTIAL_CONTENT:
            have = 0
        total = have + response.length if response.length is not None else None
        with part.open("ab" if have else "wb") as file:
            for piece in _pieces(response):
                file.write(piece)
                have += len(piece)
                if progress is not None:
                    progress(part.name.removesuffix(".part"), have, total)
    if total is not None and have < total:
        raise _Transient(f"the connection closed at byte {have:,} of {total:,}")


@contextmanager
def _response(url: str, have: int) -> Iterator[http.client.HTTPResponse | None]:
    """The server's answer from byte ``have`` on; None where it says that there is nothing after it."""
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
                yield None
                return
            if error.code in (408, 429) or error.code >= 500:
                raise _Transient(f"HTTP {error.code} {error.reason}") from None
            raise InputError(f"{url}: HTTP {error.code} {error.reason}; check --base-url or the environment") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise InputError(
                f"{url}: its certificate cannot be verified ({error.reason.verify_message}); "
                "check the address, or the proxy between"
            ) from None
        raise _Transient(str(error.reason)) from None
    except (http.client.InvalidURL, ValueError) as error:
        raise InputError(f"{url}: not an address ({error}); correct --base-url or the environment") from None
    except (http.client.HTTPException, OSError) as error:
        raise _Transient(str(error) or type(error).__name__) from None
    with response:
        yield response


def _pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            piece = response.read(PIECE_BYTES)
        except (http.client.HTTPException, OSError) as error:
            raise _Transient(str(error) or type(error).__name__) from None
        if not piece:
            return
        yield piece


@contextmanager
def _storing(path: Path) -> Iterator[None]:
    """Turn a failure to write into one clear line; network failures have been told apart before."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written: {error.strerror or error}; make room or access there, or choose another folder"
        ) from None
