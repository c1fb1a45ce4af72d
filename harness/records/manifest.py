"""``manifest.json``: what was asked, what answered, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from harness.records.base import Count, Natural, NumberAsWritten, StoredModel, Total, parsed
from harness.records.question import Question
from harness.types import PredictionSource

COMPLETE = "complete"
"""The status of a run that has ended with all its documents."""


class DocumentCounts(StoredModel):
    """How many documents a run is about."""

    asked: Count
    """Documents that the run is over."""
    in_split: Count
    """Documents that the split has."""


class SeenDocuments(StoredModel):
    """What the documents of a run were to the training of its encoder or of an adapter."""

    documents: Count = 0
    """All documents of the run."""
    trained_on: Count = 0
    """Those that it was trained on."""
    chosen_by: Count = 0
    """Those whose scores chose its epoch or threshold."""
    unknown: Count = 0
    """Those of which its record does not tell."""
    relations_seen: Count | None = None
    """Others that test relations of which training must have none, and had; None from before they were counted."""


class EncoderOrigin(StoredModel):
    """What an encoder brings from its training; an imported run may know only which documents were seen."""

    threshold: NumberAsWritten | None = None
    """Added to NA's score."""
    chosen_on: str | None = None
    """The documents that the threshold was chosen on; empty where it was given, or where nothing tells."""
    seen: str = ""
    """``seen_documents`` in words; empty if none was seen."""
    seen_documents: SeenDocuments | None = None
    """Counts of the run's documents; None in manifests from before they were counted."""


class AdapterOrigin(StoredModel):
    """A LoRA adapter that answered, and what it brings from its training."""

    step: str = ""
    """The step of the prompt; empty for every step that has no other."""
    name: str
    """The name of its folder."""
    sha256: str
    """The checksum of its weights and of the settings that change an answer."""
    rank: Natural
    """The greatest rank of its matrices."""
    training: dict[str, Any] = {}
    """The content of its ``adapter.json``; empty for an adapter that was not trained by this project."""
    asked_otherwise: str = ""
    """In what the run asks otherwise than the training did, as far as the adapter tells; empty if in nothing."""
    seen: str = ""
    """``seen_documents`` in words; empty if none was seen."""
    seen_documents: SeenDocuments = SeenDocuments()
    """Counts of the run's documents."""


class ChosenSetting(StoredModel):
    """An option of the run that was chosen by scores of its own documents."""

    option: str
    """The option as it is typed."""
    documents: Count
    """How many of the run's documents chose it."""
    of: Count
    """All documents of the run."""


class StoredPrices(StoredModel):
    """US dollars for a million tokens; None where ``models.toml`` has none."""

    price_in: NumberAsWritten | None = Field(alias="in")
    """Of prompts."""
    price_out: NumberAsWritten | None = Field(alias="out")
    """Of completions."""
    batch: NumberAsWritten | None = None
    """The share of both that answers in batches cost."""


class StoredConfig(StoredModel):
    """What the user asked for, as ``RunConfig.as_json`` writes it.

    These fields are read here; the other options are kept, and checked when a ``RunConfig`` is made. Options that did
    not exist when the run was made are left out.
    """

    dataset: str
    """The corpus, or the path of the file."""
    split: str | None
    """The split that was named."""
    data_dir: str | None
    """The folder of the corpus."""
    constrain: str = ""
    """The level of the grammar that was asked for."""
    shots: Natural = 0
    """How many documents are demonstrated."""
    align: str | None = None
    """The SBERT model."""
    align_over: str | None = None
    """What relations were compared by."""
    relations_per_pair: str = "any"
    """``one`` where every candidate pair was known to hold exactly one relation."""
    relation_texts: str | None = None
    """The file of relation texts that was named, or ``names``."""
    shots_from: str | None = None
    """Where examples come from, if that was named."""
    temperature: NumberAsWritten | None = None
    """Of the draw of tokens; 0 is greedy."""
    top_p: NumberAsWritten | None = None
    """The probability mass that is drawn from."""
    max_triplets: int | None = None
    """The longest list that was asked for; None left it to model and prompt."""
    max_tokens: int | None = None
    """The longest answer that was asked for; None left it to the question."""

    @property
    def decoding(self) -> list[str]:
        """What was asked for of these four, each as ``name=value``."""
        return [
            *([f"temperature={self.temperature:g}"] if self.temperature else []),
            *([f"top-p={self.top_p:g}"] if self.top_p not in (None, 1) else []),
            *([f"max-triplets={self.max_triplets}"] if self.max_triplets is not None else []),
            *([f"max-tokens={self.max_tokens}"] if self.max_tokens is not None else []),
        ]


class Session(StoredModel):
    """One process that worked on the run. Times are seconds since 1970."""

    started: NumberAsWritten
    """When it began."""
    finished: NumberAsWritten | None
    """When it ended; None while it goes on, and where it was killed."""
    loading_seconds: NumberAsWritten = 0.0
    """Of an encoder: the time until it could score."""
    precision: str = ""
    """Of an encoder: what its matrix products were computed in, ``fp32`` or ``bf16``."""
    seconds: NumberAsWritten = 0.0
    """Wall time."""
    sent: Count = 0
    """Requests that went to the model."""
    replayed: Count = 0
    """Requests that the journal answered."""
    retried: Count = 0
    """Tries after the first."""
    scored: Count = 0
    """Documents that an encoder scored."""
    ended: str = ""
    """``stopped``, ``failed`` or ``killed``; empty for a session that came to the end."""

    @property
    def has_worked(self) -> bool:
        """Whether a model was asked, or may have been, or an encoder scored."""
        return bool(self.sent or self.scored or self.ended == "killed")


class Spent(StoredModel):
    """What the journal holds of this run's own requests, those included whose answers were replaced."""

    requests: Total = 0
    """Answers."""
    prompt_tokens: Total = 0
    """Tokens of their prompts."""
    completion_tokens: Total = 0
    """Tokens of their completions."""


class CombinedRun(StoredModel):
    """A stored run whose predictions were votes in this one."""

    run_id: str
    """The name of its folder."""
    not_ranked: list[str] = []
    """Each reason why it was not ranked."""


class BuiltOn(StoredModel):
    """A stored run whose triplets were asked about in this one."""

    run_id: str
    """The name of its folder."""
    not_ranked: list[str] = []
    """Each reason why its scores on its documents say less than others', which holds for this run, too."""


class MergedPart(StoredModel):
    """A run of a part of the documents that was merged into this one."""

    run_id: str
    """The name of its folder."""
    hardware: dict[str, Any] = {}
    """The machine that it ran on."""


class Asked(StoredModel):
    """What was asked: the part of a manifest that stays the same while the run goes on."""

    layout: int = 1
    """The version of the layout of a run's folder."""
    run_id: str = ""
    """The name of the run's folder when it was made."""
    runner: str
    """The backend that answered: a file of ``runners/``, ``encoder`` or ``imported``."""
    prompt_label: str
    """The prompt with what was changed in it, for tables; empty where no LLM was asked."""
    question: Question
    """All that can change the result."""
    documents: DocumentCounts
    """How many documents."""
    encoder: EncoderOrigin | None = None
    """What is known of the encoder that scored, proposed pairs or was refined."""
    adapters: list[AdapterOrigin] = []
    """The LoRA adapters that answered; of an LLM."""
    built_on: list[BuiltOn] = []
    """The runs whose triplets are the candidates; of an LLM."""
    chosen_settings: list[ChosenSetting] = []
    """Options that were chosen by scores of the run's own documents."""
    part_of: str = ""
    """Of a run of one part of the documents: the id of the run over all of them; else empty."""
    merged: list[MergedPart] = []
    """The runs of parts that this one was merged of; empty for a run of one piece."""
    combines: list[CombinedRun] = []
    """The runs that voted, of a run made by ``harness combine``."""
    prices: StoredPrices
    """Prices of the model."""
    schema_sha256: str | None = None
    """The checksum of the relations; None in manifests from before it was recorded."""
    config: StoredConfig
    """What the user asked for."""

    @property
    def source(self) -> PredictionSource:
        """What the run's predictions come from."""
        return PredictionSource.of(self.runner)

    @property
    def settings(self) -> list[str]:
        """What else was asked for that changes answers and that neither prompt nor decoding tells."""
        config, question = self.config, self.question
        texts = config.relation_texts if question.relation_texts else None
        examples = config.shots_from if question.shots else None
        return [
            *([f"relation-texts={Path(texts).name}"] if texts else []),
            *([f"shots-from={Path(examples).name}"] if examples else []),
            *(["relations-per-pair=one"] if config.relations_per_pair == "one" else []),
            *(f"{name}={value}" for name, value in sorted(question.options.items())),
        ]

    @property
    def label(self) -> str:
        """What tables show as the prompt: ``prompt_label``, what was asked for of the decoding, and ``settings``.

        Of combined runs it is what voted, and the least share.
        """
        if not self.combines:
            decoding = self.config.decoding if self.prompt_label else []
            return " ".join([*([self.prompt_label] if self.prompt_label else []), *decoding, *self.settings])
        # An id is dataset, split, what was run, and a checksum; its parts hold no hyphen.
        names = Counter("-".join(one.run_id.split("-")[2:-1]) or one.run_id for one in self.combines)
        voted = ", ".join(f"{count} {name}" if count > 1 else name for name, count in sorted(names.items()))
        return f"least share {self.question.model.identity.get('least_share', '')} of {voted}"


class Manifest(Asked):
    """The manifest of a run in any state."""

    versions: dict[str, str] = {}
    """Versions of the packages that can change an answer."""
    git: dict[str, Any] = {}
    """Commit of the harness's checkout, and whether it was changed since; empty for an installed wheel."""
    hardware: dict[str, Any] = {}
    """The machine that the harness ran on."""
    sessions: list[Session]
    """The processes that worked on the run."""
    retry: str = ""
    """The id of the retry that is under way; empty if none is."""
    status: str
    """``running``, ``stopped``, ``failed`` or ``complete``."""
    spent: Spent | None = None
    """What the journal holds of the run's requests; None for encoders and imported runs."""


class UsageTotals(StoredModel):
    """What the answers of all documents took, whichever run asked for them first."""

    requests: Total
    """Requests."""
    prompt_tokens: Total
    """Tokens of prompts."""
    completion_tokens: Total
    """Tokens of completions."""
    cached_tokens: Total | None
    """Tokens of prompts that the server's prefix cache held; None where no server told."""
    estimated: Count = 0
    """Answers whose tokens the server did not report, and that are estimated here."""
    batch_prompt_tokens: Total = 0
    """Tokens of prompts that were answered in batches."""
    batch_completion_tokens: Total = 0
    """Tokens of completions that came in batches."""

    @property
    def tokens(self) -> int:
        """Tokens of prompts and completions."""
        return self.prompt_tokens + self.completion_tokens


class FailureSummary(StoredModel):
    """The documents that ended with a status other than ``ok``."""

    documents: Count = 0
    """How many."""
    error: str = ""
    """The commonest error."""
    thinking: Count = 0
    """How many were cut off before any text followed the model's reasoning."""


class AlignmentExample(StoredModel):
    """A relation outside the schema."""

    text: str
    """What the model wrote."""
    relation: str
    """The nearest relation of the schema."""
    cosine: NumberAsWritten
    """How near it is."""
    times: Count
    """How often it was written."""


class Totals(StoredModel):
    """What came of a run, over its documents."""

    statuses: dict[str, Count]
    """Documents by status."""
    failures: dict[str, FailureSummary] = {}
    """The statuses other than ``ok`` with their commonest error."""
    rejects: dict[str, Count]
    """Pieces of answers that became no prediction, by reason."""
    details: dict[str, Total | bool]
    """What else a method counted."""
    alignments: dict[str, list[AlignmentExample]] = {}
    """The commonest relations outside the schema that were kept, dropped and inverted."""
    usage: UsageTotals
    """Requests and tokens."""
    adjusted: dict[str, Count] = {}
    """Requests that the server refuses as asked, by what was changed in them."""
    servers: dict[str, Count] = {}
    """Answers of each of several servers, by its address."""
    written: dict[str, Count] = {}
    """Of an annotation: documents, entities, mentions, triplets and relations that were written."""
    dropped: dict[str, Count] = {}
    """Of an annotation: documents that were not written, by reason."""


class CompleteManifest(Totals, Manifest):
    """The manifest of a run that has ended, with its totals."""


def parsed_manifest(content: Mapping[str, Any], where: str, remedy: str) -> Manifest | CompleteManifest:
    """The manifest in a file: complete or not, as its status says; InputError in one line if it is none."""
    kind = CompleteManifest if content.get("status") == COMPLETE else Manifest
    return parsed(kind, content, where, remedy)
