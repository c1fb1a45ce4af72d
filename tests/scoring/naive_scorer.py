"""An independent judge: the definition of the official scorer, spelled out over raw JSON in plain loops.

It shares no code with ``harness.scoring`` and prefers the obvious to the fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Raw = Mapping[str, Any]
Key = tuple[str, int, int, str]

FREQUENT = ["P17", "P131", "P27", "P150", "P175", "P577", "P463", "P527", "P495", "P361"]


def naive_scores(
    gold_file: Sequence[Raw], submission: Sequence[Raw], train_file: Sequence[Raw] | None
) -> dict[str, float | int | None]:
    """All corpus-level scores under the names that ``Metrics.as_dict`` uses."""
    documents = {document["title"]: document for document in gold_file}

    gold: dict[Key, list[int]] = {}
    gold_evidence = 1
    for document in gold_file:
        for label in document["labels"]:
            gold[(document["title"], label["h"], label["t"], label["r"])] = label["evidence"]
            gold_evidence += len(label["evidence"])

    predicted: dict[Key, list[int]] = {}
    for item in submission:
        key = (item["title"], item["h_idx"], item["t_idx"], item["r"])
        if key not in predicted:
            predicted[key] = item.get("evidence", [])

    correct = [key for key in predicted if key in gold]

    predicted_evidence = correct_evidence = 0
    for key, evidence in predicted.items():
        if key[0] not in documents:
            continue
        predicted_evidence += len(set(evidence))
        if key in gold:
            correct_evidence += sum(1 for sentence in set(evidence) if sentence in gold[key])

    scores: dict[str, float | int | None] = {}

    def report(prefix: str, right: int, claimed: int, true: int, parts: str = "f1") -> None:
        precision = right / claimed if claimed > 0 else 0.0
        recall = right / true if true > 0 else 0.0
        values = {"precision": precision, "recall": recall, "f1": _f1(precision, recall)}
        for part in parts.split():
            scores[prefix + part] = values[part]

    def report_where(prefix: str, belongs: Callable[[Key], bool]) -> None:
        right = sum(1 for key in correct if belongs(key))
        claimed, true = sum(map(belongs, predicted)), sum(map(belongs, gold))
        report(prefix, right, claimed, true)
        if claimed == true == 0:
            scores[prefix + "f1"] = None

    def distance(key: Key) -> int | None:
        title, head, tail, _ = key
        if title not in documents:
            return None
        clusters = documents[title]["vertexSet"]
        if head < 0 or tail < 0 or head >= len(clusters) or tail >= len(clusters):
            return None
        gaps: list[int] = []
        for head_mention in clusters[head]:
            for tail_mention in clusters[tail]:
                gaps.append(abs(head_mention["sent_id"] - tail_mention["sent_id"]))
        return min(gaps)

    distances = {key: distance(key) for key in [*gold, *predicted]}

    def farther_than(key: Key, sentences: int) -> bool:
        gap = distances[key]
        return gap is not None and gap > sentences

    report("", len(correct), len(predicted), len(gold), "precision recall f1")
    report("evidence_", correct_evidence, predicted_evidence, gold_evidence, "precision recall f1")
    if predicted_evidence == 0 or gold_evidence == 1:
        scores["evidence_precision"] = scores["evidence_recall"] = scores["evidence_f1"] = None
    report_where("intra_", lambda key: distances[key] == 0)
    report_where("inter_", lambda key: farther_than(key, 0))
    report_where("inter_long_", lambda key: farther_than(key, 5))
    report_where("frequent_", lambda key: key[3] in FREQUENT)
    report_where("long_tail_", lambda key: key[3] not in FREQUENT)

    gold_pairs = {key[:3] for key in gold}
    predicted_pairs = {key[:3] for key in predicted}
    right_pairs = len(gold_pairs & predicted_pairs)
    report("pair_", right_pairs, len(predicted_pairs), len(gold_pairs), "precision recall f1")

    def mention_pairs(key: Key) -> int:
        """How many pairs of a mention of the head and one of the tail there are."""
        if distances[key] is None:
            return 0
        clusters = documents[key[0]]["vertexSet"]
        head, tail = ({(one["sent_id"], *one["pos"]) for one in clusters[index]} for index in key[1:3])
        return sum(1 for _ in head for _ in tail)

    by_mention = [sum(map(mention_pairs, keys)) for keys in (correct, predicted, gold)]
    report("mention_", *by_mention, "precision recall f1")

    scores["macro_f1"] = _macro_f1(gold, predicted)
    scores["correct"] = len(correct)
    scores["predicted"] = len(predicted)
    scores["gold"] = len(gold)
    scores["predicted_elsewhere"] = sum(1 for key in predicted if key[0] not in documents)
    scores["documents"] = len(gold_file)
    scores["ign_precision"] = scores["ign_f1"] = scores["correct_in_train"] = None
    if train_file is not None:
        facts = _facts(train_file)
        in_train = sum(1 for key in correct if _is_stated(documents[key[0]], key, facts))
        precision = (len(correct) - in_train) / (len(predicted) - in_train + 1e-5)
        recall = len(correct) / len(gold) if gold else 0.0
        scores["ign_precision"] = precision
        scores["ign_f1"] = _f1(precision, recall)
        scores["correct_in_train"] = in_train
    return scores


def _f1(precision: float, recall: float) -> float:
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def _macro_f1(gold: Iterable[Key], predicted: Iterable[Key]) -> float:
    gold_keys, predicted_keys = set(gold), set(predicted)
    f1_of_relations = []
    for relation in {key[3] for key in gold_keys}:
        true = {key for key in gold_keys if key[3] == relation}
        claimed = {key for key in predicted_keys if key[3] == relation}
        precision = len(true & claimed) / len(claimed) if claimed else 0.0
        f1_of_relations.append(_f1(precision, len(true & claimed) / len(true)))
    return sum(f1_of_relations) / len(f1_of_relations) if f1_of_relations else 0.0


def _facts(train_file: Sequence[Raw]) -> set[tuple[str, str, str]]:
    facts = set()
    for document in train_file:
        for label in document["labels"]:
            for head_mention in document["vertexSet"][label["h"]]:
                for tail_mention in document["vertexSet"][label["t"]]:
                    facts.add((head_mention["name"], tail_mention["name"], label["r"]))
    return facts


def _is_stated(document: Raw, key: Key, facts: set[tuple[str, str, str]]) -> bool:
    _, head, tail, relation = key
    for head_mention in document["vertexSet"][head]:
        for tail_mention in document["vertexSet"][tail]:
            if (head_mention["name"], tail_mention["name"], relation) in facts:
                return True
    return False
