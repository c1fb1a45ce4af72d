"""What every method is given: the variant, the schema, and how answers are constrained and decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from harness.alignment.relations import RelationAlignment
from harness.answers.base import Output
from harness.answers.relation_field import GrammarLevel
from harness.errors import InputError
from harness.methods.candidates import PairSource, QuestionSource
from harness.methods.retrieval import RelationRetrieval
from harness.prompting.languages import WORDS, Words
from harness.prompting.relations import RelationText
from harness.prompting.variant import EVIDENCE, LEAST_SCORE, REASONING, SCORES, PromptVariant
from harness.types import (
    CLOSED_LEVELS,
    ConstraintLevel,
    Document,
    GrammarForm,
    Message,
    RelationSchema,
    Sampling,
    Supports,
)

PAIRS_PER_REQUEST = "k"
"""The number that a variant about given pairs leaves open: the most pairs of one request."""

GIVEN = "given"
"""The option by which a method in steps takes the result of a step from the labels instead of asking."""

DESCRIPTIONS = "descriptions"
"""The option by which a variant gives each relation's description with its name."""


GROUPED, GROUPED_EVIDENCE = "grouped", "grouped-evidence"
"""The method whose answers group triplets, and the template that says where they name sentences."""


@dataclass(frozen=True)
class MethodSettings:
    """``form`` is the grammar form that the runner honours; None exactly if ``level`` is none.

    ``candidates`` proposes the pairs to the variants that are asked about given ones, and to no other.
    ``questions`` stand in for them: which pairs and relations are asked about was decided elsewhere.
    ``relation_texts`` are the texts of every relation of the schema, by id, where the variant or the level uses any.
    ``more`` is how many samples of the run, of the next numbers of ``repeat``, come after this one.
    ``max_top_logprobs`` is how many alternatives per token the runner gives (0: no log-probabilities).
    ``shots`` are the labelled documents to demonstrate; of them come ``exchanges``, by step, which follow the
    system message, and ``opening``, whether the question is the first that the model is asked.
    ``adapters`` are the checksums of the adapters that answer, by step; that of every other step has no name.
    ``alignment`` says what becomes of relations outside the schema; None rejects them.
    ``retrieval`` chooses the relations of the schema that each document is asked about; None: all.
    ``window`` is the most words that are asked about at once; None: whole documents.
    ``in_episodes`` says that documents are queries of few-shot episodes, which bring their relations and shots;
    ``in_corpora`` that they are of several corpora, each with relations of its own.
    """

    variant: PromptVariant
    options: Mapping[str, str]
    schema: RelationSchema
    level: ConstraintLevel
    form: GrammarForm | None
    max_triplets: int
    sampling: Sampling
    repeat: int = 0
    more: int = 0
    max_top_logprobs: int = 0
    candidates: PairSource | None = None
    questions: QuestionSource | None = None
    relation_texts: Mapping[str, RelationText] = field(default_factory=dict)
    shots: tuple[Document, ...] = ()
    exchanges: Mapping[str, tuple[Message, ...]] = field(default_factory=dict)
    opening: bool = True
    alignment: RelationAlignment | None = None
    retrieval: RelationRetrieval | None = None
    adapters: Mapping[str, str] = field(default_factory=dict)
    in_episodes: bool = False
    in_corpora: bool = False
    window: int | None = None

    @property
    def descriptions(self) -> str:
        """How a variant describes relations: ``none``, ``short``, or ``full`` with an example triplet."""
        return self.options.get(DESCRIPTIONS, "none")

    @property
    def reasons(self) -> bool:
        """Whether the model reasons before it answers."""
        return REASONING in self.options

    @property
    def names_evidence(self) -> bool:
        """Whether the model names the sentences that state each triplet."""
        return EVIDENCE in self.options

    @property
    def scores_tokens(self) -> bool:
        """Whether the probabilities of the tokens that spell a triplet are read, as its score."""
        return SCORES in self.options

    @property
    def least_score(self) -> float:
        """From which such score on a triplet is predicted."""
        return int(self.options.get(LEAST_SCORE, 0)) / 100

    @property
    def general_templates(self) -> Mapping[str, str]:
        """By option of every variant, the name of the template that it adds to questions, in their order."""
        is_grouped = self.variant.description.method == GROUPED
        templates = {EVIDENCE: GROUPED_EVIDENCE if is_grouped else EVIDENCE, REASONING: REASONING}
        return {option: template for option, template in templates.items() if option in self.options}

    @property
    def words(self) -> Words:
        """What stands in no template, in the language of the prompt."""
        return WORDS[self.variant.language]

    def adapter_of(self, step: str) -> str:
        """The checksum of the adapter that answers a step; empty for the model as it is."""
        return self.adapters.get(step, self.adapters.get("", ""))

    def check_open_schema(self) -> None:
        """Raise InputError where the variant's option ``schema`` contradicts the level of the grammar."""
        if self.options.get("schema") == "open" and self.level in CLOSED_LEVELS:
            raise InputError(
                f"with schema=open the model names relations freely, which --constrain {self.level} forbids: "
                "use --constrain format or none"
            )

    @property
    def grammar_level(self) -> GrammarLevel:
        """How the relation field of a grammar is bound; without a grammar, as one at level ``closed`` would be."""
        return "format" if self.level == "format" else "closed"

    @property
    def output(self) -> Output:
        """The notation that the prompt asks for: ``json`` where the grammar is a JSON schema, else ``lines``."""
        return "json" if self.form == "json_schema" else "lines"


def choose_constraint(
    level: ConstraintLevel, supports: Supports, forms: Sequence[GrammarForm] = get_args(GrammarForm)
) -> tuple[ConstraintLevel, GrammarForm | None]:
    """The level that the runner can hold answers to, at most ``level``, and of ``forms`` its preferred one.

    A model that honours no form writes freely: ``none``. The run is stored and ranked under the level it had. Raises
    InputError for a model that honours other forms only.
    """
    if level == "none" or not supports.forms:
        return "none", None
    if able := [form for form in supports.forms if form in forms]:
        return level, able[0]
    raise InputError(
        f"the answers of this prompt have a grammar as {', '.join(forms)}, and the model is held to "
        f"{', '.join(supports.forms)}: use another --prompt, another -M constrain_with, or --constrain none"
    )
