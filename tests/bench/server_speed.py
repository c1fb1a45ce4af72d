"""Several servers against one: requests a second, and the share of prompts that their prefix caches hold.

``python -m tests.bench.server_speed`` starts mock servers in processes of their own, each with 64 connections. At 50 ms
an answer they are faster than the client, whose processor time for a document is told; at 4 s they are what limits it.
Then three servers that model a prefix cache of 16 documents are asked twelve questions about each document: with a
document's requests at one server, and spread one by one.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.bench.engine_speed import Server, run_child
from tests.bench.report import Measurement, report
from tests.chat_server import ChatServer, completion
from tests.corpora import write_corpus

CONNECTIONS = 64
# Seconds an answer, documents for each server, and how many servers.
SERIES = ((0.05, 500, (1, 2, 4, 8)), (4.0, 640, (1, 2, 4)))
SLOW_S = 1.0
DOCUMENTS_IN_CACHE = 16


def measure() -> Iterator[Measurement]:
    """All measurements of this file, as they are made."""
    with tempfile.TemporaryDirectory() as name:
        for latency_s, documents, counts in SERIES:
            yield from _throughput(Path(name), latency_s, documents, counts)
        yield from _affinity(_longer(write_corpus(Path(name) / "questions", 60)))


def _throughput(folder: Path, latency_s: float, each: int, counts: tuple[int, ...]) -> Iterator[Measurement]:
    alone = 0.0
    for count in counts:
        documents = each * count
        corpus = write_corpus(folder / str(documents), documents)
        with ExitStack() as stack:
            servers = [stack.enter_context(Server(latency_s)) for _ in range(count)]
            spent = run_child("tests.bench.server_speed", str(corpus), " ".join(servers))
        rate, core = documents / spent["seconds"], spent["cpu_s"] / spent["seconds"]
        alone = alone or rate
        label = f"{count} server{'s' if count > 1 else ''} of {latency_s * 1000:.0f} ms / one"
        yield Measurement(
            f"documents/s, {label}", rate / alone, at_least=0.9 * count if latency_s >= SLOW_S else None,
            note=f"{rate:.0f}/s, {100 * core:.0f}% of a core, {1000 * spent['cpu_s'] / documents:.2f} ms each",
        )  # fmt: skip


def _longer(corpus: Path) -> Path:
    """The corpus with 200 words more in each document, as many as those of Re-DocRED have."""
    content = json.loads(corpus.read_text())
    for number, document in enumerate(content):
        document["sents"].append([f"w{number}x{place}" for place in range(200)])
    corpus.write_text(json.dumps(content))
    return corpus


class PrefixCache:
    """Answers with how much of a prompt the prompts before it had in common with it, as vLLM's cache would."""

    def __init__(self) -> None:
        self._prompts: OrderedDict[str, None] = OrderedDict()
        self.read = self.cached = 0

    def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        prompt = "".join(message["content"] for message in body["messages"])
        common = max((_common(prompt, other) for other in self._prompts), default=0)
        self._prompts[prompt] = None
        while len(self._prompts) > DOCUMENTS_IN_CACHE * 12:
            self._prompts.popitem(last=False)
        self.read += len(prompt)
        self.cached += common
        return completion("no", len(prompt) // 4)


def _common(one: str, other: str) -> int:
    shortest = min(len(one), len(other))
    return next((place for place in range(shortest) if one[place] != other[place]), shortest)


def _affinity(corpus: Path) -> Iterator[Measurement]:
    from harness.engine.endpoints import Endpoints

    choose = Endpoints._choose
    shares = {}
    for way, chooser in (("one server", choose), ("any server", lambda self, _home, failed: choose(self, [], failed))):
        caches = [PrefixCache() for _ in range(3)]
        with ExitStack() as stack, patch.object(Endpoints, "_choose", chooser):
            servers = [stack.enter_context(ChatServer(rule=cache, latency_s=0.02)) for cache in caches]
            _ask(corpus, " ".join(server.base_url for server in servers), "pairwise", connections=4)
        missed = sum(cache.read - cache.cached for cache in caches)
        shares[way] = (missed, 1 - missed / sum(cache.read for cache in caches))
    yield Measurement(
        "prompt characters to compute, document at one server / at any of three",
        shares["one server"][0] / shares["any server"][0], at_most=0.7,
        note=f"cached {100 * shares['one server'][1]:.1f}% / {100 * shares['any server'][1]:.1f}%",
    )  # fmt: skip


def _ask(corpus: Path, base_url: str, prompt: str, connections: int) -> None:
    from harness.cli.display import QuietDisplay
    from harness.runs.config import RunConfig
    from harness.runs.execute import execute
    from harness.runs.plan import prepare

    with tempfile.TemporaryDirectory() as results:
        config = RunConfig(
            model="scripted",
            prompt=prompt,
            prompt_options={"k": "1"} if prompt == "pairwise" else {},
            dataset=str(corpus),
            base_url=base_url,
            model_options={"probe": "false", "constrain_with": "regex"},
            max_connections=connections,
            results=Path(results),
        )
        asyncio.run(execute(prepare(config), QuietDisplay()))


def main() -> bool:
    """Measure everything, print it, and say whether all bounds were kept."""
    return report(measure())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        started, cpu = time.perf_counter(), time.process_time()
        _ask(Path(sys.argv[1]), sys.argv[2], "tagged", CONNECTIONS)
        print(json.dumps({"seconds": time.perf_counter() - started, "cpu_s": time.process_time() - cpu}))
    else:
        sys.exit(0 if main() else 1)
