"""What a corpus is: its files, their form, where they come from, and how its literature counts and scores them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from harness.datasets.splits import Part
from harness.label_source import LabelKind
from harness.paths import cache_dir

PACKAGE = Path(__file__).resolve().parent
TABLES = "tables"
"""The folder of the package that holds relation tables."""

Format = Literal[
    "docred",
    "fewrel",
    "sentences",
    "hacred",
    "pairs",
    "pubtator",
    "label-studio",
    "docbin",
    "scierc",
    "episodes",
    "parquet",
]
"""How documents are written: ``pairs`` are the ``.data`` lines of Christopoulou et al. (2019)."""

CandidateRule = Literal["all", "typed", "labelled"]
"""Which pairs can have a relation: ``typed`` are those of the corpus' argument types, ``labelled`` those of them that
a label names, be it as related or as unrelated."""


_DRAWN = re.compile(r"m\d+-seed-\d+")
"""What the names of splits into seen and unseen relations have."""


@dataclass(frozen=True, slots=True)
class CorpusFile:
    """A file of a corpus. ``blob_id`` is its git blob id (SHA-1 of ``blob <size>``, a NUL, the content).

    ``part`` names the documents of the file that make the split: those that encoders train on, choose by or
    report on where this one file serves for all three; None: all of them. ``labelled_by`` says who wrote the labels.
    """

    name: str
    blob_id: str = ""
    part: Part | None = None
    labelled_by: LabelKind = "human"
    other_names: tuple[str, ...] = ()
    """Names under which the same documents are published in other forms; the first that is there is read."""
    candidates: CandidateRule = "all"
    format: Format | None = None
    """Where it is not that of the corpus."""
    drawn: tuple[int, int] | None = None
    """So many relations, drawn by this seed, make the split: sentences that state them, with their pairs as candidates.
    """
    episodes: tuple[int, int] | None = None
    """Few-shot episodes with so many support documents, drawn by this seed from the documents of the file."""
    documents: str = ""
    """Of a file of episodes, the file of the documents that it counts."""
    packaged_relations: str = ""
    """The packaged table of its relations, where it is not that of the corpus."""
    unseen: bool = False
    """Whether the corpus publishes it as a test of relations that training does not have."""

    @property
    def tests_unseen(self) -> bool:
        """Whether its relations are such that training does not have."""
        return self.unseen or self.drawn is not None or self.in_episodes

    @property
    def in_episodes(self) -> bool:
        """Whether its documents are queries of few-shot episodes, which are scored by macro F1."""
        return self.format == "episodes" or self.episodes is not None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.other_names)

    def path_in(self, folder: Path) -> Path:
        """The file in a folder, under the first of its names that is there; under its own name if none is."""
        return next((path for path in self._paths(folder) if path.is_file()), folder / self.name)

    def _paths(self, folder: Path) -> Iterator[Path]:
        for name in self.names:
            yield from (folder / name, folder / f"{name}.gz")


@dataclass(frozen=True, slots=True)
class Arguments:
    """The entity types that heads and tails of a corpus' relations have, where they are the same for all."""

    head: str
    tail: str


@dataclass(frozen=True, slots=True)
class Published:
    """Counts of a split as a paper gives them, by the names of ``Statistics.as_dict``."""

    counts: Mapping[str, int]
    source: str
    """The paper and table."""
    note: str = ""
    """Why a file may count otherwise."""


@dataclass(frozen=True)
class Corpus:
    """A row of the table: files by split and their format, the relation table, licence and origin.

    ``url`` is the folder that the files are fetched from, and ``packaged_relations`` the copy of the relation
    table inside the package (else it is fetched too); a corpus without ``url`` and ``page`` is itself packaged, in the
    folder of its name. ``url_variable`` is the environment variable that replaces ``url``. A table without a blob id is
    not published with the corpus: the packaged one serves where there is none beside the files.
    """

    name: str
    splits: Mapping[str, CorpusFile]
    default_split: str
    relations: CorpusFile
    licence: str
    source: str
    """Citation and home."""
    url: str = ""
    url_variable: str = ""
    packaged_relations: str = ""
    format: Format = "docred"
    """Of files whose name tells no other."""
    page: str = ""
    """Where a user gets the files that cannot be fetched by one address, or have no checksum here."""
    language: str = "en"
    """As an ISO 639-1 code."""
    entity_types: tuple[str, ...] = ()
    type_names: Mapping[str, str] = field(default_factory=dict)
    """Names of entity types in other forms of the corpus -> those of ``entity_types``."""
    arguments: Arguments | None = None
    published: Mapping[str, Published] = field(default_factory=dict)
    """By split."""
    mention_level: bool = False
    """Its literature also scores each triplet once for every pair of mentions of its entities."""
    notes: str = ""
    """How the corpus is scored, and what else to know."""

    @property
    def listed_splits(self) -> tuple[str, ...]:
        """The names of the splits; of those that differ by how many relations are unseen or by seed only the first."""
        seen: dict[str, str] = {}
        for name in self.splits:
            seen.setdefault(_DRAWN.sub("m", name), name)
        return tuple(seen.values())

    @property
    def is_packaged(self) -> bool:
        return not self.url and not self.page

    @property
    def folder(self) -> Path:
        """Where the files are unless the user says otherwise: the cache, or the package."""
        return PACKAGE / self.name if self.is_packaged else cache_dir() / self.name

    def folder_in(self, data_dir: Path | None, file: CorpusFile | None = None) -> Path:
        """The folder of the corpus' files where a user names ``data_dir``: that, or the corpus' own folder in it.

        So one folder serves several corpora, whose files have the same names. With ``file``, the inner folder has to
        hold that one.
        """
        if data_dir is None or self.is_packaged:
            return self.folder
        inner = data_dir / self.name
        is_there = inner.is_dir() if file is None else file.path_in(inner).is_file()
        return inner if is_there else data_dir

    def relation_table(self, folder: Path) -> Path:
        """The relation table of files in a folder; it may be missing."""
        beside = folder / self.relations.name
        is_published = self.relations.blob_id or not self.packaged_relations
        return beside if is_published or beside.exists() else PACKAGE / self.packaged_relations
