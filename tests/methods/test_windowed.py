"""Methods over windows of a document: what is asked, and that answers come back as triplets of the whole."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.methods.candidates import AllPairs
from harness.methods.table import create_method
from harness.methods.windowed import Windowed
from harness.methods.windows import windows_with_entities
from harness.types import Completion, Document, Request, TokenLogprob
from tests.commands import error_line, harness_here
from tests.paths import redocred_dir
from tests.variants import VARIANTS, extract, kind_of, settings_of

SAMPLE = load_dataset("sample")
WORDS = 40
DIVIDED = [one for one in SAMPLE.documents if sum(map(len, one.sentences)) > WORDS]
LISTS = [prompt for prompt in VARIANTS if kind_of(prompt).lists_triplets and not kind_of(prompt).takes_candidates]


def windowed(prompt: str, words: int = WORDS, **options: str) -> Windowed:
    method = create_method(replace(settings_of(prompt, SAMPLE.schema, "gbnf", **options), window=words))
    assert isinstance(method, Windowed)
    return method


@pytest.mark.parametrize("prompt", LISTS)
async def test_perfect_answers_give_the_triplets_whose_entities_share_a_window(prompt: str) -> None:
    method = windowed(prompt)
    assert len(DIVIDED) > 3
    for document in DIVIDED:
        together = [set(window.numbers) for window in method.windows(document)]
        answers = {one.request: one.answer for one in method.demonstrate(document)}
        extraction, _ = await extract(method, document, lambda request: Completion(answers[request], "stop"))  # noqa: B023
        expected = {
            label.triplet
            for label in document.labels
            if any({label.triplet.head, label.triplet.tail} <= numbers for numbers in together)
        }
        assert {one.triplet for one in extraction.predictions} == expected
        assert (extraction.status, extraction.rejects) == ("ok", ())
        assert extraction.details["windows"] == len(together)
        apart = [pair for pair in document.pairs if not any(set(pair) <= numbers for numbers in together)]
        assert extraction.details["pairs_apart"] == len(apart)


def test_windows_cover_the_text_and_overlap_in_whole_sentences() -> None:
    document = max(load_dataset("redocred", "dev", redocred_dir()).documents, key=lambda one: len(one.sentences))
    windows = windows_with_entities(document, 100)
    covered = [range(one.first, one.first + len(one.document.sentences)) for one in windows]
    assert {sentence for one in covered for sentence in one} == set(range(len(document.sentences)))
    assert all(following.start <= one.stop for one, following in pairwise(covered))
    assert any(following.start < one.stop for one, following in pairwise(covered))
    asked = windowed("tagged", 100).windows(document)
    assert [one.first for one in asked] == [one.first for one in windows if len(one.numbers) > 1]
    for window in windows:
        assert sum(map(len, window.document.sentences)) <= 100
        for number, entity in zip(window.numbers, window.document.entities, strict=True):
            whole = document.entities[number].mentions
            assert {replace(one, sent_id=one.sent_id + window.first) for one in entity.mentions} <= set(whole)


async def test_a_document_no_longer_than_a_window_is_asked_about_as_it_is() -> None:
    document = DIVIDED[0]
    plain = create_method(settings_of("tagged", SAMPLE.schema, "gbnf"))
    _, expected = await extract(plain, document, lambda _: Completion("END", "stop"))
    _, requests = await extract(windowed("tagged", 1000), document, lambda _: Completion("END", "stop"))
    assert requests == expected


async def test_evidence_and_scores_are_those_of_the_whole_document() -> None:
    document = _two_windows()
    method = windowed("tagged", 12, evidence="sentences")
    assert len(method.windows(document)) == 2

    def answer(request: Request) -> Completion:
        second = "lives" in request.messages[-1].content
        return Completion(f"(E1 | country | E2 | {1 if second else 0})\nEND", "stop")

    extraction, requests = await extract(method, document, answer)
    assert len(requests) == 2
    found = {(one.triplet.head, one.triplet.tail): one.evidence for one in extraction.predictions}
    assert found == {(0, 1): (0,), (0, 2): (2,)}

    def probable(request: Request) -> Completion:
        listed = math.log(0.9 if "lives" in request.messages[-1].content else 0.6)
        is_asked = request.messages[-1].content.splitlines()[-3] == "Relation: country"
        token = TokenLogprob("E", listed, (("E", listed), ("NONE", math.log(1 - math.exp(listed)))))
        none = TokenLogprob("NONE", 0.0, (("NONE", 0.0),))
        tokens = (token, TokenLogprob("1 | E2\nEND", 0.0)) if is_asked else (none,)
        return Completion("".join(one.token for one in tokens), "stop", logprobs=tokens)

    options = {"types": "hidden", "descriptions": "short"}
    settings = replace(settings_of("relation-pairs", SAMPLE.schema, "gbnf", **options), window=12, max_top_logprobs=5)
    extraction, _ = await extract(create_method(settings), document, probable)
    candidates: list[list[object]] = extraction.details["candidates"]  # type: ignore[assignment]
    assert candidates == [[0, "P17", 2, 0.9], [0, "P17", 1, 0.6]]
    relations = dict(extraction.details["relations"])  # type: ignore[call-overload]
    assert relations["P17"] == 0.9, "the highest of the windows"
    assert len(relations) == len(SAMPLE.schema.relations)


async def test_a_window_with_fewer_than_two_entities_is_not_asked_about() -> None:
    document = replace(_two_windows(), entities=_two_windows().entities[:2])
    method = windowed("tagged", 12)
    extraction, requests = await extract(method, document, lambda _: Completion("END", "stop"))
    assert (len(requests), extraction.details["windows"], extraction.details["pairs_apart"]) == (1, 1, 0)


async def test_a_document_is_only_ok_if_all_its_windows_are() -> None:
    answers = iter(["END", "I cannot say."])
    extraction, _ = await extract(windowed("tagged", 12), _two_windows(), lambda _: Completion(next(answers), "stop"))
    assert extraction.status == "invalid_output"
    assert extraction.error == "1 of 2 windows: the answer lists nothing and has no end of list"


@pytest.mark.parametrize("prompt", [prompt for prompt in VARIANTS if prompt not in LISTS])
def test_prompts_that_list_no_triplets_are_refused(prompt: str) -> None:
    with pytest.raises(InputError, match="use a prompt of tagged, grouped, pairwise, facts"):
        create_method(replace(settings_of(prompt, SAMPLE.schema), window=50))


def test_candidate_pairs_of_whole_documents_are_refused() -> None:
    settings = replace(settings_of("pairwise", SAMPLE.schema), window=50, candidates=AllPairs())
    with pytest.raises(InputError, match="--candidates, --refine"):
        create_method(settings)


def test_a_run_records_its_window_and_an_ablation_compares_several(tmp_path: Path) -> None:
    place = ["--dataset", "sample", "--limit", "3", "--results-dir", str(tmp_path)]
    done = harness_here("ablate", "--model", "mock", "--prompt", "tagged", "--axis", "window=20,1000", *place, "--json")
    assert done.returncode == 0, done.stderr
    manifests = [json.loads((one / "manifest.json").read_text()) for one in (tmp_path / "runs").iterdir()]
    assert sorted(one["question"]["window"] for one in manifests) == [20, 1000]
    requests = {one["question"]["window"]: one["usage"]["requests"] for one in manifests}
    assert requests[20] > requests[1000] == 3
    shown = harness_here("prompts", "show", "tagged", "--window", "20", "--gold", "--document", DIVIDED[0].title)
    assert "------ request 2 of" in shown.stdout
    refused = error_line(harness_here("run", "--model", "mock", "--prompt", "tagged", "--window", "3", *place))
    assert "'--window': Input should be greater than or equal to 10" in refused


def _two_windows() -> Document:
    """Three sentences of six words; windows of twelve share the middle one, where the first entity alone is."""
    from tests.documents import document

    return document(
        "Ann was born in Rome .\nAnn is a painter there .\nAnn now lives in Bergen .",
        [[(0, 0, 1, "PER"), (1, 0, 1, "PER"), (2, 0, 1, "PER")], [(0, 4, 5, "LOC")], [(2, 4, 5, "LOC")]],
    )
