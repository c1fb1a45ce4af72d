"""What the files of a run must hold: the fields that are read, with their types. Other fields are left alone.

A file from elsewhere, or a damaged one, is refused when it is read, so that the code after it need not ask again.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, model_validator

from harness.errors import InputError
from harness.types import FinishReason, Status

Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Total = Annotated[int, Field(ge=0, le=2**63 - 1)]
Natural = Annotated[int, Field(ge=0)]
Number = Annotated[float, Field(allow_inf_nan=False)]
LONGEST_FAULT = 200


class Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


def check_shape(value: object, shape: type[Shape], where: str, remedy: str) -> None:
    """Raise InputError, one line that names the field, unless the value has the shape."""
    try:
        shape.model_validate(value)
    except ValidationError as error:
        raise InputError(f"{where}: {first_fault(error)[:LONGEST_FAULT]}; {remedy}") from None


def first_fault(error: ValidationError) -> str:
    """The first of a validation's faults in one line: field, what is wrong."""
    fault = error.errors()[0]
    field = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ").partition(" or instance of ")[0]
    return f"{field}: {message}" if field else message


# --- manifest.json ------------------------------------------------------------------------------


class _Dataset(Shape):
    name: str
    split: str
    sha256: str


class _Model(Shape):
    name: str
    identity: dict[str, str] = {}


class _Constraint(Shape):
    level: str


class _Prompt(Shape):
    options: dict[str, str] = {}


class _Alignment(Shape):
    theta: Number


class _Question(Shape):
    dataset: _Dataset
    model: _Model
    constraint: _Constraint
    prompt: _Prompt = _Prompt()
    sampling: dict[str, Any] = {}
    alignment: _Alignment | None = None


class _Documents(Shape):
    asked: Count
    in_split: Count


class _Session(Shape):
    started: Number
    finished: Number | None
    seconds: Number = 0.0
    loading_seconds: Number = 0.0


class _Prices(Shape):
    price_in: Number | None = Field(alias="in")
    price_out: Number | None = Field(alias="out")


class _Limits(Shape):
    tokens: int | None = None
    cost_usd: Number | None = None
    seconds: Number | None = None


class _Config(Shape):
    """What ``RunConfig.as_json`` writes; only what is read by name is required."""

    dataset: str
    split: str | None
    data_dir: str | None
    model: str = ""
    prompt: str = ""
    results: str = ""
    constrain: str = ""
    candidates: str | None = None
    refine: str | None = None
    relation_texts: str | None = None
    shots_from: str | None = None
    align: str | None = None
    align_over: str | None = None
    base_url: str | None = None
    prompt_options: dict[str, str] = {}
    refine_options: dict[str, str] = {}
    model_options: dict[str, str] = {}
    limit: Natural | None = None
    max_triplets: Natural | None = None
    max_tokens: Natural | None = None
    shots: Natural = 0
    seed: int = 0
    repeat: int = 0
    max_connections: Natural = 1
    max_retries: Natural = 0
    theta: Number | None = None
    temperature: Number = 0.0
    top_p: Number = 1.0
    timeout_s: Number | None = None
    limits: _Limits = _Limits()


class _Encoder(Shape):
    threshold: Number | None = None
    chosen_on: str | None = None


class Manifest(Shape):
    """The manifest of a run in any state."""

    status: str
    runner: str
    prompt_label: str
    question: _Question
    documents: _Documents
    sessions: list[_Session]
    prices: _Prices
    config: _Config
    encoder: _Encoder | None = None
    retry: str = ""


class _Usage(Shape):
    requests: Total
    prompt_tokens: Total
    completion_tokens: Total
    cached_tokens: Total | None


class _Spent(Shape):
    requests: Total = 0


class _Example(Shape):
    text: str
    relation: str
    cosine: Number
    times: Count


class CompleteManifest(Manifest):
    """The manifest of a run that has ended, with its totals."""

    statuses: dict[str, Count]
    rejects: dict[str, Count]
    details: dict[str, Total | bool]
    usage: _Usage
    spent: _Spent | None = None
    alignments: dict[str, list[_Example]] = {}


# --- metrics.json -------------------------------------------------------------------------------


class _Scores(Shape):
    model_config = ConfigDict(strict=True, extra="allow")
    __pydantic_extra__: dict[str, Number | None] = Field(init=False)

    precision: Number | None
    recall: Number | None
    f1: Number | None
    ign_f1: Number | None
    intra_f1: Number | None
    inter_f1: Number | None


class _RelationScores(Shape):
    f1: Number
    gold: Count
    precision: Number = 0.0
    recall: Number = 0.0
    predicted: Count = 0
    correct: Count = 0


class Metrics(Shape):
    """The scores of a run: in all, by relation, and by document as counts of correct, predicted and gold."""

    scorer_version: int
    metrics: _Scores
    per_relation: dict[str, _RelationScores]
    per_document: dict[str, Annotated[list[Count], Field(min_length=3, max_length=3)]]


# --- a line of documents.jsonl ------------------------------------------------------------------

_Prediction = Annotated[tuple[int, str, int, list[int], Number | None], Strict(False)]
_Head = Annotated[tuple[str, int], Strict(False)]
_Pair = Annotated[tuple[int, int], Strict(False)]
_Alternative = Annotated[tuple[str, Number], Strict(False)]


class _Reject(Shape):
    reason: str
    text: str


class _Decision(Shape):
    model_config = ConfigDict(strict=True, extra="forbid")

    text: str
    relation: str
    cosine: Number
    kept: bool
    inverted: bool
    head: int | None = None
    tail: int | None = None


class _Found(Shape):
    relations: list[str] = []
    heads: list[_Head] = []


class _OptionAnswer(Shape):
    pair: _Pair
    options: list[str | None]
    probabilities: list[Number] | None
    encoder: list[Number] | None = None

    @model_validator(mode="after")
    def _fits(self) -> _OptionAnswer:
        if self.options.count(None) != 1:
            raise ValueError("one of the options must be null: none of the relations")
        if any(one is not None and len(one) != len(self.options) for one in (self.probabilities, self.encoder)):
            raise ValueError("each option must have a probability")
        return self


class _Details(Shape):
    alignments: list[_Decision] = []
    found: _Found = _Found()
    answers: list[_OptionAnswer] | None = None


class _Message(Shape):
    role: str
    content: str


class _TokenUsage(Shape):
    prompt_tokens: Total
    completion_tokens: Total
    cached_tokens: Total | None = None
    estimated: bool = False


class _Logprob(Shape):
    token: str
    logprob: Number
    top: list[_Alternative]


class _StoredGrammar(Shape):
    form: str
    sha256: str


class _Step(Shape):
    name: str
    messages: list[_Message]
    constraint: _StoredGrammar | None
    text: str
    reasoning: str
    refusal: str
    finish_reason: FinishReason
    usage: _TokenUsage
    latency_s: Number
    status: Status = "ok"
    logprobs: list[_Logprob] = []
    adjusted: list[str] = []


class Record(Shape):
    """What is stored of one document."""

    title: str
    status: Status
    error: str
    predictions: list[_Prediction]
    rejects: list[_Reject]
    details: _Details
    steps: list[_Step]
    requests: Count
    seconds: Number


# --- an answer in the journal -------------------------------------------------------------------


class Answer(Shape):
    """What is stored of a completion."""

    text: str
    finish_reason: FinishReason
    usage: _TokenUsage
    reasoning: str
    refusal: str
    logprobs: list[_Logprob]
    latency_s: Number
    adjusted: list[str] = []


# --- ablation.json ------------------------------------------------------------------------------


class _Effect(Shape):
    axis: str
    baseline: str
    value: str
    f1_difference: Number
    low: Number
    high: Number


class AblationFile(Shape):
    """What is read of a stored ablation."""

    ablation: str
    model: str
    effects: list[_Effect]
