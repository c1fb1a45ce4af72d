"""Encoders from a hub: its protocol spoken by a real server on loopback, its client the real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.encoders.scorer import encoder_folder
from harness.encoders.scores import PAIR_SCORES, ScoreFile
from harness.encoders.seen import SEEN
from harness.encoders.weights import CONFIG, TRAINING, WEIGHTS
from harness.errors import InputError
from tests.commands import error_line, harness, harness_json
from tests.hub_server import Hub


@pytest.fixture
def hub(trained: Path) -> Iterator[Hub]:
    """A hub with the tiny trained encoder, and a file that must not be fetched."""
    files = {name: (trained / name).read_bytes() for name in (CONFIG, WEIGHTS, TRAINING, SEEN)}
    with Hub("owner/tiny-atlop", {**files, "payload.pkl": b"never fetched"}) as server:
        yield server


def test_an_encoder_is_fetched_from_the_hub_and_run(hub: Hub, trained: Path, corpus: Path, tmp_path: Path) -> None:
    place = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hub")}
    run = ["run", "--dataset", corpus, "--results-dir", tmp_path]
    content = harness_json(*run, "--model", "encoder/owner/tiny-atlop", **place)
    here = harness_json(*run, "--model", trained)
    assert content["metrics"] == here["metrics"]
    assert content["seen_documents"] == here["seen_documents"]
    assert len(ScoreFile(Path(content["run_dir"]) / PAIR_SCORES)) == 24
    assert not any(path.endswith("payload.pkl") for path in hub.asked)


def test_a_repository_that_there_is_not_is_told_in_one_line(hub: Hub, corpus: Path, tmp_path: Path) -> None:
    place = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hub")}
    failed = harness("run", "--dataset", corpus, "--results-dir", tmp_path, "--model", "encoder/owner/absent", **place)
    assert failed.returncode == 2
    assert "owner/absent: cannot be fetched from the hub" in error_line(failed)


def test_a_path_below_a_folder_that_is_here_is_not_looked_for_at_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    with pytest.raises(InputError, match="results/none: no trained encoder here"):
        encoder_folder("results/none")
