"""Where tests find the real data: beside the checkout, absent on most machines."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


def redocred_dir() -> Path:
    """The folder with Re-DocRED's dev_revised.json and rel_info.json; skips the test where it is absent."""
    folder = SHARED_DATA / "redocred"
    if not (folder / "dev_revised.json").is_file():
        pytest.skip(f"Re-DocRED dev split not found in {folder}")
    return folder


def fewrel_dir() -> Path:
    """The folder with FewRel's val_wiki.json and pid2name.json; skips the test where it is absent."""
    folder = SHARED_DATA / "fewrel"
    if not (folder / "val_wiki.json").is_file():
        pytest.skip(f"FewRel's validation split not found in {folder}")
    return folder


def cdr_dir() -> Path:
    """The folder with CDR's dev.json and rel_info.json in DocRED's format; skips the test where it is absent."""
    folder = SHARED_DATA / "cdr"
    if not (folder / "dev.json").is_file():
        pytest.skip(f"CDR's development split not found in {folder}")
    return folder
