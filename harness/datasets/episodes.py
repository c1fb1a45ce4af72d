"""Episodes of few-shot benchmarks: query documents, each with labelled support documents and the relations to find.

Popovic and Färber (2022), "Few-Shot Document-Level Relation Extraction" (FREDo), NAACL; Meng et al. (2023), "RAPL",
EMNLP, with the documents of Re-DocRED (ReFREDo). Their public files are lists of ``{support: [index],
labeled_relations: [relation id], query: [index]}``, whose indices count the documents of a file in DocRED's format, or
of ``{exemplars: [document], test_examples: [document]}``, whose documents have no titles. Scores count the triplets of
all queries by relation; what is reported is the mean of F1 over the relations that are gold.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.datasets.docred import document_of, read_documents
from harness.datasets.fields import Fault, index_of, list_of, member_of, object_of, refusal, text_of
from harness.datasets.relation_table import relation_id
from harness.errors import InputError
from harness.json_files import list_values, shown
from harness.label_source import LabelSource
from harness.types import Document, Episode, RelationSchema

DRAWN, QUERIES = 200, 3
"""Episodes of a draw of our own, and the queries of each; FREDo's have three, too."""
TEST_RELATIONS = (
    *("P17", "P25", "P35", "P39", "P102", "P118", "P140", "P194", "P272"),
    *("P279", "P361", "P364", "P463", "P495", "P582", "P674", "P1001", "P3373"),
)
"""The relations of FREDo's in-domain test."""


def read_episodes(path: Path, corpus: Path, schema: RelationSchema, labelled_by: LabelSource) -> Iterator[Document]:
    """Yield the queries of all episodes of a file, in their order, each with its episode.

    ``corpus`` is the file that indices refer to; it is read only if there are any. Titles name episode and query.
    Raises InputError with file, episode and field at the first fault, such as a query that is asked about twice or is
    a support document, whose labels are shown.
    """
    documents: tuple[Document, ...] = ()
    number = -1
    for number, value in enumerate(list_values(path, "episode")):
        try:
            fields = object_of(value)
            if "exemplars" in fields:
                keys = ("exemplars", "test_examples")
                support, queries = (_given(fields, key, schema, labelled_by) for key in keys)
                _check_apart(keys, *([(one.sentences, one.entities) for one in each] for each in (support, queries)))
                relations = tuple(dict.fromkeys(label.triplet.relation for one in support for label in one.labels))
                if not relations:
                    raise Fault("state no relation; label what the queries are asked about", keys[0])
            else:
                keys = ("support", "query")
                documents = documents or tuple(read_documents(corpus, schema, labelled_by, unique_titles=False))
                places = [_places(fields, key, len(documents)) for key in keys]
                _check_apart(keys, *places)
                support, queries = ([documents[place] for place in each] for each in places)
                relations = tuple(dict.fromkeys(_relations(fields, schema)))
                if not relations:
                    raise Fault("is empty; name the relations that the queries are asked about", "labeled_relations")
            yield from _queries(number, relations, support, queries)
        except Fault as fault:
            raise refusal(path, f"episode {number}", None, fault) from None
    if number < 0:
        raise InputError(f"{path}: holds no episode; get it whole")


def draw_episodes(documents: Sequence[Document], support: int, seed: int, of: str) -> Iterator[Document]:
    """Yield the queries of ``DRAWN`` episodes that are drawn from labelled documents, another draw for each seed.

    As in FREDo's code: the target relation is one of ``TEST_RELATIONS`` that were the target least often; so many
    ``support`` documents state it, and their other test relations are asked about, too. Queries are any other documents
    with two entities; the first states the target where no other does. Raises InputError where no relation is stated
    often enough.
    """
    stating: dict[str, list[int]] = {}
    for place, document in enumerate(documents):
        for relation in {label.triplet.relation for label in document.labels}.intersection(TEST_RELATIONS):
            stating.setdefault(relation, []).append(place)
    targets = {relation: 0 for relation in TEST_RELATIONS if len(stating.get(relation, ())) > support}
    usable = [place for place, document in enumerate(documents) if len(document.entities) > 1]
    if not targets or len(usable) < support + QUERIES:
        raise InputError(f"{of}: too few documents for episodes of {support} support documents and {QUERIES} queries")
    drawn = random.Random(f"episodes {support} {seed}")
    for number in range(DRAWN):
        fewest = min(targets.values())
        target = drawn.choice([relation for relation, count in targets.items() if count == fewest])
        targets[target] += 1
        shown_places = drawn.sample(stating[target], support)
        stated = {label.triplet.relation for place in shown_places for label in documents[place].labels}
        queries = drawn.sample([place for place in usable if place not in shown_places], QUERIES)
        if not set(queries) & set(stating[target]):
            queries[0] = drawn.choice([place for place in stating[target] if place not in shown_places])
        yield from _queries(
            number,
            tuple(relation for relation in targets if relation in stated),
            [documents[place] for place in shown_places],
            [documents[place] for place in queries],
        )


def asked_in(schema: RelationSchema, documents: Iterable[Document]) -> RelationSchema:
    """The relations that episodes ask about, in the schema's order."""
    asked = {relation for document in documents if document.episode for relation in document.episode.relations}
    return schema.within(asked)


def episode_counts(documents: Iterable[Document]) -> Mapping[str, int]:
    """How many episodes there are, their support documents, and the relations that they ask about, added up."""
    # The queries of an episode share it.
    episodes = {id(one.episode): one.episode for one in documents if one.episode}.values()
    return {
        "episodes": len(episodes),
        "support_documents": sum(len(one.support) for one in episodes),
        "asked_relations": sum(len(one.relations) for one in episodes),
    }


def _queries(
    number: int, relations: tuple[str, ...], support: Iterable[Document], queries: Iterable[Document]
) -> Iterator[Document]:
    episode = Episode(relations, tuple(one.within(relations) for one in support))
    for place, query in enumerate(queries):
        title = f"episode {number}, query {place}: {query.title}"
        yield replace(query.within(relations), title=title, episode=episode)


def _check_apart(keys: tuple[str, str], support: Sequence[Hashable], queries: Sequence[Hashable]) -> None:
    """Raise Fault where there is no support document or no query, or where a document, told by its value, is twice."""
    first: dict[Hashable, str] = {}
    for key, several in zip(keys, (support, queries), strict=True):
        if not several:
            raise Fault("is empty; an episode has support documents and queries", key)
        for place, one in enumerate(several):
            here = f"{key}[{place}]"
            if (earlier := first.setdefault(one, here)) != here:
                raise Fault(f"is the document of {earlier}; take each document once", key, place)


def _given(fields: dict[str, object], key: str, schema: RelationSchema, labelled_by: LabelSource) -> list[Document]:
    documents = []
    for place, value in enumerate(list_of(member_of(fields, key), key)):
        try:
            documents.append(document_of({"title": "untitled", **object_of(value)}, schema, labelled_by))
        except Fault as fault:
            fault.field = f"{key}[{place}].{fault.field}"
            raise
    return documents


def _places(fields: dict[str, object], key: str, documents: int) -> list[int]:
    places = enumerate(list_of(member_of(fields, key), key))
    return [index_of(value, documents, "document", key, place) for place, value in places]


def _relations(fields: dict[str, object], schema: RelationSchema) -> Iterator[str]:
    key = "labeled_relations"
    for place, value in enumerate(list_of(member_of(fields, key), key)):
        written = text_of(value, key, place)
        if not (relation := relation_id(written, schema)):
            raise Fault(f"{shown(written)} is none of the {len(schema.relations)} relations of the table", key, place)
        yield relation
