"""The official scorer, against cases worked out by hand and against an independent naive one."""

from __future__ import annotations

import json
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.scoring.counts import Counts
from harness.scoring.official import facts_in_train, score
from tests.paths import redocred_dir
from tests.scoring.build import documents_from, predictions_from
from tests.scoring.naive_scorer import naive_scores

CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))
RELATIONS = ["P17", "P27", "P19", "P26"]


def scores_of(
    gold: list[dict[str, Any]], submission: list[dict[str, Any]], train: list[dict[str, Any]] | None
) -> dict[str, float | int | None]:
    facts = None if train is None else facts_in_train(documents_from(train))
    return score(documents_from(gold), predictions_from(submission), facts).as_dict()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_scores_equal_those_worked_out_by_hand(path: Path) -> None:
    case = json.loads(path.read_text())
    scores = scores_of(case["documents"], case["predictions"], case.get("train"))
    for name, fraction in case["expected"].items():
        expected = fraction if fraction is None else float(Fraction(fraction))
        assert scores[name] == pytest.approx(expected, abs=1e-12), name


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_naive_scorer_agrees_on_the_cases_worked_out_by_hand(path: Path) -> None:
    case = json.loads(path.read_text())
    scores = naive_scores(case["documents"], case["predictions"], case.get("train"))
    for name, fraction in case["expected"].items():
        expected = fraction if fraction is None else float(Fraction(fraction))
        assert scores[name] == pytest.approx(expected, abs=1e-12), name


@st.composite
def corpora(draw: st.DrawFn, titles: str = "ABC") -> list[dict[str, Any]]:
    mention = st.fixed_dictionaries(
        {
            "name": st.sampled_from(["Ann", "Bo", "Cy", "Di"]),
            "sent_id": st.integers(0, 11),
            "pos": st.just([0, 1]),
            "type": st.just("PER"),
        }
    )
    documents = []
    for title in draw(st.lists(st.sampled_from(titles), unique=True)):
        clusters = draw(st.lists(st.lists(mention, min_size=1, max_size=3), max_size=4))
        index = st.integers(0, len(clusters) - 1) if clusters else st.nothing()
        label = st.fixed_dictionaries(
            {
                "h": index,
                "t": index,
                "r": st.sampled_from(RELATIONS),
                "evidence": st.lists(st.integers(0, 11), max_size=3, unique=True),
            }
        )
        labels = draw(st.lists(label, max_size=6)) if clusters else []
        documents.append({"title": title, "sents": [["x"]] * 12, "vertexSet": clusters, "labels": labels})
    return documents


submissions = st.lists(
    st.fixed_dictionaries(
        {
            "title": st.sampled_from("ABCD"),
            "h_idx": st.integers(-1, 4),
            "t_idx": st.integers(-1, 4),
            "r": st.sampled_from([*RELATIONS, "P999"]),
        },
        optional={"evidence": st.lists(st.integers(0, 11), max_size=3)},
    ),
    max_size=30,
)


@settings(deadline=None)
@given(gold=corpora(), submission=submissions, train=st.none() | corpora())
def test_scores_equal_the_naive_scorer_on_random_corpora(
    gold: list[dict[str, Any]], submission: list[dict[str, Any]], train: list[dict[str, Any]] | None
) -> None:
    assert scores_of(gold, submission, train) == pytest.approx(naive_scores(gold, submission, train), abs=1e-12)


@settings(deadline=None)
@given(gold=corpora(), submission=submissions)
def test_relations_and_documents_add_up_to_the_corpus(
    gold: list[dict[str, Any]], submission: list[dict[str, Any]]
) -> None:
    metrics = score(documents_from(gold), predictions_from(submission))
    corpus = metrics.triplets
    for field in ("correct", "predicted", "gold"):
        by_relation = sum(getattr(scores, field) for scores in metrics.per_relation.values())
        by_document = sum(getattr(counts, field) for counts in metrics.per_document.values())
        elsewhere = metrics.predicted_elsewhere if field == "predicted" else 0
        assert by_relation == getattr(corpus, field)
        assert by_document + elsewhere == getattr(corpus, field)


def test_scores_equal_the_naive_scorer_on_dev_with_half_of_it_as_training_file() -> None:
    corpus = json.loads((redocred_dir() / "dev_revised.json").read_text())
    train, gold = corpus[:250], corpus[250:]
    submission = guesses(gold, random.Random(5))
    metrics = score(documents_from(gold), predictions_from(submission), facts_in_train(documents_from(train)))
    assert metrics.as_dict() == pytest.approx(naive_scores(gold, submission, train), abs=1e-12)
    assert metrics.ign is not None
    assert 0 < metrics.ign.f1 < metrics.triplets.f1 < 1
    assert metrics.inter_long.f1 > 0
    assert metrics.evidence.f1 > 0


def guesses(gold: list[dict[str, Any]], rng: random.Random) -> list[dict[str, Any]]:
    """Half of the gold triplets, as many random ones, some of either twice, and an unknown title."""
    relations = sorted({label["r"] for document in gold for label in document["labels"]})
    submission = []
    for document in gold:
        entities = len(document["vertexSet"])
        for label in document["labels"]:
            if rng.random() < 0.5:
                head, tail, relation = label["h"], label["t"], label["r"]
            else:
                head, tail, relation = rng.randrange(entities), rng.randrange(entities), rng.choice(relations)
            evidence = rng.sample(range(len(document["sents"])), k=1)
            item = {"title": document["title"], "h_idx": head, "t_idx": tail, "r": relation}
            submission.extend([{**item, "evidence": evidence}] * rng.choice([1, 1, 1, 2]))
    submission.append({"title": "no such document", "h_idx": 0, "t_idx": 1, "r": "P17", "evidence": [0]})
    rng.shuffle(submission)
    return submission


def test_all_gold_labels_of_dev_score_one_everywhere() -> None:
    corpus = json.loads((redocred_dir() / "dev_revised.json").read_text())
    submission = [
        {"title": document["title"], "h_idx": label["h"], "t_idx": label["t"], "r": label["r"]}
        for document in corpus
        for label in document["labels"]
    ]
    metrics = score(documents_from(corpus), predictions_from(submission))
    assert metrics.triplets.correct == metrics.triplets.gold == 17_284
    assert metrics.pairs.correct == metrics.pairs.gold == 13_362
    breakdowns = ("intra", "inter", "inter_long", "frequent", "long_tail", "pairs")
    assert [getattr(metrics, name).f1 for name in breakdowns] == [1.0] * len(breakdowns)
    assert metrics.macro_f1 == 1.0
    assert metrics.intra.gold + metrics.inter.gold == metrics.frequent.gold + metrics.long_tail.gold == 17_284


def test_documents_are_read_once_and_scored_in_their_order() -> None:
    case = json.loads((Path(__file__).parent / "cases" / "micro_over_documents.json").read_text())
    metrics = score(iter(list(documents_from(case["documents"]))), predictions_from(case["predictions"]))
    assert list(metrics.per_document.items()) == [("Ada", Counts(1, 1, 4)), ("Both", Counts(1, 3, 3))]


def test_scores_of_each_relation_are_given_for_gold_and_predicted_relations() -> None:
    case = json.loads((Path(__file__).parent / "cases" / "duplicates.json").read_text())
    metrics = score(documents_from(case["documents"]), predictions_from(case["predictions"]))
    counts = {
        relation: (scores.correct, scores.predicted, scores.gold) for relation, scores in metrics.per_relation.items()
    }
    assert counts == {
        "P131": (0, 1, 0),
        "P17": (0, 0, 1),
        "P19": (1, 1, 1),
        "P27": (0, 0, 1),
        "P463": (0, 0, 1),
    }


def test_two_documents_with_one_title_are_refused() -> None:
    document = {"title": "Ada", "sents": [], "vertexSet": [], "labels": []}
    with pytest.raises(InputError, match="two documents are titled 'Ada'"):
        score(documents_from([document, document]), {})
