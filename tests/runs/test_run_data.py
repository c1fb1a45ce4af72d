"""A stored run finds its data by checksum where they are now, and says what it looked for where it does not."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli.display import make_display
from harness.cli.run import retry
from harness.cli.score import score
from harness.errors import InputError
from harness.runs.config import RunConfig
from harness.runs.execute import execute
from harness.runs.plan import prepare
from harness.runs.rescore import rescore_run
from harness.runs.stored_config import config_to_score
from harness.runs.stored_data import WHEREVER, DataPlace
from harness.runs.stored_data import run_data as run_data_of
from harness.store import RunFolder
from harness.types import Dataset
from tests.commands import harness_json
from tests.paths import REPOSITORY

FORMS = REPOSITORY / "tests" / "datasets" / "good"
RELATIONS = {"P17": "country", "P131": "located in"}


def corpus_in(folder: Path, name: str = "docs.json") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rel_info.json").write_text(json.dumps(RELATIONS), encoding="utf-8")
    shutil.copy(FORMS / "two_documents.json", folder / name)
    return folder / name


def executed(config: RunConfig) -> RunFolder:
    return asyncio.run(execute(prepare(config), make_display("none"))).folder


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project ``old`` with a run over ``old/data/docs.json``; the working folder is elsewhere."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    corpus = corpus_in(tmp_path / "old" / "data")
    executed(RunConfig("mock", "tagged", str(corpus), results=tmp_path / "old" / "results"))
    return tmp_path


def run_data(run: RunFolder, place: DataPlace = WHEREVER) -> tuple[RunConfig, Dataset]:
    manifest = run.read_manifest()
    return run_data_of(config_to_score(run, manifest), run, manifest, place)


def run_in(folder: Path) -> RunFolder:
    (run,) = (folder / "results" / "runs").iterdir()
    return RunFolder(run)


def move(root: Path, source: str, target: str) -> None:
    (root / target).parent.mkdir(parents=True, exist_ok=True)
    (root / source).rename(root / target)


Move = Callable[[Path], Path]


def together(root: Path) -> Path:
    move(root, "old", "new")
    return root / "new"


def results_alone(root: Path) -> Path:
    move(root, "old/results", "new/results")
    return root / "new"


def beside_the_results(root: Path) -> Path:
    move(root, "old/data", "old/corpora")
    for file in (root / "old" / "corpora").iterdir():
        file.rename(root / "old" / file.name)
    return root / "old"


def into_the_working_folder(root: Path) -> Path:
    move(root, "old/data", "work/data")
    return root / "old"


def renamed_where_it_was(root: Path) -> Path:
    move(root, "old/data/docs.json", "old/data/renamed.jsonl")
    return root / "old"


def far_away(root: Path) -> Path:
    move(root, "old/data", "far/away/data")
    move(root, "far/away/data/docs.json", "far/away/data/renamed.json")
    return root / "old"


@pytest.mark.parametrize(
    ("moving", "dataset", "data_dir"),
    [
        (together, None, None),
        (results_alone, None, None),
        (beside_the_results, None, None),
        (into_the_working_folder, None, None),
        (renamed_where_it_was, None, None),
        (far_away, None, "far/away/data"),
        (far_away, "far/away/data/renamed.json", None),
    ],
)
def test_data_that_moved_are_found_by_their_checksum(
    moving: Move, dataset: str | None, data_dir: str | None, root: Path
) -> None:
    run = run_in(moving(root))
    place = DataPlace(dataset and str(root / dataset), data_dir and root / data_dir)
    config, found = run_data(run, place)
    assert prepare(config, dataset=found).run_id == run.run_id
    metrics = run.read_metrics()
    assert asyncio.run(rescore_run(run, None, place)).metrics == metrics


def nothing(root: Path) -> None:
    shutil.rmtree(root / "old" / "data")


def changed(root: Path) -> None:
    (root / "old" / "data" / "docs.json").write_text("[]", encoding="utf-8")


def other_relations(root: Path) -> None:
    (root / "old" / "data" / "rel_info.json").write_text('{"P17": "land"}', encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "place", "says"),
    [
        (nothing, WHEREVER, "docs.json (SHA-256 {sha}...) was not found in {root}/old/data, {root}/old, {root}/work, "),
        (nothing, WHEREVER, ": name the file with --dataset, or its folder with --data-dir"),
        (
            changed,
            WHEREVER,
            "has changed since the run: {root}/old/data/docs.json has SHA-256 4f53cda18c2b..., not {sha}",
        ),
        (
            nothing,
            DataPlace("missing.json"),
            "--dataset missing.json: is no such file, and not the one with SHA-256 {sha}",
        ),
        (changed, DataPlace("../old/data/docs.json"), "is another file than the one with SHA-256 {sha}"),
        (nothing, DataPlace(data_dir=Path("missing")), "--data-dir missing: no such folder"),
        (other_relations, WHEREVER, "put the rel_info.json of its data there"),
    ],
)
def test_data_that_cannot_be_used_are_told_in_one_line(
    damage: Callable[[Path], None], place: DataPlace, says: str, root: Path
) -> None:
    run = run_in(root / "old")
    sha = run.read_manifest().question.dataset.sha256[:12]
    damage(root)
    with pytest.raises(InputError) as caught:
        run_data(run, place)
    assert says.format(sha=sha, root=root) in str(caught.value)
    assert run.run_id in str(caught.value) or "--data" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_split_of_a_corpus_is_found_in_the_folder_that_is_named(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    corpus_in(old, "dev_revised.json")
    run = executed(RunConfig("mock", "tagged", data_dir=old, results=tmp_path / "results"))
    old.rename(new)
    for place in (DataPlace(data_dir=new), DataPlace(str(new / "dev_revised.json"))):
        config, dataset = run_data(run, place)
        assert (config.dataset, config.data_dir) == ("redocred", new)
        assert prepare(config, dataset=dataset).run_id == run.run_id
    (new / "dev_revised.json").rename(new / "other.json")
    with pytest.raises(InputError, match=r"knows it as dev_revised\.json: rename the file"):
        run_data(run, DataPlace(str(new / "other.json")))


def test_examples_that_moved_with_the_data_are_found_too(root: Path) -> None:
    corpus = root / "old" / "data" / "docs.json"
    shots = corpus.with_name("shots.json")
    content = json.loads(corpus.read_text(encoding="utf-8"))
    examples = [{**one, "title": one["title"] * 2, "sents": [["A", "B", "C", "D", one["title"]]]} for one in content]
    shots.write_text(json.dumps(examples), encoding="utf-8")
    config = RunConfig("mock", "tagged", str(corpus), shots=1, shots_from=str(shots), results=root / "shot")
    run = executed(config)
    move(root, "old/data", "new")
    found, dataset = run_data(run, DataPlace(data_dir=root / "new"))
    assert found.shots_from == str(root / "new" / "shots.json")
    assert prepare(found, dataset=dataset).run_id == run.run_id


def test_retry_takes_the_place_notes_it_and_keeps_the_run(root: Path) -> None:
    home = far_away(root)
    run = run_in(home)
    data = root / "far" / "away" / "data" / "renamed.json"
    with pytest.raises(InputError, match="--data-dir"):
        retry(run.run_id, results_dir=home / "results")
    retried = harness_json("retry", run.run_id, "--results-dir", home / "results", "--dataset", data)
    assert retried["run_id"] == run.run_id
    assert run_data(run)[0].dataset == str(data)


def test_the_place_is_that_of_a_run_and_of_nothing_else(root: Path) -> None:
    for path, gold in (("run", root / "gold.json"), (str(FORMS / "odd.json"), None)):
        with pytest.raises(InputError, match="with --gold or a file leave them out"):
            score(path, gold=gold, dataset="docs.json")
