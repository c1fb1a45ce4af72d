"""From names and files to an extractor that is ready: which finder, which scorer, which relations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.annotation.plan import OPEN
from harness.datasets.registry import CORPORA, PACKAGE
from harness.datasets.relation_table import read_schema
from harness.encoders.calibration import Calibration, read_calibration
from harness.encoders.entities import FINDER, LLM_FINDER
from harness.errors import InputError
from harness.extraction.entities import KnownEntities, entity_source, is_finder
from harness.extraction.pipeline import Extractor
from harness.extraction.windows import WINDOW
from harness.models import resolve_model
from harness.types import PairScorer, PredictionSource, RelationSchema

NOTHING = "none"
"""What stands for no relations at all: entities alone."""


@dataclass(frozen=True)
class ExtractionConfig:
    """What the user asked for; ``options`` are those of the finder's and the scorer's ``-M``.

    ``schema`` is a corpus of the table, or a rel_info.json of one's own. ``least`` is the probability from which a
    relation is kept; None leaves that to the scorer. ``labels`` are the types that GLiNER looks for.
    """

    entities: str = FINDER
    relations: str = "atlop-minilm"
    schema: str = "redocred"
    least: float | None = None
    window: int = WINDOW
    labels: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


def relation_schema(name: str) -> RelationSchema:
    """The relations of a corpus of the table, or of a rel_info.json."""
    if corpus := CORPORA.get(name):
        packaged = corpus.packaged_relations
        return read_schema(PACKAGE / packaged if packaged else corpus.folder / corpus.relations.name)
    if name == OPEN or not Path(name).is_file():
        raise InputError(f'--schema {name}: give {", ".join(CORPORA)} or a rel_info.json: {{"id": "name", ...}}')
    return read_schema(Path(name))


def is_llm(relations: str, base_url: str | None = None) -> bool:
    """Whether a language model is to find the relations."""
    return relations != NOTHING and resolve_model(relations, base_url).source != PredictionSource.ENCODER


def finder_model(entities: str, relations: str, base_url: str | None = None) -> str | None:
    """The language model that is to find the entities: ``llm`` is that of the relations; None if it is none."""
    if entities == LLM_FINDER:
        if not is_llm(relations, base_url):
            raise InputError("--entities llm: the model of --relations finds the entities, which is none: name one")
        return relations
    if is_finder(entities):
        return None
    try:
        return entities if is_llm(entities, base_url) else None
    except InputError:  # no model of the table: a finder at the hub, or nothing
        return None


def extractor_of(config: ExtractionConfig, known: KnownEntities | None = None) -> Extractor:
    """The extractor of a configuration; its models are loaded with the first text. ``known`` entities need no finder.

    Raises InputError for names, options or relations that do not fit, ModelUnavailable for a missing package.
    """
    schema = relation_schema(config.schema)
    entities = known or entity_source(config.entities, config.options, config.labels)
    scorer: PairScorer | None = None
    calibration = Calibration()
    if config.relations != NOTHING:
        from harness.encoders.ensemble import pair_scorer
        from harness.encoders.scorer import encoder_folder

        spec = resolve_model(config.relations)
        if spec.source != PredictionSource.ENCODER:
            raise InputError(
                f"relations={config.relations}: a language model; use `harness extract` on the command line"
            )
        found = pair_scorer(encoder_folder(spec.model_id), config.options, schema)
        found.check()
        if found.config.task == "rcp":
            raise InputError(
                f"--relations {config.relations}: tells related pairs only; give atlop-minilm or glidre-minilm"
            )
        scorer = found
        # It was fitted at the trained threshold.
        if "threshold" not in config.options:
            calibration = read_calibration(found.folder)
    return Extractor(entities, scorer, schema, config.relations, config.least, config.window, calibration)
