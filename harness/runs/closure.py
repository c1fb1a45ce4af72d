"""What the closure of a run's predictions adds to its scores; apart from the scores themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.datasets.gold import with_gold
from harness.prompting.relations import RelationText, relation_texts_for
from harness.runs.stored_config import config_to_score
from harness.runs.stored_data import WHEREVER, DataPlace, find_dataset
from harness.scoring.closure import RULES, ClosureRules, Rule, closure
from harness.scoring.counts import Counts, Scores
from harness.store import RunFolder
from harness.types import Document, Triplet


@dataclass(frozen=True)
class ClosureScores:
    """Micro scores over triplets, of the predictions as they are and with all that follows from them."""

    before: Scores
    after: Scores
    right: Mapping[Rule, int]
    """Triplets that were added by each rule and are gold."""
    wrong: Mapping[Rule, int]
    """The same for those that are not."""

    def as_json(self) -> dict[str, Any]:
        added: dict[str, Any] = {
            rule: {"right": self.right.get(rule, 0), "wrong": self.wrong.get(rule, 0)} for rule in RULES
        }
        return {"f1_before": self.before.f1, "f1": self.after.f1, "f1_added": self.after.f1 - self.before.f1, **added}


def rules_of(texts: Mapping[str, RelationText]) -> ClosureRules:
    """What the relation texts say; a relation with several inverses has none that is sure to hold."""
    return ClosureRules(
        symmetric=frozenset(one.id for one in texts.values() if one.symmetric),
        inverse={one.id: one.inverse[0] for one in texts.values() if len(one.inverse) == 1},
        transitive=frozenset(one.id for one in texts.values() if one.transitive),
    )


def score_closure(folder: RunFolder, place: DataPlace = WHEREVER) -> ClosureScores:
    """The scores of a stored run's predictions with and without their closure; nothing is stored.

    A triplet is added only where the relation allows the types of its entities. Raises InputError where the run's data
    is not found or has no labels, and for a schema without relation texts.
    """
    manifest = folder.complete_manifest()
    dataset = with_gold(find_dataset(folder, manifest, place), "--closure")
    texts = relation_texts_for(dataset.schema, config_to_score(folder, manifest).relation_texts).by_id
    rules = rules_of(texts)
    by_title = {document.title: document for document in dataset.documents}
    before, after = Counts(0, 0, 0), Counts(0, 0, 0)
    right: Counter[Rule] = Counter()
    wrong: Counter[Rule] = Counter()
    for record in folder.documents():
        document = by_title[record.title]
        gold = {label.triplet for label in document.labels}
        claimed = {prediction.triplet for prediction in record.predictions}
        added = {one: rule for one, rule in closure(claimed, rules).items() if _fits(one, document, texts)}
        for one, rule in added.items():
            (right if one in gold else wrong)[rule] += 1
        before = _add(before, claimed, gold)
        after = _add(after, claimed | added.keys(), gold)
    return ClosureScores(Scores.of(before), Scores.of(after), right, wrong)


def _fits(one: Triplet, document: Document, texts: Mapping[str, RelationText]) -> bool:
    if max(one.head, one.tail) >= len(document.entities):
        return False
    head, tail = document.entities[one.head].type, document.entities[one.tail].type
    return one.relation not in texts or texts[one.relation].type_rank(head, tail) is not None


def _add(counts: Counts, claimed: set[Triplet], gold: set[Triplet]) -> Counts:
    correct, predicted, expected = counts
    return Counts(correct + len(claimed & gold), predicted + len(claimed), expected + len(gold))
