"""Runs of parts, each with its folder and journal, merge into the run that one process would have made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.analyses.not_ranked import reasons_not_ranked
from harness.engine.journal import Journal
from harness.errors import InputError
from harness.runs.merging import merge_parts, parts_beside
from harness.runs.rescore import rescore_run
from harness.runs.results import RunResult
from harness.store import RunFolder
from tests.chat_server import ChatServer, completion

Ask = Callable[..., RunResult]
TIMES = {"seconds", "latency_s", "started", "finished", "sessions", "merged", "results"}


def first_letter(body: dict[str, Any]) -> dict[str, Any]:
    """An answer that depends on the prompt, some of which are cut off."""
    text = body["messages"][-1]["content"]
    cut = len(text) % 5 == 0
    answer = completion("(E1 | country | E2)\n" + ("" if cut else "(E2 | capital | E3)\nEND"))
    answer["choices"][0]["finish_reason"] = "length" if cut else "stop"
    return answer


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(one) for key, one in value.items() if key not in TIMES}
    return [without_times(one) for one in value] if isinstance(value, list) else value


def content(folder: RunFolder) -> dict[str, Any]:
    """All that a run stores, but for times and places."""
    read = {name: (folder.path / name).read_text() for name in ("predictions.json", "metrics.json")}
    lines = (folder.path / "documents.jsonl").read_text().splitlines()
    manifest = without_times(json.loads((folder.path / "manifest.json").read_text()))
    return {**read, "manifest": manifest, "documents": [without_times(json.loads(line)) for line in lines]}


def test_merged_parts_equal_the_undivided_run(ask: Ask, tmp_path: Path) -> None:
    with ChatServer(rule=first_letter) as server:
        whole = ask(server, 12, results=tmp_path / "whole")
        asked = server.answered.total()
        parts = [ask(server, 12, part=f"{number}/3", results=tmp_path / f"node{number}") for number in (1, 2, 3)]
        assert server.answered.total() == 2 * asked
        assert not (tmp_path / "node1" / "journal.sqlite").exists()
        assert any(reason.startswith("partial: ") for reason in reasons_not_ranked(parts[0], 1.0))
        merged = merge_parts([one.folder for one in parts], tmp_path / "merged")
        assert merged.folder.run_id == whole.folder.run_id
        assert content(merged.folder) == content(whole.folder)
        assert [one.run_id for one in merged.manifest.merged] == [one.folder.run_id for one in parts]
        assert not list(reasons_not_ranked(merged, 1.0))
        again = ask(server, 12, results=tmp_path / "merged")
        assert server.answered.total() == 2 * asked, "the merged journal answers the undivided command"
        assert content(again.folder) == content(whole.folder)


@pytest.mark.parametrize("parts", [("1/3", "2/3"), ("0:5", "6:12"), ("0:7", "6:12"), ("1/2", "1/2")])
def test_a_document_that_is_missing_or_twice_is_named(ask: Ask, tmp_path: Path, parts: tuple[str, str]) -> None:
    with ChatServer() as server:
        folders = [ask(server, 12, part=part).folder for part in parts]
    with pytest.raises(InputError, match=r"is in none|run --part 3/3|name parts that share|is named twice"):
        merge_parts(folders, tmp_path / "merged")


async def test_ranges_merge_too_and_other_questions_do_not(ask: Ask, tmp_path: Path) -> None:
    with ChatServer() as server:
        parts = [ask(server, 12, sample=8, seed=3, part=part) for part in ("0:3", "3:8")]
        other = ask(server, 12, sample=8, seed=4, part="0:3")
        merged = merge_parts(parts_beside(parts[0].folder), tmp_path / "merged")
        with pytest.raises(InputError, match="not parts of the same run: they differ in sampling and selection"):
            merge_parts([other.folder, parts[1].folder], tmp_path / "merged")
        with pytest.raises(InputError, match="no run of a part"):
            merge_parts([merged.folder], tmp_path / "merged")
    assert merged.manifest.documents.asked == 8
    assert merged.manifest.question.selection == {"sample": 8, "seed": 3}
    assert (await rescore_run(merged.folder, None)).metrics == merged.metrics
    shutil.rmtree(parts[0].folder.path.parent)
    assert (await rescore_run(merged.folder, None)).metrics == merged.metrics


def test_journals_merge_and_the_first_answer_stays(ask: Ask, tmp_path: Path) -> None:
    with ChatServer() as server:
        for node, documents in (("a", {"range": "0:5"}), ("b", {"range": "3:9"})):
            ask(server, 12, results=tmp_path / node, **documents)
    ours, theirs = (tmp_path / node / "journal.sqlite" for node in ("a", "b"))
    with Journal(ours) as journal:
        assert journal.take(theirs) == 4
        assert journal.take(theirs) == 0
        runs = [next((tmp_path / node / "runs").iterdir()).name for node in ("a", "b")]
        assert [journal.spent(run).requests for run in runs] == [5, 6], "what was asked twice was paid twice"
        with pytest.raises(InputError, match="no such journal"):
            journal.take(tmp_path / "none.sqlite")
        with pytest.raises(InputError, match=r"as a journal|no journal of layout"):
            journal.take(tmp_path / "corpus12" / "corpus.json")
