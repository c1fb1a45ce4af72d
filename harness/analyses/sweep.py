"""F1 against theta: a stored run's relations aligned at every threshold, without a model (LMRC, Figure 3).

A threshold is never reported on the documents it was chosen on: a run's documents can be split in two.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.alignment.decisions import AlignmentExamples, RelationDecision, decisions_of
from harness.datasets.gold import label_source_of, with_gold
from harness.errors import InputError
from harness.runs.rescore import realigned, replay
from harness.runs.stored_data import WHEREVER, DataPlace
from harness.scoring.counts import Scores
from harness.scoring.official import score
from harness.store import DocumentRecord, RunFolder
from harness.types import AlignOver, Document, Prediction, Triplet

DEFAULT_MODEL = "minilm"


@dataclass(frozen=True, slots=True)
class AlignableDocument:
    """What a document's stored answers claim at any theta.

    ``stated`` are the triplets whose relation is in the schema; ``decisions`` are those whose relation is not.
    """

    document: Document
    stated: frozenset[Triplet]
    decisions: tuple[RelationDecision, ...]

    @classmethod
    def of(cls, document: Document, record: DocumentRecord) -> AlignableDocument:
        """From a record that was read with a theta that nothing reaches."""
        return cls(
            document=document,
            stated=frozenset(prediction.triplet for prediction in record.predictions),
            decisions=tuple(decisions_of(record.details)),
        )

    def best_cosines(self) -> dict[Triplet, float]:
        """Every triplet claimed at some theta, and the highest theta at which it is: infinity if it is stated."""
        best = dict.fromkeys(self.stated, math.inf)
        for one in self.decisions:
            if one.head is not None and one.tail is not None and one.head != one.tail:
                triplet = Triplet(one.head, one.relation, one.tail)
                best[triplet] = max(best.get(triplet, -math.inf), one.cosine)
        return best


@dataclass(frozen=True)
class AlignableRun:
    """A stored run, ready to be scored at any theta; ``model`` and ``over`` say what was aligned with what.

    ``silver`` is what to say of the labels if no human wrote them; else empty.
    """

    run_id: str
    dataset: str
    split: str
    documents_in_split: int
    model: str
    over: AlignOver
    documents: Sequence[AlignableDocument]
    silver: str = ""


@dataclass(frozen=True, slots=True)
class ThetaPoint:
    """What one threshold gives. Counts are of triplets stated with a relation outside the schema, copies included.

    ``kept`` reached theta, ``dropped`` did not; ``inverted`` were kept and read from tail to head.
    """

    theta: float
    kept: int
    dropped: int
    inverted: int
    scores: Scores

    def as_json(self) -> dict[str, float | int]:
        scores = self.scores
        return {
            "theta": self.theta,
            "kept": self.kept,
            "dropped": self.dropped,
            "inverted": self.inverted,
            "precision": scores.precision,
            "recall": scores.recall,
            "f1": scores.f1,
            "correct": scores.correct,
            "predicted": scores.predicted,
            "gold": scores.gold,
        }


async def read_alignable(
    folder: RunFolder, align: str | None, over: AlignOver | None, place: DataPlace = WHEREVER
) -> AlignableRun:
    """Read a run's stored answers and embed what is outside the schema, once.

    The model is the run's own unless given, or MiniLM. Raises InputError as ``rescore.realigned`` does, and
    for a run whose samples vote.
    """
    manifest = folder.read_manifest()
    own = manifest.config.align
    if manifest.question.votes:
        raise InputError(
            f"{folder.run_id}: its samples vote on triplets, and which of them agree depends on theta: "
            f"`harness score {folder.run_id} --theta T` scores the run at one theta"
        )
    experiment = realigned(folder, align or own or DEFAULT_MODEL, None, over, place)
    with_gold(experiment.dataset, "a sweep")
    alignment = experiment.settings.alignment
    assert alignment is not None, "a model was named"
    nothing_kept = replace(experiment.settings, alignment=replace(alignment, theta=math.inf))
    documents = [
        AlignableDocument.of(document, record)
        async for document, record in replay(replace(experiment, settings=nothing_kept), folder)
    ]
    return AlignableRun(
        run_id=folder.run_id,
        dataset=experiment.dataset.name,
        split=experiment.dataset.split,
        documents_in_split=len(experiment.dataset.documents),
        model=alignment.relations.embedder.name,
        over=experiment.config.align_over or "names",
        documents=documents,
        silver=label_source_of(experiment.dataset).silver,
    )


def theta_range(start: float, stop: float, step: float) -> list[float]:
    """``start``, ``start + step``, ... up to ``stop``, which is included if it is met; all from 0 to 1.

    Raises InputError for anything else, and for more than 1,000 steps.
    """
    if not (0 <= start <= stop <= 1 and step > 0 and (stop - start) / step <= 1000):
        raise InputError(
            f"--from {start:g} --to {stop:g} --step {step:g}: give 0 <= from <= to <= 1 and a step above 0, "
            "1,000 steps at most"
        )
    count = math.floor((stop - start) / step + 1e-9) + 1
    return [round(start + number * step, 6) for number in range(count)]


def sweep_theta(documents: Sequence[AlignableDocument], thetas: Iterable[float]) -> list[ThetaPoint]:
    """Micro precision, recall and F1 of the documents at every theta, by the official scorer."""
    labelled = [one.document for one in documents]
    claims = [
        (one.document.title, cosine, Prediction(triplet))
        for one in documents
        for triplet, cosine in one.best_cosines().items()
    ]
    decisions = [decision for document in documents for decision in document.decisions]
    points = []
    for theta in thetas:
        predicted: dict[str, list[Prediction]] = {}
        for title, cosine, prediction in claims:
            if cosine >= theta:
                predicted.setdefault(title, []).append(prediction)
        kept = [decision for decision in decisions if decision.cosine >= theta]
        points.append(
            ThetaPoint(
                theta=theta,
                kept=len(kept),
                dropped=len(decisions) - len(kept),
                inverted=sum(decision.inverted for decision in kept),
                scores=score(labelled, predicted).triplets,
            )
        )
    return points


def has_best(points: Sequence[ThetaPoint]) -> bool:
    """Whether F1 depends on theta at all."""
    return len({point.scores.f1 for point in points}) > 1


def best_point(points: Sequence[ThetaPoint]) -> ThetaPoint:
    """The point with the highest F1; of several the one with the highest theta, which invents least."""
    return max(points, key=lambda point: (point.scores.f1, point.theta))


def examples_at(documents: Iterable[AlignableDocument], theta: float) -> AlignmentExamples:
    """The most frequent relations outside the schema that are kept, dropped and inverted at ``theta``."""
    examples = AlignmentExamples()
    for document in documents:
        for decision in document.decisions:
            examples.add(replace(decision, kept=decision.cosine >= theta))
    return examples


def split_documents(
    documents: Sequence[AlignableDocument], count: int, seed: int
) -> tuple[list[AlignableDocument], list[AlignableDocument]]:
    """``count`` documents drawn at random, to choose on, and all others, to report on; both in their order.

    Raises InputError unless both parts have a document.
    """
    if not 0 < count < len(documents):
        raise InputError(
            f"cannot choose on {count} and report on the rest of {len(documents)} documents: both parts need one"
        )
    drawn = set(random.Random(seed).sample(range(len(documents)), count))
    chosen_on = [document for number, document in enumerate(documents) if number in drawn]
    rest = [document for number, document in enumerate(documents) if number not in drawn]
    return chosen_on, rest
