"""Zero-shot on unseen relations: m of them held out of a GLiDRE training, which is then tested on those only.

After Table 7 of Armingaud and Besançon (2025), with three tests. On ``sentences`` (FewRel), as there, a sentence's pair
is known to hold one of the m relations, and the highest score is the answer. So it is on ``pairs``, those of documents
that hold some of the m. On ``documents`` every pair may hold any of them or none, and the threshold decides. Scores are
macro: means over the m relations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from harness.datasets.content import relation_keys
from harness.datasets.gold import with_gold
from harness.datasets.registry import load_split
from harness.datasets.splits import CHOOSE, REPORT, split_documents
from harness.datasets.subset import drawn_relations, same_relations
from harness.encoders.backbone import MINILM
from harness.encoders.scorer import EncoderScorer
from harness.encoders.seen import seen_by
from harness.encoders.weights import trained_folder
from harness.errors import InputError
from harness.scoring.counts import Counts, Scores
from harness.training.fit import TrainingJob, told_of, train_encoder
from harness.training.held_out import fewrel_in, joined, labelled
from harness.types import Document, PairScores, RelationSchema, Triplet

if TYPE_CHECKING:
    from harness.training.trainer import Watcher

Test = Literal["documents", "pairs", "sentences"]
TESTS: tuple[Test, ...] = get_args(Test)

MIN_LABELS = 10
"""Labels among the reporting documents that a relation needs to be drawn: fewer measure nothing."""


@dataclass(frozen=True)
class UnseenJob:
    """One training and its test.

    ``unseen`` relations are drawn by ``seed`` from FewRel's, or from those with at least ``MIN_LABELS`` labels among
    the documents that the fixed split holds out of ``train`` to report on. ``sentences`` of each relation of FewRel
    that is not held out join the documents to train on. ``fewrel`` is its folder, ``options`` are those of training.

    ``choose_by`` further relations, with as many labels among the documents to choose by, are left out of training too:
    epoch and threshold are chosen over them alone. 0: over the relations that are trained on.
    """

    test: Test
    train: str
    unseen: int
    seed: int = 0
    sentences: int = 0
    choose_by: int = 0
    choose: int = CHOOSE
    report: int = REPORT
    fewrel: Path | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    start: Path | None = None
    """The folder of a GLiDRE that the training begins with; it must not have been trained on the drawn relations."""
    data_dir: Path | None = None
    """The folder of the files of ``train``, where that is a corpus."""

    @property
    def trained_as(self) -> Test:
        """The test whose training serves this one: that on documents for their pairs."""
        return "documents" if self.test == "pairs" else self.test


@dataclass(frozen=True)
class MacroScores:
    """Means over relations of precision, recall and F1 (fractions, 0 to 1), and what they are means of."""

    precision: float
    recall: float
    f1: float
    per_relation: Mapping[str, Scores]

    @classmethod
    def of(cls, counts: Mapping[str, Counts]) -> MacroScores:
        """Every relation counts the same, those that were never predicted too; there must be one."""
        scores = {relation: Scores.of(one) for relation, one in counts.items()}
        precision, recall, f1 = (
            sum(getattr(one, name) for one in scores.values()) / len(scores) for name in ("precision", "recall", "f1")
        )
        return cls(precision, recall, f1, scores)


@dataclass(frozen=True)
class UnseenResult:
    """The scores of one job, and the relations that they are about."""

    job: UnseenJob
    relations: tuple[str, ...]
    tested: int
    scores: MacroScores

    def as_row(self) -> dict[str, Any]:
        """One line of a table; fractions as percent."""
        return {
            "test": self.job.test,
            "m": self.job.unseen,
            "seed": self.job.seed,
            "precision": round(100 * self.scores.precision, 2),
            "recall": round(100 * self.scores.recall, 2),
            "f1": round(100 * self.scores.f1, 2),
            "tested": self.tested,
            "relations": " ".join(self.relations),
        }


def run_unseen(job: UnseenJob, folder: Path, watcher: Watcher) -> UnseenResult:
    """Train without the drawn relations, in ``folder`` (a finished training is not repeated), and test on them.

    Raises InputError where there are too few relations to draw from or the encoder was trained on some, and as
    training does.
    """
    import torch

    schema, documents = _test_set(job)
    chosen_by = _to_choose_by(job, schema)
    training = TrainingJob(
        "glidre",
        job.train,
        choose=job.choose,
        report=job.report,
        seed=job.seed,
        unseen=schema.relations,
        chosen_by=chosen_by.relations,
        sentences=job.sentences,
        fewrel=job.fewrel,
        data_dir=job.data_dir,
        start=job.start,
        options=job.options,
    )
    inside = {f"-O {name}": trained_folder(job.options.get(name, MINILM)) for name in ("encoder", "label_encoder")}
    for option, trained in {**inside, "--from": job.start}.items():
        if trained is not None:
            _refuse_known(option, trained, joined(schema, chosen_by))
    train_encoder(training, folder, watcher)
    # On as many threads as the training, which the next one keeps.
    scored = EncoderScorer(folder, {"threads": str(torch.get_num_threads())}, schema).score(documents)
    count = extracted if job.test == "documents" else classified
    scores = MacroScores.of(count(documents, scored, schema))
    return UnseenResult(job, tuple(relation.id for relation in schema.relations), len(documents), scores)


def _refuse_known(option: str, folder: Path, schema: RelationSchema) -> None:
    """Raise InputError where an encoder was, or may have been, trained on a relation that is to be unseen."""
    seen = seen_by(folder)
    if seen.relations is None or not seen.is_whole:
        raise InputError(
            f"{option} {folder}: which relations it was trained on is unknown: record them with `harness train seen`"
        )
    if known := [one.name for one in schema.relations if relation_keys(one) & seen.relations]:
        raise InputError(
            f"{option} {folder}: it was trained on {len(known)} of the {len(schema.relations)} relations that are to "
            f"be unseen, such as {known[0]!r}: train it with --without-relations"
        )


def _test_set(job: UnseenJob) -> tuple[RelationSchema, Sequence[Document]]:
    """The drawn relations, and the documents to test on with the labels of these only."""
    dataset = fewrel_in(job.fewrel) if job.test == "sentences" else load_split(job.train, job.data_dir)
    with_gold(dataset, "training")
    if job.test == "sentences":
        documents: Sequence[Document] = tuple(dataset.documents)
        drawn = drawn_relations(dataset.schema.by_id, job.unseen, job.seed, dataset.name)
        chosen = labelled(documents, drawn)
        return _restricted(dataset.schema, drawn), [document for document in chosen if document.labels]
    documents = split_documents(list(dataset.documents), job.choose, job.report).report
    drawn = drawn_relations(_usual(dataset.schema, documents), job.unseen, job.seed, dataset.name)
    return _restricted(dataset.schema, drawn), labelled(documents, drawn)


def _to_choose_by(job: UnseenJob, unseen: RelationSchema) -> RelationSchema:
    """The relations to choose by, drawn by the job's seed from those that are not unseen and measure something."""
    if not job.choose_by:
        return RelationSchema(())
    dataset = load_split(job.train, job.data_dir)
    documents = split_documents(list(dataset.documents), job.choose, job.report).choose
    left = _usual(dataset.schema, documents) - set(same_relations(dataset.schema, unseen.relations))
    return _restricted(dataset.schema, drawn_relations(left, job.choose_by, job.seed, dataset.name))


def _usual(schema: RelationSchema, documents: Iterable[Document]) -> set[str]:
    """The relations that have enough labels among the documents to measure something."""
    labels = Counter(label.triplet.relation for document in documents for label in document.labels)
    return {relation.id for relation in schema.relations if labels[relation.id] >= MIN_LABELS}


def _restricted(schema: RelationSchema, relations: frozenset[str]) -> RelationSchema:
    return RelationSchema(tuple(relation for relation in schema.relations if relation.id in relations))


def classified(
    documents: Iterable[Document], scored: Iterable[PairScores], schema: RelationSchema
) -> dict[str, Counts]:
    """Counts by relation where the labels say which pairs are asked, and the best score of each is its one answer."""
    judged = []
    for document, scores in zip(documents, scored, strict=True):
        best = scores.scores[:, :-1].argmax(axis=1)
        answers = {
            (head, tail): scores.relations[column]
            for (head, tail), column in zip(scores.pairs.tolist(), best, strict=True)
        }
        wanted = {label.triplet for label in document.labels if label.triplet.head != label.triplet.tail}
        judged.append((wanted, {Triplet(head, answers[head, tail], tail) for head, _, tail in wanted}))
    return _counted(judged, schema)


def extracted(documents: Iterable[Document], scored: Iterable[PairScores], schema: RelationSchema) -> dict[str, Counts]:
    """Counts by relation over all pairs of the documents, of what scores above NA."""
    judged = (
        (
            {label.triplet for label in document.labels},
            {prediction.triplet for prediction in told_of(document, scores.predictions())},
        )
        for document, scores in zip(documents, scored, strict=True)
    )
    return _counted(judged, schema)


def _counted(judged: Iterable[tuple[set[Triplet], set[Triplet]]], schema: RelationSchema) -> dict[str, Counts]:
    """Counts by relation of each document's wanted and found triplets."""
    gold: Counter[str] = Counter()
    predicted: Counter[str] = Counter()
    correct: Counter[str] = Counter()
    for wanted, found in judged:
        gold.update(triplet.relation for triplet in wanted)
        predicted.update(triplet.relation for triplet in found)
        correct.update(triplet.relation for triplet in wanted & found)
    return {one.id: Counts(correct[one.id], predicted[one.id], gold[one.id]) for one in schema.relations}
