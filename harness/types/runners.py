"""Models and their backends: rows of the table of models, and the protocol of a runner."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from harness.types.requests import Completion, GrammarForm, Message, Request


@dataclass(frozen=True, slots=True)
class ThinkingBudget:
    """What a server asks of a budget for thinking: its ``least`` tokens, and the only ``temperature`` beside it."""

    least: int = 0
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class Supports:
    """What a runner can do: grammar forms in order of preference, and its limits.

    ``max_top_logprobs`` is 0 where the server gives none; ``context`` is in tokens, prompt and
    completion together; ``max_connections`` is how many requests it can work on at once.
    ``max_documents`` is of how many documents it keeps the prompts' beginnings: more at once push each other out.
    ``continues`` says that it goes on with a begun answer, which is a last message of the role assistant.
    ``timeout_s`` is how long an answer may take where the user sets no limit; None, for models that the
    harness runs itself, lets each take its time.
    """

    forms: tuple[GrammarForm, ...] = ()
    """In order of preference; empty if answers cannot be constrained."""
    max_top_logprobs: int = 0
    context: int | None = None
    max_connections: int | None = None
    max_documents: int | None = None
    continues: bool = False
    takes_effort: bool = False
    """Whether a request can say how much the model is to think."""
    thinking: ThinkingBudget | None = None
    """None where a request cannot say how many tokens it is to think."""
    adapters: tuple[str, ...] = ()
    """The checksums of the adapters that a request can name."""
    samples: bool = False
    """Whether one call can draw several answers to a request (``DrawsSamples``)."""
    timeout_s: float | None = 600.0


class PredictionSource(Enum):
    """What the predictions of a run come from; the ``runner`` of its model decides it, here and nowhere else."""

    LLM = "llm"
    """A model that answers prompts: any runner of ``runners/``."""
    ENCODER = "encoder"
    """A trained model that scores pairs: ``harness.encoders`` runs it."""
    IMPORTED = "imported"
    """Another system, whose predictions or scores were imported."""

    @classmethod
    def of(cls, runner: str) -> PredictionSource:
        return cls(runner) if runner in (cls.ENCODER.value, cls.IMPORTED.value) else cls.LLM


@dataclass(frozen=True)
class ModelSpec:
    """A row of ``models.toml``, or what ``provider/name`` stands for.

    ``price_in`` and ``price_out`` are US dollars per million tokens; ``memory_gb`` is what the
    weights and a working cache need; ``max_triplets`` overrides a prompt's bound for models too
    small to fill it; ``chat`` is passed to the chat template; ``extra`` is the runner's own.
    """

    name: str
    """By which users know it."""
    runner: str
    """The backend, by its name in runners/registry.py."""
    model_id: str
    """What the backend calls it: a hub name, a path, or the name at a provider."""
    provider: str = ""
    """The API's provider; empty for models that run here."""
    revision: str = ""
    """The commit on the hub; empty for the newest."""
    context: int | None = None
    """In tokens, prompt and answer together; None where it is found out."""
    gpus: int = 0
    """How many it needs."""
    memory_gb: float = 0.0
    price_in: float | None = None
    price_out: float | None = None
    price_batch: float | None = None
    """The share of these prices that answers in batches cost; None where there are none, or it is not known."""
    max_triplets: int | None = None
    chat: Mapping[str, object] = field(default_factory=dict)
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def source(self) -> PredictionSource:
        """What its predictions come from."""
        return PredictionSource.of(self.runner)


@dataclass(frozen=True)
class AdapterBase:
    """The model that an adapter was trained on, as far as its folder tells."""

    name: str = ""
    """A row of ``models.toml``, or what peft recorded."""
    architecture: str | None = None
    hidden_size: int | None = None
    layers: int | None = None
    file_sha256: str | None = None
    """The checksum of its GGUF file; None for other weights."""


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter in peft's layout, checked by ``runners.adapters.read_adapter``."""

    folder: Path
    """Where it is."""
    sha256: str
    """The checksum of its weights and of the settings that change an answer."""
    rank: int
    """The greatest rank of its matrices."""
    base: AdapterBase
    """What it was trained on."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """The content of ``adapter_config.json``."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """The content of ``adapter.json``; empty for an adapter that this project did not train."""


@dataclass(frozen=True)
class RunnerOptions:
    """How to reach and load a model; none of it changes an answer except ``base_url`` and ``extra``.

    ``max_connections`` bounds the calls in flight; ``log_dir`` is where a server started by the runner
    writes its log; ``extra`` holds the ``-M key=value`` pairs; ``adapters`` are loaded beside the model, and each
    request names the one that it is for. Time limits of calls are the engine's.
    """

    base_url: str | None = None
    max_connections: int = 16
    log_dir: Path | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    adapters: tuple[Adapter, ...] = ()


@runtime_checkable
class Runner(Protocol):
    """A model backend. ``async with runner`` starts it and stops it; building one starts nothing.

    ``identity`` holds what tells this model's answers from another's (provider, model, revision,
    base URL where it selects the model): it goes into the journal key. All methods raise the errors of
    ``harness.errors`` only. The engine alone retries and limits the time of a request.
    """

    name: str
    """Of the model, for messages and records."""
    supports: Supports
    """What it can do."""

    @property
    def identity(self) -> Mapping[str, str]: ...

    def check(self) -> None:
        """Raise ModelUnavailable, at once and without loading it, if the model cannot run here."""
        ...

    async def __aenter__(self) -> Self:
        """Start: fetch and load the model, or start its server and connect.

        Cancelling it at any moment ends what it began. Raises FatalError if the model cannot be started.
        """
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what was started. Safe after a start that failed."""
        ...

    async def probe(self, request: Request) -> None:
        """Test, by small requests, that the started model does what ``request`` needs, such as its grammar form.

        Called once before the first request of each grammar form, and of the first without a grammar. Raises
        FatalError if the model does not do it, RetryableError to be called again.
        """
        ...

    async def generate(self, request: Request) -> Completion:
        """Ask the started model once."""
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """A runner that can count the tokens of a chat prompt exactly, its chat template included."""

    async def count_tokens(self, messages: tuple[Message, ...]) -> int: ...


@runtime_checkable
class DrawsSamples(Protocol):
    """A runner that can draw several answers to a request in one call, where it supports ``samples``."""

    async def generate_samples(self, request: Request, count: int) -> Sequence[Completion]:
        """At least one and at most ``count`` answers: that to ``request``, then those of the next ``repeat``.

        The first has the usage of the prompt. Raises as ``generate`` does.
        """
        ...


@runtime_checkable
class SeveralServers(Protocol):
    """A runner whose model answers on several servers, over which the engine spreads the requests."""

    def servers(self) -> Sequence[Server]:
        """Those to ask now. They may change while the model is asked; one that stays is the same object."""
        ...


@dataclass(frozen=True, slots=True)
class BatchState:
    """How a batch of requests stands at its provider."""

    is_over: bool
    """Whether nothing more will be answered."""
    answered: int
    """Requests that have come to an end."""
    files: tuple[str, ...] = ()
    """The provider's ids of the files with answers and errors, once it is over."""
    problem: str = ""
    """Why it was refused, or ended before its time; empty if neither."""


class Batches(Protocol):
    """A provider that answers files of requests, hours later and at a lower price. Methods raise as runners do."""

    def line(self, request_id: str, request: Request) -> str:
        """The request as a line of a file, without a line feed."""
        ...

    def read(self, line: Mapping[str, object], request: Request) -> Completion:
        """The answer to ``request`` that a line of a file holds."""
        ...

    async def submit(self, file: Path, mark: str, /) -> str:
        """Hand a file in and return the id of its batch, by which it is known to the provider with ``mark``."""
        ...

    async def find(self, mark: str, /) -> str | None:
        """The id of the batch that was handed in with ``mark``; None if there is none."""
        ...

    async def state(self, batch_id: str) -> BatchState: ...

    async def fetch(self, file_id: str, place: Path) -> None:
        """Write a file of answers to ``place``."""
        ...


@runtime_checkable
class OffersBatches(Protocol):
    """A runner whose model answers batches, too."""

    def batches(self) -> Batches: ...


class Server(Runner, Protocol):
    """One of several servers: a runner that is started, tested and asked by itself."""

    async def answers(self) -> bool:
        """Whether it can be asked, seen by a question about its health; one that the harness runs is started anew."""
        ...


Ask = Callable[[Request], Awaitable[Completion]]


@runtime_checkable
class PacedAsk(Protocol):
    """An ``Ask`` that limits how many requests are held: each is built when there is a slot for it.

    ``first_alone`` says that the first of several requests is answered before the others are asked.
    """

    first_alone: bool

    async def slot(self) -> None:
        """Wait until the next request may be built; it is then asked."""
        ...

    async def __call__(self, request: Request) -> Completion: ...
