"""The nouns of the harness: documents, triplets, requests, completions, and the protocols between packages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, Self, runtime_checkable

from harness.label_source import HUMAN, LabelSource

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# --- what is read -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mention:
    """One occurrence of an entity: tokens ``[start, end)`` of sentence ``sent_id`` (0-based)."""

    name: str
    sent_id: int
    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class Entity:
    """A cluster of coreferent mentions; never empty. Its index in the document is its id."""

    mentions: tuple[Mention, ...]

    @property
    def name(self) -> str:
        """The name shown to a model: that of the first mention, as DocRED lists them."""
        return self.mentions[0].name

    @property
    def names(self) -> tuple[str, ...]:
        """All distinct mention names, in order of appearance in the cluster."""
        return tuple(dict.fromkeys(mention.name for mention in self.mentions))

    @property
    def type(self) -> str:
        return self.mentions[0].type


class Triplet(NamedTuple):
    """``(head, relation, tail)``: two entity indices of one document and a relation id such as P17."""

    head: int
    relation: str
    tail: int


@dataclass(frozen=True, slots=True)
class Label:
    """A gold triplet with the ids of the sentences that support it (may be empty)."""

    triplet: Triplet
    evidence: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A tokenised document: ``sentences[i][j]`` is token j of sentence i. ``label_source`` says if it has gold.

    ``unrelated`` are the ordered pairs (head, tail) that the labels say have no relation, where they name such pairs.
    """

    title: str
    sentences: tuple[tuple[str, ...], ...]
    entities: tuple[Entity, ...]
    labels: tuple[Label, ...] = ()
    label_source: LabelSource = HUMAN
    unrelated: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation type: its id in the dataset (P17) and its name (country)."""

    id: str
    name: str


@dataclass(frozen=True)
class RelationSchema:
    """The closed set of relations of a dataset, in the dataset's order; ids and names are unique.

    ``none`` are the ids by which its labels say that a pair has no relation; they are no relations.
    """

    relations: tuple[Relation, ...]
    none: tuple[str, ...] = ()

    @cached_property
    def by_id(self) -> Mapping[str, Relation]:
        return {relation.id: relation for relation in self.relations}

    @cached_property
    def by_name(self) -> Mapping[str, Relation]:
        return {relation.name: relation for relation in self.relations}


@dataclass(frozen=True)
class Dataset:
    """One split of a corpus. ``documents`` can be iterated again and again, and may stream from disk.

    ``sha256`` is the checksum of the file that the documents came from. ``label_sources`` are those of its documents,
    each with the title of the first.
    """

    name: str
    split: str
    schema: RelationSchema
    documents: Collection[Document]
    sha256: str
    label_sources: Mapping[LabelSource, str] = field(default_factory=dict)


# --- what is asked ------------------------------------------------------------------------------

GrammarForm = Literal["regex", "gbnf", "lark", "json_schema"]
ConstraintLevel = Literal["closed", "format", "none"]
FinishReason = Literal["stop", "length", "content_filter", "unknown"]
"""``unknown``: the server did not say why the answer ended, so that it may be cut off."""
Status = Literal["ok", "truncated", "refused", "invalid_output", "context_overflow", "api_error"]


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Constraint:
    """A rendered grammar that the completion must match, in a form that the runner supports."""

    form: GrammarForm
    text: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """Decoding parameters. Temperature 0 is greedy; ``max_tokens`` bounds the completion."""

    max_tokens: int = 1024
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """Everything about one model call that can change its answer, besides the model itself.

    ``top_logprobs`` asks for the log-probabilities of that many alternatives per token (0: none);
    ``repeat`` numbers independent samples of the same request.
    """

    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    constraint: Constraint | None = None
    top_logprobs: int = 0
    repeat: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as the server reports them; ``cached_tokens`` is None where it does not say.

    ``estimated`` says that the server reported none that can be true, and that these were estimated from the text.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int | None = None
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A generated token, its natural-log probability, and the alternatives ``(token, logprob)``."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's answer. ``reasoning`` is thinking that the server kept apart from ``text``.

    ``refusal`` is the provider's own refusal message; ``latency_s`` is the seconds the call took.
    ``adjusted`` names what the runner sent otherwise than asked, because the server refuses it as asked.
    """

    text: str
    finish_reason: FinishReason
    usage: Usage = Usage()
    reasoning: str = ""
    refusal: str = ""
    logprobs: tuple[TokenLogprob, ...] = ()
    latency_s: float = 0.0
    adjusted: tuple[str, ...] = ()

    @property
    def may_be_cut(self) -> bool:
        """Whether the text may break off within a name or a number."""
        return self.finish_reason in ("length", "unknown")


@dataclass(frozen=True, slots=True)
class Supports:
    """What a runner can do: grammar forms in order of preference, and its limits.

    ``max_top_logprobs`` is 0 where the server gives none; ``context`` is in tokens, prompt and
    completion together; ``max_connections`` is how many requests it can work on at once.
    ``timeout_s`` is how long an answer may take where the user sets no limit; None, for models that the
    harness runs itself, lets each take its time.
    """

    forms: tuple[GrammarForm, ...] = ()
    max_top_logprobs: int = 0
    context: int | None = None
    max_connections: int | None = None
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
    runner: str
    model_id: str
    provider: str = ""
    revision: str = ""
    context: int | None = None
    gpus: int = 0
    memory_gb: float = 0.0
    price_in: float | None = None
    price_out: float | None = None
    max_triplets: int | None = None
    chat: Mapping[str, object] = field(default_factory=dict)
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def source(self) -> PredictionSource:
        """What its predictions come from."""
        return PredictionSource.of(self.runner)


@dataclass(frozen=True)
class RunnerOptions:
    """How to reach and load a model; none of it changes an answer except ``base_url`` and ``extra``.

    ``max_connections`` bounds the calls in flight; ``log_dir`` is where a server started by the runner
    writes its log; ``extra`` holds the ``-M key=value`` pairs. Time limits of calls are the engine's.
    """

    base_url: str | None = None
    max_connections: int = 16
    log_dir: Path | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Runner(Protocol):
    """A model backend. ``async with runner`` starts it and stops it; building one starts nothing.

    ``identity`` holds what tells this model's answers from another's (provider, model, revision,
    base URL where it selects the model): it goes into the journal key. All methods raise the errors of
    ``harness.errors`` only. The engine alone retries and limits the time of a request.
    """

    name: str
    supports: Supports

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


Ask = Callable[[Request], Awaitable[Completion]]


@runtime_checkable
class PacedAsk(Protocol):
    """An ``Ask`` that limits how many requests are held: each is built when there is a slot for it."""

    async def slot(self) -> None:
        """Wait until the next request may be built; it is then asked."""
        ...

    async def __call__(self, request: Request) -> Completion: ...


# --- what comes back ----------------------------------------------------------------------------


class RawTriplet(NamedTuple):
    """A triplet as the model wrote it, unescaped: entity references and relation are still text."""

    head: str
    relation: str
    tail: str


@dataclass(frozen=True, slots=True)
class Reject:
    """A piece of a model's answer that became no prediction, and why.

    ``reason`` is a fixed word such as ``malformed``, ``unknown_entity`` or ``self_pair``; ``text``
    is what the model wrote.
    """

    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """A triplet that a system claims, with optional evidence sentences and score."""

    triplet: Triplet
    evidence: tuple[int, ...] = ()
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One exchange with the model, kept for inspection; ``status`` is that of its answer alone."""

    name: str
    request: Request
    completion: Completion
    status: Status = "ok"


@dataclass(frozen=True, slots=True)
class Extraction:
    """What a method made of one document.

    ``entities`` are those that the method found itself, in a document that came without any; predictions
    then refer to them. ``details`` counts what is worth knowing beside the triplets (fuzzy matches,
    repeated lines); its keys are stable words, its values JSON.
    """

    predictions: tuple[Prediction, ...]
    status: Status = "ok"
    error: str = ""
    rejects: tuple[Reject, ...] = ()
    steps: tuple[Step, ...] = ()
    entities: tuple[Entity, ...] = ()
    details: Mapping[str, object] = field(default_factory=dict)


class Method(Protocol):
    """How one document becomes predictions by asking a model."""

    async def extract(self, document: Document, ask: Ask) -> Extraction: ...


# --- what an encoder gives ----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class PairScores:
    """The scores of a document's ordered pairs: ``pairs`` [p, 2], head and tail, h != t; ``scores`` [p, relations + 1].

    The last column is NA's: a relation is predicted for a pair where it scores above NA. Scores are logits,
    with any chosen threshold already in NA's.
    """

    title: str
    relations: tuple[str, ...]
    pairs: NDArray[np.integer]
    scores: NDArray[np.floating]

    @property
    def margins(self) -> NDArray[np.floating]:
        """How far each relation scores above NA, [p, relations]."""
        return self.scores[:, :-1] - self.scores[:, -1:]

    def predictions(self) -> tuple[Prediction, ...]:
        """The predicted triplets, each with its margin over NA as score (a finite number), pair by pair."""
        import numpy as np

        margins = np.nan_to_num(self.margins)
        return tuple(
            Prediction(
                Triplet(int(self.pairs[row, 0]), self.relations[column], int(self.pairs[row, 1])),
                score=round(float(margins[row, column]), 4),
            )
            for row, column in zip(*(margins > 0).nonzero(), strict=True)
        )


class PairScorer(Protocol):
    """A trained encoder. ``identity`` tells its scores from another's; ``relations`` are those of its scores."""

    identity: Mapping[str, str]
    relations: tuple[str, ...]

    def score(self, documents: Iterable[Document]) -> Iterator[PairScores]:
        """The scores of each document in turn; few documents are held at a time."""
        ...
