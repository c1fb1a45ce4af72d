"""Two questions a document: its entities with coreferent mentions, then the relations between them.

GLiDRE (section 2.5 and Figure 3) annotates its pre-training documents so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

from harness.alignment.grounding import ENTITY_TYPES, GroundedEntities, ground
from harness.alignment.normalise import normalise
from harness.alignment.relations import RelationMapper
from harness.alignment.triplets import align_triplets
from harness.answers.entities import EntityForm, ParsedEntities, RawEntity
from harness.answers.reader import Parsed
from harness.datasets.plain import PlainDocument, part_of
from harness.errors import InputError
from harness.escaping import NO_RELATION
from harness.methods.base import Answers, Demonstration, PromptedMethod, Question
from harness.methods.parts import PartFound, merge, parts_of
from harness.prompting.tagging import escape_markup
from harness.prompting.variant import REASONING, PromptVariant
from harness.spacing import text_of
from harness.types import Ask, Document, Entity, Extraction, Prediction, RawTriplet, Relation, RelationSchema

METHOD = "annotate"
LONGEST_NAME = 80
"""Characters; what is longer is a sentence and names no relation."""
ENTITIES, RELATIONS = "entities", "relations"
MAX_WORDS, MAX_ENTITIES, MAX_MENTIONS = "max_words", "max_entities", "max_mentions"
TOKENS_PER_ENTITY = 64
"""Room for '{"type": "PER", "mentions": ["...", "..."]}' with as many mentions as texts commonly have."""


@dataclass(frozen=True)
class Annotate(PromptedMethod):
    """At most two requests a document; what the first did not bring to an end is not asked about further.

    The extraction's ``entities`` are those found; its predictions refer to them. A document of more tokens than
    ``max_words`` is asked about in parts that overlap, one after the other until one does not end ``ok``; only a
    sentence of more ends ``context_overflow``. With ``reasoning=brief`` the model reasons before it lists relations,
    as in GLiDRE's figure, and not before the entities. With ``schema=open`` the relation ids of predictions are those
    of :func:`relations_named`. With ``evidence=sentences`` it names the sentences that state each triplet. With
    ``entities_only`` the second question is not asked.
    """

    entities_only: bool = False

    def __post_init__(self) -> None:
        variant, options = self.settings.variant, self.settings.options
        for name in (MAX_WORDS, MAX_ENTITIES, MAX_MENTIONS):
            if name not in options:
                raise InputError(f"prompt {variant.name!r} needs [numbers.{name}] in its file")
        if self._is_open and self.settings.level == "closed":
            raise InputError(
                "with --schema open the model names relations freely, which --constrain closed forbids: "
                "use --constrain format or none"
            )

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        lengths = [len(sentence) for sentence in document.sentences]
        parts = parts_of(lengths, self._number(MAX_WORDS))
        if parts is None:
            error = f"a sentence of {max(lengths)} tokens, more than max_words: split it, or raise -P {MAX_WORDS}"
            return Extraction((), status="context_overflow", error=error)
        if not sum(lengths):
            return Extraction(())
        answers = Answers(ask)
        if len(parts) == 1:
            found = await self._find(document, 0, answers)
            return replace(answers.extraction(found.predictions), entities=tuple(found.entities))
        answers.add((), {"parts": len(parts)})
        found_in: list[PartFound] = []
        for number, part in enumerate(parts, 1):
            found_in.append(await self._find(part_of(document, part), part.start, answers))
            if answers.status != "ok":
                ended = answers.extraction(())
                return replace(ended, error=f"part {number} of {len(parts)}: {ended.error or ended.status}")
        merged = merge(found_in)
        answers.add(merged.rejects, {})
        return replace(answers.extraction(merged.predictions), entities=merged.entities)

    def demonstrate_entities(self, document: Document, entities: Iterable[Entity]) -> Demonstration:
        """The first question, answered with these entities; as many of them and their names as may be listed."""
        most, names = self._number(MAX_ENTITIES), self._number(MAX_MENTIONS)
        listed = [RawEntity(entity.type, entity.names[:names]) for entity in entities]
        return self.demonstration(self._entity_question(document), listed[:most])

    async def _find(self, document: Document, first: int, answers: Answers) -> PartFound:
        """What a document short enough says, which begins with sentence ``first`` of the whole."""
        listed = await answers.to(self._entity_question(document))
        grounded = ground(listed.entities, document.sentences)
        answers.add(grounded.rejects, _entity_counts(grounded))
        predictions: tuple[Prediction, ...] = ()
        if answers.status == "ok" and len(grounded.entities) > 1 and not self.entities_only:
            predictions = await self._relate(replace(document, entities=grounded.entities), answers)
        # Sentences are numbered in each part from 0.
        shifted = (replace(one, evidence=tuple(first + place for place in one.evidence)) for one in predictions)
        return PartFound(first, grounded.entities, grounded.anchors, tuple(shifted))

    def _entity_question(self, document: Document) -> Question[ParsedEntities]:
        text = document.text if isinstance(document, PlainDocument) else text_of(document.sentences)
        return self._at_once.question(
            self.context(document),
            ENTITIES,
            EntityForm(ENTITY_TYPES, self._number(MAX_ENTITIES), self._number(MAX_MENTIONS)),
            text=escape_markup(text.strip()),
            entity_types=ENTITY_TYPES,
            max_entities=self._number(MAX_ENTITIES),
            max_mentions=self._number(MAX_MENTIONS),
        )

    @cached_property
    def _at_once(self) -> Self:
        """The method without reasoning."""
        options = {name: value for name, value in self.settings.options.items() if name != REASONING}
        return replace(self, settings=replace(self.settings, options=options))

    async def _relate(self, document: Document, answers: Answers) -> tuple[Prediction, ...]:
        """The relations between the entities that were found, which ``document`` now has."""
        context = self.context(document)
        parsed = await answers.to(self.question(context, RELATIONS, self.triplet_form(context)))
        aligned = align_triplets(parsed.entries, context.mapper, self._relation_mapper(parsed))
        answers.add(aligned.rejects, aligned.matches)
        return aligned.predictions

    @property
    def _is_open(self) -> bool:
        return self.settings.options.get("schema") == "open"

    def _number(self, name: str) -> int:
        return int(self.settings.options[name])

    def _relation_mapper(self, parsed: Parsed[RawTriplet]) -> RelationMapper:
        return RelationMapper(relations_named(parsed.entries)) if self._is_open else self.schema.mapper


def chosen_options(variant: PromptVariant, given: Mapping[str, str], most: int | None) -> dict[str, str]:
    """The variant's options; a model that is asked for ``most`` triplets only is asked for as few entities."""
    options = variant.choose(given)
    if most and MAX_ENTITIES not in given and MAX_ENTITIES in options:
        options[MAX_ENTITIES] = str(min(most, int(options[MAX_ENTITIES])))
    return options


def _entity_counts(grounded: GroundedEntities) -> dict[str, int]:
    counts = {
        "covered_occurrence": grounded.covered,
        "ambiguous_occurrence": grounded.ambiguous,
        "unknown_type": grounded.unknown_types,
    }
    return {name: count for name, count in counts.items() if count}


def relations_named(triplets: Iterable[RawTriplet]) -> RelationSchema:
    """The relations that a model named freely, of ``triplets`` in order of appearance.

    ``IS_LOCATED_IN`` and ``is located in`` are one relation, whose name is the latter and whose id is
    ``is_located_in``, in every document alike. ``None``, names without a letter or digit and
    names of over 80 characters are no relations.
    """
    names = dict.fromkeys(normalise(triplet.relation) for triplet in triplets)
    return RelationSchema(
        tuple(
            Relation(name.replace(" ", "_"), name)
            for name in names
            if len(name) <= LONGEST_NAME and any(map(str.isalnum, name)) and name != normalise(NO_RELATION)
        )
    )


def relation_of(relation_id: str) -> Relation:
    """The relation that :func:`relations_named` gave this id."""
    return Relation(relation_id, relation_id.replace("_", " "))
