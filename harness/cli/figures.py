"""Figures as files: which can be drawn here, and drawing them without a screen."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import InputError, StorageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES = (".png", ".svg", ".pdf")


def check_output(path: Path, tables: Sequence[str] = ()) -> None:
    """Raise InputError, before anything is computed, for a file that cannot be a figure, or one of ``tables``."""
    if path.suffix not in (*tables, *FIGURES):
        wanted = f"{', '.join(tables)}, or in {', '.join(FIGURES)} for a figure" if tables else ", ".join(FIGURES)
        raise InputError(f"--out {path}: its name must end in {wanted}")
    if not path.parent.is_dir():
        raise InputError(f"--out {path}: there is no folder {path.parent}")
    if path.suffix in FIGURES and find_spec("matplotlib") is None:
        instead = f", or give a {tables[0]} file" if tables else ""
        raise InputError(f"--out {path} needs matplotlib: pip install 'docre-harness[report]'{instead}")


def save_figure(figure: Figure, path: Path) -> None:
    """Raises StorageError where the file cannot be written."""
    try:
        figure.savefig(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
