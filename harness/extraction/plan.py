"""From names and files to an extractor that is ready: which finder, which scorer, which relations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.annotation.plan import OPEN
from harness.datasets.registry import CORPORA, PACKAGE
from harness.datasets.relation_table import read_schema
from harness.encoders.calibration import Calibration, read_calibration
from harness.encoders.entities import FINDER, LLM_FINDER
from harness.errors import InputError
from harness.extraction.entities import EntitiesByTitle, KnownEntities, entity_source, is_finder
from harness.extraction.model_options import NOTHING, OF_RELATIONS, check_no_model, check_pairs, prompt_for
from harness.extraction.pipeline import Extractor
from harness.extraction.windows import WINDOW
from harness.models import given_base_url, resolve_model
from harness.runs.config import OPTIONS, RunConfig
from harness.types import PairScorer, PredictionSource, RelationSchema


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


@dataclass(frozen=True)
class Extraction:
    """What finds entities and relations: ``extractor`` does what no language model is asked for.

    ``finding`` is how a language model is asked for entities, ``relating`` for relations; None: it is not.
    """

    extractor: Extractor
    finding: RunConfig | None = None
    relating: RunConfig | None = None

    @property
    def asks_a_model(self) -> bool:
        """Whether a language model is asked, about all texts at once."""
        return bool(self.finding or self.relating)


def plan_extraction(config: ExtractionConfig, asked: RunConfig) -> Extraction:
    """What finds entities and relations, checked; ``asked`` is how a language model would be asked.

    Its model and its options are those of ``config``. Without a prompt it is asked with ``hrt``, ``choice`` where it
    refines an encoder, ``pairwise`` about an encoder's candidate pairs. Raises InputError for what does not fit,
    ModelUnavailable for a missing package.
    """
    typed = asked.base_url
    address = given_base_url(config.relations, typed)
    relates = is_llm(config.relations, address)
    finder = finder_model(config.entities, config.relations, typed)
    if not relates:
        check_no_model(config.relations, asked, finder)
    if relates and config.least is not None:
        raise InputError(
            f"--min-score is the probability of an encoder: leave it out with the language model {config.relations} "
            "(hrt keeps what it scores -P least=N or more)"
        )
    # Where a language model is asked, the options are its.
    options = {} if relates or finder else config.options
    encoder = NOTHING if relates else config.relations
    extractor = extractor_of(
        replace(config, relations=encoder, options=options), EntitiesByTitle({}) if finder else None
    )
    finding = relating = None
    if finder:
        own = {name: OPTIONS[name].default for name in OF_RELATIONS}
        address_of_finder = given_base_url(finder, typed)
        finding = replace(asked, model=finder, base_url=address_of_finder, model_options=config.options, **own)
    if relates:
        check_pairs(asked)
        relating = replace(
            asked,
            model=config.relations,
            prompt=asked.prompt or prompt_for(asked),
            base_url=address,
            model_options=config.options,
        )
        extractor = replace(extractor, system=config.relations)
    return Extraction(extractor, finding, relating)


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
            raise InputError(f"relations={config.relations}: a language model, where an encoder is needed")
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
