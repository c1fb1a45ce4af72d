"""Runs of an encoder over entities that were found: their own board, scores by exact entities, nothing mixed."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.analyses.combining import combine_runs
from harness.analyses.leaderboards import leaderboards
from harness.encoders.entities import finder as finders
from harness.errors import InputError
from harness.runs.config import RunConfig
from harness.runs.rescore import rescore_run
from harness.runs.results import RunResult
from harness.runs.sources.encoder import PAIR_SCORES, execute_encoder, prepare_encoder
from harness.scoring.entities import EndToEndScores, NumberedEntities
from harness.scoring.official import score
from harness.store import METRICS
from harness.types import Document, Entity, Prediction, Triplet
from tests.documents import document


@dataclass(frozen=True)
class LosesTheFirst:
    """Finds all gold entities, but the first by another type; of given mentions, it joins those of the last two."""

    folder: Path
    identity = {"encoder": "rule", "weights": "1"}  # noqa: RUF012

    def find(self, documents: Iterable[Document]) -> Iterator[Document]:
        for one in documents:
            first = replace(one.entities[0], mentions=tuple(replace(m, type="?") for m in one.entities[0].mentions))
            yield replace(one, entities=(*one.entities[:0:-1], first), labels=())

    def join(self, documents: Iterable[Document]) -> Iterator[Document]:
        for one in documents:
            *others, first, second = one.entities
            yield replace(one, entities=(*others, Entity(first.mentions + second.mentions)), labels=())


@pytest.fixture
def config(trained: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    file = tmp_path / "other" / "others.json"
    file.parent.mkdir()
    file.write_text(corpus.read_text(encoding="utf-8").replace("Town", "City"), encoding="utf-8")
    shutil.copy(corpus.with_name("rel_info.json"), file.parent)
    monkeypatch.setattr(finders, "entity_finder", lambda _name, _options: LosesTheFirst(trained))
    return RunConfig(model=str(trained), dataset=str(file), results=tmp_path)


def run(config: RunConfig) -> RunResult:
    return execute_encoder(prepare_encoder(config), lambda: None)


GOLD = document(
    "Ada saw London and Acme .",
    [[(0, 0, 1, "PER")], [(0, 2, 3, "LOC")], [(0, 4, 5, "ORG")]],
    [(0, "P1", 1), (2, "P2", 1)],
)
FOUND = document(
    "Ada saw London and Acme .", [[(0, 4, 5, "MISC")], [(0, 0, 1, "PER")], [(0, 2, 3, "LOC")], [(0, 3, 4, "LOC")]]
)


def test_the_record_of_a_run_scores_as_its_entities_do() -> None:
    predictions = [Prediction(Triplet(*one)) for one in ((1, "P1", 2), (0, "P2", 2), (1, "P1", 3))]
    numbered = NumberedEntities.against(GOLD, FOUND.entities)
    assert list(numbered.by_number) == [3, 0, 1, 6]
    recorded = numbered.numbered(predictions)
    assert [tuple(one.triplet) for one in recorded] == [(0, "P1", 1), (3, "P2", 1), (0, "P1", 6)]
    scores = EndToEndScores.of([(GOLD, FOUND.entities, predictions)])
    official = score([GOLD], {GOLD.title: recorded}).triplets
    assert official == scores.strict
    assert (scores.mentions.correct, scores.entities.correct, scores.relaxed.correct) == (2, 2, 2)
    again = NumberedEntities.of(numbered.as_details())
    assert again is not None
    assert EndToEndScores.of([(GOLD, list(again.by_number.values()), again.in_order(recorded))]) == scores
    assert NumberedEntities.of({"pairs": 2}) is None


async def test_a_run_that_is_given_nothing_has_its_own_board_and_scores_again_as_it_did(config: RunConfig) -> None:
    usual, found = run(config), run(replace(config, given="nothing"))
    assert "given_nothing" in found.folder.run_id
    assert found.manifest.question.given == {"given": "nothing", "encoder": "rule", "weights": "1"}
    metrics = found.metrics
    assert metrics.end_to_end is not None
    assert metrics.end_to_end.strict.f1 == metrics.official.f1 != usual.metrics.official.f1
    assert metrics.end_to_end.mentions.f1 < 1
    assert metrics.official.intra_f1 is None
    # Nobody takes its scores for those of pairs of the labels.
    assert not found.folder.has(PAIR_SCORES)
    stored = (found.folder.path / METRICS).read_bytes()
    await rescore_run(found.folder, None)
    assert (found.folder.path / METRICS).read_bytes() == stored
    boards = {board.title: list(board.ranked["run_id"]) for board in leaderboards(config.results)}
    name = f"{found.manifest.question.dataset.name} {found.manifest.question.dataset.split}"
    assert boards == {name: [usual.folder.run_id], f"{name}, nothing given": [found.folder.run_id]}
    with pytest.raises(InputError, match="found its entities itself"):
        combine_runs([usual.folder, found.folder], "both", config.results)


def test_given_mentions_are_joined(config: RunConfig) -> None:
    joined = run(replace(config, given="mentions")).metrics.end_to_end
    assert joined is not None
    assert joined.mentions.f1 == 1
    assert joined.entities.f1 < 1


def test_what_does_not_go_together_is_refused(config: RunConfig) -> None:
    with pytest.raises(InputError, match="--finder goes with --given"):
        replace(config, finder="elsewhere")
    with pytest.raises(InputError, match="--relations-per-pair one is about the pairs of the labels' entities"):
        replace(config, given="nothing", relations_per_pair="one")
    with pytest.raises(InputError, match="is an encoder"):
        prepare_encoder(replace(config, given="nothing", finder="llm"))
