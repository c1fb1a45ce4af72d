"""Answers that name one of several options by its label (Drell's question forms).

An answer is read in the ways in which models write a label, or in words.

| Reason             | What named no option                                                          |
|--------------------|-------------------------------------------------------------------------------|
| `no_option`        | an answer in which no option can be found                                     |
| `ambiguous_option` | an answer that names several                                                  |
| `truncated_line`   | an answer cut off within what may be another label (``1`` of ``12``)          |
| `prose`            | what else the answer says beside the option, as one text                      |
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.answers.base import AnswerForm, Output
from harness.answers.notation import gbnf, lark, longest_first, quoted_choice, regex_choice, strict_object
from harness.answers.option_probabilities import OptionProbabilities, read_option_probabilities
from harness.answers.status import bad_ending
from harness.types import Completion, Reject, Status

ANSWER_FIELD = "answer"
"""The property that holds the label where an answer is JSON."""

_RUN = re.compile(r"[^\W_]+")
_RUN_BEGINS = r"(?=[^\W_])"
# What may stand before a label without saying anything: "The correct option is **B**", '```json {"answer": "B"}'.
_LEAD = re.compile(
    r"(?:[\W_]|(?:the|this|my|correct|right|best|final|answer|option|statement|choice|letter|number|is|json)(?![^\W_])"
    r"|正确|答案|选项|应|是|为|选)*+",
    re.IGNORECASE,
)
_AND = re.compile(rf"[\s*_)\]]*(?:[,;/&]|and\b|or\b)[\s*_(\[]*{_RUN_BEGINS}", re.IGNORECASE)
_AFTER_ANSWER = re.compile(
    r"(?:\banswer\b[\W_]*(?:(?:is|was|would be)\b[\W_]*)?(?:(?:option|number|letter)\b[\W_]*)?"
    rf"|答案[\W_]*应?[是为选]?[\W_]*(?:选项)?[\W_]*){_RUN_BEGINS}",
    re.IGNORECASE,
)
_ORNAMENTS = r"(?:[^\w\n]|_)*"
_NAMED = tuple(
    re.compile(rf"{before}{_RUN_BEGINS}", re.IGNORECASE | re.MULTILINE)
    for before in (
        rf"^{_ORNAMENTS}(?=[^\W_]+{_ORNAMENTS}$)",
        r"\b(?:option|statement|choice|letter|number)\b[\W_]*",
        r"[(\[](?=[^\W_]+[)\]])",
    )
)
_ARTICLE = re.compile(r"['’][a-z]| (?!and\b|or\b)[a-z]")
_CLOSING = re.compile(r"[).:\]]|\s*\Z")


@dataclass(frozen=True, slots=True)
class Option:
    """An option's label, single words that mean the same (``yes`` for ``true``), and the statement it stands for."""

    label: str
    synonyms: tuple[str, ...] = ()
    statement: str = ""


@dataclass(frozen=True, slots=True)
class ParsedOption:
    """The index of the option that an answer names, or None.

    ``start`` is where its label, or a synonym, begins in the text; None if the answer gives its statement.
    """

    option: int | None
    start: int | None
    rejects: tuple[Reject, ...]


@dataclass(frozen=True, slots=True)
class OptionReading:
    """What an answer says: the index of its option, None if none can be found, and the options' probabilities.

    ``probabilities`` is None where the answer has no log-probabilities to read.
    """

    option: int | None
    probabilities: OptionProbabilities | None
    rejects: tuple[Reject, ...]


@dataclass(frozen=True)
class OptionForm(AnswerForm[OptionReading]):
    """Exactly one label of ``options``, such as ``B`` or ``true``, and nothing before or after it.

    ``json_schema`` describes ``{"answer": LABEL}``. Where no label is the beginning of another, the answer is over
    with its label and needs no terminator: engines that stop at the first match (outlines-core) read it too.

    Raises ValueError without options, or where one label begins another.
    """

    options: tuple[Option, ...]

    def __post_init__(self) -> None:
        ordered = sorted(self.labels)
        if not ordered or not ordered[0]:
            raise ValueError(f"there must be labels, and none of them empty: {self.labels}")
        # In this order a label stands right after one that it continues, or after other continuations of it.
        for label, following in pairwise(ordered):
            if following.startswith(label):
                raise ValueError(f"the label {label!r} is the beginning of {following!r}")

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(option.label for option in self.options)

    def regex(self) -> str:
        return regex_choice(self.labels)

    def gbnf(self) -> str:
        return gbnf({"root": quoted_choice(self.labels)})

    def lark(self) -> str:
        return lark({"start": quoted_choice(self.labels)})

    def json_schema(self) -> dict[str, object]:
        return strict_object({ANSWER_FIELD: {"type": "string", "enum": longest_first(self.labels)}})

    def write(self, content: str, output: Output) -> str:
        """The answer that names the label ``content``."""
        return json.dumps({ANSWER_FIELD: content}, ensure_ascii=False) if output == "json" else content

    def read(self, completion: Completion) -> OptionReading:
        parsed = parse_option(completion.text, self.options, truncated=completion.may_be_cut)
        known = read_option_probabilities(completion.logprobs, completion.text, parsed.start, self.labels)
        return OptionReading(parsed.option, known, parsed.rejects)

    def status(self, completion: Completion, reading: OptionReading) -> tuple[Status, str]:
        """An answer whose option could be read is whole, however it goes on."""
        ending = bad_ending(completion, is_whole=reading.option is not None)
        if ending and (reading.option is None or ending[0] == "refused"):
            return ending
        if reading.option is None:
            return "invalid_output", "the answer names none of the options, or several"
        return "ok", ""


def parse_option(text: str, options: Sequence[Option], *, truncated: bool = False) -> ParsedOption:
    """Find the option that ``text`` names; never fails, and takes time linear in its length.

    Read is the first of: the statement of an option at the beginning; a label or synonym after the word ``answer``
    (``Answer: B``, ``{"answer": "B"}``); at the beginning (``B``, ``(B)``, ``B.``, ``**B**``, ``7`` for ``07``);
    alone in a line; after ``option`` and the like; in brackets; the only statement, or the only label of several
    letters (``true``), that the text contains. ``truncated`` says that generation stopped at the token limit.
    """
    stripped = text.strip()
    for index, option in enumerate(options):
        if stripped == option.label:
            return ParsedOption(index, text.index(stripped), ())
    return _Answer(text, options, truncated).read()


class _Answer:
    def __init__(self, text: str, options: Sequence[Option], truncated: bool) -> None:
        self.text = text
        self.options = options
        self.truncated = truncated
        self.plain = _plain(text)
        self.statements = [_plain(option.statement) for option in options]
        self.by_word = {
            _canonical(word): index for index, option in enumerate(options) for word in (option.label, *option.synonyms)
        }

    def read(self) -> ParsedOption:
        if not self.text.strip():
            return ParsedOption(None, None, ())
        stated = [i for i, one in enumerate(self.statements) if one and f"{self.plain} ".startswith(f"{one} ")]
        if stated:
            return self._stated(max(stated, key=lambda i: len(self.statements[i])))
        for found in (self._found(_AFTER_ANSWER), self._at_beginning(), *map(self._found, _NAMED)):
            if len({option for _, _, option in found}) > 1:
                return self._nothing("ambiguous_option")
            if found:
                return self._labelled(*found[-1])
        return self._contained()

    def _at_beginning(self) -> list[tuple[int, int, int]]:
        beginning = _LEAD.match(self.text)
        start = beginning.end() if beginning else 0
        option = self._option_at(start)
        return [] if option is None else [(0, start, option)]

    def _found(self, pattern: re.Pattern[str]) -> list[tuple[int, int, int]]:
        """Of every label after ``pattern``: where the pattern begins, where the label does, and its option."""
        return [
            (match.start(), match.end(), option)
            for match in pattern.finditer(self.text)
            if (option := self._option_at(match.end())) is not None
        ]

    def _contained(self) -> ParsedOption:
        stated = [i for i, one in enumerate(self.statements) if one and f" {one} " in f" {self.plain} "]
        # A statement within another one that the text contains is not stated itself.
        whole = [i for i in stated if not any(self.statements[i] in self.statements[j] for j in stated if i != j)]
        if len(whole) == 1:
            return self._stated(whole[0])
        words = list(self._label_words())
        if len({option for _, option in words}) == 1 and not whole:
            start, option = words[-1]
            return self._labelled(start, start, option)
        return self._nothing("ambiguous_option" if whole or words else "no_option")

    def _label_words(self) -> Iterator[tuple[int, int]]:
        """Where a label of several letters stands, and its option."""
        labels = {option.label: i for i, option in enumerate(self.options) if len(option.label) > 1}
        for run in _RUN.finditer(self.text):
            if run[0].isalpha() and (option := labels.get(run[0].casefold())) is not None:
                yield run.start(), option

    def _option_at(self, position: int) -> int | None:
        """The option whose label or synonym begins at ``position`` and ends there as a word."""
        run = _RUN.match(self.text, position)
        if run is None:
            return None
        word, end = run[0], run.end()
        if len(word) == 1 and word.isalpha():
            if word in "AI" and _ARTICLE.match(self.text, end):
                return None
            if word.islower() and not _CLOSING.match(self.text, end):
                return None
        return self.by_word.get(_canonical(word))

    def _labelled(self, begin: int, start: int, option: int) -> ParsedOption:
        """The option whose label begins at ``start``; what leads to it begins at ``begin``."""
        run = _RUN.match(self.text, start)
        end = run.end() if run else start
        following = _AND.match(self.text, end)
        other = self._option_at(following.end()) if following else None
        if other is not None and other != option:
            return self._nothing("ambiguous_option")
        written = self.text[start:end]
        may_go_on = self.truncated and end == len(self.text) and written != self.options[option].label
        if may_go_on and any(other.label.startswith(written) for other in self.options):
            return self._nothing("truncated_line")
        before = "" if _LEAD.fullmatch(self.text, 0, begin) else self.text[:begin]
        rest = f"{before} {self.text[end:]}".strip()
        said = _plain(rest)
        rejects = (Reject("prose", rest),) if said and said != self.statements[option] else ()
        return ParsedOption(option, start, rejects)

    def _stated(self, option: int) -> ParsedOption:
        more = len(self.plain) > len(self.statements[option])
        return ParsedOption(option, None, (Reject("prose", self.text.strip()),) if more else ())

    def _nothing(self, reason: str) -> ParsedOption:
        return ParsedOption(None, None, (Reject(reason, self.text.strip()),))


def _canonical(word: str) -> str:
    return word.lstrip("0") or "0" if word.isdecimal() else word.casefold()


def _plain(text: str) -> str:
    """The words alone, in lower case, with single spaces between them."""
    return " ".join(_RUN.findall(text.casefold()))
