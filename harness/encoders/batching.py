"""Encoded documents gathered into the tensors of one batch, and batches of documents of like size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from harness.encoders.text import EncodedDocument, windows

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase


@dataclass
class Batch:
    """b documents with up to n entities and l subwords, read in w windows of up to t tokens; p pairs in all.

    - ``input_ids``, ``attention_mask`` [w, t]; ``token_index`` [w, t]: the row of [b * l] that a window's token
      belongs to, b * l for special tokens and padding; ``token_share`` [w, t]: 1 over the windows that hold it.
    - ``slots`` [w, s]: positions of opening markers in their windows; ``slot_share`` [w, n, s]: the weight of a
      slot in the mean over an entity's mentions and a mention's windows.
    - ``mentions`` [b, n, m]: rows of [b * l]; ``mention_mask`` [b, n, m].
    - ``entity_type``, ``entity_mask`` [b, n].
    - ``document``, ``head``, ``tail``, ``sentence_distance``, ``token_distance`` [p]: the candidate pairs of each
      document, by default all h != t in row-major order.
    - ``labels`` [p, r]: whether the relation holds; ``relation`` [r]: its number among the model's relations.
    - ``annotated`` [b, r]: whether the labels of the document tell of the relation; [b, 0] where all tell of all.
    - ``evidence`` [p, sentences]: the mean over a pair's labels of the shares of their evidence sentences, rows
      of zeros where none is marked; ``sentence`` [b, l]: the sentence of each subword, and ``word_start`` [b, l]:
      whether it is the first of its word.
    - ``taught`` [p, r]: how far a teacher scores each relation above NA; [p, 0] without a teacher. ``attended``
      [p, sentences]: the shares of its attention, likewise.
    """

    input_ids: Tensor
    attention_mask: Tensor
    token_index: Tensor
    token_share: Tensor
    slots: Tensor
    slot_share: Tensor
    mentions: Tensor
    mention_mask: Tensor
    entity_type: Tensor
    entity_mask: Tensor
    sentence: Tensor
    word_start: Tensor
    document: Tensor
    head: Tensor
    tail: Tensor
    sentence_distance: Tensor
    token_distance: Tensor
    labels: Tensor
    annotated: Tensor
    relation: Tensor
    evidence: Tensor
    taught: Tensor
    attended: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        return Batch(**{one.name: getattr(self, one.name).to(device, non_blocking=True) for one in fields(self)})


Collate = Callable[[Sequence[EncodedDocument]], Batch]
"""What makes a batch of documents that each have a pair."""


@dataclass(frozen=True)
class Collator:
    """Builds batches for a tokenizer, a window of ``window`` tokens (special ones included) and a label set."""

    tokenizer: PreTrainedTokenizerBase
    window: int
    overlap: int
    relations: int

    def __call__(self, documents: Sequence[EncodedDocument], relation: Tensor | None = None) -> Batch:
        """Documents without a pair must have been left out; ``relation`` are the relations of the batch (None: all).

        No array has more columns than these, so that a batch of a large label set costs no more than its own labels.
        """
        import numpy as np
        import torch

        size = self.window - 2
        lengths = [len(document.input_ids) for document in documents]
        longest, entities = max(1, *lengths), max(document.entity_count for document in documents)
        starts = [windows(length, size, self.overlap) for length in lengths]
        widths = [min(length, size) for length in lengths]
        count, width = sum(map(len, starts)), max(widths) + 2
        nowhere = len(documents) * longest

        input_ids = np.full((count, width), self.tokenizer.pad_token_id)
        attention_mask = np.zeros((count, width), dtype=np.int64)
        token_index = np.full((count, width), nowhere)
        held = np.zeros(nowhere + 1)
        places = [(d, start) for d, begun in enumerate(starts) for start in begun]
        for w, (d, start) in enumerate(places):
            stop = start + widths[d]
            input_ids[w, 0] = self._first
            input_ids[w, 1 : widths[d] + 1] = documents[d].input_ids[start:stop]
            input_ids[w, widths[d] + 1] = self._last
            attention_mask[w, : widths[d] + 2] = 1
            token_index[w, 1 : widths[d] + 1] = np.arange(d * longest + start, d * longest + stop)
            held[d * longest + start : d * longest + stop] += 1
        held[nowhere] = 1
        slots, slot_share = _slots(documents, places, widths, entities)

        sentence = np.zeros((len(documents), longest), dtype=np.int64)
        word_start = np.zeros((len(documents), longest), dtype=bool)
        entity_type = np.zeros((len(documents), entities), dtype=np.int64)
        entity_mask = np.zeros((len(documents), entities), dtype=bool)
        most = max(int(np.bincount(document.mention_entity, minlength=1).max()) for document in documents)
        mentions = np.zeros((len(documents), entities, max(most, 1)), dtype=np.int64)
        mention_mask = np.zeros(mentions.shape, dtype=bool)
        for d, document in enumerate(documents):
            n, owner = document.entity_count, document.mention_entity
            sentence[d, : lengths[d]] = document.sentence
            word_start[d, : lengths[d]] = document.word_start
            entity_type[d, :n], entity_mask[d, :n] = document.entity_type, True
            rank = np.arange(len(owner)) - np.searchsorted(owner, owner)
            mentions[d, owner, rank] = d * longest + document.mention_position
            mention_mask[d, owner, rank] = True
        return Batch(
            input_ids=torch.from_numpy(input_ids),
            attention_mask=torch.from_numpy(attention_mask),
            token_index=torch.from_numpy(token_index),
            token_share=torch.from_numpy(1 / held[token_index]).float(),
            slots=torch.from_numpy(slots),
            slot_share=torch.from_numpy(slot_share).float(),
            mentions=torch.from_numpy(mentions),
            mention_mask=torch.from_numpy(mention_mask),
            entity_type=torch.from_numpy(entity_type),
            entity_mask=torch.from_numpy(entity_mask),
            sentence=torch.from_numpy(sentence),
            word_start=torch.from_numpy(word_start),
            **self._pairs(documents, torch.arange(self.relations) if relation is None else relation),
        )

    @property
    def _first(self) -> int:
        tokenizer = self.tokenizer
        return int(tokenizer.bos_token_id if tokenizer.cls_token_id is None else tokenizer.cls_token_id)

    @property
    def _last(self) -> int:
        tokenizer = self.tokenizer
        return int(tokenizer.eos_token_id if tokenizer.sep_token_id is None else tokenizer.sep_token_id)

    def _pairs(self, documents: Sequence[EncodedDocument], relation: Tensor) -> dict[str, Tensor]:
        import numpy as np
        import torch

        # Evidence may be a sentence that has no subword.
        in_evidence = [max(one, default=0) for document in documents for one in document.evidence]
        attended = [one.attended for one in documents if one.attended is not None]
        subwords_in = [int(document.sentence.max(initial=0)) for document in documents]
        sentences = max(0, *in_evidence, *subwords_in, *(one.shape[1] - 1 for one in attended)) + 1
        total = sum(document.pair_count for document in documents)
        column = np.full(self.relations, -1)
        column[relation.numpy()] = np.arange(len(relation))
        labels = np.zeros((total, len(relation)), dtype=bool)
        evidence = np.zeros((total, sentences), dtype=np.float32)
        columns: dict[str, list[np.ndarray]] = {name: [] for name in _PAIR_COLUMNS}
        first = 0
        for d, document in enumerate(documents):
            n = document.entity_count
            head, tail = np.nonzero(~np.eye(n, dtype=bool)) if document.pairs is None else document.pairs.T
            parts = (
                np.full(len(head), d),
                head,
                tail,
                document.sentence_distance[head, tail],
                document.token_distance[head, tail],
            )
            for name, part in zip(_PAIR_COLUMNS, parts, strict=True):
                columns[name].append(part)
            h, t, stated = document.labels.T
            row = first + document.rows(h, t)
            is_there = column[stated] >= 0
            labels[row[is_there], column[stated[is_there]]] = True
            for place, marked in zip(row, document.evidence, strict=True):
                evidence[place, list(set(marked))] += 1 / max(len(set(marked)), 1)
            first += document.pair_count
        evidence /= np.maximum(evidence.sum(1, keepdims=True), 1e-9)
        annotated = np.zeros((len(documents), 0), dtype=bool)
        if any(one.annotated is not None for one in documents):
            every = np.ones(self.relations, dtype=bool)
            annotated = np.stack([every if one.annotated is None else one.annotated for one in documents])
            annotated = annotated[:, relation.numpy()]
        taught = [one.taught[:, relation.numpy()] for one in documents if one.taught is not None]
        tensors = {name: torch.from_numpy(np.concatenate(parts)) for name, parts in columns.items()}
        return {
            **tensors,
            "labels": torch.from_numpy(labels),
            "annotated": torch.from_numpy(annotated),
            "relation": relation,
            "evidence": torch.from_numpy(evidence),
            "taught": torch.from_numpy(np.concatenate(taught)) if taught else torch.zeros(total, 0),
            "attended": torch.from_numpy(
                np.concatenate([np.pad(one, ((0, 0), (0, sentences - one.shape[1]))) for one in attended])
            )
            if attended
            else torch.zeros(total, 0),
        }


@dataclass(frozen=True)
class LabelSampler:
    """Batches with some of the relations only: all that hold in the batch, and others drawn up to ``count``.

    Of relations that no document of the batch tells of, none is drawn. They are drawn and shuffled by torch's random
    numbers, whose state a resumed training restores.
    """

    collator: Collator
    count: int
    relations: int
    """How many of the collator's relations are trained on, from the first on."""

    def __call__(self, documents: Sequence[EncodedDocument]) -> Batch:
        """As the collator's, of the drawn relations only."""
        import torch

        holds, is_told = (torch.zeros(self.relations, dtype=torch.bool) for _ in range(2))
        for document in documents:
            holds[torch.from_numpy(document.labels[:, 2])] = True
            is_told |= True if document.annotated is None else torch.from_numpy(document.annotated[: self.relations])
        gold, others = holds.nonzero()[:, 0], (~holds & is_told).nonzero()[:, 0]
        drawn = torch.cat([gold, others[torch.randperm(len(others))][: max(self.count - len(gold), 0)]])
        return self.collator(documents, drawn[torch.randperm(len(drawn))])


_PAIR_COLUMNS = ("document", "head", "tail", "sentence_distance", "token_distance")


def _slots(
    documents: Sequence[EncodedDocument], places: Sequence[tuple[int, int]], widths: Sequence[int], entities: int
) -> tuple[np.ndarray, np.ndarray]:
    """``slots`` and ``slot_share`` of a batch whose windows are at ``places``: document and first subword."""
    import numpy as np

    inside: list[np.ndarray] = []
    held = [np.zeros(len(document.mention_position)) for document in documents]
    for d, start in places:
        position = documents[d].mention_position - start
        inside.append(np.flatnonzero((position >= 0) & (position < widths[d])))
        held[d][inside[-1]] += 1
    slots = np.zeros((len(inside), max(1, *map(len, inside))), dtype=np.int64)
    share = np.zeros((len(inside), entities, slots.shape[1]))
    for w, ((d, start), chosen) in enumerate(zip(places, inside, strict=True)):
        document = documents[d]
        owner = document.mention_entity[chosen]
        slot = np.arange(len(chosen))
        slots[w, slot] = document.mention_position[chosen] - start + 1
        share[w, owner, slot] = 1 / (held[d][chosen] * np.bincount(document.mention_entity)[owner])
    return slots, share


HELD_TO_SORT = 512


def batches_by_length(
    documents: Iterable[EncodedDocument], tokens: int, pairs: int
) -> Iterator[list[tuple[int, EncodedDocument]]]:
    """Batches of documents of like length, each with its place in the input.

    ``HELD_TO_SORT`` documents are held and sorted at a time. A batch has at most ``tokens`` subwords and ``pairs``
    cells of the pair matrix, padding included, or is a single document.
    """
    held: list[tuple[int, EncodedDocument]] = []
    for place, document in enumerate(documents):
        held.append((place, document))
        if len(held) == HELD_TO_SORT:
            yield from _split(held, tokens, pairs)
            held = []
    yield from _split(held, tokens, pairs)


def _split(
    held: list[tuple[int, EncodedDocument]], tokens: int, pairs: int
) -> Iterator[list[tuple[int, EncodedDocument]]]:
    held.sort(key=lambda item: (len(item[1].input_ids), item[1].entity_count, item[0]))
    batch: list[tuple[int, EncodedDocument]] = []
    for item in held:
        longest = len(item[1].input_ids)
        cells = max(one.entity_count for _, one in [*batch, item]) ** 2
        if batch and (longest * (len(batch) + 1) > tokens or cells * (len(batch) + 1) > pairs):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
