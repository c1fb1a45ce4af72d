"""The text of a document with every mention wrapped in a tag that carries its entity (GLiDRE, Figure 2)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from harness.escaping import escape
from harness.spacing import Spacing
from harness.types import Document

EntityReferences = tuple[str, ...]


def entity_ids(document: Document) -> EntityReferences:
    """``E1`` to ``En``, in the order of the document's entities."""
    return tuple(f"E{number}" for number in range(1, len(document.entities) + 1))


def entity_names(document: Document) -> EntityReferences:
    """The first mention's name of every entity. Two entities may share one: that is the ambiguity of names."""
    return tuple(entity.name for entity in document.entities)


def escape_markup(text: str) -> str:
    """Document text in which nothing can be taken for a tag: ``&``, ``<`` and ``>`` become entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def id_tags(references: EntityReferences) -> list[tuple[str, str]]:
    """Opening and closing tag per entity: ``<E3>`` and ``</E3>``."""
    return [(f"<{reference}>", f"</{reference}>") for reference in references]


def id_marks(references: EntityReferences, types: Sequence[str] | None = None) -> list[tuple[str, str]]:
    """What follows a mention in place of tags around it: `` <E3>``, or with the entity's type `` <E3 LOC>``."""
    shown = [f" {escape_markup(escape(kind))}" for kind in types] if types else [""] * len(references)
    return [("", f" <{reference}{kind}>") for reference, kind in zip(references, shown, strict=True)]


def name_tags(references: EntityReferences) -> list[tuple[str, str]]:
    """Opening and closing tag per entity, the name as an attribute: ``<entity name="Canada">``."""
    quoted = [escape_markup(escape(name)).replace('"', "&quot;") for name in references]
    return [(f'<entity name="{name}">', "</entity>") for name in quoted]


def tagged_text(document: Document, tags: Sequence[tuple[str, str]], *, numbered: bool = False) -> str:
    """The running text, escaped, with ``tags[i]`` around every mention of entity i.

    If ``numbered``, each sentence is on a line of its own that begins with its number: ``[0]``, ``[1]``.

    Where mentions nest, the longer one is outside. Where they cross, tags cross too: each closing
    tag still tells which mention it ends only if tags carry ids, so id tags are the safe choice.
    """
    opening: dict[tuple[int, int], list[tuple[int, str]]] = defaultdict(list)
    closing: dict[tuple[int, int], list[tuple[int, str]]] = defaultdict(list)
    for (open_tag, close_tag), entity in zip(tags, document.entities, strict=True):
        for mention in entity.mentions:
            opening[mention.sent_id, mention.start].append((-mention.end, open_tag))
            closing[mention.sent_id, mention.end - 1].insert(0, (-mention.start, close_tag))
    before, after = _joined(opening), _joined(closing)
    spacing = Spacing.of(document.sentences)
    pieces: list[str] = []
    previous: str | None = None
    for sent_id, sentence in enumerate(document.sentences):
        if numbered:
            pieces.append(f"\n[{sent_id}]" if sent_id else "[0]")
        for position, token in enumerate(sentence):
            if numbered and position == 0:
                pieces.append(" ")
            elif previous is not None:
                pieces.append(spacing.between(previous, token, new_sentence=position == 0))
            place = (sent_id, position)
            pieces.append(before.get(place, "") + escape_markup(token) + after.get(place, ""))
            previous = token
    return "".join(pieces)


def _joined(tags: Mapping[tuple[int, int], Sequence[tuple[int, str]]]) -> dict[tuple[int, int], str]:
    """The tags at every place as one text, in the order of the mentions' extents."""
    # Sorting is stable, so entities with the same span open in order and close in reverse order.
    return {place: "".join(tag for _, tag in sorted(some, key=_extent)) for place, some in tags.items()}


def _extent(item: tuple[int, str]) -> int:
    return item[0]
