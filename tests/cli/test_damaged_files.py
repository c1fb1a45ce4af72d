"""A damaged file of a stored run ends in one line that names it and the remedy, and hides no other run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.analyses.leaderboards import leaderboards
from harness.analyses.leaderboards.columns import records
from harness.cli.display import QuietDisplay
from harness.cli.main import app
from harness.datasets import load_dataset
from harness.errors import InputError
from harness.runs.config import RunConfig
from harness.runs.execute import execute
from harness.runs.plan import prepare
from harness.scoring.submission import read_submission
from harness.store import REBUILD, RunFolder
from tests.corpora import write_corpus

DOCUMENTS = 3
CORPUS: list[Path] = []
Damage = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of a prompt with options over the same documents."""
    folder = tmp_path_factory.mktemp("damaged")
    corpus = write_corpus(folder / "corpus", DOCUMENTS)
    (folder / "answers.jsonl").write_text('{"contains": "", "text": "A"}\n', encoding="utf-8")
    options = {"answers": str(folder / "answers.jsonl")}
    for seed in (0, 1):
        config = RunConfig("mock", "choice", str(corpus), candidates="all", model_options=options, seed=seed)
        config = replace(config, results=folder / "results")
        asyncio.run(execute(prepare(config), QuietDisplay()))
    CORPUS.append(corpus)
    return folder / "results"


@pytest.fixture
def run(results: Path) -> Iterator[RunFolder]:
    """The run whose files a test damages; they are mended afterwards."""
    folder = RunFolder(min((results / "runs").iterdir()))
    files = {file: file.read_bytes() for file in folder.path.glob("*.json*")}
    yield folder
    for file, content in files.items():
        file.write_bytes(content)


def changed(*keys: str | int, to: object) -> Damage:
    """Damage to the value at these keys of a file's (or its first line's) JSON."""

    def damage(content: bytes) -> bytes:
        first, *rest = content.split(b"\n") if content.startswith(b'{"title"') else (content,)
        value: Any = json.loads(first)
        at = value
        for key in keys[:-1]:
            at = at[key]
        at[keys[-1]] = to
        return b"\n".join([json.dumps(value).encode(), *rest])

    return damage


def lines(change: Callable[[list[bytes]], list[bytes]]) -> Damage:
    return lambda content: b"".join(change(content.splitlines(keepends=True)))


ANY_FILE: dict[str, Damage] = {
    "cut off": lambda content: content[: len(content) // 2],
    "emptied": lambda _: b"",
    "another encoding": lambda content: content.decode().encode("utf-16"),
    "nested without end": lambda _: b"[" * 100_000,
    "nested deeply": lambda _: b'{"a":' * 400 + b"1" + b"}" * 400,
    "another value": lambda _: b"17\n",
}
MANIFEST: dict[str, Damage] = {
    **ANY_FILE,
    "a text for a count": changed("documents", "asked", to="3"),
    "a list for an object": changed("question", to=[]),
    "no number": changed("sessions", 0, "seconds", to=float("nan")),
    "more than any number": changed("usage", "prompt_tokens", to=10**30),
    "an object for a text": changed("question", "dataset", "split", to={}),
    "a number for a text": changed("config", "dataset", to=1),
    "another layout": changed("layout", to=[99]),
}
METRICS: dict[str, Damage] = {
    **ANY_FILE,
    "a text for a score": changed("metrics", "f1", to="0.5"),
    "infinity": changed("metrics", "recall", to=float("inf")),
    "a list for counts": changed("per_document", to=[]),
    "counts of two": changed("per_document", "Document 0", to=[1, 2]),
    "counts beyond any": changed("per_document", "Document 0", to=[10**12, 1, 1]),
    "an object among the scores": changed("metrics", "macro_f1", to={}),
}
RECORDS: dict[str, Damage] = {
    **{name: damage for name, damage in ANY_FILE.items() if name != "another value"},
    "a line too few": lines(lambda all_: all_[:-1]),
    "a line twice": lines(lambda all_: [*all_, all_[0]]),
    "lines in another order": lines(lambda all_: all_[::-1]),
    "Latin-1": lambda content: content.replace(b"Document 1", b"Doc\xfcment"),
    "another title": changed("title", to="elsewhere"),
    "a text for predictions": changed("predictions", to="none"),
    "a prediction of three": changed("predictions", to=[[0, "P17", 1]]),
    "a status that is none": changed("status", to="fine"),
    "half a character": changed("error", to="\ud800"),
    "options as a text": changed("details", "answers", 0, "options", to="all"),
    "usage as a list": changed("steps", 0, "usage", to=[1, 2]),
    "messages as a text": changed("steps", 0, "messages", to="all"),
}
PREDICTIONS: dict[str, Damage] = {
    **{name: damage for name, damage in ANY_FILE.items() if name != "another encoding"},
    "an index as a word": lambda _: b'[{"title": "Document 0", "h_idx": "first", "t_idx": 1, "r": "P17"}]',
    "a list of texts": lambda _: b'["Document 0"]',
}


READ: dict[str, Callable[[RunFolder], object]] = {
    "manifest.json": RunFolder.read_manifest,
    "metrics.json": RunFolder.read_metrics,
    "documents.jsonl": lambda folder: list(folder.records_of(load_dataset(str(CORPUS[-1])).documents)),
    "predictions.json": lambda folder: read_submission(folder.path / "predictions.json"),
}
TABLES = {
    "manifest.json": MANIFEST,
    "metrics.json": METRICS,
    "documents.jsonl": RECORDS,
    "predictions.json": PREDICTIONS,
}


@pytest.mark.parametrize(
    ("name", "damage"),
    [pytest.param(name, one, id=f"{name}: {label}") for name, table in TABLES.items() for label, one in table.items()],
)
def test_whatever_is_wrong_with_a_file_is_told_in_one_line(run: RunFolder, name: str, damage: Damage) -> None:
    file = run.path / name
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(InputError) as raised:
        READ[name](run)
    message = str(raised.value)
    assert str(file) in message
    assert REBUILD in message or name == "predictions.json" or "layout" in message
    assert "\n" not in message
    assert len(message) < len(str(file)) + 350


COMMANDS = {
    "manifest.json": ["score RUN", "retry RUN", "card RUN", "compare RUN OTHER", "calibrate RUN", "sweep theta RUN"],
    "metrics.json": ["card RUN", "compare RUN OTHER"],
    "documents.jsonl": ["score RUN", "retry RUN", "calibrate RUN"],
    "predictions.json": ["compare RUN OTHER"],
}


@pytest.mark.parametrize(
    ("name", "damage"), [(name, "cut off") for name in COMMANDS] + [("manifest.json", "nested deeply")]
)
def test_every_command_tells_a_damaged_file_and_the_others_are_ranked(
    results: Path, run: RunFolder, name: str, damage: str
) -> None:
    file = run.path / name
    file.write_bytes(ANY_FILE[damage](file.read_bytes()))
    other = max((results / "runs").iterdir()).name
    for command in COMMANDS[name]:
        words = command.replace("RUN", run.run_id).replace("OTHER", other).split()
        if words[0] == "retry":
            words += ["-M", f"answers={results.parent / 'answers.jsonl'}"]
        done = CliRunner().invoke(app, [*words, "--results-dir", str(results)])
        assert isinstance(done.exception, InputError), (command, done.exception, done.output)
        assert str(file) in str(done.exception)
    rows = {row["run_id"]: row["reason"] for board in leaderboards(results) for row in records(board.as_table())}
    assert rows[other] is None
    assert (rows[run.run_id] or "").startswith(f"damaged: {file}")


def test_a_run_with_damaged_records_is_made_anew_without_asking(run: RunFolder) -> None:
    file = run.path / "documents.jsonl"
    whole = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    file.write_bytes(b"")
    config = RunConfig.from_json(run.read_manifest().config.as_json())
    result = asyncio.run(execute(prepare(config), QuietDisplay()))
    assert result.manifest.sessions[-1].sent == 0
    anew = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [one["steps"] for one in anew] == [one["steps"] for one in whole]


def test_the_doctor_repairs_a_journal(results: Path) -> None:
    for command, said in (([], "saved "), (["--json"], '"saved": ')):
        done = CliRunner().invoke(app, ["doctor", "--repair-journal", "--results-dir", str(results), *command])
        assert done.exit_code == 0, done.exception
        assert said in done.stdout
        (results / "journal.sqlite.damaged").unlink()
