"""Several trained encoders as one: the mean of how far each scores a relation above NA.

Few documents leave much to the luck of a seed; the mean over several trainings has less of it (Lakshminarayanan et
al., "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles", NeurIPS 2017). The folder of an
ensemble holds its members in folders of their own, so that it can be moved as it is.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from harness.encoders.config import EnsembleConfig, read_record
from harness.encoders.fusion import fused_scores
from harness.encoders.scorer import EncoderScorer, rounded
from harness.encoders.weights import CONFIG, fields_of
from harness.errors import InputError
from harness.types import Document, PairScores, RelationSchema


class EnsembleScorer:
    """A PairScorer over the members' scores; ``options`` are those of every member, but ``threshold``."""

    def __init__(
        self, folder: Path, options: Mapping[str, str] | None = None, schema: RelationSchema | None = None
    ) -> None:
        if "threshold" in (options or {}):
            raise InputError("-M threshold: an ensemble's was chosen when it was made; leave it out")
        self.folder = folder
        self.config = read_record(EnsembleConfig, folder / CONFIG)
        self._members = [EncoderScorer(folder / name, options, schema) for name in self.config.members]
        check_alike(self._members)
        self.relations = self._members[0].relations
        members = json.dumps([dict(member.identity) for member in self._members], sort_keys=True)
        self.identity: Mapping[str, str] = {
            "encoder": self.config.encoder,
            "members": hashlib.sha256(members.encode()).hexdigest(),
            "threshold": str(self.config.threshold),
            **({"fusion": str(self.config.fusion)} if self.config.fusion else {}),
        }

    def check(self) -> None:
        """Raise ModelUnavailable, without loading the models, if a package is missing."""
        self._members[0].check()

    def load(self) -> None:
        """Load all members now, rather than with the first document."""
        for member in self._members:
            member.load()

    @property
    def precision(self) -> str:
        """What matrix products are computed in, fp32 or bf16."""
        return self._members[0].precision

    def score(self, documents: Iterable[Document]) -> Iterator[PairScores]:
        """The scores of each document in turn: mean margins over NA, and NA's score as the threshold."""
        return joint_scores(self._members, documents, self.config.threshold, self.config.fusion)


def joint_scores(
    members: Sequence[EncoderScorer], documents: Iterable[Document], threshold: float, fusion: float
) -> Iterator[PairScores]:
    """The scores of an ensemble of these ``members``."""
    if not fusion:
        return mean_scores(members, documents, threshold)
    return fused_scores(lambda some: mean_scores(members, some, 0.0), documents, fusion, threshold)


def mean_scores(
    members: Sequence[EncoderScorer], documents: Iterable[Document], threshold: float
) -> Iterator[PairScores]:
    """The mean over ``members`` of how far a relation scores above NA, and of attention; NA scores ``threshold``."""
    import numpy as np

    streams = itertools.tee(documents, len(members))
    for several in zip(*(member.score(some) for member, some in zip(members, streams, strict=True)), strict=True):
        first = several[0]
        above = np.mean([scores.margins for scores in several], axis=0)
        na = np.full((len(above), 1), threshold)
        attention = [scores.sentences for scores in several if scores.sentences is not None]
        sentences = rounded(np.mean(attention, axis=0)) if len(attention) == len(several) else None
        scores = rounded(np.concatenate([above, na], axis=1))
        yield PairScores(first.title, first.relations, first.pairs, scores, sentences)


def check_alike(members: Sequence[EncoderScorer]) -> None:
    """Raises InputError for members of different tasks or relations."""
    for first, member in itertools.pairwise(members):
        if (member.config.task, member.relations) != (first.config.task, first.relations):
            raise InputError(f"{member.folder} and {first.folder} do not score the same relations: they cannot be one")


def pair_scorer(
    folder: Path, options: Mapping[str, str] | None = None, schema: RelationSchema | None = None
) -> EncoderScorer | EnsembleScorer:
    """The scorer of a trained encoder's folder, or of an ensemble's."""
    kind = EnsembleScorer if "members" in fields_of(folder) else EncoderScorer
    return kind(folder, options, schema)
