"""From the options of retrieval to what chooses the relations that a document is asked about."""

from __future__ import annotations

from collections.abc import Mapping

from harness.alignment.embedder_files import embedder_for
from harness.alignment.embedding import load_embedder
from harness.errors import InputError
from harness.methods.candidates import ALL
from harness.methods.retrieval import RelationRetrieval
from harness.prompting.relations import RelationText, relation_texts_for
from harness.runs.config import RunConfig
from harness.runs.language import language_of_relations
from harness.types import RelationSchema


def load_retrieval(config: RunConfig, schema: RelationSchema) -> RelationRetrieval | None:
    """What ``--retrieve-relations`` and ``--retriever`` ask for; None without the first.

    Relations are compared by their texts, or by their names where there are no texts for the schema. Raises
    InputError for options that do not fit each other, and for a model that is not to be had.
    """
    if config.retrieve_relations is None:
        if config.retriever is not None:
            raise InputError("--retriever needs --retrieve-relations K, such as 20")
        return None
    for flag, is_given in (
        ("--align", config.align is not None),
        ("--refine", config.refine is not None),
        ("--candidates", config.candidates not in (None, ALL)),
    ):
        if is_given:
            raise InputError(f"--retrieve-relations leaves relations out that {flag} may name: leave out one of them")
    language = language_of_relations(config, schema)
    embedder = load_embedder(config.retriever or embedder_for(language), language)
    return RelationRetrieval(schema, _texts(schema, config), embedder, config.retrieve_relations)


def _texts(schema: RelationSchema, config: RunConfig) -> Mapping[str, RelationText]:
    try:
        return relation_texts_for(schema, config.relation_texts).by_id
    except InputError:
        if config.relation_texts:
            raise
        return {}
