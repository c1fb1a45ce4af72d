"""A schema of one relation, CDR's, through every prompt and grammar: perfect answers score 100."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import get_args

import pytest

from harness.datasets.corpus import PACKAGE
from harness.datasets.registry import load_dataset
from harness.datasets.relation_table import read_schema
from harness.methods.base import PromptMethod
from harness.methods.candidates import AllPairs
from harness.methods.settings import MethodSettings
from harness.methods.table import create_method
from harness.prompting.relations import relation_texts_for
from harness.prompting.variant import load_variant
from harness.scoring.official import score
from harness.types import Completion, ConstraintLevel, GrammarForm, Request, Sampling, TokenLogprob
from tests.datasets.test_corpora import HERE

CDR = load_dataset("cdr", "dev", HERE)
DOCUMENT = next(iter(CDR.documents))
OF_CANDIDATES = ("choice", "judge", "statements", "classify")
OTHERS = (
    "compact",
    "facts",
    "grouped",
    "pairwise",
    "relation-facts",
    "relation-pairs",
    "relations-facts",
    "rhf",
    "tagged",
)


def method_of(
    prompt: str, level: ConstraintLevel = "none", form: GrammarForm | None = None, **options: str
) -> PromptMethod:
    variant = load_variant(prompt)
    source = AllPairs() if prompt in OF_CANDIDATES else None
    texts = relation_texts_for(CDR.schema).by_id
    return create_method(
        MethodSettings(
            *(variant, variant.choose(options), CDR.schema, level, form, 100, Sampling()),
            max_top_logprobs=20, candidates=source, relation_texts=texts,
        )
    )  # fmt: skip


async def f1_of(prompt: str, level: ConstraintLevel, form: GrammarForm | None) -> tuple[object, int]:
    """F1 of perfect answers on the document, and how many questions there were."""
    method = method_of(prompt, level, form)
    answers = {asked.request: asked.answer for asked in method.demonstrate(DOCUMENT)}
    asked = []

    async def ask(request: Request) -> Completion:
        asked.append(request)
        return said({answers[request]: 1.0})

    extraction = await method.extract(DOCUMENT, ask)
    assert (extraction.status, extraction.rejects) == ("ok", ())
    return score([DOCUMENT], {DOCUMENT.title: extraction.predictions}).as_dict()["f1"], len(asked)


def said(words: Mapping[str, float]) -> Completion:
    top = tuple((word, math.log(value)) for word, value in words.items())
    return Completion(top[0][0], "stop", logprobs=(TokenLogprob(*top[0], top),))


@pytest.mark.parametrize("prompt", [*OF_CANDIDATES, *OTHERS])
async def test_perfect_answers_score_100_in_every_grammar(prompt: str) -> None:
    assert (await f1_of(prompt, "none", None))[0] == 1.0
    for form in get_args(GrammarForm):
        for level in ("typed", "closed", "format"):
            if prompt in ("compact", "grouped", "relation-pairs") and (form == "regex" or level == "format"):
                continue
            f1, questions = await f1_of(prompt, level, form)
            assert f1 == 1.0
            # Only pairs of a chemical and a disease are asked about: two chemicals, four diseases.
            assert questions in {"choice": (8,), "judge": (8,), "statements": (8,)}.get(prompt, range(1, 8))


def test_related_asks_about_candidate_pairs_only() -> None:
    assert [len(method_of("related", by=by).demonstrate(DOCUMENT)) for by in ("pair", "head")] == [8, 2]


async def test_hrt_ranks_the_tails_of_the_one_relation() -> None:
    method = method_of("hrt")
    gold: dict[str, list[str]] = {}
    names = [entity.name for entity in DOCUMENT.entities]
    for label in DOCUMENT.labels:
        gold.setdefault(names[label.triplet.head], []).append(names[label.triplet.tail])

    async def ask(request: Request) -> Completion:
        begun = request.messages[-1].content
        tails = gold.get(begun.partition("Head: ")[2].partition("\n")[0], [])
        if "Tail:" not in begun:
            return said({"induces": 1.0} if tails else {"none": 1.0})
        return said({f" {tail}".split()[0]: 1 / len(tails) for tail in tails} | {"none": 1e-9})

    extraction = await method.extract(DOCUMENT, ask)
    scored = score([DOCUMENT], {DOCUMENT.title: extraction.predictions}).as_dict()
    assert (scored["f1"], scored["gold"]) == (1.0, 2)


def test_the_texts_are_those_that_cover_the_schema() -> None:
    text = relation_texts_for(CDR.schema).by_id["CID"]
    assert text.state("sorvanol", "vomiting") == "sorvanol causes or worsens vomiting."
    assert (text.type_rank("CHEM", "DISE"), text.type_rank("DISE", "CHEM")) == (0, None)
    for corpus, file in (
        ("gda", "tables/gda.json"),
        ("biored", "tables/biored.json"),
        ("scierc", "tables/scierc.json"),
    ):
        schema = read_schema(PACKAGE / file)
        texts = relation_texts_for(schema).by_id
        assert list(texts) == [relation.id for relation in schema.relations], corpus
        assert [text.example[1] for text in texts.values()] == [relation.name for relation in schema.relations]
