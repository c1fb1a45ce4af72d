"""SciERC's format: JSON lines with mentions, clusters and relations by tokens of the document.

Luan et al. (2018), "Multi-Task Identification of Entities, Relations, and Coreference for Scientific Knowledge Graph
Construction", EMNLP. A line has ``doc_key``, ``sentences`` of tokens, ``clusters`` of mentions ``[first, last]``, and
by sentence ``ner`` (``[first, last, type]``) and ``relations`` (``[first, last, first, last, relation]``). Tokens are
counted over the document; ``last`` is the mention's last one. A mention in no cluster is an entity of its own.
Relations are stated between mentions there; here they hold between their entities.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

from harness.datasets.fields import Fault, integer_of, list_of, member_of, object_of, refusal, text_of, tokens_of
from harness.datasets.relation_table import NONE, relation_id
from harness.json_files import list_values, shown
from harness.label_source import HUMAN, LabelSource
from harness.types import Document, Entity, Label, Mention, RelationSchema, Triplet

Span = tuple[int, int]


def read_scierc(
    path: Path, schema: RelationSchema | None = None, labelled_by: LabelSource = HUMAN
) -> Iterator[Document]:
    """Yield the documents one by one, titled by ``doc_key``; InputError with file, document and field at a fault."""
    titles: set[str] = set()
    for index, value in enumerate(list_values(path, "document")):
        try:
            fields = object_of(value)
            title = text_of(member_of(fields, "doc_key"), "doc_key")
            if title in titles:
                raise Fault("is already that of another document; keys must be unique", "doc_key")
            titles.add(title)
            yield _document(title, fields, schema, labelled_by)
        except Fault as fault:
            known = {"title": value.get("doc_key")} if isinstance(value, dict) else None
            raise refusal(path, f"document {index}", known, fault) from None


def _document(
    title: str, fields: dict[str, object], schema: RelationSchema | None, labelled_by: LabelSource
) -> Document:
    sentences = tuple(
        tokens_of(one, "sentences", place)
        for place, one in enumerate(list_of(member_of(fields, "sentences"), "sentences"))
    )
    starts = [0, *accumulate(map(len, sentences))]
    types: dict[Span, str] = {}
    for where, row in _rows(fields, "ner", len(sentences)):
        if len(row) != 3:
            raise Fault("is no mention; write [first, last, type]", *where)
        types[_span(row, starts, *where)] = text_of(row[2], *where, 2)
    clusters: dict[Span, int] = {}
    for number, cluster in enumerate(list_of(fields.get("clusters") or [], "clusters")):
        for place, member in enumerate(list_of(cluster, "clusters", number)):
            span = _span(list_of(member, "clusters", number, place), starts, "clusters", number, place)
            # Clusters hold a few spans that are not among the mentions.
            if span in types:
                clusters[span] = number
    mentions: dict[object, list[Mention]] = {}
    for span in sorted(types):
        mentions.setdefault(clusters.get(span, span), []).append(_mention(span, types[span], sentences, starts))
    places = {key: place for place, key in enumerate(mentions)}
    labels: dict[Triplet, None] = {}
    for where, row in _rows(fields, "relations", len(sentences)):
        if len(row) != 5:
            raise Fault("is no relation; write [first, last, first, last, relation]", *where)
        ends = [_span(row[first : first + 2], starts, *where) for first in (0, 2)]
        if unknown := [one for one in ends if one not in types]:
            raise Fault(f"{list(unknown[0])} is no mention of ner", *where)
        written = text_of(row[4], *where, 4)
        relation = relation_id(written, schema)
        if relation is None:
            raise Fault(f"{shown(written)} is no relation of the schema", *where, 4)
        head, tail = (places[clusters.get(one, one)] for one in ends)
        # Two mentions of one entity can be related to each other; an entity is not to itself.
        if relation != NONE and head != tail:
            labels[Triplet(head, relation, tail)] = None
    entities = tuple(Entity(tuple(several)) for several in mentions.values())
    return Document(title, sentences, entities, tuple(map(Label, labels)), labelled_by)


def _rows(fields: dict[str, object], key: str, sentences: int) -> Iterator[tuple[tuple[str | int, ...], list[object]]]:
    """The rows of all sentences under a key, each with its place."""
    by_sentence = list_of(member_of(fields, key), key)
    if len(by_sentence) != sentences:
        raise Fault(f"has {len(by_sentence)} lists for {sentences} sentences; give each sentence one", key)
    for number, sentence in enumerate(by_sentence):
        for place, row in enumerate(list_of(sentence, key, number)):
            yield (key, number, place), list_of(row, key, number, place)


def _span(row: Sequence[object], starts: Sequence[int], *where: str | int) -> Span:
    if len(row) < 2:
        raise Fault("is no mention; write [first, last]", *where)
    first, last = integer_of(row[0], *where, 0), integer_of(row[1], *where, 1)
    sent_id = bisect_right(starts, first) - 1
    if not 0 <= first <= last or sent_id >= len(starts) - 1 or last >= starts[sent_id + 1]:
        raise Fault(f"tokens {first} to {last} are no part of one sentence", *where)
    return first, last


def _mention(span: Span, kind: str, sentences: Sequence[tuple[str, ...]], starts: Sequence[int]) -> Mention:
    sent_id = bisect_right(starts, span[0]) - 1
    start, end = span[0] - starts[sent_id], span[1] + 1 - starts[sent_id]
    return Mention(" ".join(sentences[sent_id][start:end]), sent_id, start, end, kind)
