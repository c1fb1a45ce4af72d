"""Stored runs for the tests of the report, made by the mock runner on a small corpus with an attack document."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.cli.display import QuietDisplay
from harness.runs.config import RunConfig
from harness.runs.execute import execute
from harness.runs.plan import prepare
from harness.runs.results import RunResult
from harness.store import RunFolder
from tests.corpora import RELATIONS, write_corpus

DOCUMENTS = 20
ATTACKS = (
    "<script>window.attacked=1</script>",
    '"><img src=x onerror="window.attacked=1">',
    "'><svg/onload=window.attacked=1>",
    "javascript:window.attacked=1",
    "{{ 7 * 7 }}{% raw %}",
    "</script><script>window.attacked=1</script>",
    "line\u2028and\u2029paragraph",
    "&lt;b&gt; $x^2$",
)
ATTACK_TITLE = f"Attack {ATTACKS[0]} {ATTACKS[1]}"


@dataclass(frozen=True)
class StoredRuns:
    """A results folder: ``closed`` answers well and badly, ``attacked`` repeats the attacks, ``part`` is partial."""

    results: Path
    corpus: Path
    closed: RunResult
    attacked: RunResult
    part: RunResult


def store_runs(folder: Path) -> StoredRuns:
    """Run the mock three times over the corpus; the second run's model and prompt have attacks for names."""
    corpus = write_corpus(folder / "corpus", DOCUMENTS)
    documents = json.loads(corpus.read_text(encoding="utf-8"))
    documents.append(_attack_document())
    corpus.write_text(json.dumps(documents), encoding="utf-8")
    (corpus.parent / "rel_info.json").write_text(json.dumps({**RELATIONS, "P0": ATTACKS[1]}), encoding="utf-8")
    results = folder / "results"
    answers = _script(folder / "answers.jsonl", [_answer(document) for document in documents[:DOCUMENTS]])
    attack = {"contains": "Attack", "text": "\n".join([*ATTACKS, f"(E1 | {ATTACKS[0]} | E2)", "END"])}
    attacks = _script(folder / "attacks.jsonl", [attack])
    closed = _run(results, corpus, {"answers": answers})
    attacked = _run(results, corpus, {"answers": attacks}, constrain="none")
    part = _run(results, corpus, {"answers": answers}, limit=3)
    question = attacked.manifest.question.as_json()
    question["model"]["name"] = ATTACKS[1]
    attacked.folder.write_manifest(attacked.manifest.changed(question=question, prompt_label=ATTACKS[4], run_id=""))
    return StoredRuns(results, corpus, closed, RunResult.load(attacked.folder), part)


def give_scores(folder: RunFolder) -> None:
    """Give the predictions of a stored run scores that fall from document to document, and other evidence than gold."""
    records = list(folder.documents())
    with folder.document_writer() as writer:
        for number, record in enumerate(records):
            content = json.loads(record.to_json())
            content["predictions"] = [[*one[:3], [1], 1 - number / 100] for one in content["predictions"]]
            writer.write(type(record).from_json(json.dumps(content)))


def _run(results: Path, corpus: Path, options: Mapping[str, str], **more: Any) -> RunResult:
    config = RunConfig("mock", "tagged", str(corpus), model_options=options, results=results, **more)
    return asyncio.run(execute(prepare(config), QuietDisplay()))


def _script(path: Path, answers: list[dict[str, str]]) -> str:
    path.write_text("".join(json.dumps(answer) + "\n" for answer in answers), encoding="utf-8")
    return str(path)


def _answer(document: dict[str, Any]) -> dict[str, str]:
    """The first label, the second with another relation, the third from tail to head; cut off in document 2."""
    first, second, third = document["labels"]
    other = next(name for name in RELATIONS if name not in {label["r"] for label in document["labels"]})
    lines = [
        f"(E{first['h'] + 1} | {RELATIONS[first['r']]} | E{first['t'] + 1})",
        f"(E{second['h'] + 1} | {RELATIONS[other]} | E{second['t'] + 1})",
        f"(E{third['t'] + 1} | {RELATIONS[third['r']]} | E{third['h'] + 1})",
        "(E9 | country | E1)",
    ]
    number = document["title"].removeprefix("Document ")
    answer = {"contains": f"Town{number}<", "text": "\n".join([*lines, "END"])}
    return {**answer, "finish_reason": "length"} if number == "2" else answer


def _attack_document() -> dict[str, Any]:
    tokens = ["Attack", *ATTACKS, "."]
    names = [
        [{"name": token, "pos": [place, place + 1], "sent_id": 0, "type": ATTACKS[0]}]
        for place, token in enumerate(tokens[:-1])
    ]
    labels = [{"h": 0, "t": 1, "r": "P0", "evidence": [0]}, {"h": 2, "t": 3, "r": "P17", "evidence": []}]
    return {"title": ATTACK_TITLE, "sents": [tokens], "vertexSet": names, "labels": labels}
