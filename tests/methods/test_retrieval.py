"""Relations of a large schema, chosen for each document: what is asked, what is counted, and what cannot go with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import run
from harness.datasets.docred_output import as_docred
from harness.errors import InputError
from harness.methods.retrieval import RelationRetrieval, retrieval_scores
from harness.types import Relation, RelationSchema
from tests.chat_server import ChatServer, completion
from tests.documents import document


class Words:
    """Vectors of which words of the document a text has."""

    name = "words"
    fingerprint = "words"

    def embed(self, texts: Sequence[str]) -> Any:
        return np.array([[word in text.lower().split() for word in WORDS] for text in texts], dtype=np.float32)


WORDS = ("father", "birthplace", "jonas", "mara")
LARGE = RelationSchema(tuple(Relation(f"R{number}", f"relation {number}") for number in range(5_000)))
SCHEMA = replace(LARGE, relations=(*LARGE.relations, Relation("F", "father"), Relation("B", "birthplace")))
TEXT = document(
    "Jonas is the father of Mara .\nHer birthplace is Orvand .",
    [[(0, 0, 1, "PER")], [(0, 5, 6, "PER")], [(1, 3, 4, "LOC")]],
    [(1, "F", 0), (1, "B", 2), (0, "R7", 2)],
)


def test_the_relations_most_similar_to_the_sentences_are_chosen_in_the_order_of_the_schema() -> None:
    retrieval = RelationRetrieval(SCHEMA, {}, Words(), 2)
    assert [one.id for one in retrieval.schema_for(TEXT).relations] == ["F", "B"]
    assert retrieval_scores(retrieval, [TEXT]) == {"relations": 2, "of": 5_002, "found": 2, "gold": 3}
    assert len(replace(retrieval, count=10).schema_for(TEXT).relations) == 10
    assert RelationRetrieval(SCHEMA, {}, Words(), 9_999).schema_for(TEXT) is SCHEMA
    empty = replace(TEXT, sentences=(), entities=(), labels=())
    assert [one.id for one in retrieval.schema_for(empty).relations] == ["R0", "R1"]
    assert retrieval.identity != replace(retrieval, count=3).identity


def test_a_run_asks_each_document_about_its_relations_and_reports_their_recall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.runs.retrieval.load_embedder", lambda *_: Words())
    labelled = replace(TEXT, labels=(TEXT.labels[0], TEXT.labels[2]))
    (tmp_path / "c.json").write_text(json.dumps([as_docred(labelled)]), encoding="utf-8")
    (tmp_path / "rel_info.json").write_text(
        json.dumps({one.id: one.name for one in SCHEMA.relations}), encoding="utf-8"
    )
    given = {
        "dataset": str(tmp_path / "c.json"), "results": tmp_path / "results", "retrieve_relations": 2,
        "model_options": {"probe": "false", "constrain_with": "regex"},
    }  # fmt: skip
    with ChatServer(lambda _: completion("(E2 | father | E1)\nEND")) as server:
        result = run("scripted", "tagged", base_url=server.base_url, **given)
        for more in ({"align": "minilm", "constrain": "none"}, {"candidates": "gold", "prompt": "choice"}):
            with pytest.raises(InputError, match="--retrieve-relations leaves relations out that --"):
                run("scripted", **{"prompt": "tagged", "base_url": server.base_url, **given, **more})
    assert result.metrics.official.f1 == pytest.approx(2 / 3)
    assert result.as_json()["retrieval"] == {"relations": 2, "of": 5_002, "found": 1, "gold": 2}
    assert result.manifest.prompt_label.endswith("relations=2 by words")
    (record,) = result.folder.documents()
    assert record.details["retrieved"] == ["F", "B"]
    assert "relation 4999" not in record.steps[0]["messages"][-1]["content"]
    with pytest.raises(InputError, match="--retriever needs --retrieve-relations"):
        run("scripted", "tagged", base_url="http://x", **{**given, "retrieve_relations": None, "retriever": "minilm"})
