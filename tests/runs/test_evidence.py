"""Evidence that a prompted model names is stored, scored and shown as that of encoders is."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from harness.cli.summary import result_lines
from harness.datasets.registry import load_dataset
from harness.paths import prompts_dir
from harness.runs.config import RunConfig
from harness.runs.plan import prepare
from harness.runs.rescore import rescore_run
from harness.runs.results import RunResult
from tests.chat_server import ChatServer, completion

Ask = Callable[..., RunResult]
EVIDENCE = {"prompt_options": {"evidence": "sentences"}}


@pytest.mark.parametrize("prompt", ["tagged", "grouped", "compact", "pairwise", "classify"])
def test_perfect_answers_of_a_server_have_an_evidence_f1_of_100(prompt: str, ask: Ask) -> None:
    asking = {**EVIDENCE, **({"candidates": "gold"} if prompt == "classify" else {})}
    planned = prepare(RunConfig(model="mock", prompt=prompt, dataset="sample", constrain="none", **asking))
    documents = list(load_dataset("sample").documents)
    said = [one for document in documents for one in planned.method().demonstrate(document)]
    answers = {one.request.messages[-1].content: one.answer for one in said}

    def perfect(body: dict[str, Any]) -> dict[str, Any]:
        return completion(answers[body["messages"][-1]["content"]])

    with ChatServer(perfect) as server:
        result = ask(server, prompt=prompt, dataset="sample", constrain="none", **asking)
    submitted = json.loads((result.folder.path / "predictions.json").read_text(encoding="utf-8"))
    gold = {(one.title, *label.triplet): list(label.evidence) for one in documents for label in one.labels}
    assert {(one["title"], one["h_idx"], one["r"], one["t_idx"]): one["evidence"] for one in submitted} == gold
    shown = [one for record in result.folder.documents() for one in record.predictions]
    assert sorted(list(one.evidence) for one in shown) == sorted(gold.values())
    scores = result.metrics.official
    assert scores.f1 == scores.evidence_precision == 1
    # The official code counts one gold sentence more than there are.
    assert scores.evidence_f1 == pytest.approx(1, abs=0.01)
    assert "evidence" in [name for name, _ in result_lines(result)]
    again = asyncio.run(rescore_run(result.folder, None))
    assert again.metrics
    assert again.metrics.official == scores
    question = result.manifest.question.prompt
    assert question.options["evidence"] == "sentences"
    assert f"{prompt} evidence=sentences" in result.manifest.prompt_label
    # The words that ask for it are a part of the question.
    folder = prompts_dir() / "shared" / ("grouped-evidence" if prompt in ("grouped", "compact") else "evidence")
    digest = hashlib.sha256(folder.with_suffix(".jinja").read_bytes()).hexdigest()
    assert result.manifest.as_json()["question"]["prompt"]["evidence_sha256"] == digest
