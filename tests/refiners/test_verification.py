"""The triplets of a stored run as candidates of another one: verified by `judge`, checked, ranked as the first is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import api
from harness.analyses.not_ranked import reasons_not_ranked
from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.methods.candidates import AllPairs
from harness.runs.results import RunResult
from harness.types import Document
from tests.annotation.test_method import UNAMBIGUOUS
from tests.chat_server import ChatServer, completion

DOCUMENTS = UNAMBIGUOUS[:2]
NAMES = {one.id: one.name for one in load_dataset("sample").schema.relations}
Run = Callable[..., RunResult]


def related(document: Document) -> set[tuple[int, int]]:
    return {(label.triplet.head, label.triplet.tail) for label in document.labels}


def listed(document: Document) -> str:
    """The labels, and a relation of a pair that has none."""
    wrong = next(pair for pair in AllPairs().pairs(document) if pair not in related(document))
    triplets = [tuple(label.triplet) for label in document.labels] + [(wrong[0], "P17", wrong[1])]
    return "".join(f"(E{head + 1} | {NAMES[one]} | E{tail + 1})\n" for head, one, tail in triplets) + "END"


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """Right and wrong triplets; of a statement, whether its pair has a label."""
    text = body["messages"][-1]["content"]
    document = next(one for one in DOCUMENTS if one.entities[0].name in text)
    ends = re.findall(r"^(?:Head|Tail): E(\d+)", text, re.MULTILINE)
    if not ends:
        return completion(listed(document))
    head, tail = (int(end) - 1 for end in ends)
    return completion("true" if (head, tail) in related(document) else "false")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with ChatServer(rule=answer) as server:

        def run(prompt: str, **options: Any) -> RunResult:
            usual = {"dataset": "sample", "documents": tuple(one.title for one in DOCUMENTS), "results": tmp_path}
            plain = {"probe": "false", "constrain_with": "regex"}
            return api.run("scripted", prompt, base_url=server.base_url, model_options=plain, **usual | options)

        yield run


def test_a_second_run_asks_whether_the_triplets_of_the_first_are_true(run: Run) -> None:
    first = run("tagged")
    assert (first.metrics.official.recall, first.metrics.official.precision < 1) == (1, True)
    second = run("judge", candidates=first.folder.run_id, prompt_options={"logprobs": "0"})
    triplets = sum(len(record.predictions) for record in first.folder.documents())
    assert second.manifest.usage.requests == triplets
    assert second.metrics.official.f1 == 1
    assert second.manifest.label == "judge logprobs=0 candidates=(scripted tagged)"
    assert second.metrics.proposal
    assert (second.metrics.proposal.source, second.metrics.proposal.pairs.recall) == ("(scripted tagged)", 1)
    assert [one.run_id for one in second.manifest.built_on] == [first.folder.run_id]
    assert all(reason.startswith("partial") for reason in reasons_not_ranked(second, 0.05))


def test_what_keeps_the_first_run_off_rankings_keeps_the_second_off(run: Run) -> None:
    first = run("pairwise", candidates="gold", max_triplets=4)
    second = run("judge", candidates=first.folder.run_id, prompt_options={"logprobs": "0"})
    told = f"asks about the triplets of {first.folder.run_id}: consults gold: the candidates come from the labels"
    assert told in list(reasons_not_ranked(second, 1.0))


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        ({"documents": (DOCUMENTS[0].title,)}, {}, f"has no document '{DOCUMENTS[1].title}'"),
        ({}, {"refine": True}, "holds no pair scores"),
    ],
)
def test_a_run_that_does_not_fit_is_refused(run: Run, first: Any, second: Any, problem: str) -> None:
    name = run("tagged", **first).folder.run_id
    option = "refine" if second else "candidates"
    with pytest.raises(InputError, match=problem):
        run("judge", **{option: name})
