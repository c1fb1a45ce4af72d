"""Runs whose model answers in batches: rounds of files are handed in until no document has more to ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, TypeVar

from harness.engine.asking import Asker
from harness.engine.budget import NO_LIMITS, Budget, BudgetExhausted
from harness.engine.collecting import BatchAnswers, BatchedRunner, Collector, IsBad, RequestFiles
from harness.engine.journal import AnswerStore
from harness.engine.session import RunnerSession
from harness.engine.stop import BatchesHandedIn, Interrupted
from harness.errors import FatalError, InputError
from harness.records.batches import StoredBatch, StoredBatches
from harness.runs.execute import First, Observer, budget_of, execute
from harness.runs.plan import Experiment
from harness.runs.results import RunResult
from harness.runs.retrying import BadAnswers
from harness.runs.sources.llm import LlmRun
from harness.store import RunFolder
from harness.types import Batches, BatchState, Completion, OffersBatches, Request, Runner, Usage

# OpenAI's limits for a file are 50,000 requests and 200 MB.
MOST_REQUESTS, MOST_BYTES = 50_000, 190_000_000
FIRST_POLL_S, LONGEST_POLL_S = 2.0, 60.0
# What a provider says that has too many tokens of this account waiting.
_QUEUE_IS_FULL = "token_limit_exceeded"


class _InFolder(Protocol):
    @property
    def folder(self) -> RunFolder: ...


Result = TypeVar("Result")
Stored = TypeVar("Stored", bound=_InFolder)
AnyRun = TypeVar("AnyRun", bound=LlmRun)


class Way(Protocol):
    """How files of requests come to be answered."""

    @property
    def most_requests(self) -> int:
        """The most requests of a file."""
        ...

    async def take_answers(self, answers: BatchAnswers) -> None:
        """Wait for what was handed in, and take its answers."""
        ...

    def next_file(self) -> Path:
        """Where the next file of requests is written."""
        ...

    @property
    def is_tested(self) -> bool:
        """Whether the model was seen to do what the requests need."""
        ...

    async def test(self, like: Request) -> None:
        """Test the model by small requests like this one, before many are handed in."""
        ...

    async def hand_in(self, files: Sequence[tuple[Path, int]]) -> None:
        """Have the files answered, each with its number of requests."""
        ...


async def execute_in_batches(
    experiment: Experiment,
    observer: Observer,
    by_hand: Path | None = None,
    ask_again: Mapping[str, BadAnswers] | None = None,
    waits: bool = True,
) -> RunResult:
    """As ``execute``, but the model is asked in batches; as ``in_batches``."""

    async def work(batched: Experiment, session: RunnerSession, first: First) -> RunResult:
        return await execute(batched, observer, ask_again, session=session, first=first)

    return await in_batches(experiment, work, by_hand, ask_again or {}, waits)


async def in_batches(
    experiment: AnyRun,
    work: Callable[[AnyRun, RunnerSession, First], Awaitable[Stored]],
    by_hand: Path | None = None,
    ask_again: Mapping[str, BadAnswers] = MappingProxyType({}),
    waits: bool = True,
) -> Stored:
    """Await ``work`` with a run whose model is asked in batches of its provider, or in a file that the user answers.

    Raises InputError for a model without batches, and Stopped, as ``execute`` does: batches that were handed in go on
    at the provider, and the same run takes their answers later. If it does not wait, it stops once all is handed in.
    """
    runner = experiment.runner
    if not isinstance(runner, OffersBatches):
        raise InputError(f"{runner.name} is not asked in batches: leave out --batch and --batch-file")
    batches = runner.batches()
    answers = BatchAnswers(batches)

    async def first(asker: Asker, journal: AnswerStore, folder: RunFolder, retry: str) -> None:
        way: Way
        way = ByHand(by_hand) if by_hand else AtProvider(runner, batches, asker, folder, waits)
        bad = {title: one.holds for title, one in ask_again.items()}
        await _answer_all(batched, batches, answers, way, asker, journal, bad, retry)

    batched = replace(experiment, runner=BatchedRunner(runner, answers))
    async with RunnerSession(batched.runner) as session:
        result = await work(batched, session, first)
    for file in result.folder.path.glob("batch-*.jsonl"):
        file.unlink()
    return result


async def _answer_all(
    experiment: LlmRun,
    batches: Batches,
    answers: BatchAnswers,
    way: Way,
    asker: Asker,
    journal: AnswerStore,
    bad: Mapping[str, IsBad],
    retry: str,
) -> None:
    """Ask round by round until the journal, or an error, answers every request of every document."""

    async def collect(wanted: Callable[[bytes, Request], None], until: Callable[[], bool] = lambda: False) -> None:
        count = partial(_count, asker)
        collector = Collector(experiment.runner, journal, experiment.run_id, answers, wanted, count, bad, retry)
        await collector.collect(experiment.documents, experiment.method(), asker.stop, until)

    likes: list[Request] = []
    while True:
        await way.take_answers(answers)
        if not way.is_tested:
            await collect(lambda _key, request: likes.append(request), lambda: bool(likes))
            if likes:
                await way.test(likes[0])
        with RequestFiles(way.next_file, way.most_requests, MOST_BYTES) as files:
            wanted = _Wanted(batches, files, budget_of(experiment, journal))
            await collect(wanted)
        if files.files:
            await way.hand_in(files.files)
        elif wanted.is_refused:
            raise BudgetExhausted(
                "the next request could pass --max-cost or --max-tokens-total; type the same command with more to go on"
            )
        else:
            # What is left are errors, which cost nothing.
            asker.budget = Budget(NO_LIMITS, None, Usage())
            return


class _Wanted:
    """Writes the requests that fit the budget to files."""

    def __init__(self, batches: Batches, files: RequestFiles, budget: Budget) -> None:
        self.is_refused = False
        self._batches = batches
        self._files = files
        self._budget = budget

    def __call__(self, key: bytes, request: Request) -> None:
        if self._budget.fits(request):
            self._files.add(self._batches.line(key.hex(), request))
        else:
            self.is_refused = True


def _count(asker: Asker, completion: Completion) -> None:
    asker.traffic.count(completion.usage)
    asker.session.outages.answered(by_server=True)


class AtProvider:
    """Files go to the provider's batches; ``batches.json`` in the run's folder says which were handed in."""

    def __init__(self, runner: Runner, batches: Batches, asker: Asker, folder: RunFolder, waits: bool = True) -> None:
        self._preparation = asker.session.preparation(runner)
        self._batches = batches
        self._asker = asker
        self._folder = folder
        self._waits = waits
        self._stored = folder.read_batches() or StoredBatches(most_requests=MOST_REQUESTS, batches=[])
        self._taken: set[Path] = set()
        self._written = 0

    @property
    def most_requests(self) -> int:
        return self._stored.most_requests

    def next_file(self) -> Path:
        self._written += 1
        return self._folder.path / f"batch-{len(self._stored.batches) + self._written}.jsonl"

    async def take_answers(self, answers: BatchAnswers) -> None:
        self._written = 0
        before = {one.mark for one in self._stored.batches if not one.is_over}
        await self._wait_for_all()
        for one in self._stored.batches:
            for file in (self._folder.path / name for name in one.answers):
                if file not in self._taken and file.is_file():
                    self._taken.add(file)
                    answers.add(file, one.id)
        ended = [one for one in self._stored.batches if one.mark in before]
        if ended and not any(one.answers for one in ended):
            self._refuse(ended)

    @property
    def is_tested(self) -> bool:
        return self._preparation.has_passed

    async def test(self, like: Request) -> None:
        await self._preparation.ensure(like, self._asker.stop, self._asker.retrying)

    async def hand_in(self, files: Sequence[tuple[Path, int]]) -> None:
        if self.most_requests < MOST_REQUESTS:
            files = files[:1]
        for _, requests in files:
            number = len(self._stored.batches) + 1
            self._store(StoredBatch(mark=f"{self._folder.run_id}-{number}", requests=requests), number)
            await self._submit(number)

    async def _submit(self, number: int) -> None:
        one = self._stored.batches[number - 1]
        file = self._folder.path / f"batch-{number}.jsonl"

        async def submit() -> str:
            # A session that was killed, or an answer that was lost, may have left the batch there already.
            return await self._batches.find(one.mark) or await self._batches.submit(file, one.mark)

        self._store(one.changed(id=await self._call(submit)), number)
        file.unlink(missing_ok=True)

    async def _wait_for_all(self) -> None:
        wait_s = FIRST_POLL_S
        answered: dict[int, int] = {}
        while waiting := [number for number, one in enumerate(self._stored.batches, 1) if not one.is_over]:
            await self._preparation.start(self._asker.stop)
            for number in waiting:
                answered[number] = await self._look_at(number)
            left = [number for number in waiting if not self._stored.batches[number - 1].is_over]
            if left and not self._waits:
                raise BatchesHandedIn(f"{len(left)} batch{'es are' if len(left) > 1 else ' is'} handed in")
            if left:
                asked = sum(self._stored.batches[number - 1].requests for number in left)
                done = sum(answered[number] for number in left)
                what = f"{len(left)} batch{'es' if len(left) > 1 else ''}: {done:,} of {asked:,} requests are answered"
                with self._asker.traffic.waiting.on(what):
                    await self._asker.stop.sleep(wait_s)
                wait_s = min(1.5 * wait_s, LONGEST_POLL_S)

    async def _look_at(self, number: int) -> int:
        """How many of a batch's requests are answered; takes its files once it is over."""
        one = self._stored.batches[number - 1]
        if not one.id:
            if not (self._folder.path / f"batch-{number}.jsonl").is_file():
                self._store(one.changed(is_over=True), number)
                return 0
            await self._submit(number)
            one = self._stored.batches[number - 1]
        state: BatchState = await self._call(lambda: self._batches.state(one.id))
        if state.is_over:
            names = [f"batch-{number}-answers-{place}.jsonl" for place, _ in enumerate(state.files, 1)]
            for name, file_id in zip(names, state.files, strict=True):
                await self._call(partial(self._batches.fetch, file_id, self._folder.path / name))
            self._store(one.changed(is_over=True, answers=names, problem=state.problem), number)
        return state.answered

    def _refuse(self, ended: Sequence[StoredBatch]) -> None:
        """None of the batches has an answer: hand in fewer requests if that is the reason, else raise FatalError."""
        problem = next((one.problem for one in ended if one.problem), "no reason was given")
        smallest = min(one.requests for one in ended)
        if _QUEUE_IS_FULL not in problem or smallest <= 1:
            raise FatalError(f"the provider answered none of the batches ({problem})")
        self._stored = self._stored.changed(most_requests=max(1, smallest // 2))
        self._folder.write_batches(self._stored)

    def _store(self, one: StoredBatch, number: int) -> None:
        batches = [*self._stored.batches]
        batches[number - 1 : number] = [one]
        self._stored = self._stored.changed(batches=[batch.as_json() for batch in batches])
        self._folder.write_batches(self._stored)

    async def _call(self, call: Callable[[], Awaitable[Result]]) -> Result:
        return await self._asker.stop.wait_for(self._asker.retrying(call))


class ByHand:
    """A file of requests that the user has answered, such as by ``vllm run-batch``."""

    most_requests = 1 << 62
    is_tested = True

    def __init__(self, requests: Path) -> None:
        if requests.suffix != ".jsonl":
            raise InputError(f"--batch-file {requests}: the name ends in .jsonl")
        self._requests = requests
        self._answers = requests.with_suffix(".answers.jsonl")

    def next_file(self) -> Path:
        self._requests.parent.mkdir(parents=True, exist_ok=True)
        return self._requests

    async def test(self, like: Request) -> None:
        """There is no model here to test."""

    async def take_answers(self, answers: BatchAnswers) -> None:
        if self._answers.is_file():
            answers.add(self._answers, self._answers.name)

    async def hand_in(self, files: Sequence[tuple[Path, int]]) -> None:
        ((_, count),) = files
        raise Interrupted(
            f"{count:,} requests are in {self._requests}. Have them answered, such as with `vllm run-batch -i "
            f"{self._requests} -o {self._answers} --model ...`"
        )
