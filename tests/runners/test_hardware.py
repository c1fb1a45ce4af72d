from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from runners.hardware import briefly_spinning_threads, total_memory, usable_cores


@pytest.fixture
def _sixteen_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 32 if logical else 16)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(32)), raising=False)


@pytest.mark.usefixtures("_sixteen_cores")
@pytest.mark.parametrize(("limit", "cores"), [("max 100000", 16), ("150000 100000", 2), ("1000 100000", 1), ("", 16)])
def test_a_container_s_share_bounds_the_cores(limit: str, cores: int, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(limit + "\n")
    assert usable_cores(tmp_path) == cores


@pytest.mark.usefixtures("_sixteen_cores")
def test_cores_that_the_process_may_not_use_are_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert usable_cores(tmp_path) == 16
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {3})
    assert usable_cores(tmp_path) == 1


def test_a_container_s_limit_bounds_the_memory(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1048576\n")
    assert total_memory(tmp_path) == 1 << 20
    (tmp_path / "memory.max").write_text("max\n")
    assert total_memory(tmp_path) == psutil.virtual_memory().total


def test_threads_of_llama_cpp_wait_briefly_before_they_sleep_unless_the_user_chose() -> None:
    assert briefly_spinning_threads({}) == {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}
    assert briefly_spinning_threads({"GOMP_SPINCOUNT": "0"})["GOMP_SPINCOUNT"] == "0"
    assert briefly_spinning_threads({"OMP_WAIT_POLICY": "active"}) == {"OMP_WAIT_POLICY": "active"}
