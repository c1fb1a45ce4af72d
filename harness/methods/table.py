"""The methods by the name that ``prompt.toml`` gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.errors import InputError
from harness.methods.candidates import ALL, GOLD
from harness.methods.choice import choice, judge, statements
from harness.methods.demonstrations import PromptMethod
from harness.methods.facts import facts, relation_facts, relations_facts, rhf
from harness.methods.pairs import classify, pairwise
from harness.methods.settings import MethodSettings
from harness.methods.shots import with_shots
from harness.methods.tagged import Tagged

METHODS: Mapping[str, Callable[[MethodSettings], PromptMethod]] = {
    "tagged": Tagged,
    "pairwise": pairwise,
    "classify": classify,
    "choice": choice,
    "judge": judge,
    "statements": statements,
    "facts": facts,
    "relations-facts": relations_facts,
    "relation-facts": relation_facts,
    "rhf": rhf,
}
TAKE_CANDIDATES = frozenset({"classify", "choice", "judge", "statements"})
TAKE_QUESTIONS = frozenset({"choice", "judge"})


def create_method(settings: MethodSettings) -> PromptMethod:
    """The method that a variant names, with the examples of ``settings.shots``.

    Raises InputError for a name that is not in the table, and for candidate pairs, or questions in their place,
    that are missing or that the method does not take.
    """
    prompt, name = settings.variant.name, settings.variant.description.method
    if name == "annotate":
        raise InputError(f"prompt {prompt!r} finds entities in plain text: use `harness annotate`")
    if name not in METHODS:
        raise InputError(f"prompt {prompt!r} asks for method {name!r}: there is {', '.join(METHODS)}")
    if settings.questions and (name not in TAKE_QUESTIONS or settings.candidates):
        raise InputError(
            f"prompt {prompt!r}: --refine decides what is asked, which {' and '.join(sorted(TAKE_QUESTIONS))} take, "
            "without --candidates"
        )
    if name in TAKE_CANDIDATES and settings.candidates is None and settings.questions is None:
        raise InputError(
            f"prompt {prompt!r} is asked about given pairs: name them with --candidates {GOLD}, {ALL}, FILE or ENCODER"
        )
    if name not in TAKE_CANDIDATES and settings.candidates is not None:
        raise InputError(f"prompt {prompt!r} takes no candidate pairs: leave out --candidates")
    return with_shots(settings, METHODS[name])
