"""Answers that begin with reasoning: one line of free text, then a marker, then the answer in a form of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from harness.answers.base import AnswerForm, Output, Read
from harness.answers.notation import quoted_literal, regex_literal
from harness.answers.option_probabilities import token_at
from harness.types import Completion, Status, TokenLogprob

REASONING_WORDS, WORD_CHARACTERS = 100, 40
"""The most words of reasoning, and characters of a word: when words are spent, a model goes on without spaces."""
REASONING_TOKENS = 600
"""Tokens that are enough for them."""
REASONING_FIELD = "reasoning"
"""The property that holds it where the answer is JSON."""
OPENING, MARKER = "Reasoning: ", "\nAnswer:\n"
STATED = "The document states it."
"""The reasoning of answers that are written from labels."""

# Chinese has no spaces: its punctuation parts words, too, and is therefore no character of a word.
_CHARACTER = "[!-\\[\\]-{}~¡-ᙿᚁ-῿‐-‧〃-퟿\uf900-\ufefc＂-＋－-９＜-＞＠-\uffee\U00010000-\U0003fffd]"
_GAP, _END = "[ 、。！，：；？]", "[。！？]"
_WORD = f"{_CHARACTER}{{1,{WORD_CHARACTERS}}}"
_OPENING = re.compile(r"[\W_]*reasoning\b[\W_]*?:[*_ ]*", re.IGNORECASE)
_MARKER = re.compile(r"^[ \t*_#>]*(?:final )?answer[ \t*_]*:[*_]*[ \t]*\n?", re.IGNORECASE | re.MULTILINE)
_INLINE = re.compile(r"(?<=[\s*_])(?:final )?answer[*_]*:[*_]*[ \t]*", re.IGNORECASE)
_FIELD = re.compile(rf'[\s`]*(?:json\s*)?\{{\s*"{REASONING_FIELD}"\s*:\s*(?=")', re.IGNORECASE)


@dataclass(frozen=True)
class ReasonedForm(AnswerForm[Read]):
    """``Reasoning: TEXT``, a line ``Answer:``, then an answer in the form ``answer``.

    TEXT has 1 to ``words`` words of at most ``WORD_CHARACTERS``, a single space or mark of Chinese punctuation between
    them and no line break, so that it must end. A bound on all characters with a space allowed before each costs a
    second for each token in xgrammar. A grammar holds all of it in one request: the prompt is read once, and budgets
    and retries see one answer. ``json_schema`` has the property ``reasoning`` before those of the answer. There, and in
    ``regex``, only the token limit bounds the length: strict modes share no bound, and outlines-core takes minutes to
    compile one of 100.
    """

    answer: AnswerForm[Read]
    words: int = REASONING_WORDS

    def regex(self) -> str:
        reasoning = f"{_CHARACTER}+(?:{_GAP}{_CHARACTER}+)*{_END}?"
        return f"{regex_literal(OPENING)}{reasoning}{regex_literal(MARKER)}{self.answer.regex()}"

    def gbnf(self) -> str:
        # The text and the marker are one rule: to llguidance they are one token, whose end shows where it ends.
        text = f"reasoning-word ({_GAP} reasoning-word){{0,{self.words - 1}}} {_END}? {quoted_literal(MARKER)}"
        answer = self.answer.gbnf().removeprefix("root ::= ")
        root = f"root ::= {quoted_literal(OPENING)} reasoning-text reasoned-answer"
        return f"{root}\nreasoning-text ::= {text}\nreasoning-word ::= {_WORD}\nreasoned-answer ::= {answer}"

    def lark(self) -> str:
        # One terminal, whose end shows where it ends.
        text = f"{_WORD}(?:{_GAP}{_WORD}){{0,{self.words - 1}}}{_END}?"
        reasoning = f"{regex_literal(OPENING)}{text}{regex_literal(MARKER)}"
        answer = self.answer.lark().removeprefix("start: ")
        return f"start: REASONING reasoned_answer\nREASONING: /{reasoning}/\nreasoned_answer: {answer}"

    def json_schema(self) -> dict[str, object]:
        schema = self.answer.json_schema()
        properties = {REASONING_FIELD: {"type": "string"}, **cast("dict[str, object]", schema["properties"])}
        return {**schema, "properties": properties, "required": list(properties)}

    def write(self, content: Any, output: Output) -> str:
        answer = self.answer.write(content, output)
        if output == "json":
            return json.dumps({REASONING_FIELD: STATED, **json.loads(answer)}, ensure_ascii=False)
        return f"{OPENING}{STATED}{MARKER}{answer}"

    def apart(self, completion: Completion) -> Completion:
        """The completion whose text is the answer alone, its reasoning apart, its log-probabilities from there on.

        Without a marker in a line of its own, a first line that calls itself reasoning is taken for it, up to the last
        marker within it, and nothing else.
        """
        text = completion.text
        reasoning, start, prefix = _split(text)
        if not start:
            return completion
        tokens = _tokens_from(completion.logprobs, text, start)
        if prefix and tokens:
            tokens = (TokenLogprob(prefix, 0.0), *tokens)
        thoughts = "\n".join(filter(None, (completion.reasoning, reasoning)))
        return replace(completion, text=prefix + text[start:], reasoning=thoughts, logprobs=tokens)

    def read(self, completion: Completion) -> Read:
        return self.answer.read(self.apart(completion))

    def status(self, completion: Completion, reading: Read) -> tuple[Status, str]:
        return self.answer.status(self.apart(completion), reading)


def _split(text: str) -> tuple[str, int, str]:
    """The reasoning, where the answer begins in ``text`` (0: there is no reasoning), and what to put before that."""
    if field := _FIELD.match(text):
        try:
            reasoning, length = json.JSONDecoder(strict=False).raw_decode(text[field.end() :])
        except ValueError:  # the answer breaks off within the reasoning
            return text[field.end() + 1 :].strip(), len(text), ""
        end = field.end() + length
        comma = re.compile(r"\s*,?\s*").match(text, end)
        return str(reasoning).strip(), comma.end() if comma else end, "{"
    opening = _OPENING.match(text)
    begin = opening.end() if opening else 0
    if marker := _MARKER.search(text, begin):
        return text[begin : marker.start()].strip(), marker.end(), ""
    if opening is None:
        return "", 0, ""
    end = text.find("\n", begin)
    end = len(text) if end < 0 else end + 1
    if markers := list(_INLINE.finditer(text, begin, end)):
        return text[begin : markers[-1].start()].strip(), markers[-1].end(), ""
    return text[begin:end].strip(), end, ""


def _tokens_from(tokens: Sequence[TokenLogprob], text: str, start: int) -> tuple[TokenLogprob, ...]:
    """The tokens of ``text`` from character ``start`` on, of the first one only what is from there on."""
    first = token_at(tokens, text, start)
    if first is None:
        return ()
    rest, spelt = text[start:], "".join(token.token for token in tokens[first:])
    token = tokens[first]
    before = token.token[: max(spelt.find(rest), 0)] if rest else ""
    top = tuple((word.removeprefix(before), logprob) for word, logprob in token.top)
    return (replace(token, token=token.token.removeprefix(before), top=top), *tokens[first + 1 :])
