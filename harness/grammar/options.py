"""The grammar of an answer that names one of several options by its label (Drell's question forms)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import assert_never

from harness.grammar.notation import gbnf, lark, longest_first, quoted_choice, regex_choice, strict_object
from harness.types import Constraint, GrammarForm

ANSWER_FIELD = "answer"
"""The property that holds the label where an answer is JSON."""


@dataclass(frozen=True)
class OptionGrammar:
    """Exactly one of ``labels``, such as ``B`` or ``true``, and nothing before or after it.

    ``json_schema`` describes ``{"answer": LABEL}``. Where no label is the beginning of another, the answer is over
    with its label and needs no terminator: engines that stop at the first match (outlines-core) read it too.

    Raises ValueError without labels, or where one begins another.
    """

    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        ordered = sorted(self.labels)
        if not ordered or not ordered[0]:
            raise ValueError(f"there must be labels, and none of them empty: {self.labels}")
        # In this order a label stands right after one that it continues, or after other continuations of it.
        for label, following in pairwise(ordered):
            if following.startswith(label):
                raise ValueError(f"the label {label!r} is the beginning of {following!r}")

    def render(self, form: GrammarForm) -> Constraint:
        """The constraint in the notation of ``form``; the same grammar always gives the same text."""
        match form:
            case "regex":
                text = regex_choice(self.labels)
            case "gbnf":
                text = gbnf({"root": quoted_choice(self.labels)})
            case "lark":
                text = lark({"start": quoted_choice(self.labels)})
            case "json_schema":
                answer = {"type": "string", "enum": longest_first(self.labels)}
                text = json.dumps(strict_object({ANSWER_FIELD: answer}), ensure_ascii=False)
            case _:
                assert_never(form)
        return Constraint(form, text)
