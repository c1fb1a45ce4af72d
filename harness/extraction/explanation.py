"""Why a triplet was found, in words: its sentences with head and tail marked, and what else the pair could be."""

from __future__ import annotations

from collections.abc import Iterator

from harness.amounts import amount
from harness.extraction.results import ExtractedDocument, ExtractedRelation
from harness.extraction.scores import NA
from harness.visible import one_line


def explanation(document: ExtractedDocument) -> str:
    """Each triplet of a text with its evidence and the scores of its pair; no character acts on a terminal."""
    entities = amount(len(document.entities), "entity", "entities")
    lines = [f"{document.title}: {entities}, {amount(len(document.relations), 'triplet', 'triplets')}"]
    for number, one in enumerate(document.relations, 1):
        head, tail = document.entities[one.head], document.entities[one.tail]
        score = "" if one.score is None else f", {one.score:.2f}"
        lines += ["", f"{number}. {head.name} ({head.type}) | {one.name} | {tail.name} ({tail.type}){score}"]
        lines += [f"   sentence {sentence}: {_marked(document, one, sentence)}" for sentence in one.evidence]
        lines += [f"   {line}" for line in _ranking(one)]
    return "\n".join(map(one_line, lines)) + "\n"


def _marked(document: ExtractedDocument, relation: ExtractedRelation, sentence: int) -> str:
    """A sentence with the mentions of head and tail in brackets; of those that overlap, the first."""
    start, end = document.sentences[sentence]
    mentions = sorted(
        (mention.start, mention.end, role)
        for role, entity in (("head", relation.head), ("tail", relation.tail))
        for mention in document.entities[entity].mentions
        if mention.sentence == sentence
    )
    marked, place = "", start
    for begin, stop, role in mentions:
        if begin >= place:
            marked += f"{document.text[place:begin]}[{role}: {document.text[begin:stop]}]"
            place = stop
    return " ".join((marked + document.text[place:end]).split())


def _ranking(relation: ExtractedRelation) -> Iterator[str]:
    for one in relation.ranking:
        name = "NA: from here on, the model itself says none" if one.relation == NA else one.name
        mark = ">" if one.relation == relation.relation else " "
        yield f"{mark} {one.score:.2f}  logit {one.logit:6.2f}  {name}"
