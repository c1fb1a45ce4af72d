"""Plain texts to annotate: a .txt file, a folder of them, a .jsonl or a .parquet file, streamed, checked, filtered."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.datasets.parquet import parquet_rows
from harness.datasets.plain import PlainDocument
from harness.datasets.tokens import split_sentences
from harness.errors import InputError
from harness.label_source import NO_LABELS
from harness.types import Document


@dataclass(frozen=True)
class TextFilter:
    """Which texts are annotated: words are what white space parts, lines are compared without case and spaces."""

    min_words: int = 0
    max_words: int | None = None
    repeated: float = 1.0
    """The greatest share of lines that stood before in the text."""

    def reason_against(self, text: str) -> str:
        """Why a text is left out; "" where it is not."""
        words = len(text.split())
        if words < self.min_words:
            return "too_short"
        if self.max_words is not None and words > self.max_words:
            return "too_long"
        lines = ["".join(line.split()).casefold() for line in text.splitlines() if line.strip()]
        return "repeated_lines" if len(lines) - len(set(lines)) > self.repeated * len(lines) else ""


class TextCollection(Collection[Document]):
    """The texts under a path as documents, tokenised when they are read.

    Making one reads everything once, without tokenising it: InputError as in :func:`read_texts`.
    ``sha256`` is the checksum of all titles and texts that the filter keeps, ``left_out`` counts the others by reason.
    """

    def __init__(self, path: Path, kept: TextFilter | None = None) -> None:
        self.path = path
        self.kept = kept or TextFilter()
        self.left_out: Counter[str] = Counter()
        digest = hashlib.sha256()
        titles: set[str] = set()
        for title, text in read_texts(path):
            if reason := self.kept.reason_against(text):
                self.left_out[reason] += 1
                continue
            if title in titles:
                raise InputError(f"{path}: two texts have the title {title!r}; titles must be unique")
            titles.add(title)
            digest.update(json.dumps([title, text]).encode())
        if not titles and self.left_out:
            raise InputError(f"{path}: the filters keep none of its {self.left_out.total():,} texts: allow more")
        if not titles:
            raise InputError(f"{path}: holds no text; give a .txt file, a folder of them, or a .jsonl file")
        self._titles = frozenset(titles)
        self.sha256 = digest.hexdigest()

    def __iter__(self) -> Iterator[PlainDocument]:
        for title, text in read_texts(self.path):
            if self.kept.reason_against(text):
                continue
            yield PlainDocument(title, split_sentences(text), (), label_source=NO_LABELS, text=text)

    def __len__(self) -> int:
        return len(self._titles)

    def __contains__(self, item: object) -> bool:
        """Whether a document of that title is under the path."""
        return (item.title if isinstance(item, Document) else item) in self._titles


def read_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Title and text of every text under ``path``, one at a time.

    A .txt file is titled by its name, those of a folder (in the order of their names) by theirs; a line of
    a .jsonl file is ``{"text": ...}`` with an optional ``title``, else titled by the file and the line's
    number, and so is a row of a .parquet file. Raises InputError for anything else, naming the file and line.
    """
    if path.is_dir():
        for file in sorted(path.glob("*.txt")):
            yield file.stem, _read(file)
    elif path.suffix == ".txt":
        yield path.stem, _read(path)
    elif path.suffix == ".jsonl":
        yield from _read_lines(path)
    elif path.suffix == ".parquet":
        for number, row in enumerate(parquet_rows(path, ("title", "text"))):
            yield _text_of(row, f"{path}, row {number}", f"{path.stem} {number}")
    else:
        raise InputError(f"{path}: give a .txt file, a folder of .txt files, a .jsonl or a .parquet file")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: is not UTF-8 ({error}); save it as UTF-8") from error


def _read_lines(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _read_line(line, f"{path}, line {number}", f"{path.stem} {number}")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 ({error}); save it as UTF-8") from error


def _read_line(line: str, where: str, default_title: str) -> tuple[str, str]:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f'{where}: is not JSON ({error}); write {{"title": "...", "text": "..."}}') from error
    return _text_of(content, where, default_title)


def _text_of(content: object, where: str, default_title: str) -> tuple[str, str]:
    match content:
        case {"text": str(text), "title": str(title)} if title:
            pass
        case {"text": str(text), **more} if more.get("title") is None:
            title = default_title
        case _:
            raise InputError(f'{where}: write {{"title": "...", "text": "..."}}, both texts, the title optional')
    return _storable(title), _storable(text)


def _storable(text: str) -> str:
    """JSON can spell half a surrogate pair, which no UTF-8 file can hold: it becomes a question mark."""
    return text.encode("utf-8", "replace").decode()
