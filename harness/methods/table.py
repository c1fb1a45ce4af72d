"""The methods by the name that ``prompt.toml`` gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, get_args

from harness.answers.entity_pairs import PAIR_FORMS
from harness.answers.grouped import GROUPED_FORMS
from harness.answers.reasoned import REASONING_TOKENS
from harness.errors import InputError
from harness.methods.base import PromptMethod
from harness.methods.candidates import ALL, GOLD
from harness.methods.choice import choice, judge, single_choice, statements
from harness.methods.episodes import InCorpora, InEpisodes
from harness.methods.facts import facts, relation_facts, relations_facts, rhf
from harness.methods.head_relation_tail import HeadRelationTail
from harness.methods.pairs import classify, pairwise
from harness.methods.relatedness import BY, Relatedness
from harness.methods.relation_pairs import RELATION_IN, RelationPairs
from harness.methods.retrieved import Retrieved
from harness.methods.settings import PAIRS_PER_REQUEST, MethodSettings
from harness.methods.shots import with_shots
from harness.methods.tagged import Grouped, Tagged
from harness.methods.windowed import Windowed
from harness.prompting.variant import EVIDENCE, LEAST_SCORE, REASONING, SCORES, PromptVariant
from harness.types import GrammarForm, Supports

# Room for the longest lines "(E12 | relation name | E34)" of the schemas in use, entity names included.
TOKENS_PER_TRIPLET = 48
# Room for the numbers of the sentences that state a triplet, and for the property that holds them in JSON.
TOKENS_PER_EVIDENCE = 24
# Room for a label in JSON, or in the few words that models put around one.
TOKENS_PER_OPTION = 32


class MethodKind(NamedTuple):
    """A method and what it needs.

    It ``takes_candidates`` if it is asked about given pairs, ``narrows_to_candidates`` if it is asked about all pairs
    unless some are given, and ``takes_questions`` if an encoder can decide them instead (``--refine``). One that
    ``states_relations`` puts each relation as a statement with a label, which is its whole answer. One that
    ``reads_labels`` names relations by the labels of their texts. One that ``proposes_pairs`` tells related pairs from
    others and names no relation. One that ``knows_related`` is asked about pairs that hold a relation, and cannot say
    that one holds none. One that ``names_evidence`` lists triplets, each with the sentences that state it where asked
    to. The answers of one that ``lists_triplets`` are made of triplets, whose tokens have probabilities; one that
    ``groups_triplets`` writes what they share once, and its groups in JSON have none. ``forms`` are the notations that
    its grammars can be written in.
    """

    create: Callable[[MethodSettings], PromptMethod]
    takes_candidates: bool = False
    narrows_to_candidates: bool = False
    takes_questions: bool = False
    states_relations: bool = False
    forms: tuple[GrammarForm, ...] = get_args(GrammarForm)
    reads_labels: bool = False
    proposes_pairs: bool = False
    knows_related: bool = False
    names_evidence: bool = False
    lists_triplets: bool = False
    groups_triplets: bool = False
    fits_types: bool = False

    @property
    def answers_unrelated(self) -> bool:
        """Whether it is asked about given pairs, and can answer that one of them holds no relation."""
        return self.narrows_to_candidates or (self.states_relations and not self.knows_related)

    @property
    def ranks_candidates(self) -> bool:
        """Whether a run leaves the scores of all pairs."""
        return self.reads_labels or self.proposes_pairs

    def begins_answers(self, options: Mapping[str, str]) -> bool:
        """Whether the prompt begins the answer, with which the model goes on."""
        return self.reads_one_token(options) or options.get(RELATION_IN) == "answer"

    def reads_one_token(self, options: Mapping[str, str]) -> bool:
        """Whether of each answer one token is read, whose probabilities are all that it says."""
        return self.reads_labels or (self.proposes_pairs and options.get(BY) == "head")


METHODS: Mapping[str, MethodKind] = {
    "tagged": MethodKind(Tagged, names_evidence=True, lists_triplets=True),
    "grouped": MethodKind(Grouped, forms=GROUPED_FORMS, names_evidence=True, lists_triplets=True, groups_triplets=True),
    "pairwise": MethodKind(pairwise, narrows_to_candidates=True, names_evidence=True, lists_triplets=True),
    "classify": MethodKind(classify, takes_candidates=True, names_evidence=True, lists_triplets=True),
    "choice": MethodKind(choice, takes_candidates=True, takes_questions=True, states_relations=True),
    "judge": MethodKind(judge, takes_candidates=True, takes_questions=True, states_relations=True),
    "statements": MethodKind(statements, takes_candidates=True, states_relations=True),
    "single-choice": MethodKind(single_choice, takes_candidates=True, states_relations=True, knows_related=True),
    "facts": MethodKind(facts, names_evidence=True, lists_triplets=True),
    "relations-facts": MethodKind(relations_facts, names_evidence=True, lists_triplets=True),
    "relation-facts": MethodKind(relation_facts, names_evidence=True, lists_triplets=True),
    "rhf": MethodKind(rhf, names_evidence=True, lists_triplets=True),
    "hrt": MethodKind(HeadRelationTail, narrows_to_candidates=True, reads_labels=True),
    "related": MethodKind(Relatedness, proposes_pairs=True),
    "relation-pairs": MethodKind(
        RelationPairs,
        narrows_to_candidates=True,
        forms=PAIR_FORMS,
        lists_triplets=True,
        groups_triplets=True,
        fits_types=True,
    ),
}


def method_kind(variant: PromptVariant) -> MethodKind:
    """The row of the method that a variant names; raises InputError for a name that is not in the table."""
    prompt, name = variant.name, variant.description.method
    if name == "annotate":
        raise InputError(f"prompt {prompt!r} finds entities in plain text: use `harness annotate`")
    if name not in METHODS:
        raise InputError(f"prompt {prompt!r} asks for method {name!r}: there is {', '.join(METHODS)}")
    return METHODS[name]


def enough_tokens(variant: PromptVariant, options: Mapping[str, str], max_triplets: int) -> int:
    """How many tokens an answer needs: a label's, or those of one line a pair or triplet."""
    kind = method_kind(variant)
    reasoning = REASONING_TOKENS if REASONING in options else 0
    if kind.states_relations or kind.ranks_candidates:
        return TOKENS_PER_OPTION + reasoning
    a_triplet = TOKENS_PER_TRIPLET + (TOKENS_PER_EVIDENCE if EVIDENCE in options else 0)
    return 64 + reasoning + a_triplet * int(options.get(PAIRS_PER_REQUEST, max_triplets))


def uses_relation_texts(settings: MethodSettings) -> bool:
    """Whether the prompts show anything of a relation but its name, or the grammar goes by its argument types."""
    kind = method_kind(settings.variant)
    shows = settings.descriptions != "none" or kind.states_relations or kind.reads_labels
    fits_types = kind.fits_types and settings.options.get("types") == "shown"
    return shows or fits_types or settings.level == "typed"


def check_beginning(variant: PromptVariant, options: Mapping[str, str], supports: Supports, model: str) -> None:
    """Raise InputError where the prompt begins the answer and a model that ``supports`` this much cannot go on."""
    kind = method_kind(variant)
    is_token = kind.reads_one_token(options)
    if kind.begins_answers(options) and not (supports.continues and (supports.max_top_logprobs or not is_token)):
        reads = " and reads log-probabilities" if is_token else ""
        other = "another prompt, such as rhf" if is_token else f"-P {RELATION_IN}=question"
        raise InputError(
            f"prompt {variant.name!r} begins the answer itself{reads}, which {model} does not offer: use "
            f"{'-P by=pair' if kind.proposes_pairs else other}, or a model that runs here, behind vLLM (--model "
            "vllm/NAME) or behind llama.cpp (--model llama-server/NAME)"
        )


def create_method(settings: MethodSettings) -> PromptMethod:
    """The method that a variant names, with the examples of ``settings.shots``.

    Raises InputError for a name that is not in the table, and for candidate pairs, or questions in their place,
    that are missing or that the method does not take.
    """
    prompt, kind = settings.variant.name, method_kind(settings.variant)
    if settings.reasons and kind.begins_answers(settings.options):
        is_token = kind.reads_one_token(settings.options)
        begins = "is answered by one token" if is_token else f"with {RELATION_IN}=answer begins its answers itself"
        raise InputError(f"prompt {prompt!r} {begins}, before which none reasons: leave out -P {REASONING}")
    if settings.names_evidence and not kind.names_evidence:
        able = ", ".join(name for name, other in METHODS.items() if other.names_evidence)
        raise InputError(
            f"prompt {prompt!r} is answered by labels, which leave no place for sentences: leave out -P {EVIDENCE}, or "
            f"use a prompt of {able}"
        )
    if settings.scores_tokens and not (kind.lists_triplets and settings.max_top_logprobs):
        able = ", ".join(name for name, other in METHODS.items() if other.lists_triplets)
        raise InputError(
            f"-P {SCORES} reads the log-probabilities of listed triplets: use a prompt of {able}, and a model that "
            "gives them"
        )
    if settings.scores_tokens and kind.groups_triplets and settings.form == "json_schema":
        raise InputError(
            f"-P {SCORES}: prompt {prompt!r} is answered by groups, which have no scores in JSON: use --constrain "
            "none, another -M constrain_with, or a prompt such as tagged"
        )
    if settings.least_score and not settings.scores_tokens:
        raise InputError(f"-P {LEAST_SCORE} is of the scores that -P {SCORES}=tokens reads: give both")
    if settings.reasons and (settings.shots or settings.in_episodes):
        raise InputError(f"labels give no reasoning to show in examples: leave out --shots or -P {REASONING}")
    if settings.in_episodes and (settings.shots or settings.retrieval or settings.questions):
        raise InputError(
            "each episode brings its relations and its support documents: leave out --shots, --retrieve-relations and "
            "--refine"
        )
    if settings.questions and (not kind.takes_questions or settings.candidates):
        able = " and ".join(name for name, other in METHODS.items() if other.takes_questions)
        raise InputError(f"prompt {prompt!r}: --refine decides what is asked, which {able} take, without --candidates")
    if settings.in_corpora and (settings.shots or settings.retrieval or settings.window):
        raise InputError(
            "documents of several corpora are asked about the relations of their own: leave out --shots, "
            "--retrieve-relations and --window, or train on one corpus"
        )
    if kind.takes_candidates and settings.candidates is None and settings.questions is None:
        raise InputError(
            f"prompt {prompt!r} is asked about given pairs: name them with --candidates {GOLD}, {ALL}, FILE, ENCODER "
            "or RUN"
        )
    if not (kind.takes_candidates or kind.narrows_to_candidates) and settings.candidates is not None:
        raise InputError(f"prompt {prompt!r} takes no candidate pairs: leave out --candidates")
    if settings.in_corpora:
        return InCorpora(settings, create_method)
    if settings.window is not None:
        _check_windows(settings, kind)
        return Windowed(settings, settings.window, create_method)
    if settings.in_episodes:
        return InEpisodes(settings, create_method)
    if settings.retrieval is not None:
        return Retrieved(settings, settings.retrieval, create_method)
    return with_shots(settings, kind.create, unrelated_pairs=kind.answers_unrelated)


def _check_windows(settings: MethodSettings, kind: MethodKind) -> None:
    """Raise InputError for what cannot be asked about windows of a document."""
    if not kind.lists_triplets or kind.takes_candidates:
        able = ", ".join(name for name, one in METHODS.items() if one.lists_triplets and not one.takes_candidates)
        raise InputError(f"--window divides documents for prompts that list triplets: use a prompt of {able}")
    if settings.candidates or settings.questions or settings.retrieval or settings.in_episodes:
        raise InputError(
            "--window divides documents, and --candidates, --refine, --retrieve-relations and episodes are of whole "
            "ones: leave out one of them"
        )
