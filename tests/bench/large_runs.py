"""What a document costs the client: processor time, memory, bytes of journal and records; and what a million would.

``python -m tests.bench.large_runs`` asks a mock server about the 500 documents of Re-DocRED dev, and about four times
as many with another sentence; it answers with 15 triplets at once. Each run is a process of its own, and the time is
that of its main thread, in which the client works. docs/several-servers.md calculates with these numbers.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.engine_speed import run_child
from tests.bench.report import Measurement, report
from tests.chat_server import ENTITY_LINE, RELATION_LINE, ChatServer, completion
from tests.paths import SHARED_DATA

REDOCRED = SHARED_DATA / "redocred"
TRIPLETS = 15
MILLION = 1_000_000


def measure() -> Iterator[Measurement]:
    """All measurements of this file, as they are made."""
    with tempfile.TemporaryDirectory() as name:
        few, many = (run_child("tests.bench.large_runs", str(_corpus(Path(name), times))) for times in (1, 5))
    documents = many["documents"] - few["documents"]
    each = {key: (many[key] - few[key]) / documents for key in many}
    yield Measurement("ms of processor time, a document", 1000 * each["cpu_s"], at_most=8.0)
    yield Measurement("kB of journal, a document", each["journal"] / 1e3, at_most=6.0)
    yield Measurement("kB of documents.jsonl, a document", each["records"] / 1e3, at_most=14.0)
    yield Measurement("kB of memory, a document", each["memory"] / 1e3, at_most=8.0)
    yield Measurement("characters of a prompt", each["prompt"])
    yield Measurement("hours of a core, a million documents", each["cpu_s"] * MILLION / 3600)
    yield Measurement("GB of journal, a million documents", each["journal"] * MILLION / 1e9)


def _corpus(folder: Path, times: int) -> Path:
    documents = json.loads((REDOCRED / "dev_revised.json").read_text(encoding="utf-8"))
    content = [
        # The same text would be answered from the journal.
        {**one, "title": f"{one['title']} {number}", "sents": [*one["sents"], ["Copy", str(number), "."]]}
        for number in range(times)
        for one in documents
    ]
    (folder / "rel_info.json").write_text((REDOCRED / "rel_info.json").read_text(encoding="utf-8"), encoding="utf-8")
    path = folder / f"{times}.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def _fifteen(body: dict[str, Any]) -> dict[str, Any]:
    """Fifteen triplets of entities and relations that the prompt names."""
    prompt = body["messages"][-1]["content"]
    entities, relations = ENTITY_LINE.findall(prompt), RELATION_LINE.findall(prompt)
    count = len(entities)
    lines = [
        f"({entities[n % count]} | {relations[7 * n % len(relations)]} | {entities[(n + 1 + n // count) % count]})\n"
        for n in range(TRIPLETS)
    ]
    return completion("".join(lines) + "END", len(prompt) // 4)


def _run(corpus: Path) -> dict[str, float]:
    from harness.cli.display import QuietDisplay
    from harness.runs.config import RunConfig
    from harness.runs.execute import execute
    from harness.runs.plan import prepare

    with tempfile.TemporaryDirectory() as results, ChatServer(rule=_fifteen) as server:
        config = RunConfig(
            model="scripted",
            prompt="tagged",
            dataset=str(corpus),
            base_url=server.base_url,
            model_options={"probe": "false", "constrain_with": "regex"},
            results=Path(results),
        )
        started = time.thread_time()
        done = asyncio.run(execute(prepare(config), QuietDisplay()))
        cpu_s = time.thread_time() - started
        return {
            "documents": done.manifest.documents.asked,
            "cpu_s": cpu_s,
            "journal": sum(file.stat().st_size for file in Path(results).glob("journal.sqlite*")),
            "records": (done.folder.path / "documents.jsonl").stat().st_size,
            "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "prompt": 4 * done.manifest.usage.prompt_tokens,
        }


def main() -> bool:
    """Measure everything, print it, and say whether all bounds were kept."""
    if not (REDOCRED / "dev_revised.json").is_file():
        print(f"no {REDOCRED / 'dev_revised.json'}: not measured")
        return True
    return report(measure())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(_run(Path(sys.argv[1]))))
    else:
        sys.exit(0 if main() else 1)
