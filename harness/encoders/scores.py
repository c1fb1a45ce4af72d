"""Pair scores on disk: one array a document in an ``.npz`` file, written and read a document at a time.

The archive holds ``titles`` and ``relations`` (text), and for document number i ``i.pairs`` [p, 2] (int32, head
and tail) and ``i.scores`` [p, relations + 1] (float16, NA last). ``i.sentences`` [p, sentences] (float16), where the
encoder has such attention, are the shares of each pair's attention. Where the encoder's training is known, ``roles``
has what each document was to it, and ``contents`` the hash of the text that was scored. ``numpy.load`` opens it;
nothing is pickled.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.datasets.content import content_hash
from harness.encoders.seen import Role
from harness.errors import InputError, StorageError
from harness.types import Document, PairScores

if TYPE_CHECKING:
    import numpy as np


PAIR_SCORES = "pair_scores.npz"
"""The name of the file in a run's folder."""

MAX_ARRAY_BYTES = 2**30
"""The largest array read: the scores of 2,300 entities for Re-DocRED's 96 relations."""

DAMAGE = (
    OSError, EOFError, ValueError, KeyError, TypeError, IndexError, AttributeError, RuntimeError, MemoryError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What numpy and zipfile raise for a file that is damaged or made by something else."""


class ScoreWriter:
    """Appends the scores of one document after the other."""

    def __init__(self, archive: zipfile.ZipFile, relations: tuple[str, ...]) -> None:
        self._archive = archive
        self._relations = relations
        self._titles: list[str] = []
        self._known: list[tuple[int, Role] | None] = []

    def write(self, scores: PairScores, known: tuple[Document, Role] | None = None) -> None:
        """Append the scores of a document; ``known`` is the document and what it was to the encoder's training.

        The relations must be those of the file.
        """
        import numpy as np

        number = len(self._titles)
        self._add(f"{number}.pairs", scores.pairs.astype(np.int32))
        self._add(f"{number}.scores", scores.scores.astype(np.float16))
        if scores.sentences is not None:
            self._add(f"{number}.sentences", scores.sentences.astype(np.float16))
        self._titles.append(scores.title)
        self._known.append(known and (_content_of(known[0]), known[1]))

    def finish(self) -> None:
        """Write what names the arrays."""
        import numpy as np

        self._add("titles", np.array(self._titles, dtype=np.str_))
        self._add("relations", np.array(self._relations, dtype=np.str_))
        known = [one for one in self._known if one is not None]
        if len(known) == len(self._titles):
            self._add("roles", np.array([role for _, role in known], dtype=np.uint8))
            self._add("contents", np.array([content for content, _ in known], dtype=np.uint64))

    def _add(self, name: str, array: np.ndarray[Any, Any]) -> None:
        import numpy as np

        with self._archive.open(f"{name}.npy", "w", force_zip64=True) as file:
            np.lib.format.write_array(file, array, allow_pickle=False)


@contextmanager
def score_writer(path: Path, relations: tuple[str, ...]) -> Iterator[ScoreWriter]:
    """A writer whose file appears whole, when the block ends without an error; StorageError if it cannot."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            writer = ScoreWriter(archive, relations)
            yield writer
            writer.finish()
        partial.replace(path)
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written ({error.strerror or error}); free space, then run again"
        ) from error


class ScoreFile(Mapping[str, PairScores]):
    """The scores of a file by title, each document read when it is asked for.

    Raises InputError where the file is missing, damaged or not one of pair scores.
    """

    def __init__(self, path: Path) -> None:
        import numpy as np

        self._path = path
        try:
            with zipfile.ZipFile(path) as archive:
                largest = max((one.file_size for one in archive.infolist()), default=0)
            if largest > MAX_ARRAY_BYTES:
                raise ValueError(f"an array of {largest:,} bytes")
            self._archive = np.load(path, allow_pickle=False)
            titles, relations = self._texts("titles"), self._texts("relations")
            self._roles = [Role(int(role)) for role in self._archive["roles"]] if "roles" in self._archive else None
            # Files of earlier versions have no contents.
            self._contents = self._archive["contents"].tolist() if "contents" in self._archive else None
            if any(part is not None and len(part) != len(titles) for part in (self._roles, self._contents)):
                raise ValueError("its roles are not those of its titles")
        except DAMAGE as error:
            raise InputError(f"{path}: not a file of pair scores ({error}); run the encoder again") from error
        self._places = {title: number for number, title in enumerate(titles)}
        self.relations = tuple(relations)

    def _texts(self, name: str) -> list[str]:
        texts = self._archive[name]
        if texts.ndim != 1 or texts.dtype.kind != "U" or len({*texts.tolist()}) < len(texts):
            raise ValueError(f"{name} is no list of different texts")
        return [str(text) for text in texts]

    def __getitem__(self, title: str) -> PairScores:
        number = self._places[title]
        try:
            pairs, scores = self._archive[f"{number}.pairs"], self._archive[f"{number}.scores"]
            if pairs.dtype.kind not in "iu" or scores.dtype.kind != "f" or pairs.shape[1:] != (2,) or scores.ndim != 2:
                raise ValueError("pairs must be whole numbers [pairs, 2], scores numbers [pairs, relations + 1]")
            # Files of earlier versions, and of encoders without such attention, have none.
            sentences = self._archive.get(f"{number}.sentences")
            if sentences is not None and (sentences.dtype.kind != "f" or sentences.shape[:-1] != pairs.shape[:-1]):
                raise ValueError("sentences must be numbers [pairs, sentences]")
        except DAMAGE as error:
            raise InputError(f"{self._path}: {title!r} is damaged ({error}); run the encoder again") from error
        sentences = None if sentences is None else sentences.astype("float32")
        return PairScores(title, self.relations, pairs, scores.astype("float32"), sentences)

    def role(self, document: Document) -> Role | None:
        """What a document was to the encoder's training; None where the file does not tell.

        Unknown for a document whose text is not the one that was scored under its title.
        """
        if self._roles is None:
            return None
        place = self._places[document.title]
        if self._contents is not None and self._contents[place] != _content_of(document):
            return Role.UNKNOWN
        return self._roles[place]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _content_of(document: Document) -> int:
    return int.from_bytes(content_hash(document))
