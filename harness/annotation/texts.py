"""Plain texts to annotate: of files, a folder or a data set of the hub, streamed, checked, filtered."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness.annotation.languages import stated_as, written_in
from harness.datasets.hub import PREFIX, fetch_from_hub
from harness.datasets.parquet import parquet_rows
from harness.datasets.plain import PlainDocument
from harness.datasets.tokens import split_sentences
from harness.errors import InputError
from harness.label_source import NO_LABELS
from harness.types import Document

READ = (".txt", ".jsonl", ".parquet")
"""What the names of files with texts end with."""
EMPTY = "empty"
"""Why a text without a word is left out, whatever the filter: there is nothing to ask about."""
MOST_FILES = 10
"""So many files of a data set of the hub are fetched without being chosen: those of the web have thousands."""


_IN_JSON = 'write {"title": "...", "text": "..."}'
_IN_PARQUET = "give the columns title and text"


class PlainText(NamedTuple):
    """A text as its file gives it; ``language`` is what the file says of it, empty where it says nothing."""

    title: str
    text: str
    language: str = ""


@dataclass(frozen=True)
class TextFilter:
    """Which texts are annotated: words are what white space parts, lines are compared without case and spaces."""

    min_words: int = 0
    max_words: int | None = None
    repeated: float = 1.0
    """The greatest share of lines that stood before in the text."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes, or whatever codes the file states; none: any. See ``harness.annotation.languages``."""

    def reason_against(self, one: PlainText) -> str:
        """Why a text is left out; "" where it is not. Raises ModelUnavailable as of ``written_in``."""
        text = one.text
        words = len(text.split())
        if not words:
            return EMPTY
        if words < self.min_words:
            return "too_short"
        if self.max_words is not None and words > self.max_words:
            return "too_long"
        lines = ["".join(line.split()).casefold() for line in text.splitlines() if line.strip()]
        if len(lines) - len(set(lines)) > self.repeated * len(lines):
            return "repeated_lines"
        language = (stated_as(one.language) or written_in(text)) if self.languages else ""
        return "" if not self.languages or language in self.languages else "other_language"


class TextCollection(Collection[Document]):
    """The texts of a source as documents, tokenised when they are read.

    Making one reads everything once, without tokenising it: InputError as in :func:`read_texts`.
    ``sha256`` is the checksum of all titles and texts that the filter keeps, ``left_out`` counts the others by reason.
    """

    def __init__(self, source: TextSource | Path, kept: TextFilter | None = None) -> None:
        self.source = TextSource((source,)) if isinstance(source, Path) else source
        self.left_out: Counter[str] = Counter()
        digest = hashlib.sha256()
        titles: set[str] = set()
        without: set[int] = set()
        name, keeps = self.source.name, kept or TextFilter()
        for number, one in enumerate(self.source.texts()):
            if reason := keeps.reason_against(one):
                self.left_out[reason] += 1
                without.add(number)
                continue
            if one.title in titles:
                raise InputError(f"{name}: two texts have the title {one.title!r}; titles must be unique")
            titles.add(one.title)
            digest.update(json.dumps([one.title, one.text]).encode())
        if not titles and self.left_out.keys() - {EMPTY}:
            raise InputError(f"{name}: the filters keep none of its {self.left_out.total():,} texts: allow more")
        if not titles:
            raise InputError(f"{name}: holds no text; give a .txt file, a folder of them, or a .jsonl file")
        self._titles, self._without = frozenset(titles), frozenset(without)
        self.sha256 = digest.hexdigest()

    def __iter__(self) -> Iterator[PlainDocument]:
        for number, one in enumerate(self.source.texts()):
            if number not in self._without:
                yield PlainDocument(one.title, split_sentences(one.text), (), label_source=NO_LABELS, text=one.text)

    def __len__(self) -> int:
        return len(self._titles)

    def __contains__(self, item: object) -> bool:
        """Whether a document of that title is under the path."""
        return (item.title if isinstance(item, Document) else item) in self._titles


@dataclass(frozen=True)
class TextSource:
    """Where texts come from: one path, or the ``paths`` of files in ``folder``, called ``name``."""

    paths: tuple[Path, ...]
    folder: Path | None = None
    """Texts without a title are titled by the file's place in it; None: by the file's own name."""
    called: str = ""

    @property
    def name(self) -> str:
        return self.called or str(self.paths[0])

    @property
    def stem(self) -> str:
        """A short name of it."""
        return self.called.removeprefix(PREFIX) or self.paths[0].stem

    def texts(self) -> Iterator[PlainText]:
        """Every text, file by file; errors as of ``read_texts``."""
        for path in self.paths:
            yield from read_texts(path, path.relative_to(self.folder).with_suffix("").as_posix() if self.folder else "")


def source_of(name: str, only: Sequence[str] = ()) -> TextSource:
    """The source that ``INPUT`` names: a path, or ``hf://owner/name[@revision]``, of which ``only`` chooses files.

    The files of a data set are fetched into the cache. Raises InputError as ``fetch_from_hub`` does.
    """
    if not name.startswith(PREFIX):
        if only:
            raise InputError(f"--file chooses files of a data set of the hub ({PREFIX}owner/name): leave it out")
        return TextSource((Path(name),))
    fetched = fetch_from_hub(name, only=only, kinds=READ, most=MOST_FILES)
    return TextSource(tuple(sorted(fetched.paths)), fetched.folder, name)


def read_texts(path: Path, name: str = "") -> Iterator[PlainText]:
    """Every text under ``path``, one at a time.

    A .txt file is titled by its name, those of a folder (in the order of their names) by theirs; a line of
    a .jsonl file is ``{"text": ...}`` with an optional ``title`` and ``language``, else titled by the file and the
    line's number, and so is a row of a .parquet file. ``name`` stands for the file's name there. Raises InputError for
    anything else, naming the file and line.
    """
    name = name or path.stem
    if path.is_dir():
        for file in sorted(path.glob("*.txt")):
            yield PlainText(file.stem, _read(file))
    elif path.suffix == ".txt":
        yield PlainText(name, _read(path))
    elif path.suffix == ".jsonl":
        yield from _read_lines(path, name)
    elif path.suffix == ".parquet":
        for number, row in enumerate(parquet_rows(path, ("title", "text", "language"))):
            if "text" not in row:
                raise InputError(f"{path}: has no column text; name the column of the texts so")
            # Data sets of the web have rows without a text.
            content = {**row, "text": "" if row["text"] is None else row["text"]}
            yield _text_of(content, f"{path}, row {number}", f"{name} {number}", _IN_PARQUET)
    else:
        raise InputError(f"{path}: give a .txt file, a folder of .txt files, a .jsonl or a .parquet file")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: is not UTF-8 ({error}); save it as UTF-8") from error


def _read_lines(path: Path, name: str) -> Iterator[PlainText]:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _read_line(line, f"{path}, line {number}", f"{name} {number}")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 ({error}); save it as UTF-8") from error


def _read_line(line: str, where: str, default_title: str) -> PlainText:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f'{where}: is not JSON ({error}); write {{"title": "...", "text": "..."}}') from error
    return _text_of(content, where, default_title)


def _text_of(content: object, where: str, default_title: str, form: str = _IN_JSON) -> PlainText:
    match content:
        case {"text": str(text), "title": str(title)} if title:
            pass
        case {"text": str(text), "title": int(number)} if type(number) is int:
            title = str(number)
        case {"text": str(text), **more} if more.get("title") is None:
            title = default_title
        case _:
            raise InputError(f"{where}: {form}, both texts, the title optional")
    language = content.get("language") if isinstance(content, dict) else None
    return PlainText(_storable(title), _storable(text), language if isinstance(language, str) else "")


def _storable(text: str) -> str:
    """JSON can spell half a surrogate pair, which no UTF-8 file can hold: it becomes a question mark."""
    return text.encode("utf-8", "replace").decode()
