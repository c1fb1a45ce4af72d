"""From the options of alignment to what aligns: model, texts of the schema's relations, threshold."""

from __future__ import annotations

from dataclasses import replace

from harness.alignment.embedding import load_embedder
from harness.alignment.nearest import NearestRelations, Readings
from harness.alignment.relations import DEFAULT_THETA, RelationAlignment
from harness.errors import InputError
from harness.prompting.relations import relation_texts_for
from harness.prompting.wordings import RelationWordings, load_relation_wordings
from harness.runs.config import RunConfig
from harness.runs.language import language_of_relations
from harness.types import CLOSED_LEVELS, RelationSchema


def load_alignment(config: RunConfig, schema: RelationSchema) -> RelationAlignment | None:
    """What ``--align``, ``--theta`` and ``--align-over`` ask for; None without ``--align``.

    Raises InputError for options that do not fit each other, a model that is not to be had, or relations
    without a description to align over.
    """
    if config.align is None:
        if config.theta is not None or config.align_over is not None:
            raise InputError("--theta and --align-over need --align MODEL, such as --align minilm")
        return None
    if config.constrain in CLOSED_LEVELS:
        raise InputError(
            f"--align is of no use with --constrain {config.constrain}, which leaves no relation outside the schema: "
            "use --constrain format or none"
        )
    theta = DEFAULT_THETA if config.theta is None else config.theta
    if not 0 <= theta <= 1:
        raise InputError(f"--theta {theta:g}: give a cosine from 0 to 1")
    by_names = config.align_over != "descriptions"
    readings = _by_names(schema) if by_names else _by_descriptions(schema, config.relation_texts)
    embedder = load_embedder(config.align, language_of_relations(config, schema))
    return RelationAlignment(NearestRelations(readings, embedder), theta)


def alignment_identity(alignment: RelationAlignment) -> dict[str, str | float]:
    """What tells this alignment's results from any other's, for the run's question."""
    return {
        "fingerprint": alignment.relations.embedder.fingerprint,
        "texts_sha256": alignment.relations.texts_sha256,
        "theta": alignment.theta,
    }


def _by_names(schema: RelationSchema) -> list[Readings]:
    wordings = load_relation_wordings()
    readings = []
    for relation in schema.relations:
        known = wordings.get(relation.id, _NO_WORDINGS)
        readings.append(Readings(relation.id, relation.name, known.forward, known.inverse))
    return readings


def _by_descriptions(schema: RelationSchema, texts: str | None) -> list[Readings]:
    """Descriptions to compare with; the name is one more forward wording."""
    by_id = relation_texts_for(schema, texts).by_id
    return [
        replace(reading, text=by_id[reading.relation].description, forward=(reading.text, *reading.forward))
        for reading in _by_names(schema)
    ]


_NO_WORDINGS = RelationWordings((), ())
