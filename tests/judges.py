"""The engines of constrained decoding as judges: does a completion match a constraint?

Each works on bytes, so that no tokenizer's vocabulary hides what the grammar admits.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import jsonschema
import llguidance
import outlines_core
import xgrammar

from harness.types import Constraint

Judge = Callable[[str], bool]

_NO_BYTE = 0  # no text of ours holds it, so it can be the token that ends a sequence


def judges(constraint: Constraint) -> dict[str, Judge]:
    """Every engine that reads the form of ``constraint``, by name; one that cannot compile it raises."""
    compilers = {"llguidance": llguidance_judge, "xgrammar": xgrammar_judge}
    if constraint.form == "regex":
        compilers["outlines_core"] = outlines_core_judge
    if constraint.form == "json_schema":
        compilers["jsonschema"] = jsonschema_judge
    return {name: compile_judge(constraint) for name, compile_judge in compilers.items()}


def llguidance_judge(constraint: Constraint) -> Judge:
    tokenizer = llguidance.LLTokenizer("byte")
    grammar = llguidance.grammar_from(constraint.form, constraint.text)
    error = llguidance.LLMatcher(tokenizer, grammar).get_error()
    if error:
        raise ValueError(error)

    def accepts(completion: str) -> bool:
        matcher = llguidance.LLMatcher(tokenizer, grammar)
        tokens = tokenizer.tokenize_str(completion)
        return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()

    return accepts


def xgrammar_judge(constraint: Constraint) -> Judge:
    readers = {
        "regex": xgrammar.Grammar.from_regex,
        "gbnf": xgrammar.Grammar.from_ebnf,
        "lark": xgrammar.Grammar.from_lark,
        "json_schema": xgrammar.Grammar.from_json_schema,
    }
    grammar = readers[constraint.form](constraint.text)
    compiled = xgrammar.GrammarCompiler(xgrammar.TokenizerInfo([])).compile_grammar(grammar)

    def accepts(completion: str) -> bool:
        matcher = xgrammar.GrammarMatcher(compiled, terminate_without_stop_token=True)
        return matcher.accept_string(completion) and matcher.is_completed()

    return accepts


def outlines_core_judge(constraint: Constraint) -> Judge:
    vocabulary = outlines_core.Vocabulary(_NO_BYTE, {bytes([byte]): [byte] for byte in range(1, 256)})
    index = outlines_core.Index(constraint.text, vocabulary)

    def accepts(completion: str) -> bool:
        state = index.get_initial_state()
        for byte in completion.encode():
            state = index.get_next_state(state, byte)
            if state is None:
                return False
        return index.is_final_state(state)

    return accepts


def jsonschema_judge(constraint: Constraint) -> Judge:
    validator = jsonschema.Draft202012Validator(json.loads(constraint.text))

    def accepts(completion: str) -> bool:
        try:
            return validator.is_valid(json.loads(completion))
        except ValueError:
            return False

    return accepts
