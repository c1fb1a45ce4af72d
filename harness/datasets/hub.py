"""Data sets of the Hugging Face hub in DocRED's form: fetched into a folder, from which their files are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from harness.errors import InputError
from harness.paths import cache_dir

PREFIX = "hf://"
_NAME = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
CORPUS_FILES = (
    ".json",
    ".jsonl",
    ".json.gz",
    ".jsonl.gz",
    ".data",
    ".pubtator",
    ".pubtator.txt",
    ".spacy",
    ".toml",
    ".parquet",
)


NO_ANSWER = (ValueError, KeyError, TypeError)
"""What the hub's library raises of an answer that is none of the hub's, and of names that would leave the folder."""


def told(error: Exception) -> str:
    """The first line of what the hub's library says."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__


class Fetched(NamedTuple):
    """The files that are there now, the folder in which they lie as in the data set, and its commit."""

    paths: list[Path]
    folder: Path
    commit: str


def fetch_from_hub(
    name: str,
    target: Path | None = None,
    only: Sequence[str] = (),
    kinds: tuple[str, ...] = CORPUS_FILES,
    most: int | None = None,
) -> Fetched:
    """Fetch the files of ``hf://owner/name`` or ``hf://owner/name@revision`` that can be read.

    Their names end with one of ``kinds``. Of these, ``only`` chooses by patterns as of file names
    (``data/*-00000-*.parquet``); without it there may be ``most`` of them. They go into ``target``, by
    default into the cache, in a folder of the data set and its commit. Files that are there are not fetched again; no
    code of the data set is. Raises InputError where the data set, the revision or a file of a readable form is not to
    be had, no file fits, or there are too many.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(f"{name}: write hf://owner/name, and @revision behind it where one is meant")
    import httpx2
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    repository, revision = match[1], match[2]
    try:
        info = HfApi().dataset_info(repository, revision=revision)
        names = [one.rfilename for one in info.siblings or ()]
        read = [one for one in names if one.lower().endswith(kinds)]
        wanted = [one for one in read if not only or any(fnmatchcase(one, pattern) for pattern in only)]
        idle = [pattern for pattern in only if not any(fnmatchcase(one, pattern) for one in read)]
        if read and idle:
            raise InputError(f"{name}: no file that is read fits --file {idle[0]}; there is {', '.join(read[:4])}")
        if most is not None and not only and len(wanted) > most:
            raise InputError(
                f"{name}: holds {len(wanted):,} files such as {wanted[0]}: choose some with --file PATTERN"
            )
        if not wanted:
            held = ", ".join(names[:4]) or "no file"
            raise InputError(f"{name}: holds {held}, and no file of a form that is read (docs/corpora.md): convert one")
        commit = str(info.sha)
        folder = target or cache_dir() / "hub" / repository.replace("/", "--") / commit[:12]
        paths = [
            Path(hf_hub_download(repository, one, repo_type="dataset", revision=commit, local_dir=folder))
            for one in wanted
        ]
    except (httpx2.HTTPError, HFValidationError, LocalEntryNotFoundError, OSError, *NO_ANSWER) as error:
        raise InputError(f"{name}: cannot be fetched from the hub ({told(error)})") from error
    return Fetched(paths, folder, commit)
