"""Which documents of a split a run is over: all, the first, a range, named ones or a sample; and a part of these."""

from __future__ import annotations

import hashlib
import heapq
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import InputError
from harness.types import Dataset, Document

if TYPE_CHECKING:
    from harness.runs.config import RunConfig

Stratum = Literal["length", "entities"]
"""What the documents of a stratified sample are spread evenly over: their tokens, or their entities."""

WAYS = ("limit", "sample", "documents", "range")
"""The fields of ``RunConfig`` that choose documents; at most one of them is given."""

CHOICE = (*WAYS, "stratify", "seed")
"""The fields of ``RunConfig`` on which the chosen documents depend."""


@dataclass(frozen=True)
class ChosenDocuments:
    """The documents number ``start`` to ``stop`` of a split in its order, of these only the ``titles`` if given."""

    documents: Iterable[Document]
    start: int = 0
    stop: int | None = None
    titles: frozenset[str] | None = None

    def __iter__(self) -> Iterator[Document]:
        documents = itertools.islice(iter(self.documents), self.start, self.stop)
        return documents if self.titles is None else (one for one in documents if one.title in self.titles)


@dataclass(frozen=True)
class Part:
    """One part of the chosen documents: number ``first`` of ``end`` by the hash of the title, or those in a range."""

    first: int
    end: int
    is_range: bool

    @classmethod
    def of(cls, text: str) -> Part:
        """The part that ``K/N`` or ``A:B`` stands for; InputError for anything else."""
        if match := re.fullmatch(r"(\d+)/(\d+)", text):
            number, of = int(match[1]), int(match[2])
            if 1 <= number <= of:
                return cls(number, of, False)
        elif ":" in text:
            first, end = range_of("--part", text)
            return cls(first, end, True)
        raise InputError(f"--part {text}: write K/N, such as 2/8 for the second of eight parts, or A:B, such as 0:100")

    def __str__(self) -> str:
        return f"{self.first}{':' if self.is_range else '/'}{self.end}"

    def siblings(self) -> list[Part]:
        """The parts that together are all documents; those of a range are not known."""
        return [] if self.is_range else [Part(number, self.end, False) for number in range(1, self.end + 1)]

    def holds(self, place: int, title: str) -> bool:
        """Whether the part has the document with this title, the chosen one number ``place`` from 0."""
        if self.is_range:
            return self.first <= place < self.end
        return int.from_bytes(_digest(title)[:8]) % self.end == self.first - 1


@dataclass(frozen=True)
class PartOfDocuments:
    """The documents of a part, in the order of the dataset."""

    documents: Iterable[Document]
    part: Part

    def __iter__(self) -> Iterator[Document]:
        return (one for place, one in enumerate(self.documents) if self.part.holds(place, one.title))


def check_choice(config: RunConfig) -> None:
    """Raise InputError for options that choose documents and do not go together, or cannot be read."""
    given = [f"--{name}" for name in WAYS if getattr(config, name)]
    if config.limit is not None and config.limit < 1:
        raise InputError(f"--limit {config.limit}: give at least 1 document")
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)}: choose documents by one of them")
    if config.stratify and not config.sample:
        raise InputError("--stratify spreads a --sample: say how many documents to draw")
    if config.range:
        range_of("--range", config.range)
    if config.part:
        Part.of(config.part)


def choice_of(config: RunConfig) -> dict[str, Any]:
    """The options that choose the documents, for another configuration over the same ones."""
    return {name: getattr(config, name) for name in CHOICE}


def choice_flags(config: RunConfig) -> list[str]:
    """The options that choose the documents as they are typed."""
    names = CHOICE if config.sample else WAYS
    given = [(name, value) for name in names if (value := getattr(config, name)) and name != "documents"]
    return [f"--{name} {value}" for name, value in given] + [f"--documents {title!r}" for title in config.documents]


def choose(config: RunConfig, dataset: Dataset) -> ChosenDocuments:
    """The documents that the options choose, of which a part may be run; few are held at a time.

    Raises InputError for a title that the split does not have, and for a sample or a range that it is too small for.
    """
    size = len(dataset.documents)
    if config.sample:
        if config.sample > size:
            raise InputError(f"--sample {config.sample}: {dataset.name} {dataset.split} has {size} documents")
        return ChosenDocuments(dataset.documents, titles=_sample(config, dataset))
    if config.documents:
        return ChosenDocuments(dataset.documents, titles=_named(config.documents, dataset))
    if config.range:
        start, stop = range_of("--range", config.range)
        if start >= size:
            raise InputError(f"--range {config.range}: {dataset.name} {dataset.split} has {size} documents")
        return ChosenDocuments(dataset.documents, start, min(stop, size))
    return ChosenDocuments(dataset.documents, stop=size if config.limit is None else min(config.limit, size))


def identity_of(config: RunConfig, chosen: ChosenDocuments) -> dict[str, Any] | None:
    """The choice as part of a run's question; None for a whole split and for the first documents (``limit``)."""
    if config.sample:
        spread = {"stratify": config.stratify} if config.stratify else {}
        return {"sample": config.sample, "seed": config.seed, **spread}
    if config.documents and chosen.titles is not None:
        titles = "\n".join(sorted(chosen.titles))
        return {"documents": len(chosen.titles), "titles_sha256": _digest(titles).hex()}
    return {"range": config.range} if config.range else None


def choice_in_words(selection: dict[str, Any] | None) -> str:
    """How the documents were chosen, from a run's question; empty for a whole split and for the first documents."""
    if not selection:
        return ""
    if "sample" in selection:
        spread = f", spread over {selection['stratify']}" if "stratify" in selection else ""
        return f"a sample drawn by seed {selection['seed']}{spread}"
    return f"the range {selection['range']}" if "range" in selection else "chosen by title"


def draw(seed: int, title: str) -> bytes:
    """Sorting by this value draws without holding the corpus in memory, whatever its order."""
    return _digest(f"{seed} {title}")


def range_of(option: str, text: str) -> tuple[int, int]:
    """First and end of ``A:B``, from 0 and without the end; InputError that names the option."""
    match = re.fullmatch(r"(\d+):(\d+)", text)
    if not match or int(match[1]) >= int(match[2]):
        raise InputError(f"{option} {text}: write A:B, the first document from 0 and the one after the last: 100:200")
    return int(match[1]), int(match[2])


def _sample(config: RunConfig, dataset: Dataset) -> frozenset[str]:
    assert config.sample is not None, "called for a sample"
    drawn = ((draw(config.seed, document.title), document) for document in dataset.documents)
    if config.stratify is None:
        return frozenset(title for _, title in heapq.nsmallest(config.sample, ((by, one.title) for by, one in drawn)))
    # As many strata of equal size as documents are drawn, one of each: no size is left out by chance.
    ordered = sorted((_size(one, config.stratify), by, one.title) for by, one in drawn)
    bounds = [number * len(ordered) // config.sample for number in range(config.sample + 1)]
    strata = [ordered[first:end] for first, end in itertools.pairwise(bounds)]
    return frozenset(min(stratum, key=lambda one: one[1])[2] for stratum in strata)


def _size(document: Document, by: Stratum) -> int:
    return len(document.entities) if by == "entities" else sum(map(len, document.sentences))


def _named(given: Sequence[str], dataset: Dataset) -> frozenset[str]:
    """The titles given; what is none of the split's names a file with a title a line."""
    known = {document.title for document in dataset.documents}
    titles = [title for one in given for title in ([one] if one in known else _titles_in(one, dataset))]
    if unknown := [title for title in titles if title not in known]:
        raise InputError(f"--documents: {dataset.name} {dataset.split} has no document {unknown[0]!r}")
    return frozenset(titles)


def _titles_in(name: str, dataset: Dataset) -> list[str]:
    try:
        lines = Path(name).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        raise InputError(
            f"--documents {name!r}: is neither a document of {dataset.name} {dataset.split} nor a text file with a "
            "title a line"
        ) from None
    titles = [line.strip() for line in lines if line.strip()]
    if not titles:
        raise InputError(f"--documents {name}: has no title; write one a line")
    return titles


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
