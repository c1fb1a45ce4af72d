"""Triplets in an answer, whatever its form: in the line format, in the ways in which models vary it, or in JSON.

The line format, ``(HEAD | RELATION | TAIL)`` with escaped fields, is read exactly. What does not match
it is freed of bullets, numbering, labels and emphasis and split into three fields at

1. ``|`` that is not escaped, else tabs, else arrows (``->``, ``=>``, ``→``), with or without brackets
   around the triplet and words around those;
2. else semicolons, else commas. Names and prose hold these too: the triplet must be in brackets, or
   its first and last field be ids (``E1, country, E2``); there must be exactly three fields, or quotes
   around all of them; and no field may have more words than a name has.

A line may also hold several triplets, each in parentheses.

In JSON, or in what a model wrote for JSON (with single quotes, with tuples, cut off), a triplet is an object
with a head, a relation and a tail (or the synonyms in ``_FIELD_NAMES``), or a
list of three texts, at any depth. A list of three texts that is a property of an object counts only if
the property's name says so: ``"triplet": [...]``, but not ``"entities": [...]``. Texts of a list that
hold ``|`` are read as lines.

Where sentences are asked for, each triplet may have a fourth field, a property such as ``evidence``, or numbers after
its bracket. A triplet without them is read all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.answers.evidence import EVIDENCE_NAMES, read_evidence, split_after_bracket
from harness.answers.json_values import JsonNode
from harness.answers.reader import ORNAMENTS, AnswerReader, Parsed
from harness.escaping import TERMINATOR, unescape
from harness.types import RawTriplet, Reject, SupportedTriplet

LONGEST_NAME = 12
"""Words that a name has at most, where nothing else tells it from prose."""

_FIELD = r"([^|\\]*(?:\\.[^|\\]*)*)"
_EXACT = re.compile(rf"\({_FIELD} \| {_FIELD} \| {_FIELD}\)")
_EXACT_WITH_EVIDENCE = re.compile(rf"\({_FIELD} \| {_FIELD} \| {_FIELD} \| (-|\d+(?:, \d+)*)\)")
_ORNAMENT = re.compile(r"(?:[-+*•–>]\s+|\d{1,5}[.):]\s+|[^\W\d][\w ]{0,40}:\s+(?=\()|\*\*|`+)*")
_NOTHING = re.compile(r"[-=_*|:\s]*|`{3,}\w*")
_ESCAPED = re.compile(r"\\.")
_ARROW = re.compile(r"-{1,2}>|=>|→")
_BETWEEN_TRIPLETS = re.compile(r"(?<=\))[\s,;.*`]*(?:and\s+)?(?=\()")
_BETWEEN_QUOTED = re.compile(r"""(?<=["'`])\s*[,;]\s*(?=["'`])""")
_ENTITY_ID = re.compile(r"E\d+")
CLOSING = {"(": ")", "[": "]", "<": ">", "{": "}"}
QUOTES = "\"'`"
_FIELD_NAMES = (
    ("head", "subject", "head_entity", "source", "h"),
    ("relation", "predicate", "relation_type", "type", "r"),
    ("tail", "object", "tail_entity", "target", "t"),
    EVIDENCE_NAMES,
)
_NAMES_TRIPLETS = re.compile("tripl|relation|fact")
_OPENING = ("(", "[", "<", "{")
_CLOSING = (")", "]", ">", "}")


def parse_triplets(text: str, *, truncated: bool = False, sentences: int = 0) -> Parsed[RawTriplet]:
    """Read the triplets in ``text``, whatever its form; never fails, and takes time linear in its length.

    ``truncated`` says that generation stopped at the token limit. The last line is then taken only if it
    ends like a whole triplet, since ``A | r | E1`` may be the beginning of ``A | r | E12``. Whether the
    fields mean entities and relations of the document is not judged here. The reasons of rejects are
    listed in ``harness.answers.reader``. ``sentences`` is how many sentences the document has, where each triplet is
    to name some; of identical triplets the first keeps its own.
    """
    return _TripletReader(text, truncated, sentences).read()


class _TripletReader(AnswerReader[RawTriplet]):
    def __init__(self, text: str, truncated: bool, sentences: int) -> None:
        super().__init__(text, truncated)
        self._sentences = sentences

    def read_line(self, line: str) -> list[RawTriplet | Reject]:
        return read_line(line, self._sentences)

    def read_last_line(self, line: str) -> list[RawTriplet | Reject]:
        entries = self.read_line(line)
        closed = line.rstrip(ORNAMENTS).endswith(_CLOSING)
        may_go_on = self.truncated and line.count("(") != line.count(")")
        begun = line.startswith(_OPENING) or TERMINATOR.startswith(line)
        if entries and (not closed or may_go_on) and (begun or self.truncated):
            entries[-1] = Reject("truncated_line", line)
        return entries

    def read_json(self, root: JsonNode) -> Iterator[RawTriplet | Reject]:
        return _triplets_in_json(root, self.text, self._sentences)

    def is_exact(self, line: str) -> bool:
        return is_exact(line) or (self._sentences > 0 and _EXACT_WITH_EVIDENCE.fullmatch(line) is not None)


def read_line(line: str, sentences: int = 0) -> list[RawTriplet | Reject]:
    """The triplets and rejects in ``line``, in order; nothing for an empty line, a ruler or a code fence.

    ``line`` has no white space at its ends. ``sentences`` is as in ``parse_triplets``. The reasons given are
    ``malformed``, ``empty_field``, ``prose`` and ``unknown_sentence``.
    """
    if exact := _EXACT.fullmatch(line):
        return [_triplet(exact.groups(), line)]
    if sentences and (exact := _EXACT_WITH_EVIDENCE.fullmatch(line)):
        return supported(_triplet(exact.groups()[:3], line), exact[4], line, sentences)
    if says_nothing(line):
        return []
    content = without_ornaments(line)
    fields, evidence = _fields_of(content, sentences)
    if len(fields) != 3:
        parts = _BETWEEN_TRIPLETS.split(content)
        if len(parts) > 1:
            return [entry for part in parts for entry in _read_content(part, *_fields_of(part, sentences), sentences)]
    return _read_content(line, fields, evidence, sentences)


def says_nothing(line: str) -> bool:
    """Whether ``line`` is empty, a ruler or a code fence."""
    return _NOTHING.fullmatch(line) is not None


def without_ornaments(line: str) -> str:
    """``line`` without its bullet or number, its label before a parenthesis, and its emphasis."""
    return _ORNAMENT.sub("", line, count=1).rstrip("`").removesuffix("**")


def is_exact(line: str) -> bool:
    """Whether ``line`` has the very shape of the line format."""
    return _EXACT.fullmatch(line) is not None


def has_separator(text: str) -> bool:
    """Whether ``text`` holds a ``|`` that is not escaped."""
    return "|" in text and "|" in _ESCAPED.sub("", text)


def _read_content(source: str, fields: Sequence[str], evidence: str, sentences: int) -> list[RawTriplet | Reject]:
    if len(fields) == 3:
        return supported(_triplet(fields, source), evidence, source, sentences)
    return [Reject("malformed" if len(fields) > 1 or source.startswith("(") else "prose", source)]


def supported(triplet: RawTriplet | Reject, evidence: str, source: str, sentences: int) -> list[RawTriplet | Reject]:
    """The triplet with the sentences that ``evidence`` names, after a reject where it names one that is not there."""
    if not sentences or isinstance(triplet, Reject):
        return [triplet]
    found, says_other = read_evidence(evidence, sentences)
    rejects = [Reject("unknown_sentence", source)] if says_other else []
    return [*rejects, SupportedTriplet(triplet, found)]


def _triplet(fields: Sequence[str], source: str) -> RawTriplet | Reject:
    if all(len(field) > 1 and field[0] == field[-1] and field[0] in QUOTES for field in fields):
        fields = [field[1:-1] for field in fields]
    if not all(fields):
        return Reject("empty_field", source)
    head, relation, tail = fields
    return RawTriplet(unescape(head), unescape(relation), unescape(tail))


def _fields_of(content: str, sentences: int) -> tuple[list[str], str]:
    """The fields of ``content``, see ``_fields``, and what names sentences, where they are asked for."""
    if not sentences:
        return _fields(content), ""
    before, evidence = split_after_bracket(content)
    if evidence and len(fields := _fields(before)) == 3:
        return fields, evidence
    fields = _fields(content, (3, 4))
    return (fields[:3], fields[3]) if len(fields) == 4 else (fields, "")


def _fields(content: str, counts: Sequence[int] = (3,)) -> list[str]:
    """The fields of ``content``: as many as ``counts`` says if it is a triplet, one if nothing separates fields."""
    fields = _split_at_pipes(content)
    if len(fields) - 2 in counts and not fields[0].strip() and not fields[-1].strip():
        fields = fields[1:-1]  # a row of a Markdown table
    if len(fields) > 1:
        return _without_brackets(fields)
    for fields in (content.split("\t"), _ARROW.split(content)):
        if len(fields) in counts:
            return _without_brackets(fields)
    return _split_at_commas(content)


def _split_at_pipes(content: str) -> list[str]:
    """Split at every ``|`` that is not escaped."""
    if "\\" not in content:
        return content.split("|")
    masked = _ESCAPED.sub("__", content)
    fields, start = [], 0
    for part in masked.split("|"):
        fields.append(content[start : start + len(part)])
        start += len(part) + 1
    return fields


def _split_at_commas(content: str) -> list[str]:
    """Split at semicolons or commas under the rule of the module docstring; else one field."""
    trimmed = content.rstrip(" ,;.")
    bracketed = len(trimmed) > 1 and trimmed[-1] == CLOSING.get(trimmed[0])
    body = (trimmed[1:-1] if bracketed else content).strip()
    for parts in (_BETWEEN_QUOTED.split(body), body.split(";"), body.split(",")):
        fields = [part.strip() for part in parts]
        if len(fields) == 3 and max(len(field.split()) for field in fields) <= LONGEST_NAME:
            between_ids = _ENTITY_ID.fullmatch(fields[0]) and _ENTITY_ID.fullmatch(fields[2])
            return fields if bracketed or between_ids else [content]
    return [content]


def _without_brackets(fields: Sequence[str]) -> list[str]:
    """The stripped ``fields`` without the brackets around the triplet, and what is outside of them.

    A parenthesis belongs to the triplet, not to a name, if the first field does not close it, or the
    last does not open it.
    """
    head, *middle, tail = (field.strip().removeprefix("**").removesuffix("**").strip() for field in fields)
    if head[:1] in ("[", "<", "{") and tail[-1:] == CLOSING[head[0]]:
        head, tail = head[1:], tail[:-1]
    else:
        head = head[_unmatched(head, "(", ")") + 1 :]
        tail = tail[::-1][_unmatched(tail[::-1], ")", "(") + 1 :][::-1]
    return [head.strip(), *middle, tail.strip()]


def _unmatched(text: str, opening: str, closing: str) -> int:
    """The index of the ``opening`` that no ``closing`` after it matches, or -1.

    Of several it is the first if ``text`` begins with it, else the last.
    """
    depth = 0
    found = -1
    for index in range(len(text) - 1, -1, -1):
        if text[index] == closing:
            depth += 1
        elif text[index] == opening and depth:
            depth -= 1
        elif text[index] == opening:
            found = index if found < 0 or index == 0 else found
    return found


def _triplets_in_json(root: JsonNode, text: str, sentences: int) -> Iterator[RawTriplet | Reject]:
    """The triplets and rejects in JSON that was found in ``text``, in order."""
    pending = [("", root)]
    while pending:
        name, node = pending.pop()
        fields = _json_fields(node, name, sentences)
        if fields is not None:
            source = text[node.start : node.end]
            yield from supported(_json_triplet(fields[:3], source), fields[3], source, sentences)
            continue
        texts = [value for _, value in node.values if isinstance(value, str)]
        children = [(key, value) for key, value in node.values if isinstance(value, JsonNode)]
        if not node.is_object and any(map(has_separator, texts)):
            for line in filter(None, map(str.strip, texts)):
                yield from read_line(line, sentences)
        elif not children and (texts or node.loose):
            yield Reject("malformed" if node.closed else "truncated_line", text[node.start : node.end])
        pending.extend(reversed(children))


def _json_fields(node: JsonNode, name: str, sentences: int) -> list[str] | None:
    """Head, relation, tail and evidence if ``node``, a property ``name`` or an item of a list, is a triplet."""
    evidence: str | JsonNode | None = None
    if node.is_object:
        by_name = {key.lower(): value for key, value in node.values}
        *found, evidence = [next((by_name[n] for n in names if n in by_name), None) for names in _FIELD_NAMES]
    elif name and not _NAMES_TRIPLETS.search(name.lower()):
        return None
    else:
        found = [value for _, value in node.values]
        if sentences and len(found) == 4:
            evidence = found.pop()
    fields = [value for value in found if isinstance(value, str)]
    if len(found) != 3 or len(fields) != 3:
        return None
    if not node.is_object and any(map(has_separator, fields)):
        return None
    return [*fields, " ".join(texts_in(evidence))]


def texts_in(value: str | JsonNode | None) -> Iterator[str]:
    """The complete texts of a value and of the values in it."""
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, JsonNode):
            pending.extend(value for _, value in reversed(one.values))
        elif one:
            yield one


def _json_triplet(fields: list[str], source: str) -> RawTriplet | Reject:
    if not all(map(str.strip, fields)):
        return Reject("empty_field", source)
    head, relation, tail = (unescape(value.strip()) for value in fields)
    return RawTriplet(head, relation, tail)
