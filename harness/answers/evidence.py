"""The sentences that an answer names for a triplet: their grammar in four notations, how they are written and read.

Sentences are numbered from 0, as in the corpus. In lines they are a fourth field, ``(E1 | country | E2 | 0, 3)``, or
``-`` where there are none; in JSON the property ``evidence``, a list of numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.answers.notation import chain, quoted_literal, regex_choice

EVIDENCE_FIELD = "evidence"
"""The property that holds the numbers where the answer is JSON."""
EVIDENCE_NAMES = (EVIDENCE_FIELD, "evidence_sentences", "sentences", "sentence_ids", "sentence")
"""What models call this property."""
NO_EVIDENCE = "-"

_BETWEEN = ", "
_SAYS_NOTHING = re.compile(r"[\W_]*+(?:none|null|n/a)?[\W_]*+", re.IGNORECASE)
# A number that is no part of a word, unless of S3: E3 is an entity. A minus right before it makes it negative.
_NUMBER = re.compile(r"(?<![^\W\d_Ss])(?:(-)|[Ss])?(\d+)(?:\s*[-–]\s*[Ss]?(\d+))?")
_MAY_BE_EVIDENCE = re.compile(r"(?:[\s,;:()\[\]–-]|evidence|sentences?|and|none|n/a|S?\d+)+", re.IGNORECASE)
# What may stand between numbers.
_BETWEEN_NUMBERS = re.compile(r"(?:[\W_]|evidence|sentences?|and)*+", re.IGNORECASE)
_AFTER_BRACKET = re.compile(
    r"(?<=[)\]])((?:[\s\d:|,;#*()\[\]–-]|evidence|sentences?|and|\bS(?=\d))*\d[\s)\]]*)[.,;]?$", re.IGNORECASE
)
_LONGEST_AFTER = 200  # characters


def evidence_regex(sentences: int, closing: str) -> str:
    """A regular expression of the field and the ``closing`` (an expression) after it.

    It admits any order and repetition: each number once and in order takes the square of ``sentences``.
    """
    number = regex_choice(map(str, range(sentences)))
    return f"(?:{NO_EVIDENCE}|(?:{number}{_BETWEEN})*{number}){closing}"


def evidence_rules(rule: str, mark: str, sentences: int, closing: str, end: str = "") -> dict[str, str]:
    """The rules of a context-free grammar: each number at most once, in ascending order; the field is ``rule``.

    ``mark`` stands between the words of a rule's name. Every terminal ends in what shows where it ends. Two fields of
    one grammar have an ``end`` each, a word in capitals that names their ``closing``.
    """
    none = no_evidence_rule(mark, end)
    last = f"SENTENCE{mark}LAST{end}{mark}"
    items = [(f"SENTENCE{mark}MORE{mark}{number}", f"{last}{number}") for number in range(sentences)]
    terminals = {none: quoted_literal(NO_EVIDENCE + closing)}
    for number, (more, last) in enumerate(items):
        terminals[more] = quoted_literal(f"{number}{_BETWEEN}")
        terminals[last] = quoted_literal(f"{number}{closing}")
    return {rule: f"{none} | {rule}{mark}0", **chain(rule, mark, items), **terminals}


def no_evidence_rule(mark: str, end: str = "") -> str:
    """The rule of ``evidence_rules`` that says that there is none."""
    return f"SENTENCE{mark}NONE{end}"


def evidence_schema(sentences: int) -> dict[str, object]:
    """The JSON schema of the list; it cannot forbid repetition."""
    return {"type": "array", "items": {"type": "integer", "enum": list(range(sentences))}, "maxItems": sentences}


def written_evidence(evidence: Iterable[int]) -> str:
    """The field of a line that names these sentences."""
    return _BETWEEN.join(map(str, sorted(set(evidence)))) or NO_EVIDENCE


def split_after_bracket(content: str) -> tuple[str, str]:
    """What stands before and in the numbers that follow the last bracket of ``content``, ``(A | r | B) [0, 3]``."""
    found = _AFTER_BRACKET.search(content, max(len(content) - _LONGEST_AFTER, 0))
    return (content[: found.start()], found[1]) if found else (content, "")


def may_be_evidence(text: str) -> bool:
    """Whether a field holds nothing but numbers, or the words for them or for none."""
    return _MAY_BE_EVIDENCE.fullmatch(text) is not None


def read_evidence(text: str, sentences: int) -> tuple[tuple[int, ...], bool]:
    """The numbers of existing sentences in ``text``, ascending; whether it says anything else.

    ``S3``, ``sentence 3``, ``03``, ``[0][3]`` and ranges, ``0-3``, are read. Anything else is a number too high or
    below 0, a range that runs backwards, or other words.
    """
    found: set[int] = set()
    is_whole = True
    for minus, first, last in _NUMBER.findall(text):
        start, end = (_bounded(one, sentences) for one in (first, last or first))
        is_whole &= not minus and start <= end < sentences
        if not minus:
            found.update(range(start, min(end + 1, sentences)))
    if found:
        is_whole &= _BETWEEN_NUMBERS.fullmatch(_NUMBER.sub(" ", text)) is not None
    else:
        is_whole &= _SAYS_NOTHING.fullmatch(text) is not None
    return tuple(sorted(found)), not is_whole


def _bounded(digits: str, sentences: int) -> int:
    """The number that the digits say, or ``sentences`` where it is that or more."""
    significant = digits.lstrip("0") or "0"
    return min(int(significant), sentences) if len(significant) <= len(str(sentences)) else sentences
