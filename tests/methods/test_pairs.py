"""The methods about given pairs: request counts, shared prefixes, and what is made of every kind of answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import ceil

import pytest

from harness.alignment.entities import EntityMapper
from harness.datasets.registry import load_dataset
from harness.errors import ContextOverflow, FatalError, InputError, RetryableError, RunnerError
from harness.escaping import escape, format_triplet
from harness.methods.candidates import GoldPairs, Pair
from harness.methods.pairs import PairQuestions, classify, pairwise
from harness.methods.settings import MethodSettings
from harness.prompting.variant import load_variant
from harness.scoring.official import score
from harness.types import Completion, Dataset, Document, Extraction, Prediction, Request, Sampling
from tests.documents import SCHEMA
from tests.documents import document as document_of
from tests.paths import redocred_dir
from tests.variants import extract

SAMPLE = load_dataset("sample")
METHODS: dict[str, Callable[[MethodSettings], PairQuestions]] = {"pairwise": pairwise, "classify": classify}

DOCUMENT = next(iter(SAMPLE.documents))
"""Eight entities; E1, a person, was born in E5."""


def settings(prompt: str, dataset: Dataset = SAMPLE, **options: str) -> MethodSettings:
    variant = load_variant(prompt)
    candidates = GoldPairs() if prompt == "classify" else None
    chosen = variant.choose(options)
    return MethodSettings(variant, chosen, dataset.schema, "none", None, 100, Sampling(), candidates=candidates)


def method(prompt: str, dataset: Dataset = SAMPLE, **options: str) -> PairQuestions:
    return METHODS[prompt](settings(prompt, dataset, **options))


def redocred() -> Dataset:
    return load_dataset("redocred", "dev", redocred_dir())


def requests_of(one: PairQuestions, document: Document = DOCUMENT) -> list[Request]:
    return [demonstration.request for demonstration in one.demonstrate(document)]


def asked_lines(request: Request) -> list[str]:
    """The pairs at the end of a request, as written."""
    _, _, pairs = request.messages[-1].content.rpartition(" entity pair")
    return pairs.split("\n")[1:]


def perfect_answers(one: PairQuestions, document: Document) -> Callable[[Request], Completion]:
    """Answers every pair, in its turn, with its gold relations, or None."""
    names = {relation.id: relation.name for relation in one.settings.schema.relations}
    by_id = one.settings.options["refs"] == "id"
    references = [f"E{i + 1}" if by_id else entity.name for i, entity in enumerate(document.entities)]
    relations: dict[Pair, list[str]] = {}
    for head, relation, tail in dict.fromkeys(label.triplet for label in document.labels):
        relations.setdefault((head, tail), []).append(names[relation])
    turns = iter(one.source.pairs(document))

    def answer(request: Request) -> Completion:
        lines = []
        for asked, (head, tail) in zip(asked_lines(request), turns, strict=False):
            assert asked == f"({escape(references[head])} | - | {escape(references[tail])})"
            stated = relations.get((head, tail), ["None"])
            lines += [format_triplet(references[head], name, references[tail]) for name in stated]
        return Completion("\n".join([*lines, "END"]), "stop")

    return answer


async def read(answer: Completion | str, prompt: str = "pairwise") -> Extraction:
    """What becomes of the first document if this is the answer to its one request."""
    completion = Completion(answer, "stop") if isinstance(answer, str) else answer
    extraction, requests = await extract(method(prompt, k="1000"), DOCUMENT, lambda _request: completion)
    assert len(requests) == 1
    return extraction


def triplets(extraction: Extraction) -> set[tuple[int, str, int]]:
    return {tuple(prediction.triplet) for prediction in extraction.predictions}


@pytest.mark.parametrize("prompt", ["pairwise", "classify"])
async def test_perfect_answers_by_id_score_100_on_every_dev_document(prompt: str) -> None:
    dataset = redocred()
    one = method(prompt, dataset, k="1000")
    predictions: dict[str, tuple[Prediction, ...]] = {}
    for document in dataset.documents:
        extraction, requests = await extract(one, document, perfect_answers(one, document))
        predictions[document.title] = extraction.predictions
        pairs, related = len(one.source.pairs(document)), len(GoldPairs().pairs(document))
        assert len(requests) == ceil(pairs / 1000)
        assert (extraction.status, extraction.rejects) == ("ok", ())
        assert extraction.details == {"pairs": pairs, "none_pairs": pairs - related, "unanswered_pairs": 0}
    metrics = score(dataset.documents, predictions)
    assert (len(predictions), metrics.as_dict()["f1"]) == (500, 1.0)


@pytest.mark.parametrize("prompt", ["pairwise", "classify"])
async def test_perfect_answers_by_name_lose_only_what_entities_of_one_name_cost(prompt: str) -> None:
    dataset = redocred()
    one = method(prompt, dataset, k="1000", refs="name")
    lost: list[str] = []
    for document in dataset.documents:
        names = [entity.name for entity in document.entities]
        if prompt == "pairwise" and len(set(names)) == len(names):
            continue
        extraction, _ = await extract(one, document, perfect_answers(one, document))
        meant = [match.entity for name in names if (match := EntityMapper(document, by_id=False).find(name))]
        gold = {tuple(label.triplet) for label in document.labels}
        by_name = {(meant[head], relation, meant[tail]) for head, relation, tail in gold}
        assert triplets(extraction) == {triplet for triplet in by_name if triplet[0] != triplet[2]}
        lost += [document.title for triplet in gold if triplet not in triplets(extraction)]
    assert (len(lost), len(set(lost))) == (109, 13), "of 17,284 triplets; triplets and documents"


@pytest.mark.parametrize("k", ["1", "40", "55", "56", "1000"])
async def test_pairwise_sends_n_times_n_minus_1_by_k_requests(k: str) -> None:
    for one in (DOCUMENT, *list(SAMPLE.documents)[-3:]):
        count = len(one.entities)
        extraction, requests = await extract(method("pairwise", k=k), one, lambda _request: Completion("END", "stop"))
        assert len(requests) == ceil(count * (count - 1) / int(k))
        asked = [line for request in requests for line in asked_lines(request)]
        pairs = [(head, tail) for head in range(count) for tail in range(count) if head != tail]
        assert asked == [f"(E{head + 1} | - | E{tail + 1})" for head, tail in pairs]
        assert [step.request for step in extraction.steps] == requests


async def test_classify_sends_all_candidates_of_a_document_in_one_request() -> None:
    for one in SAMPLE.documents:
        _, requests = await extract(method("classify"), one, lambda _request: Completion("END", "stop"))
        gold = sorted({(label.triplet.head, label.triplet.tail) for label in one.labels})
        assert len(requests) == bool(gold)
        assert [line for request in requests for line in asked_lines(request)] == [
            f"(E{head + 1} | - | E{tail + 1})" for head, tail in gold
        ]


@pytest.mark.parametrize("prompt", ["pairwise", "classify"])
async def test_without_pairs_nothing_is_asked(prompt: str) -> None:
    lonely = next(one for one in SAMPLE.documents if len(one.entities) == 1)
    extraction, requests = await extract(method(prompt), lonely, lambda _request: Completion("END", "stop"))
    assert (requests, extraction.predictions, extraction.status) == ([], (), "ok")


def test_the_heading_of_the_pairs_says_how_many_follow() -> None:
    first, second = requests_of(method("pairwise", k="40"))
    assert "\n40 entity pairs to answer:\n" in first.messages[-1].content
    assert second.messages[-1].content.count("| - |") == 16
    assert "\n16 entity pairs to answer:\n" in second.messages[-1].content
    assert "\n1 entity pair to answer:\n" in requests_of(method("pairwise", k="1"))[0].messages[-1].content


def test_requests_of_a_document_differ_only_in_their_pairs() -> None:
    requests = requests_of(method("pairwise", k="8"))
    texts = ["".join(message.content for message in request.messages) for request in requests]
    shared = next(texts[0][:end] for end, letters in enumerate(zip(*texts, strict=False)) if len(set(letters)) > 1)
    assert len(texts) == 7
    assert "</document>" in shared
    assert shared.endswith("\n\n8 entity pairs to answer:\n(E")
    assert all(len(text) - len(shared) < 8 * len("(E1 | - | E2)\n") for text in texts)


def test_documents_share_their_prefix_up_to_the_text() -> None:
    first, second = (requests_of(method("pairwise"), one)[0] for one in list(SAMPLE.documents)[:2])
    assert first.messages[0] == second.messages[0]
    shared = first.messages[1].content.partition("<document>")[0]
    assert len(shared) > 300
    assert second.messages[1].content.startswith(shared)


async def test_a_pair_answered_twice_has_both_relations() -> None:
    extraction = await read("(E1 | place of birth | E5)\n(E1 | employer | E5)\n(E1 | None | E5)\nEND")
    assert triplets(extraction) == {(0, "P19", 4), (0, "P108", 4)}
    assert extraction.details == {"pairs": 56, "none_pairs": 0, "unanswered_pairs": 55}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("(E1 | - | E5)", "placeholder_relation"),
        ("(E1 | loves | E5)", "unknown_relation"),
        ("(E1 | relation/None | E5)", "unknown_relation"),
        ("(E1 | capital | E1)", "self_pair"),
        ("(E1 | None | E1)", "self_pair"),
        ("(E1 | capital | E99)", "unknown_entity"),
        ("(E1 | None | Atlantis)", "unknown_entity"),
        ("(E1 | capital)", "malformed"),
        ("(E1 | | E5)", "empty_field"),
        ("Let us go through the pairs.", "prose"),
    ],
)
async def test_a_line_that_answers_nothing_is_kept_with_its_reason(line: str, reason: str) -> None:
    extraction = await read(f"{line}\n(E1 | country of citizenship | E4)\nEND")
    assert triplets(extraction) == {(0, "P27", 3)}
    assert [reject.reason for reject in extraction.rejects] == [reason]


@pytest.mark.parametrize("relation", ["capital", "None", "-"])
async def test_a_pair_that_was_not_asked_for_is_a_reject(relation: str) -> None:
    extraction = await read(f"(E2 | {relation} | E3)\nEND", "classify")
    assert [reject.reason for reject in extraction.rejects] == ["unasked_pair"]
    assert extraction.details == {"pairs": 12, "none_pairs": 0, "unanswered_pairs": 12}


async def test_a_pair_of_another_request_is_not_asked_for() -> None:
    answers = iter(["(E8 | None | E7)\nEND", "(E1 | None | E2)\nEND"])
    one = method("pairwise", k="28")
    extraction, _ = await extract(one, DOCUMENT, lambda _request: Completion(next(answers), "stop"))
    assert [reject.text for reject in extraction.rejects] == ["(E8 | None | E7)", "(E1 | None | E2)"]


async def test_entities_of_one_name_that_are_said_to_be_unrelated_are_no_reject() -> None:
    twins = document_of("Rome and Rome", [[(0, 0, 1, "LOC")], [(0, 2, 3, "PER")]])
    dataset = Dataset("twins", "", SCHEMA, (twins,), "")
    one = method("pairwise", dataset, refs="name")
    extraction, requests = await extract(one, twins, lambda _request: Completion("(Rome | None | Rome)\nEND", "stop"))
    assert asked_lines(requests[0]) == ["(Rome | - | Rome)"] * 2
    assert (extraction.predictions, extraction.rejects) == ((), ())


VALID = "(E1 | place of birth | E5)"


@pytest.mark.parametrize(
    "answer",
    [
        f"Here are the relations:\n\n```\n{VALID}\n```\nI hope this helps!",
        f"1. {VALID}\n2. (E1 | None | E2)",
        "E1 -> place of birth -> E5\n",
        "(E1, place of birth, E5)",
        "| E1 | place of birth | E5 |\n",
        '{"triplets": [{"head": "E1", "relation": "place of birth", "tail": "E5"}]}',
        f"(Atlantis | capital | E5)\n{VALID}",
        f"{VALID}\n(E1 | employer | E",
        f"{VALID}\n" * 10_000,
        "".join(f"(E{i} | capital | Nowhere {i})\n" for i in range(10_000)) + VALID,
    ],
)
@pytest.mark.parametrize("reason", ["stop", "length"])
async def test_nothing_valid_is_lost_in_a_misshapen_answer(answer: str, reason: str) -> None:
    extraction = await read(Completion(answer, "stop" if reason == "stop" else "length"))
    assert triplets(extraction) == {(0, "P19", 4)}
    assert all(reject.reason and reject.text for reject in extraction.rejects)
    assert extraction.status == ("ok" if reason == "stop" else "truncated")


async def test_an_answer_that_is_mostly_repetition_says_so() -> None:
    extraction = await read(f"{VALID}\n" * 9 + "END")
    assert (extraction.details["repeated"], extraction.details["mostly_repetition"]) == (8, True)


OK = Completion("(E1 | None | E2)\nEND", "stop")
EMPTY = Completion("", "stop")
CUT = Completion("(E1 | None | E2)\n", "length")
REFUSED = Completion("", "content_filter")


@pytest.mark.parametrize(
    ("completions", "status", "error"),
    [
        ((OK, OK, OK), "ok", ""),
        ((OK, CUT, CUT), "truncated", "2 of 3 answers: "),
        ((REFUSED, EMPTY, CUT), "truncated", "1 of 3 answers: "),
        ((REFUSED, EMPTY, OK), "invalid_output", "1 of 3 answers: "),
        ((REFUSED, OK, OK), "refused", "1 of 3 answers: "),
        ((REFUSED, REFUSED, REFUSED), "refused", "3 of 3 answers: "),
    ],
)
async def test_a_document_has_the_worst_status_of_its_answers(
    completions: tuple[Completion, ...], status: str, error: str
) -> None:
    answers = iter(completions)
    extraction, _ = await extract(method("pairwise", k="20"), DOCUMENT, lambda _request: next(answers))
    assert extraction.status == status
    assert extraction.error.startswith(error)
    assert bool(extraction.error) == bool(error)


@pytest.mark.parametrize(
    ("errors", "raised"),
    [
        ((None, RetryableError("a"), None, None), RetryableError),
        ((None, ContextOverflow("a"), FatalError("b"), None), FatalError),
        ((None, RunnerError("a"), RuntimeError("b"), FatalError("c")), RuntimeError),
    ],
)
async def test_a_failed_request_does_not_cut_off_the_others(
    errors: tuple[Exception | None, ...], raised: type[Exception]
) -> None:
    outcomes = iter(errors)
    answered = []

    async def ask(request: Request) -> Completion:
        error = next(outcomes)
        if error:
            raise error
        answered.append(request)
        return OK

    with pytest.raises(raised):
        await method("pairwise", k="16").extract(DOCUMENT, ask)
    assert len(answered) == errors.count(None)


async def test_after_the_first_answer_the_rest_is_asked_together() -> None:
    in_flight: list[int] = []
    open_requests = 0

    async def ask(_request: Request) -> Completion:
        nonlocal open_requests
        open_requests += 1
        in_flight.append(open_requests)
        await asyncio.sleep(0)
        open_requests -= 1
        return OK

    await method("pairwise", k="8").extract(DOCUMENT, ask)
    assert in_flight == [1, 1, 2, 3, 4, 5, 6]


def test_a_variant_without_the_number_of_pairs_is_told() -> None:
    variant = load_variant("tagged")
    with pytest.raises(InputError, match=r"numbers\.k"):
        pairwise(MethodSettings(variant, variant.choose({}), SAMPLE.schema, "none", None, 100, Sampling()))
