"""What a run will take, before anything is sent: requests, tokens, dollars and time, less what the journal answers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.engine.budget import Prices
from harness.engine.journal import Journal, request_key
from harness.errors import HarnessError
from harness.methods.base import Demonstration
from harness.runs.execute import journal_of
from harness.runs.plan import Experiment
from harness.runs.planned_run import PlannedRun
from harness.store import RunFolder, run_folders
from harness.types import Completion, CountsTokens, Message, Request

CHARACTERS_PER_TOKEN = 4.0
"""Of English text, where nothing better is known."""

ASSUMED_ERROR = 0.25
"""How far that may be off, as a share: tokenizers and languages differ."""

MOST_COUNTED = 64
"""Prompts that a tokenizer counts; the others have as many tokens to a character."""

_NOT_ANSWERED = Completion("", "stop")
_IN_ONE_CALL = Completion("", "stop")
"""Stands for an answer that comes in the call of another sample."""


@dataclass
class StepEstimate:
    """The requests of one step over all documents."""

    stored: int = 0
    """Those that the journal answers."""
    least: int = 0
    """Those that would be sent whatever the answers to others are."""
    by_labels: int = 0
    """Those that a model would be sent whose answers are the labels; ``least`` where there are no labels."""


@dataclass
class Estimate:
    """What a run takes: numbers of what the journal does not answer, with bounds where they depend on answers."""

    run_id: str
    documents: int
    steps: dict[str, StepEstimate] = field(default_factory=dict)
    in_one_call: int = 0
    """The requests whose answers come in the call of another sample, which has the prompt."""
    prompt_tokens: int = 0
    """Of the requests that are expected: ``by_labels``."""
    completion_tokens: int = 0
    """Of answers like the labels, or like those that the journal holds."""
    most_completion_tokens: int = 0
    """If every answer came to its limit."""
    counted_by: str = "characters"
    """``tokenizer``, ``journal``, or ``characters``, of which four make a token."""
    token_error: float = ASSUMED_ERROR
    """The error of the tokens, as a share."""
    price_share: float = 1.0
    """What part of the price is paid: less than all in batches."""
    cost_usd: float | None = None
    """None without a price."""
    most_cost_usd: float | None = None
    """With answers at their limit and prompts at the error's upper end."""
    seconds: float | None = None
    """None without a rate."""
    rate: float | None = None
    """Requests, or an encoder's documents, a second."""
    rate_from: str = ""
    """Where the rate comes from: ``--rate`` or a run."""

    @property
    def to_send(self) -> int:
        """The requests that are expected to be sent."""
        return sum(max(step.least, step.by_labels) for step in self.steps.values())

    @property
    def is_bound(self) -> bool:
        """Whether what is asked depends on answers, so that the numbers are those of the labels."""
        return any(step.by_labels > step.least for step in self.steps.values())

    def as_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        return {**asdict(self), "to_send": self.to_send, "depends_on_answers": self.is_bound}


@dataclass
class _Requests:
    """What was gathered over the documents: sizes in characters, and a few prompts for the tokenizer."""

    prompts: list[Request] = field(default_factory=list)
    characters: int = 0
    answers: int = 0
    most: int = 0
    ratios: list[float] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)

    def add(self, request: Request, *, is_counted: bool, has_prompt: bool = True) -> None:
        self.characters += _size(request) if has_prompt else 0
        self.most += request.sampling.max_tokens
        if is_counted:
            self.prompts.append(request)

    def add_expected(self, shown: Sequence[Demonstration], asked: int, more: int) -> None:
        """Answers to ``asked`` requests like those ``shown``, of which ``more`` are not added yet."""
        if shown:
            self.answers += asked * sum(len(one.answer) for one in shown) // len(shown)
            self.characters += more * sum(_size(one.request) for one in shown) // len(shown)
            self.most += more * shown[0].request.sampling.max_tokens


async def estimate_run(
    experiment: Experiment,
    rate: float | None = None,
    advance: Callable[[], None] = lambda: None,
    in_batches: bool = False,
) -> Estimate:
    """Render every document of an experiment and count; ``advance`` is called for each. Nothing is sent or stored.

    ``rate`` is in requests a second; without it, that of the model's last run in the same results folder is taken.
    Answers ``in_batches`` cost the share of the price that the model's row tells, and their time is not known.
    """
    found = Estimate(experiment.run_id, experiment.document_count)
    gathered, method = _Requests(), experiment.method()
    file = journal_of(experiment.config, RunFolder(experiment.config.results / "runs" / experiment.run_id))
    every = max(1, found.documents // MOST_COUNTED)
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(file)) if file.is_file() else None
        ask = _Known(experiment, journal, draws_samples=experiment.runner.supports.samples and not in_batches)

        for number, document in enumerate(experiment.documents):
            extraction = await method.extract(document, ask)
            least, stored = Counter[str](), Counter[str]()
            for place, step in enumerate(extraction.steps):
                if step.completion is _IN_ONE_CALL:
                    least[step.name] += 1
                    found.in_one_call += 1
                    gathered.add(step.request, is_counted=False, has_prompt=False)
                elif step.completion is _NOT_ANSWERED:
                    least[step.name] += 1
                    gathered.add(step.request, is_counted=place == 0 and number % every == 0)
                else:
                    stored[step.name] += 1
                    usage = step.completion.usage
                    if not usage.estimated and usage.prompt_tokens:
                        gathered.ratios.append(_size(step.request) / usage.prompt_tokens)
                        gathered.lengths.append(usage.completion_tokens)
            shown: dict[str, list[Demonstration]] = {}
            for one in method.demonstrate(document) if least else ():
                shown.setdefault(one.step, []).append(one)
            for name in dict.fromkeys([*stored, *least, *shown]):
                some = shown.get(name, [])
                # What a perfect model would be asked besides: answers decide about it.
                more = max(0, len(some) * experiment.config.samples - least[name] - stored[name])
                gathered.add_expected(some, least[name] + more, more)
                step_found = found.steps.setdefault(name, StepEstimate())
                step_found.stored += stored[name]
                step_found.least += least[name]
                step_found.by_labels += least[name] + more
            advance()
    await _count(experiment, found, gathered)
    if in_batches and experiment.spec.price_batch is not None:
        found.price_share = experiment.spec.price_batch
    _price(experiment, found)
    if not in_batches or rate:
        _time(experiment, found, rate, found.to_send - found.in_one_call)
    return found


class _Known:
    """Answers from the journal what it holds; ``draws_samples`` says that samples come in one call, as in a run."""

    def __init__(self, experiment: Experiment, journal: Journal | None, *, draws_samples: bool) -> None:
        self._identity = experiment.runner.identity
        self._journal = journal
        self._draws_samples = draws_samples
        self._coming: set[bytes] = set()

    async def __call__(self, request: Request) -> Completion:
        key = request_key(self._identity, request)
        if stored := self._stored(key):
            return stored
        if key in self._coming:
            return _IN_ONE_CALL
        for number in range(request.more if self._draws_samples else 0):
            other = request_key(self._identity, replace(request, repeat=request.repeat + number + 1))
            if self._stored(other):
                break
            self._coming.add(other)
        return _NOT_ANSWERED

    def _stored(self, key: bytes) -> Completion | None:
        return self._journal.get(key) if self._journal else None


def estimate_encoder(experiment: PlannedRun, rate: float | None = None) -> Estimate:
    """What an encoder's run takes: documents, and the time at ``rate`` documents a second or that of its last run."""
    found = Estimate(experiment.run_id, experiment.document_count, counted_by="", token_error=0.0)
    _time(experiment, found, rate, found.documents)
    return found


async def tokens_of(experiment: Experiment, messages: Sequence[Sequence[Message]]) -> list[int] | None:
    """The prompt tokens of each; None where no tokenizer is at hand without a download or a long start."""
    from runners.model_file import model_file

    runner, spec = experiment.runner, experiment.spec
    is_here = spec.runner == "llama_cpp" and model_file(spec).is_file()
    if not isinstance(runner, CountsTokens) or not (is_here or experiment.config.base_url):
        return None
    try:
        runner.check()
        async with runner:
            return [await runner.count_tokens(tuple(one)) for one in messages]
    except HarnessError:
        # A model that cannot run here, or a server that is not up yet, only leaves the count out.
        return None


async def _count(experiment: Experiment, found: Estimate, gathered: _Requests) -> None:
    """Tokens from characters, by the tokenizer if there is one, else by what the journal tells, else by four."""
    per_token = CHARACTERS_PER_TOKEN
    exact = await tokens_of(experiment, [one.messages for one in gathered.prompts]) if gathered.prompts else None
    if exact:
        ratios = [_size(one) / max(1, tokens) for one, tokens in zip(gathered.prompts, exact, strict=True)]
        per_token, found.token_error, found.counted_by = *_mean_and_error(ratios), "tokenizer"
    elif len(gathered.ratios) > 1:
        per_token, found.token_error, found.counted_by = *_mean_and_error(gathered.ratios), "journal"
    found.prompt_tokens = round(gathered.characters / per_token)
    found.most_completion_tokens = gathered.most
    expected = gathered.answers / per_token
    if gathered.lengths:
        expected = found.to_send * sum(gathered.lengths) / len(gathered.lengths)
    found.completion_tokens = min(round(expected), gathered.most)


def _mean_and_error(ratios: Sequence[float]) -> tuple[float, float]:
    """The mean, and two standard errors of the mean as a share of it."""
    mean = sum(ratios) / len(ratios)
    variance = sum((one - mean) ** 2 for one in ratios) / max(1, len(ratios) - 1)
    return mean, 2 * math.sqrt(variance / len(ratios)) / mean


def _price(experiment: Experiment, found: Estimate) -> None:
    spec = experiment.spec
    if spec.price_in is None or spec.price_out is None:
        return
    prices = Prices(found.price_share * spec.price_in, found.price_share * spec.price_out)
    found.cost_usd = prices.cost_usd(found.prompt_tokens, found.completion_tokens)
    most = math.ceil(found.prompt_tokens * (1 + found.token_error))
    found.most_cost_usd = prices.cost_usd(most, found.most_completion_tokens)


def _time(experiment: PlannedRun, found: Estimate, rate: float | None, count: int) -> None:
    found.rate, found.rate_from = (rate, "--rate") if rate else _measured(experiment.config.results, experiment)
    if found.rate:
        found.seconds = count / found.rate


def _measured(results: Path, experiment: PlannedRun) -> tuple[float | None, str]:
    """Requests, or an encoder's documents, a second in the newest run of the same model; None without one."""
    newest: tuple[float, float, str] | None = None
    for folder in run_folders(results):
        try:
            manifest = folder.read_manifest()
        except HarnessError:
            continue
        if manifest.question.model.name != experiment.spec.name or manifest.runner != experiment.spec.runner:
            continue
        for session in manifest.sessions:
            done, seconds = session.sent + session.scored, session.seconds - session.loading_seconds
            if done and seconds > 0 and (newest is None or session.started > newest[0]):
                newest = session.started, done / seconds, folder.run_id
    return (newest[1], newest[2]) if newest else (None, "")


def _size(request: Request) -> int:
    return sum(len(message.content) for message in request.messages)
