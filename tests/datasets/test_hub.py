"""Data sets of the hub: what is fetched, where to, and what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.datasets.registry import load_dataset
from tests.commands import error_line, harness_here
from tests.corpora import write_corpus
from tests.hub_server import REVISION, Hub

REPOSITORY = "owner/relations"


def at(hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(
        huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    )


def test_files_in_docreds_form_are_fetched_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = write_corpus(tmp_path / "made", 3)
    files = {
        "dev.json": corpus.read_bytes(),
        "rel_info.json": (corpus.parent / "rel_info.json").read_bytes(),
        "loader.py": b"raise SystemExit",
    }
    with Hub(REPOSITORY, files, "datasets") as hub:
        at(hub, monkeypatch, tmp_path)
        done = harness_here("data", "fetch", f"hf://{REPOSITORY}")
        assert done.returncode == 0, done.stderr
        assert f"commit {REVISION}" in done.stderr
        dev, table = map(Path, done.stdout.split())
        assert not any("loader.py" in path for path in hub.asked)
        some = harness_here("data", "fetch", f"hf://{REPOSITORY}", "--file", "rel*", "--target", tmp_path / "some")
        assert [Path(one).name for one in some.stdout.split()] == ["rel_info.json"]
        none = harness_here("data", "fetch", f"hf://{REPOSITORY}", "--file", "*.parquet")
        assert "no file that is read fits --file *.parquet; there is dev.json, rel_info.json" in error_line(none)
    assert (dev.parent, table.name) == (
        tmp_path / "cache" / "hub" / "owner--relations" / REVISION[:12],
        "rel_info.json",
    )
    dataset = load_dataset(str(dev))
    assert (len(dataset.documents), len(dataset.schema.relations)) == (3, 4)


def test_what_cannot_be_fetched_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "write hf://owner/name, and @revision" in error_line(harness_here("data", "fetch", "hf://name"))
    for command in (("stats", "hf://owner/name"), ("stats", "hf:/owner"), ("show", "hf://owner/name")):
        assert "a data set of the hub is fetched first" in error_line(harness_here("data", *command))
    told = error_line(harness_here("run", "--model", "mock", "--prompt", "hrt", "--dataset", "hf://owner/name"))
    assert "a data set of the hub is fetched first" in told
    with Hub(REPOSITORY, {"data.arrow": json.dumps({}).encode()}, "datasets") as hub:
        at(hub, monkeypatch, tmp_path)
        told = error_line(harness_here("data", "fetch", f"hf://{REPOSITORY}"))
        assert "holds data.arrow, and no file of a form that is read" in told
        assert "cannot be fetched from the hub" in error_line(harness_here("data", "fetch", "hf://owner/another"))
        assert "corpora known by name" in error_line(
            harness_here("data", "fetch", f"hf://{REPOSITORY}", "--split", "dev")
        )


def test_a_hub_that_is_not_there_or_is_none_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Hub(REPOSITORY, {"../out.json": b"[]"}, "datasets") as hub:
        at(hub, monkeypatch, tmp_path)
        told = error_line(harness_here("data", "fetch", f"hf://{REPOSITORY}"))
        assert "cannot be fetched from the hub (Invalid filename '../out.json'" in told
        assert not list(tmp_path.rglob("out.json"))
        hub.files = {"a.json": b"[]"}
        some = error_line(harness_here("data", "fetch", f"hf://{REPOSITORY}", "--file", "a*", "--file", "b*"))
        assert "no file that is read fits --file b*; there is a.json" in some
    for command in (("data", "fetch", f"hf://{REPOSITORY}"), ("annotate", f"hf://{REPOSITORY}", "--model", "mock")):
        assert "cannot be fetched from the hub ([Errno 111] Connection refused)" in error_line(harness_here(*command))
