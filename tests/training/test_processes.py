"""One training in two processes on the CPU: the losses of one process, one that writes, one line for what is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.errors import InputError
from harness.training.folder import LOCK, STATE
from harness.training.processes import count_of
from runners.adapters import WEIGHTS
from tests.commands import error_line, harness, start
from tests.paths import REPOSITORY
from tests.tiny_llm import tiny_llm

for _package in ("torch", "transformers", "peft", "accelerate", "outlines"):
    pytest.importorskip(_package, reason="needs pip install 'docre-harness[adapters]'")

OPTIONS = {"epochs": "2", "batch_size": "3", "lr": "0.01", "rank": "4", "choose_documents": "0", "max_length": "4096"}
LAUNCH = "import sys; from harness.training.processes import run_in_processes as run; sys.exit(run(2, sys.argv[1:]))"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llm(tmp_path_factory.mktemp("model"))


def trained(model: Path, corpus: Path, out: Path, *, processes: int = 2, **more: Any) -> dict[str, Any]:
    """The epochs that the main process saw; ``killed_in`` ends all of them in an epoch."""
    told = out.with_suffix(".json")
    ran = {"killed_in": more.pop("killed_in", None), "shard": more.pop("shard", False)}
    settings = {"model": str(model), "corpus": str(corpus), "out": str(out), "told": str(told), **ran}
    settings |= {"options": {**OPTIONS, **more}}
    script = [str(Path(__file__).with_name("several_processes.py")), json.dumps(settings)]
    command = [sys.executable, *(["-c", LAUNCH] if processes > 1 else []), *script]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    content: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def sharded(model: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of a training whose weights two processes share, and what it came to."""
    out = tmp_path_factory.mktemp("sharded") / "whole"
    return out, trained(model, corpus, out, shard=True)


def test_two_processes_come_to_the_losses_of_one(
    model: Path, corpus: Path, tmp_path: Path, sharded: tuple[Path, dict[str, Any]]
) -> None:
    # Seven documents in steps of three: the last step has one, and a process without any.
    one = trained(model, corpus, tmp_path / "one", processes=1)
    for two in (trained(model, corpus, tmp_path / "two"), sharded[1]):
        assert [line[0] for line in two["lines"]] == [1, 2]
        assert two["steps"] == one["steps"] == 6
        for mine, theirs in zip(two["lines"], one["lines"], strict=True):
            assert mine == pytest.approx(theirs, rel=1e-4)


def test_two_processes_that_were_killed_resume_to_the_same_losses(model: Path, corpus: Path, tmp_path: Path) -> None:
    # Each process drops other activations; what it would have dropped next is part of the state.
    options = {"dropout": "0.3", "at_once": "2"}
    whole = trained(model, corpus, tmp_path / "whole", **options)
    cut = trained(model, corpus, tmp_path / "cut", **options, killed_in=2)
    assert (tmp_path / "cut" / STATE).is_file()
    resumed = trained(model, corpus, tmp_path / "cut", **options)
    assert cut["lines"] == whole["lines"][:1]
    assert resumed["lines"] == whole["lines"][1:]
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


def test_a_sharded_training_that_was_killed_resumes_to_the_same_losses(
    model: Path, corpus: Path, tmp_path: Path, sharded: tuple[Path, dict[str, Any]]
) -> None:
    trained(model, corpus, tmp_path / "cut", shard=True, killed_in=2)
    resumed = trained(model, corpus, tmp_path / "cut", shard=True)
    assert resumed["lines"] == sharded[1]["lines"][1:]
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == (sharded[0] / WEIGHTS).read_bytes()


def command(model: Path, corpus: Path, out: Path, *more: str) -> list[str | Path]:
    options = [f"-O{key}={value}" for key, value in {**OPTIONS, "choose_documents": "3"}.items()]
    data = ["--train", corpus, "--choose", "3", "--report", "2", "--few-shot", "7", "--processes", "2", "--out", out]
    return ["train", "llm", "--model", model, "--prompt", "compact", *data, *options, *more]


def test_the_command_starts_the_processes_and_one_of_them_tells(model: Path, corpus: Path, tmp_path: Path) -> None:
    done = harness(*command(model, corpus, tmp_path, "--json"))
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)
    assert told["reported"]["documents"] == 2
    assert not (tmp_path / "seed-0" / LOCK).exists()
    refused = harness(*command(model, corpus, tmp_path, "-Omax_length=20"))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert error_line(refused).endswith("holds another training: choose another --out, or remove it")


def test_processes_end_with_the_command_that_started_them(model: Path, corpus: Path, tmp_path: Path) -> None:
    process = start(*command(model, corpus, tmp_path, "-Oepochs=5000", "-Ochoose_documents=0"))
    deadline = time.monotonic() + 300
    while not (tmp_path / "seed-0" / LOCK).exists() and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    workers = psutil.Process(process.pid).children()
    assert len(workers) == 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    gone, alive = psutil.wait_procs(workers, timeout=30)
    assert (len(gone), alive) == (2, [])


@pytest.mark.parametrize("asked", ["0", "-1", "many", "1.5"])
def test_what_is_no_number_of_processes_is_refused(asked: str) -> None:
    with pytest.raises(InputError, match=f"--processes {asked}: give a number of processes, or auto"):
        count_of(asked, on_cpu=True)


def test_there_is_one_process_for_each_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.training.processes.has_gpu", lambda: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    assert [count_of(asked, on_cpu=False) for asked in (None, "auto", "2")] == [1, 3, 2]
    assert count_of("auto", on_cpu=True) == 1
    with pytest.raises(InputError, match="--processes 4: there are 3 GPUs here"):
        count_of("4", on_cpu=False)
