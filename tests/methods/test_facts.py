"""AutoRE's paradigms: what each asks, what is made of every kind of answer, and what its steps are worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from harness.alignment.entities import EntityMapper
from harness.datasets.registry import load_dataset
from harness.errors import InputError, RetryableError
from harness.methods.facts import FactSteps, facts, relation_facts, relations_facts, rhf
from harness.methods.settings import MethodSettings
from harness.methods.table import create_method
from harness.prompting.relations import relation_texts_for
from harness.prompting.variant import load_variant, template_file
from harness.runs.metrics import metrics_of
from harness.runs.totals import RunTotals
from harness.scoring.steps import Found
from harness.types import (
    Completion,
    ConstraintLevel,
    Dataset,
    Document,
    Extraction,
    GrammarForm,
    Prediction,
    Request,
    Sampling,
)
from tests.judges import llguidance_judge
from tests.paths import redocred_dir
from tests.variants import extract

SAMPLE = load_dataset("sample")
METHODS: dict[str, Callable[[MethodSettings], FactSteps]] = {
    "facts": facts,
    "relations-facts": relations_facts,
    "relation-facts": relation_facts,
    "rhf": rhf,
}
DOCUMENT = next(iter(SAMPLE.documents))
"""Eight entities, nine relations; E1, a person, was born in E5."""


def settings(
    prompt: str,
    dataset: Dataset = SAMPLE,
    level: ConstraintLevel = "none",
    form: GrammarForm | None = None,
    **options: str,
) -> MethodSettings:
    variant = load_variant(prompt)
    texts = relation_texts_for(SAMPLE.schema).by_id
    return MethodSettings(
        variant, variant.choose(options), dataset.schema, level, form, 100, Sampling(), relation_texts=texts
    )


def method(prompt: str, dataset: Dataset = SAMPLE, **options: str) -> FactSteps:
    return METHODS[prompt](settings(prompt, dataset, **options))


def redocred() -> Dataset:
    return load_dataset("redocred", "dev", redocred_dir())


def step_of(request: Request) -> str:
    question = request.messages[-1].content.rpartition("\n\nRelation:")[0] or request.messages[-1].content
    if "Which relations hold" in question:
        return "relations"
    return "heads" if "Which entities" in question else "facts"


def perfect(one: FactSteps, document: Document) -> Callable[[Request], Completion]:
    """Answers as the labels do. By name, questions about entities of one name are one, answered for the first."""
    answers: dict[Request, str] = {}
    for demonstration in one.demonstrate(document):
        answers.setdefault(demonstration.request, demonstration.answer)
    return lambda request: Completion(answers.get(request, "END"), "stop")


def scripted(relations: str, heads: str = "END", stated: str = "END") -> Callable[[Request], Completion]:
    texts = {"relations": relations, "heads": heads, "facts": stated}
    return lambda request: Completion(texts[step_of(request)], "stop")


def triplets(extraction: Extraction) -> set[tuple[int, str, int]]:
    return {tuple(prediction.triplet) for prediction in extraction.predictions}


def expected_requests(prompt: str, document: Document) -> int:
    relations = {label.triplet.relation for label in document.labels}
    heads = {(label.triplet.relation, label.triplet.head) for label in document.labels}
    if prompt == "facts" or not relations:
        return 1
    return 1 + {"relations-facts": 1, "relation-facts": len(relations), "rhf": len(relations) + len(heads)}[prompt]


@pytest.mark.parametrize("prompt", METHODS)
async def test_perfect_answers_by_id_score_100_on_every_dev_document(prompt: str) -> None:
    dataset = redocred()
    one = METHODS[prompt](replace(settings(prompt, dataset), max_triplets=1000))
    predictions: dict[str, Sequence[Prediction]] = {}
    found: dict[str, Found] = {}
    for document in dataset.documents:
        extraction, requests = await extract(one, document, perfect(one, document))
        predictions[document.title] = extraction.predictions
        assert len(requests) == expected_requests(prompt, document)
        assert (extraction.status, extraction.rejects) == ("ok", ())
        assert extraction.details.keys() <= {"found"}
        if here := Found.of(extraction.details):
            found[document.title] = here
    totals = RunTotals(predictions, found=found)
    metrics = metrics_of(dataset.documents, totals, None, given=one.settings.options.get("given", "none"))
    assert (len(predictions), metrics.official.f1) == (500, 1.0)
    steps = metrics.steps.asked() if metrics.steps else {}
    scores = [one.f1 for one in steps.values()]
    assert scores == [1.0] * {"facts": 0, "rhf": 3}.get(prompt, 2)


@pytest.mark.parametrize("prompt", METHODS)
async def test_perfect_answers_by_name_lose_only_what_entities_of_one_name_cost(prompt: str) -> None:
    dataset = redocred()
    one = METHODS[prompt](replace(settings(prompt, dataset, refs="name"), max_triplets=1000))
    missing: list[str] = []
    for document in dataset.documents:
        if len({entity.name for entity in document.entities}) == len(document.entities):
            continue
        extraction, _ = await extract(one, document, perfect(one, document))
        mapper = EntityMapper(document, by_id=False)
        meant = [match.entity for entity in document.entities if (match := mapper.find(entity.name))]
        gold = {tuple(label.triplet) for label in document.labels}
        by_name = {(meant[head], relation, meant[tail]) for head, relation, tail in gold}
        assert triplets(extraction) <= {triplet for triplet in by_name if triplet[0] != triplet[2]}
        missing += [document.title for triplet in gold if triplet not in triplets(extraction)]
    assert (len(missing), len(set(missing))) == (109, 13), "of 17,284 triplets; triplets and documents"


async def test_a_method_asks_only_about_what_it_found() -> None:
    answer = scripted("country\nplace of birth\nEND", "E1\nE5\nEND", "END")
    counts = {prompt: len((await extract(method(prompt), DOCUMENT, answer))[1]) for prompt in METHODS}
    assert counts == {"facts": 1, "relations-facts": 2, "relation-facts": 3, "rhf": 1 + 2 + 4}
    for prompt in ("relations-facts", "relation-facts", "rhf"):
        extraction, requests = await extract(method(prompt), DOCUMENT, scripted("END"))
        assert (len(requests), extraction.status, extraction.predictions) == (1, "ok", ())


@pytest.mark.parametrize("prompt", METHODS)
async def test_a_document_with_one_entity_is_not_asked_about(prompt: str) -> None:
    lonely = next(one for one in SAMPLE.documents if len(one.entities) == 1)
    extraction, requests = await extract(method(prompt), lonely, scripted("country\nEND"))
    assert (extraction, requests) == (Extraction(predictions=()), [])
    assert method(prompt).demonstrate(lonely) == []


def test_all_questions_of_a_document_share_everything_up_to_the_question() -> None:
    requests = [one.request for one in method("rhf", descriptions="full").demonstrate(DOCUMENT)]
    assert len({request.messages[0] for request in requests}) == 1
    beginnings = {request.messages[1].content.partition("E8: Tromsø (LOC)\n\n")[0] for request in requests}
    assert len(beginnings) == 1
    ends = [request.messages[1].content.rpartition("\n\n")[2].split("\n")[0] for request in requests[1:]]
    assert all(end.startswith("Relation: ") for end in ends)


def test_the_four_variants_say_the_same_about_documents_and_answers() -> None:
    folders = [load_variant(prompt).directory for prompt in METHODS]
    for name in ("instruction.jinja", "document.jinja"):
        assert len({template_file(folder, name) for folder in folders}) == 1
    relations = {(folder / "relations.jinja").read_text(encoding="utf-8") for folder in folders[1:]}
    assert len(relations) == 1


@pytest.mark.parametrize(("descriptions", "described", "example"), [("none", 0, 0), ("short", 1, 0), ("full", 1, 1)])
def test_head_and_fact_questions_describe_the_relation_in_question(
    descriptions: str, described: int, example: int
) -> None:
    text = relation_texts_for(SAMPLE.schema).by_id["P19"].description
    for step, request, _ in method("rhf", descriptions=descriptions).demonstrate(DOCUMENT):
        about_birth = "\nRelation: place of birth\n" in f"{request.messages[-1].content}\n"
        question = request.messages[-1].content
        assert question.count(text) == (described if about_birth else 0)
        assert question.count("Example: (Ilja Renko | place of birth") == (example if about_birth else 0)
        assert step != "relations" or not about_birth


def test_without_predefined_options_no_relation_is_shown_to_the_first_step() -> None:
    open_one, listed = (method("rhf", schema=schema).demonstrate(DOCUMENT)[0].request for schema in ("open", "listed"))
    assert "Relations:" not in open_one.messages[-1].content
    assert listed.messages[-1].content.count("\n- ") == len(SAMPLE.schema.relations)


@pytest.mark.parametrize("prompt", METHODS)
def test_free_relations_and_a_closed_grammar_contradict_each_other(prompt: str) -> None:
    with pytest.raises(InputError, match="schema=open"):
        create_method(settings(prompt, level="closed", form="gbnf", schema="open"))


@pytest.mark.parametrize("prompt", METHODS)
@pytest.mark.parametrize("form", ["regex", "gbnf", "lark", "json_schema"])
@pytest.mark.parametrize("level", ["closed", "format"])
def test_every_question_has_a_grammar_that_admits_the_gold_answer(
    prompt: str, form: GrammarForm, level: ConstraintLevel
) -> None:
    schema = "open" if level == "format" else "listed"
    for step, request, answer in METHODS[prompt](settings(prompt, level=level, form=form, schema=schema)).demonstrate(
        DOCUMENT
    )[::5]:
        assert request.constraint is not None
        judge = llguidance_judge(request.constraint)
        assert judge(answer)
        assert judge(answer.replace("E1", "E99")) == ("E1" not in answer)
        only_open = step == "relations" or prompt == "facts"
        assert judge(answer.replace("country", "founder")) == (
            "country" not in answer or (only_open and level == "format")
        )


@pytest.mark.parametrize("prompt", METHODS)
def test_without_a_constraint_nothing_constrains(prompt: str) -> None:
    assert all(one.request.constraint is None for one in method(prompt).demonstrate(DOCUMENT))


RELATION, HEAD, FACT = "place of birth", "E1", "(E1 | place of birth | E5)"


@pytest.mark.parametrize(
    "shape",
    [
        "{}\nEND",
        "Here is the list:\n\n```\n{}\n```\nI hope this helps!",
        "1. {}\n2. Atlantis\n",
        "- {}\n- nothing else\n\nEND",
        "**{}**\nEND",
        "{}\n" * 3 + "END",
        "{}\n" * 10_000,
        "".join(f"Nowhere {i}\n" for i in range(10_000)) + "{}\n",
    ],
)
@pytest.mark.parametrize("reason", ["stop", "length"])
async def test_nothing_valid_is_lost_in_a_misshapen_answer(shape: str, reason: str) -> None:
    texts = {"relations": RELATION, "heads": HEAD, "facts": FACT}

    def answer(request: Request) -> Completion:
        return Completion(shape.replace("{}", texts[step_of(request)]), "stop" if reason == "stop" else "length")

    extraction, requests = await extract(method("rhf"), DOCUMENT, answer)
    assert len(requests) == 3
    assert triplets(extraction) == {(0, "P19", 4)}
    assert extraction.details["found"] == {"relations": ["P19"], "heads": [["P19", 0]]}
    assert extraction.status == ("ok" if reason == "stop" else "truncated")
    assert all(reject.reason and reject.text for reject in extraction.rejects)


@pytest.mark.parametrize(
    ("relations", "heads", "stated"),
    [
        ("country, place of birth", "E1; E4", "E1 -> place of birth -> E5"),
        ('{"relations": ["place of birth"]}', '["E1"]', '{"triplets": [["E1", "place of birth", "E5"]]}'),
        ("place of birth (the town)\nEND", "E1: Ingrid Solheim\nEND", "| E1 | place of birth | E5 |"),
        ("Place_of_birth.\nEND", "ingrid solheim\nEND", "(Solheim | PLACE OF BIRTH | Bergen)\nEND"),
        ("place of birth\nplace of bi", "E1\nE", FACT + "\n(E1 | place of b"),
    ],
)
async def test_lists_and_facts_are_read_however_they_are_written(relations: str, heads: str, stated: str) -> None:
    extraction, _ = await extract(method("rhf"), DOCUMENT, scripted(relations, heads, stated))
    assert (0, "P19", 4) in triplets(extraction)


@pytest.mark.parametrize(
    ("relations", "heads", "stated", "reason", "text"),
    [
        ("loves\nEND", "END", "END", "unknown_relation", "loves"),
        ("place of birth\nEND", "E99\nEND", "END", "unknown_entity", "E99"),
        ("place of birth\nEND", "E1\nEND", "(E1 | country | E5)\nEND", "unasked_relation", "(E1 | country | E5)"),
        (
            "place of birth\nEND",
            "E1\nEND",
            "(E2 | place of birth | E5)\nEND",
            "unasked_head",
            "(E2 | place of birth | E5)",
        ),
        (
            "place of birth\nEND",
            "E1\nEND",
            "(E1 | place of birth | E1)\nEND",
            "self_pair",
            "(E1 | place of birth | E1)",
        ),
        ("place of birth\nEND", "E1\nEND", "(E1 | loves | E5)\nEND", "unknown_relation", "(E1 | loves | E5)"),
        ("(E1 | country | E2)\nEND", "END", "END", "malformed", "(E1 | country | E2)"),
    ],
)
async def test_what_answers_nothing_is_kept_with_its_reason(
    relations: str, heads: str, stated: str, reason: str, text: str
) -> None:
    extraction, _ = await extract(method("rhf"), DOCUMENT, scripted(relations, heads, stated))
    assert [(reject.reason, reject.text) for reject in extraction.rejects] == [(reason, text)]
    assert extraction.predictions == ()


async def test_how_listed_names_were_matched_is_counted() -> None:
    answer = scripted("Place_of_birth\nplace of birth\nEND", "Ingrid Solheim\nE1\nEND", "END")
    extraction, requests = await extract(method("rhf"), DOCUMENT, answer)
    assert len(requests) == 3
    assert extraction.details == {
        "merged_item": 2,
        "normalised_relation": 1,
        "found": {"relations": ["P19"], "heads": [["P19", 0]]},
    }


@pytest.mark.parametrize(
    ("relations", "heads", "status", "error"),
    [
        (Completion("country\n", "length"), Completion("END", "stop"), "truncated", "1 of 2 answers: "),
        (Completion("country\nEND", "stop"), Completion("", "stop"), "invalid_output", "1 of 2 answers: "),
        (Completion("country\nEND", "stop"), Completion("", "content_filter"), "refused", "1 of 2 answers: "),
        (Completion("", "stop", refusal="no"), Completion("END", "stop"), "refused", "no"),
    ],
)
async def test_a_document_has_the_worst_status_of_its_answers(
    relations: Completion, heads: Completion, status: str, error: str
) -> None:
    answers = {"relations": relations, "heads": heads}
    extraction, _ = await extract(method("rhf"), DOCUMENT, lambda request: answers[step_of(request)])
    assert extraction.status == status
    assert extraction.error.startswith(error)


async def test_a_failed_question_leaves_no_answer_for_the_document() -> None:
    async def ask(request: Request) -> Completion:
        if step_of(request) == "heads":
            raise RetryableError("down")
        return Completion("country\nEND", "stop")

    with pytest.raises(RetryableError):
        await method("rhf").extract(DOCUMENT, ask)


async def test_given_steps_are_not_asked_and_the_others_ask_the_same_as_ever() -> None:
    asked = {given: method("rhf", given=given).demonstrate(DOCUMENT) for given in ("none", "relations", "heads")}
    assert [one for one in asked["none"] if one.step != "relations"] == asked["relations"]
    assert [one for one in asked["none"] if one.step == "facts"] == asked["heads"]
    one = method("rhf", given="relations")
    extraction, requests = await extract(one, DOCUMENT, perfect(one, DOCUMENT))
    assert len(requests) == len(asked["relations"])
    found = extraction.details["found"]
    assert isinstance(found, dict)
    assert found.keys() == {"heads"}
    one = method("rhf", given="heads")
    extraction, _ = await extract(one, DOCUMENT, perfect(one, DOCUMENT))
    assert "found" not in extraction.details
    assert triplets(extraction) == {tuple(label.triplet) for label in DOCUMENT.labels}


@pytest.mark.parametrize(("prompt", "given"), [("facts", "none"), ("relations-facts", "relations"), ("rhf", "heads")])
def test_what_is_not_asked_for_is_not_cut_to_the_longest_list(prompt: str, given: str) -> None:
    document = next(one for one in redocred().documents if len(one.labels) > 30)
    first = set(list(redocred().schema.by_id)[:3])
    assert not {label.triplet.relation for label in document.labels[:3]} <= first
    options = {} if prompt == "facts" else {"given": given}
    shown = METHODS[prompt](replace(settings(prompt, redocred(), **options), max_triplets=3)).demonstrate(document)
    whole = METHODS[prompt](replace(settings(prompt, redocred(), **options), max_triplets=1000)).demonstrate(document)
    assert len(shown) == len(whole)
    if prompt != "rhf":
        (one,), (other,) = shown, whole
        assert one.answer.splitlines() == [*other.answer.splitlines()[:3], "END"]
