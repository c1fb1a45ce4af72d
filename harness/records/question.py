"""The question of a run: all that can change its result, and that its id is a hash of."""

from __future__ import annotations

from typing import Any

from harness.records.base import Natural, NumberAsWritten, StoredModel

PROPOSES_PAIRS = "rcp"
"""The ``task`` of what tells related pairs from others and names no relation."""


class DatasetIdentity(StoredModel):
    """The documents that were asked about."""

    name: str
    """The corpus, or the name of the file without its ending."""
    split: str
    """``train``, ``dev``, ``test``, or ``all`` for a file."""
    sha256: str
    """The checksum of the file that the documents came from."""


class ModelIdentity(StoredModel):
    """What was asked."""

    name: str
    """The model's short name, ``provider/name``, or the name given to imported predictions."""
    identity: dict[str, str] = {}
    """What tells this model from others: provider, revision, address or checksum; secrets are hidden."""


class ConstraintUsed(StoredModel):
    """How the model's answers were bound."""

    level: str
    """``typed``, ``closed``, ``format`` or ``none``; empty where no LLM was asked."""
    form: str | None = None
    """The notation of the grammar; None without one."""


class PromptIdentity(StoredModel):
    """The prompt variant; an encoder or an imported run has none, which equals this without a name."""

    name: str = ""
    """The variant's name."""
    version: int = 0
    """The variant's version."""
    sha256: str = ""
    """The checksum of its files."""
    options: dict[str, str] = {}
    """All options of the variant, those at their default included."""


class AlignmentIdentity(StoredModel):
    """What relations outside the schema were aligned with."""

    fingerprint: str = ""
    """What tells the SBERT model from others."""
    texts_sha256: str = ""
    """The checksum of the names or descriptions that relations were compared with."""
    theta: NumberAsWritten
    """The least cosine similarity at which a relation is kept."""


class ShotsIdentity(StoredModel):
    """The documents that the prompt demonstrates."""

    dataset: str = ""
    """The corpus or file that they came from."""
    split: str = ""
    """Its split."""
    sha256: str = ""
    """The checksum of that file."""
    titles: list[str] = []
    """Their titles, in the order in which they are shown."""


class Question(StoredModel):
    """All that can change a run's result. What a kind of run does not have is left out of its file."""

    dataset: DatasetIdentity
    """The documents."""
    model: ModelIdentity
    """The model."""
    prompt: PromptIdentity = PromptIdentity()
    """Of an LLM: the prompt."""
    constraint: ConstraintUsed
    """How answers were bound."""
    max_triplets: Natural | None = None
    """Of an LLM: the most triplets in an answer."""
    sampling: dict[str, Any] = {}
    """Of an LLM: the fields of ``harness.types.Sampling``."""
    repeat: int = 0
    """Of an LLM: the number of the independent sample."""
    adapters: dict[str, str] | None = None
    """Of an LLM with LoRA adapters: the checksum of each, by the step of the prompt; "" is every other step."""
    candidates: str | None = None
    """Of an LLM that is given pairs: ``gold``, ``all``, or a checksum of them."""
    fewest: dict[str, Natural] | None = None
    """Of an annotation: the least numbers of ``entities`` and ``triplets`` of a document that is written."""
    given: dict[str, str] | None = None
    """Of a run whose entities were found or joined: ``given``, and what tells the ``finder`` from others."""
    refine: dict[str, Any] | None = None
    """Of an LLM that refines an encoder: a checksum of its scores, and the options of the refinement."""
    votes: dict[str, Any] | None = None
    """Of an LLM whose samples vote: how many there are, and the least share of votes."""
    relation_texts: str | None = None
    """Of a prompt that shows texts of relations: the checksum of these."""
    shots: ShotsIdentity | None = None
    """Of a prompt with demonstrations: which documents they are."""
    alignment: AlignmentIdentity | None = None
    """Of a run whose relations were aligned by an SBERT model: with what."""
    task: str = ""
    """Of an encoder: what it was trained for; of a prompt, ``rcp`` if it proposes pairs and names no relation."""
    options: dict[str, str] = {}
    """Of an encoder: its ``-M`` options."""
    limit: Natural | None = None
    """Only so many documents of the split, from the first; None for all."""
    selection: dict[str, Any] | None = None
    """How else documents of the split were chosen: a sample, a range or titles; None for all."""
    part: str | None = None
    """Of a run of one part of the documents: which one, as ``--part`` takes it."""

    @property
    def entities_given(self) -> str:
        """``nothing`` or ``mentions``; empty for the entities of the labels, as usual."""
        return (self.given or {}).get("given", "")

    @property
    def choice(self) -> tuple[object, ...]:
        """What runs over the same documents of a split have in common."""
        return self.limit, self.selection, self.part
