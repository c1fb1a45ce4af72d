"""Long texts in overlapping windows for the models, and what was found in them as one document."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from harness.alignment.grounding import Span
from harness.methods.parts import Merged, PartFound, merge
from harness.methods.windows import Window, renumbered_evidence
from harness.types import Entity, Prediction

WINDOW = 250
"""Words of a window of a long text; the models were trained on texts of 200 on average. Neighbours share a fifth."""
WHOLE = 1.8
"""A text of so many windows is read whole: as long as the longest that the models were trained on."""

PERSON = "PER"


def merged(windows: Sequence[Window], found: Sequence[Sequence[Prediction]]) -> Merged:
    """The entities and triplets of the whole text; evidence is renumbered.

    Entities of two windows are one if they share a place, or have a name and the type in common, or if one is a person
    by a part of the other's name (``_full_names``).
    """
    if len(windows) == 1:
        return Merged(windows[0].document.entities, tuple(found[0]), ())
    parts = []
    full_names = _full_names([window.document.entities for window in windows])
    for window, predictions, aliases in zip(windows, found, full_names, strict=True):
        entities = window.document.entities
        anchors = [frozenset(Span(one.sent_id, one.start, one.end) for one in entity.mentions) for entity in entities]
        renumbered = [replace(one, evidence=renumbered_evidence(one, window.first)) for one in predictions]
        parts.append(PartFound(window.first, entities, anchors, renumbered, aliases))
    return merge(parts)


def _full_names(windows: Sequence[Sequence[Entity]]) -> list[list[str]]:
    """Of each entity of each window, the full name of the person that it names by the first or last word alone.

    Empty for all others: where two full names fit, such as those of a family, and where the finder saw the full name
    in the same window and kept it apart.
    """
    full: dict[str, set[str]] = defaultdict(set)
    for entities in windows:
        for name in (name for entity in entities if entity.type == PERSON for name in entity.names):
            first, *rest = name.split()
            for word in {first, rest[-1]} if rest else ():
                full[word].add(name)

    def full_name(entity: Entity, beside: set[str]) -> str:
        known = set[str]().union(*(full.get(name, ()) for name in entity.names))
        is_part = entity.type == PERSON and not any(" " in name for name in entity.names)
        return known.pop() if is_part and len(known) == 1 and beside.isdisjoint(known) else ""

    found = []
    for entities in windows:
        beside = {name for entity in entities for name in entity.names}
        found.append([full_name(entity, beside) for entity in entities])
    return found
