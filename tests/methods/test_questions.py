"""Which relations a pair is asked about: proposed ones, fitting ones, or gold ones among fitting ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.methods.candidates import AllPairs, FilePairs, GoldPairs, PairQuestion, PairSource
from harness.methods.questions import CandidateRelations, EveryRelation
from harness.methods.settings import MethodSettings
from harness.prompting.relations import relation_texts_for
from harness.prompting.variant import load_variant
from harness.types import Sampling
from tests.documents import document
from tests.paths import redocred_dir

SAMPLE = load_dataset("sample")
TEXTS = relation_texts_for(SAMPLE.schema).by_id
ORDER = [relation.id for relation in SAMPLE.schema.relations]
PERSON_IN_PLACE = document(
    "Ann Bergen 1921", [[(0, 0, 1, "PER")], [(0, 1, 2, "LOC")], [(0, 2, 3, "TIME")]], [(0, "P19", 1)]
)


def settings(candidates: PairSource, options: int = 8, seed: int = 0) -> MethodSettings:
    variant = load_variant("choice")
    chosen = variant.choose({"options": str(options)})
    return MethodSettings(
        variant,
        chosen,
        SAMPLE.schema,
        "none",
        None,
        100,
        Sampling(seed=seed),
        candidates=candidates,
        relation_texts=TEXTS,
    )


def listed(*relations: str) -> FilePairs:
    return FilePairs("pairs.json", "sha256:", {"Title": {(0, 1): relations}})


def test_relations_that_a_file_lists_are_asked_about_in_its_order_up_to_the_bound() -> None:
    source = listed("P27", "P19", "P17")
    assert CandidateRelations(settings(source)).questions(PERSON_IN_PLACE) == (
        PairQuestion((0, 1), ("P27", "P19", "P17")),
    )
    assert CandidateRelations(settings(source, 2)).questions(PERSON_IN_PLACE)[0].relations == ("P27", "P19")


@pytest.mark.parametrize("source", [AllPairs(), listed()])
def test_without_a_list_the_relations_fit_the_types_of_the_pair(source: PairSource) -> None:
    questions = dict(CandidateRelations(settings(source, 25)).questions(PERSON_IN_PLACE))
    fitting = [one for one in ORDER if TEXTS[one].type_rank("PER", "LOC") is not None]
    assert list(questions[0, 1]) == fitting
    assert {"P19", "P27"} <= set(fitting)


def test_of_more_fitting_relations_those_that_name_the_types_first_are_asked_about_in_the_order_of_the_schema() -> None:
    (question,) = CandidateRelations(settings(listed(), 2)).questions(PERSON_IN_PLACE)
    ranks = {one: rank for one in ORDER if (rank := TEXTS[one].type_rank("PER", "LOC")) is not None}
    assert list(question.relations) == sorted(question.relations, key=ORDER.index)
    others = [rank for one, rank in ranks.items() if one not in question.relations]
    assert max(ranks[one] for one in question.relations) <= min(others)


def test_relations_without_types_are_asked_about_for_every_pair() -> None:
    untyped = {one: replace(text, head_types=(), tail_types=()) for one, text in TEXTS.items()}
    chosen = replace(settings(AllPairs(), 25), relation_texts=untyped)
    asked = CandidateRelations(chosen).questions(PERSON_IN_PLACE)
    assert {question.relations for question in asked} == {tuple(ORDER[:25])}
    assert len(asked) == 6


def test_a_pair_that_no_relation_fits_is_not_asked_about() -> None:
    asked = [question.pair for question in CandidateRelations(settings(AllPairs())).questions(PERSON_IN_PLACE)]
    assert (1, 0) in AllPairs().pairs(PERSON_IN_PLACE)
    assert (0, 1) in asked
    assert all(CandidateRelations(settings(AllPairs())).questions(PERSON_IN_PLACE))
    odd = document("1921 Ann", [[(0, 0, 1, "NUM")], [(0, 1, 2, "NUM")]])
    assert CandidateRelations(settings(AllPairs())).questions(odd) == ()


def test_gold_pairs_have_their_gold_relations_among_fitting_ones_drawn_by_seed() -> None:
    dataset = load_dataset("redocred", "dev", redocred_dir())
    texts = relation_texts_for(dataset.schema).by_id
    order = [relation.id for relation in dataset.schema.relations]
    first = replace(settings(GoldPairs(), 4), schema=dataset.schema, relation_texts=texts)
    other = replace(first, sampling=Sampling(seed=1))
    differ = 0
    for one in dataset.documents:
        gold = GoldPairs().relations(one)
        questions = CandidateRelations(first).questions(one)
        assert [question.pair for question in questions] == list(GoldPairs().pairs(one))
        for pair, relations in questions:
            assert set(gold[pair]) <= set(relations)
            assert len(relations) <= max(4, len(gold[pair]))
            assert list(relations) == sorted(relations, key=order.index), "the order tells nothing"
        differ += questions != CandidateRelations(other).questions(one)
        assert questions == CandidateRelations(first).questions(one)
    assert differ > 490


def test_every_relation_means_the_whole_schema() -> None:
    (question,) = EveryRelation(settings(GoldPairs())).questions(PERSON_IN_PLACE)
    assert question == PairQuestion((0, 1), tuple(ORDER))


def test_a_variant_without_the_number_of_options_is_told() -> None:
    tagged = load_variant("tagged")
    chosen = replace(settings(GoldPairs()), variant=tagged, options=tagged.choose({}))
    with pytest.raises(InputError, match=r"numbers\.options"):
        CandidateRelations(chosen).questions(PERSON_IN_PLACE)
