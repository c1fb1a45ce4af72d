"""What predicts the triplets of documents that nobody scores: an encoder, or an LLM with a prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from harness.datasets.registry import CORPORA, PACKAGE
from harness.datasets.relation_table import read_schema
from harness.engine.budget import BudgetExhausted
from harness.engine.documents import run_documents
from harness.engine.journal import JOURNAL_FILE, AnswerStore, Journal
from harness.engine.session import RunnerSession
from harness.engine.stop import Interrupted
from harness.errors import InputError
from harness.runs.config import RunConfig
from harness.runs.execute import Stopped, asker_of
from harness.runs.plan import Experiment, prepare
from harness.runs.sources.encoder import is_encoder, prepare_encoder
from harness.types import Dataset, Document, Prediction, RelationSchema


class Predicted(NamedTuple):
    """What came of a document; ``status`` and ``error`` as of a run."""

    predictions: tuple[Prediction, ...]
    status: str = "ok"
    error: str = ""


class Predictor(Protocol):
    """A model within ``async with``, and ``identity``, what tells its predictions from another's."""

    identity: Mapping[str, Any]

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def predict(self, documents: Sequence[Document]) -> list[Predicted]:
        """What came of each document."""
        ...


def predictor_of(config: RunConfig, schema: str | None, journal: AnswerStore | None = None) -> Predictor:
    """The model of a configuration; ``schema`` is a corpus of the table, or a ``rel_info.json``.

    An encoder knows its relations without one; an LLM is asked for those of Re-DocRED. A ``journal`` that is given
    takes the place of the results folder's. Raises InputError or
    ModelUnavailable with one line on what is wrong.
    """
    if is_encoder(config):
        relations = _schema(schema) if schema else RelationSchema(())
        experiment = prepare_encoder(config, dataset=_unseen(relations))
        question = {name: value for name, value in experiment.question().items() if name != "dataset"}
        return _EncoderPredictor(question, experiment.scorer)
    llm = prepare(config, dataset=_unseen(_schema(schema or "redocred")))
    for option, value in (("--candidates", config.candidates), ("--refine", config.refine)):
        if value not in (None, "all"):
            raise InputError(f"{option} {value}: predictions of a corpus are made without other scores")
    names = [[one.id, one.name] for one in llm.dataset.schema.relations]
    question = {name: value for name, value in llm.question().items() if name != "dataset"}
    return _LlmPredictor({**question, "schema": names}, llm, journal)


@dataclass
class _EncoderPredictor:
    identity: Mapping[str, Any]
    scorer: Any

    async def __aenter__(self) -> Self:
        self.scorer.load()
        return self

    async def __aexit__(self, *_error: object) -> None:
        pass

    async def predict(self, documents: Sequence[Document]) -> list[Predicted]:
        return [Predicted(scores.predictions()) for scores in self.scorer.score(documents)]


class _LlmPredictor:
    def __init__(self, identity: Mapping[str, Any], experiment: Experiment, journal: AnswerStore | None) -> None:
        self.identity = identity
        self._experiment = experiment
        self._journal = journal
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        config = self._experiment.config
        session = await self._stack.enter_async_context(RunnerSession(self._experiment.runner))
        journal = self._journal or self._stack.enter_context(Journal(config.results / JOURNAL_FILE))
        self._asker = asker_of(self._experiment, journal, session)
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()

    async def predict(self, documents: Sequence[Document]) -> list[Predicted]:
        try:
            return await self._predict(documents)
        except (Interrupted, BudgetExhausted) as reason:
            raise Stopped(f"{str(reason).rstrip('.')}. Resume with the same command") from None

    async def _predict(self, documents: Sequence[Document]) -> list[Predicted]:
        asker, runner = self._asker, self._experiment.runner
        return [
            Predicted(result.extraction.predictions, result.extraction.status, result.extraction.error)
            async for result in run_documents(
                documents,
                self._experiment.method(),
                lambda _document: partial(asker.answer, home=[]),
                connections=asker.endpoints.connections,
                when_more=asker.endpoints.when_more,
                max_documents=runner.supports.max_documents,
                stop=asker.stop,
                outages=asker.session.outages,
                on_finished=lambda _result: None,
            )
        ]


def _unseen(schema: RelationSchema) -> Dataset:
    return Dataset("corpus", "", schema, (), "")


def _schema(name: str) -> RelationSchema:
    if corpus := CORPORA.get(name):
        packaged = corpus.packaged_relations
        return read_schema(PACKAGE / packaged if packaged else corpus.folder / corpus.relations.name)
    if not Path(name).is_file():
        raise InputError(f"--schema {name}: give {', '.join(CORPORA)} or a rel_info.json file")
    return read_schema(Path(name))
