"""What is told of a training where there is no terminal."""

from __future__ import annotations

import pytest

from harness.cli import training_display
from harness.training.trainer import Epoch


def test_a_long_epoch_is_told_of_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for every, expected in ((0.0, 2), (3600.0, 0)):
        monkeypatch.setattr(training_display, "LINE_EVERY_S", every)
        with training_display.training_display("plain", "seed 0") as display:
            display.step(1, 1, 2, 0.5)
            display.step(1, 2, 2, 0.25)
            display.epoch(Epoch(1, 0.25, 3.0), is_best=True)
        lines = capsys.readouterr().err.splitlines()
        assert [line for line in lines if "of 2 batches" in line] == [
            "seed 0, epoch 1: 1 of 2 batches, loss 0.5000",
            "seed 0, epoch 1: 2 of 2 batches, loss 0.2500",
        ][:expected]
        assert lines[-1].startswith("seed 0, epoch 1: loss 0.2500, 3 s")
    with training_display.training_display("none", "seed 0") as display:
        display.step(1, 1, 2, 0.5)
    assert capsys.readouterr().err == ""
