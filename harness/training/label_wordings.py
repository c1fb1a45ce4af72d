"""Relation names in other words: each batch of a GLiDRE training reads a relation by one of its wordings, drawn anew.

A model that has read a relation under one name alone can learn the name's vector by heart. Under several it has to
compare meanings, which is what it is asked to do with relations that it was not trained on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from harness.encoders.batching import Batch, Collate
from harness.encoders.glidre_config import GlidreConfig, label_name
from harness.encoders.labels import read_label_names
from harness.errors import InputError
from harness.prompting.wordings import load_relation_wordings

if TYPE_CHECKING:
    from torch import Tensor

    from harness.encoders.glidre import Glidre
    from harness.encoders.text import EncodedDocument


@dataclass(frozen=True)
class DrawnWordings:
    """A collator whose batches name each relation by its name or another wording, all as likely.

    ``places`` [relations, most names] are the rows of the model's label names that stand for a relation, and ``counts``
    [relations] how many of them there are. The draw comes from torch's generator, whose state a resumed training
    restores.
    """

    collate: Collate
    places: Tensor
    counts: Tensor

    def __call__(self, documents: Sequence[EncodedDocument]) -> Batch:
        batch = self.collate(documents)
        counts = self.counts[batch.relation]
        drawn = (torch.rand(len(counts)) * counts).long()
        return replace(batch, relation=self.places[batch.relation, drawn])


def with_wordings(
    collate: Collate, model: Glidre, config: GlidreConfig, relations: int, left_out: Collection[str] = ()
) -> DrawnWordings:
    """The collator for the first ``relations`` of the configuration, whose other wordings the model is given to read.

    The wordings are the shipped ones for Wikidata's properties, read from head to tail. They stand behind the names of
    all relations, and are not stored with the model. A wording that names another relation, of the configuration or of
    those ``left_out`` of the training, is not read. Raises InputError where no relation has one.
    """
    wordings = load_relation_wordings()
    taken = {*config.label_names, *(label_name(one, config.label_style) for one in left_out)}
    rows: list[list[int]] = []
    others: list[str] = []
    for place, relation in enumerate(config.relations[:relations]):
        forward = wordings[relation].forward if relation in wordings else ()
        names = [label_name(one, config.label_style) for one in forward]
        names = [one for one in names if one not in taken]
        first = len(config.relations) + len(others)
        rows.append([place, *range(first, first + len(names))])
        others += names
    if not others:
        raise InputError(
            "-O label_wordings=true: there are wordings of Wikidata's properties only, and --train has none"
        )
    ids, mask = read_label_names(config.label_encoder, (*config.label_names, *others))
    model.read_as_labels(ids, mask)
    width = max(map(len, rows))
    places = torch.tensor([row + row[:1] * (width - len(row)) for row in rows])
    return DrawnWordings(collate, places, torch.tensor([len(row) for row in rows]))
