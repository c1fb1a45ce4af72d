"""The whole harness against a bare asyncio loop: same requests, same client, same local server.

``python -m tests.bench.engine_speed`` measures documents/s and peak memory (resident, of the client
process) with 64 connections at 0 and 50 ms of server latency, each side in a process of its own,
alternating; then memory at 1,000 and 10,000 documents, the CPU time of one request and of a run's start, a replay from
the journal, and the help.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.bench.report import Measurement, report
from tests.commands import COMMAND, environment
from tests.corpora import write_corpus

CONNECTIONS = 64
ROUNDS = 3


def measure() -> Iterator[Measurement]:
    """All measurements of this file, as they are made."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for latency_s, documents, bound in ((0.0, 2000, 0.4), (0.05, 4000, 0.35)):
            corpus = write_corpus(folder / str(documents), documents)
            yield from _against_bare_loop(corpus, latency_s, documents, bound)
        yield from _flat_memory(folder)
        yield from _cpu_of_a_request(folder)
        yield from _replay(folder)
        yield from _start_up()


def _against_bare_loop(corpus: Path, latency_s: float, documents: int, bound: float) -> list[Measurement]:
    with Server(latency_s) as base_url:
        sides: dict[str, list[dict[str, float]]] = {"bare": [], "harness": []}
        for _ in range(ROUNDS):
            for side, measured in sides.items():
                measured.append(_child(side, base_url, corpus))
    speed = {side: max(documents / one["seconds"] for one in measured) for side, measured in sides.items()}
    memory = {side: max(one["peak_mb"] for one in measured) for side, measured in sides.items()}
    label = f"{documents:,} documents, {latency_s * 1000:.0f} ms latency, {CONNECTIONS} connections"
    return [
        Measurement(f"documents/s, harness / bare loop ({label})", speed["harness"] / speed["bare"], at_least=bound,
                    note=f"{speed['harness']:.0f} / {speed['bare']:.0f}"),
        Measurement(f"peak memory, harness / bare loop ({label})", memory["harness"] / memory["bare"],
                    note=f"{memory['harness']:.0f} / {memory['bare']:.0f} MB"),
    ]  # fmt: skip


def _flat_memory(folder: Path) -> list[Measurement]:
    with Server(0.0) as base_url:
        peaks = {
            documents: _child("harness", base_url, write_corpus(folder / str(documents), documents))["peak_mb"]
            for documents in (1000, 10000)
        }
    growth_kb = (peaks[10000] - peaks[1000]) * 1000 / 9000
    return [
        Measurement("peak memory at 10,000 / 1,000 documents", peaks[10000] / peaks[1000], at_most=1.5,
                    note=f"{peaks[10000]:.0f} / {peaks[1000]:.0f} MB, {growth_kb:.1f} kB a document"),
    ]  # fmt: skip


def _cpu_of_a_request(folder: Path) -> list[Measurement]:
    """Of the whole command, net of a run over a few documents; each side at its best of several rounds."""
    few, many = 20, 1000
    corpora = {count: write_corpus(folder / str(count), count) for count in (few, many)}
    with Server(0.0) as base_url:
        spent: dict[int, list[float]] = {few: [], many: []}
        bare = []
        for number in range(ROUNDS + 1):
            for count, corpus in corpora.items():
                spent[count].append(_cpu_s(_run_arguments(base_url, corpus, folder / f"cpu-{count}-{number}")))
            bare.append(_child("bare", base_url, corpora[many])["cpu_s"] / many)
    # The first round compiles the modules.
    start, whole = (min(spent[count][1:]) for count in (few, many))
    request = (whole - start) / (many - few)
    return [
        Measurement("CPU time of a request, harness / bare loop", request / min(bare), at_most=1.7,
                    note=f"{request * 1000:.2f} / {min(bare) * 1000:.2f} ms"),
        Measurement(f"CPU-seconds of a run over {few} documents", start),
    ]  # fmt: skip


def _cpu_s(arguments: list[str]) -> float:
    """CPU time of a command that is installed: its modules are compiled."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    settings = {name: value for name, value in environment().items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([*COMMAND, *arguments], check=True, capture_output=True, env=settings)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _replay(folder: Path) -> list[Measurement]:
    corpus, results = write_corpus(folder / "500", 500), folder / "replayed"
    with Server(0.0) as base_url:
        command = [*COMMAND, *_run_arguments(base_url, corpus, results)]
        seconds = [_timed(command) for _ in range(3)]
    return [
        Measurement(
            "seconds to replay 500 documents from the journal, start-up included", min(seconds[1:]), at_most=3.0
        )
    ]


def _start_up() -> list[Measurement]:
    return [
        Measurement("seconds of `harness --help`", min(_timed([*COMMAND, "--help"]) for _ in range(5)), at_most=0.5)
    ]


def _timed(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment())
    return time.perf_counter() - started


def _run_arguments(base_url: str, corpus: Path, results: Path) -> list[str]:
    return [
        "run", "--model", "scripted", "--prompt", "tagged", "--dataset", str(corpus), "--base-url", base_url,
        "-M", "probe=false", "-M", "constrain_with=regex", "--display", "none", "--json",
        "--max-connections", str(CONNECTIONS), "--results-dir", str(results),
    ]  # fmt: skip


class Server:
    """The scripted chat server in a process of its own, so that it does not share the client's interpreter."""

    def __init__(self, latency_s: float) -> None:
        self._command = [sys.executable, "-m", "tests.chat_server", "--latency", str(latency_s)]

    def __enter__(self) -> str:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def _child(side: str, base_url: str, corpus: Path) -> dict[str, float]:
    return run_child("tests.bench.engine_speed", side, base_url, str(corpus))


def run_child(module: str, *arguments: str) -> dict[str, float]:
    """The JSON that a benchmark prints last, run in a process of its own."""
    done = subprocess.run([sys.executable, "-m", module, *arguments], check=True, capture_output=True, text=True,
                          env=environment())  # fmt: skip
    content: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return content


# --- what runs in the child processes ---------------------------------------------------------------


def _experiment(base_url: str, corpus: Path, results: Path) -> Any:
    from harness.runs.config import RunConfig
    from harness.runs.plan import prepare

    return prepare(
        RunConfig(
            model="scripted",
            prompt="tagged",
            dataset=str(corpus),
            base_url=base_url,
            model_options={"probe": "false", "constrain_with": "regex"},
            max_connections=CONNECTIONS,
            results=results,
        )
    )


def _harness(base_url: str, corpus: Path) -> dict[str, float]:
    """Loading, rendering, asking, journalling, parsing, storing and scoring."""
    from harness.cli.display import QuietDisplay
    from harness.runs.execute import execute

    def work() -> None:
        asyncio.run(execute(_experiment(base_url, corpus, Path(results)), QuietDisplay()))

    with tempfile.TemporaryDirectory() as results:
        return _spent_on(work)


def _bare(base_url: str, corpus: Path) -> dict[str, float]:
    """The same requests, rendered beforehand, through a semaphore and the client of the same library."""
    import httpx2

    from harness.methods.tagged import Tagged
    from runners.chat_body import chat_body

    with tempfile.TemporaryDirectory() as results:
        experiment = _experiment(base_url, corpus, Path(results))
        method, runner = Tagged(experiment.settings), experiment.runner
        bodies = [
            chat_body(method.demonstrate(document)[0].request, runner.served_model, experiment.spec, runner.provider)
            for document in experiment.documents
        ]

    async def all_of_them() -> None:
        gate = asyncio.Semaphore(CONNECTIONS)
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=CONNECTIONS)
        async with httpx2.AsyncClient(base_url=base_url, limits=limits, timeout=60) as client:

            async def one(body: dict[str, Any]) -> None:
                async with gate:
                    answer = await client.post("/chat/completions", json=body)
                    assert answer.json()["choices"][0]["message"]["content"]

            await asyncio.gather(*(one(body) for body in bodies))

    return _spent_on(lambda: asyncio.run(all_of_them()))


def _spent_on(work: Callable[[], None]) -> dict[str, float]:
    seconds, cpu_s = time.perf_counter(), time.process_time()
    work()
    return {"seconds": time.perf_counter() - seconds, "cpu_s": time.process_time() - cpu_s}


def main() -> bool:
    """Measure, or be one side of a measurement; whether all bounds were kept."""
    if len(sys.argv) == 1:
        return report(measure())
    side, base_url, corpus = sys.argv[1:]
    spent = (_harness if side == "harness" else _bare)(base_url, Path(corpus))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps({**spent, "peak_mb": peak_mb}))
    return True


if __name__ == "__main__":
    sys.exit(not main())
