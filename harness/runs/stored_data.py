"""Where the data of a stored run is now: the file that it was made on, known by its checksum."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.datasets.docred import sha256_of
from harness.datasets.registry import CORPORA, DATA_SUFFIXES, load_dataset
from harness.errors import InputError
from harness.records.manifest import Asked, StoredConfig
from harness.runs.config import RunConfig
from harness.runs.planned_run import schema_sha256
from harness.store import RunFolder
from harness.types import Dataset

KEPT_PARTS = 3
"""So many last parts of the path are looked for under other folders: what moved together keeps them."""
MOST_RENAMED = 50
"""Files of a folder that are read to find one under another name."""
SHOWN_DIGITS = 12
OPTIONS = "name the file with --dataset, or its folder with --data-dir"


@dataclass(frozen=True)
class DataPlace:
    """Where the user says that a run's data is now: a file or a corpus, or a folder. What is not said is looked for."""

    dataset: str | None = None
    data_dir: Path | None = None


WHEREVER = DataPlace()


def run_data(
    config: RunConfig, folder: RunFolder, manifest: Asked, place: DataPlace = WHEREVER
) -> tuple[RunConfig, Dataset]:
    """The configuration of a stored run and its dataset, both naming the data where they are now.

    The dataset keeps the name, the split and so the run its id. A file of examples is looked for likewise. Raises
    InputError as ``find_dataset`` does.
    """
    path = _find(folder, manifest, place, OPTIONS)
    dataset = _load(folder, manifest, path)
    place_now = {"data_dir": path.parent} if config.dataset in CORPORA else {"dataset": str(path)}
    config = replace(config, **place_now)
    shots = manifest.question.shots
    if config.shots_from and config.shots_from not in CORPORA and shots:
        search = _Search(shots.sha256)
        found = search.first(_named(Path(config.shots_from), [path.parent, *_near(folder)]))
        config = replace(config, shots_from=str(found or config.shots_from))
    return config, dataset


def find_dataset(folder: RunFolder, manifest: Asked, place: DataPlace = WHEREVER, remedy: str = OPTIONS) -> Dataset:
    """The documents that a stored run was made on.

    They are looked for where the user says, where they were, beside the results, in the working folder and in the
    corpus's folder; a file counts only with the run's checksum. Raises InputError with what was looked for and where,
    for a file named by the user that is another, and for a relation table that is not the run's.
    """
    return _load(folder, manifest, _find(folder, manifest, place, remedy))


def _find(folder: RunFolder, manifest: Asked, place: DataPlace, remedy: str) -> Path:
    recorded, wanted = manifest.config, manifest.question.dataset
    original, names = _recorded(recorded, wanted.split)
    search = _Search(wanted.sha256)
    if place.data_dir and not place.data_dir.is_dir():
        raise InputError(f"--data-dir {place.data_dir}: no such folder; check the name")
    if place.dataset and place.dataset not in CORPORA:
        found = search.first([Path(place.dataset)])
        if not found:
            is_what = "another file than" if Path(place.dataset).is_file() else "no such file, and not"
            raise InputError(
                f"--dataset {place.dataset}: is {is_what} the one with SHA-256 {search.shown}, which {folder.run_id} "
                "was made on; name that one"
            )
    else:
        said = [place.data_dir] if place.data_dir else []
        said += [one / recorded.dataset for one in said if recorded.dataset in CORPORA]
        said += [CORPORA[place.dataset].folder] if place.dataset else []
        known = [CORPORA[recorded.dataset].folder] if recorded.dataset in CORPORA else []
        folders = [*known, *_near(folder)]
        found = search.first([one / name for one in said for name in names])
        found = found or search.first(path for name in names for path in _named(original.with_name(name), folders))
        if not found and not known:
            found = search.first(_renamed([*said, original.parent, *_near(folder)[:2]]), note=False)
    if found and recorded.dataset in CORPORA and found.name not in names:
        raise InputError(f"{found} is the data of {folder.run_id}, which knows it as {original.name}: rename the file")
    if not found:
        raise InputError(f"{folder.run_id}: its data file {original.name} {search.report()}: {remedy}")
    return found


def _recorded(config: StoredConfig, split: str) -> tuple[Path, tuple[str, ...]]:
    """The file as the run's command named it, and the names that its documents are published under."""
    corpus = CORPORA.get(config.dataset)
    if corpus is None:
        return Path(config.dataset), (Path(config.dataset).name,)
    file = corpus.splits[split]
    folder = corpus.folder_in(Path(config.data_dir) if config.data_dir else None, file)
    return file.path_in(folder), file.names


def _load(folder: RunFolder, manifest: Asked, path: Path) -> Dataset:
    recorded, wanted = manifest.config.dataset, manifest.question.dataset
    if recorded in CORPORA:
        dataset = load_dataset(recorded, wanted.split, path.parent)
    else:
        dataset = load_dataset(str(path), wanted.split)
    if dataset.sha256 != wanted.sha256:
        raise InputError(
            f"{path.parent} holds the documents of {folder.run_id} in several forms: leave {path.name} there alone"
        )
    # Runs of before this was recorded have none.
    if manifest.schema_sha256 not in (None, schema_sha256(dataset.schema)):
        raise InputError(
            f"{folder.run_id}: the relations beside {path} are not the run's: put the rel_info.json of its data there"
        )
    return replace(dataset, name=wanted.name, split=wanted.split)


def _near(folder: RunFolder) -> list[Path]:
    """Beside the results, in the working folder, and around the results."""
    results = folder.path.resolve().parents[1]
    return [results.parent, Path.cwd(), results.parent.parent]


def _named(original: Path, folders: Iterable[Path]) -> Iterator[Path]:
    """The path itself, then its last parts under each of the folders."""
    yield original
    for folder in folders:
        for count in range(1, min(KEPT_PARTS, len(original.parts)) + 1):
            yield folder.joinpath(*original.parts[-count:])


def _renamed(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in dict.fromkeys(one.resolve() for one in folders):
        if folder.is_dir():
            files = (one for one in sorted(folder.iterdir()) if one.name.endswith(DATA_SUFFIXES) and one.is_file())
            yield from (one for one, _ in zip(files, range(MOST_RENAMED), strict=False))


@dataclass
class _Search:
    """A file looked for by its checksum; ``looked`` are the folders, ``others`` files of its name that are not it."""

    sha256: str
    looked: dict[Path, None] = field(default_factory=dict)
    others: dict[Path, str] = field(default_factory=dict)

    def first(self, paths: Iterable[Path], *, note: bool = True) -> Path | None:
        """The first of the paths that is the file; what is seen on the way is noted for ``report``."""
        for path in paths:
            if note and (path.parent.is_dir() or not self.looked):
                self.looked[path.parent.resolve()] = None
            if not path.is_file() or path.resolve() in self.others:
                continue
            try:
                found = sha256_of(path)
            except InputError:
                continue
            if found == self.sha256:
                return path
            if note:
                self.others[path.resolve()] = found
        return None

    @property
    def shown(self) -> str:
        return f"{self.sha256[:SHOWN_DIGITS]}..."

    def report(self) -> str:
        """What was looked for and where, and the nearest that was found."""
        if self.others:
            path, found = next(iter(self.others.items()))
            return f"has changed since the run: {path} has SHA-256 {found[:SHOWN_DIGITS]}..., not {self.shown}"
        return f"(SHA-256 {self.shown}) was not found in {', '.join(map(str, self.looked))}"
