"""The manifest as a typed record: nothing that a file holds is lost, and one property tells the source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.records.manifest import CompleteManifest, Manifest
from harness.store import RunFolder
from harness.types import PredictionSource
from tests.stored_runs import as_manifest, manifest_of, simulated_run


def rewritten(folder: RunFolder) -> dict[str, Any]:
    folder.write_manifest(folder.read_manifest())
    content: dict[str, Any] = json.loads((folder.path / "manifest.json").read_text(encoding="utf-8"))
    return content


def test_fields_of_other_versions_and_whole_numbers_are_written_as_they_were_read(tmp_path: Path) -> None:
    folder = simulated_run(tmp_path, "a", 0.5)
    file = folder.path / "manifest.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content |= {"later": {"x": [1, None]}, "prices": {"in": 2, "out": 0.5}}
    content["question"] |= {"added": 1, "alignment": {"theta": 1, "by": "x"}}
    content["config"]["new_option"] = 3
    content["sessions"][0]["watts"] = 7.5
    file.write_text(json.dumps(content), encoding="utf-8")
    assert json.dumps(rewritten(folder), sort_keys=True) == json.dumps(content, sort_keys=True)


def test_a_change_is_checked_and_leaves_the_record_as_it_was() -> None:
    manifest = as_manifest(manifest_of("a", 3))
    assert isinstance(manifest, CompleteManifest)
    assert manifest.changed(statuses={"ok": 2}).statuses == {"ok": 2}
    assert manifest.statuses == {"ok": 3}
    with pytest.raises(ValueError, match="statuses"):
        manifest.changed(statuses={"ok": "2"})


def test_a_manifest_without_totals_is_that_of_a_run_that_has_not_ended() -> None:
    content = {name: value for name, value in manifest_of("a", 3).items() if name not in ("statuses", "usage")}
    assert type(as_manifest({**content, "status": "stopped"})) is Manifest


@pytest.mark.parametrize(
    ("runner", "source"),
    [
        ("encoder", PredictionSource.ENCODER),
        ("imported", PredictionSource.IMPORTED),
        ("vllm_server", PredictionSource.LLM),
        ("llm", PredictionSource.LLM),
    ],
)
def test_the_runner_decides_the_source(runner: str, source: PredictionSource) -> None:
    assert as_manifest({**manifest_of("a", 1), "runner": runner}).source == source
