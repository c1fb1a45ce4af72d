"""A small corpus and a scripted model, for tests of many runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.runs.config import RunConfig
from tests.corpora import write_corpus


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    """Eight documents, of which a scripted model finds the first gold triplet, written with ids."""
    corpus = write_corpus(tmp_path, 8)
    relations = json.loads((tmp_path / "rel_info.json").read_text(encoding="utf-8"))
    answers = tmp_path / "answers.jsonl"
    with answers.open("w", encoding="utf-8") as file:
        for number, document in enumerate(json.loads(corpus.read_text(encoding="utf-8"))):
            label = document["labels"][0]
            text = f"(E{label['h'] + 1} | {relations[label['r']]} | E{label['t'] + 1})\nEND"
            file.write(json.dumps({"contains": f"Town{number}<", "text": text}) + "\n")
            file.write(json.dumps({"contains": f"Town{number}\n", "text": text}) + "\n")
    return RunConfig(
        model="mock",
        prompt="tagged",
        dataset=str(corpus),
        constrain="none",
        model_options={"answers": str(answers)},
        results=tmp_path / "results",
    )
