"""From the options of alignment to what aligns: model, texts of the schema's relations, threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from harness.alignment.embedding import load_embedder
from harness.alignment.nearest import NearestRelations, Readings
from harness.alignment.relations import RelationAlignment
from harness.errors import InputError
from harness.prompting.relations import RelationText, load_relation_texts
from harness.prompting.wordings import RelationWordings, load_relation_wordings
from harness.types import ConstraintLevel, RelationSchema

AlignOver = Literal["names", "descriptions"]

DEFAULT_THETA = 0.55
"""Where LMRC found the best F1 on DocRED's dev split, with all-mpnet-base-v2 (Figure 3)."""


def load_alignment(
    model: str | None, theta: float | None, over: AlignOver | None, schema: RelationSchema, level: ConstraintLevel
) -> RelationAlignment | None:
    """What ``--align``, ``--theta`` and ``--align-over`` ask for; None without ``--align``.

    Raises InputError for options that do not fit each other, a model that is not to be had, or relations
    without a description to align over.
    """
    if model is None:
        if theta is not None or over is not None:
            raise InputError("--theta and --align-over need --align MODEL, such as --align minilm")
        return None
    if level == "closed":
        raise InputError(
            "--align is of no use with --constrain closed, which leaves no relation outside the schema: "
            "use --constrain format or none"
        )
    theta = DEFAULT_THETA if theta is None else theta
    if not 0 <= theta <= 1:
        raise InputError(f"--theta {theta:g}: give a cosine from 0 to 1")
    return RelationAlignment(NearestRelations(_readings(schema, over or "names"), load_embedder(model)), theta)


def alignment_identity(alignment: RelationAlignment) -> dict[str, str | float]:
    """What tells this alignment's results from any other's, for the run's question."""
    return {
        "fingerprint": alignment.relations.embedder.fingerprint,
        "texts_sha256": alignment.relations.texts_sha256,
        "theta": alignment.theta,
    }


def _readings(schema: RelationSchema, over: AlignOver) -> Sequence[Readings]:
    """The texts of every relation; for descriptions, its name is one more forward wording."""
    wordings = load_relation_wordings()
    texts = load_relation_texts() if over == "descriptions" else {}
    readings = []
    for relation in schema.relations:
        known = wordings.get(relation.id, _NO_WORDINGS)
        if over == "names":
            readings.append(Readings(relation.id, relation.name, known.forward, known.inverse))
        else:
            description = _description(texts, relation.id)
            readings.append(Readings(relation.id, description, (relation.name, *known.forward), known.inverse))
    return readings


def _description(texts: Mapping[str, RelationText], relation: str) -> str:
    if relation not in texts:
        raise InputError(f"--align-over descriptions: there is none of relation {relation}; use --align-over names")
    return texts[relation].description


_NO_WORDINGS = RelationWordings((), ())
