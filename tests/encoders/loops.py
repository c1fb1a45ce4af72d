"""ATLOP as plain loops over documents, windows, entities and pairs: slow, easy to read, and the judge of the module.

It takes the module's weights and computes what the papers' formulas say, one pair at a time.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from harness.encoders.atlop import Atlop, Role
from harness.encoders.batching import Collator
from harness.encoders.pair_model import PairModel
from harness.encoders.reasoning import ATTENTION_HEADS, Axial, Triangle
from harness.encoders.text import EncodedDocument, windows
from harness.training.config import TrainingConfig
from harness.training.losses import relation_loss

Pairs = dict[tuple[int, int], Tensor]


def loop_scores(model: Atlop, collator: Collator, document: EncodedDocument) -> Tensor:
    """The scores of one document's pairs [p, relations + 1], NA last, without the threshold."""
    states, attention = read_windows(model, collator, document)
    entities, looks = [], []
    for entity in range(document.entity_count):
        places = [
            p for p, owner in zip(document.mention_position, document.mention_entity, strict=True) if owner == entity
        ]
        entities.append(torch.stack([states[place] for place in places]).logsumexp(0))
        looks.append(torch.stack([attention[place] for place in places]).mean(0))
    pairs: Pairs = {}
    for h in range(document.entity_count):
        for t in range(document.entity_count):
            if h == t:
                continue
            where = (looks[h] * looks[t]).sum(0)
            context = (where / (where.sum() + 1e-6)) @ states
            head = _role(model.head, entities[h], context, document, h, (h, t))
            tail = _role(model.tail, entities[t], context, document, t, (h, t))
            block = model.bilinear.block
            products = [
                torch.outer(head[start : start + block], tail[start : start + block]).flatten()
                for start in range(0, len(head), block)
            ]
            pairs[h, t] = model.bilinear.out(torch.cat(products))
            if model.types is not None:
                kinds = len(model.config.entity_types) + 1
                pairs[h, t] = (
                    pairs[h, t] + model.types.weight[document.entity_type[h] * kinds + document.entity_type[t]]
                )
    if model.norm is not None and model.classifier is not None:
        for layer in model.reasoning:
            pairs = _triangle(layer, pairs) if isinstance(layer, Triangle) else _axial(layer, pairs)
        pairs = {pair: model.classifier(model.norm(value)) for pair, value in pairs.items()}
    scores = torch.stack(list(pairs.values()))
    return torch.cat([scores, torch.zeros_like(scores)], 1) if model.config.task == "rcp" else scores


def loop_loss(model: Atlop, collator: Collator, documents: list[EncodedDocument], config: TrainingConfig) -> Tensor:
    """The training loss of a batch, without evidence guidance."""
    scores, labels = [], []
    for document in documents:
        scores.append(loop_scores(model, collator, document))
        holds = torch.zeros(len(scores[-1]), len(model.config.relations), dtype=torch.bool)
        row = 0
        for h in range(document.entity_count):
            for t in range(document.entity_count):
                if h != t:
                    for head, tail, relation in document.labels:
                        if (head, tail) == (h, t):
                            holds[row, relation] = True
                    row += 1
        labels.append(holds)
    return relation_loss(torch.cat(scores), torch.cat(labels), config)


def read_windows(
    model: PairModel, collator: Collator, document: EncodedDocument
) -> tuple[list[Tensor] | Tensor, dict[int, Tensor]]:
    """States [l, d] and, for the openings of mentions, attention [heads, l]: means over the windows that hold them."""
    length, size = len(document.input_ids), collator.window - 2
    tokenizer = collator.tokenizer
    states: list[list[Tensor]] = [[] for _ in range(length)]
    rows: dict[int, list[Tensor]] = {int(place): [] for place in document.mention_position}
    for start in windows(length, size, collator.overlap):
        stop = min(start + size, length)
        ids = [tokenizer.cls_token_id, *document.input_ids[start:stop].tolist(), tokenizer.sep_token_id]
        output = model.encoder(input_ids=torch.tensor([ids]), output_attentions=True)
        for place in range(start, stop):
            states[place].append(output.last_hidden_state[0, place - start + 1])
            if place in rows:
                row = output.attentions[-1][0, :, place - start + 1, 1:-1]
                rows[place].append(torch.nn.functional.pad(row, (start, length - stop)))
    attention = {place: torch.stack(several).mean(0) for place, several in rows.items()}
    return torch.stack([torch.stack(several).mean(0) for several in states]), attention


def _role(
    role: Role, entity: Tensor, context: Tensor, document: EncodedDocument, index: int, pair: tuple[int, int]
) -> Tensor:
    summed = role.entity(entity) + role.context(context)
    if role.entity_type is not None:
        summed = summed + role.entity_type.weight[document.entity_type[index]]
    if role.sentence_distance is not None and role.token_distance is not None:
        summed = summed + role.sentence_distance.weight[document.sentence_distance[pair]]
        summed = summed + role.token_distance.weight[document.token_distance[pair]]
    return torch.tanh(summed)


def _triangle(layer: Triangle, pairs: Pairs) -> Pairs:
    normed = {pair: layer.norm(value) for pair, value in pairs.items()}
    edges = {pair: (torch.sigmoid(layer.gates(value)) * layer.edges(value)).chunk(6) for pair, value in normed.items()}
    entities = {h for h, _ in pairs}
    updated: Pairs = {}
    for h, t in pairs:
        sums = [torch.zeros_like(edges[h, t][0]) for _ in range(3)]
        for k in entities - {h, t}:
            sums[0] = sums[0] + edges[h, k][0] * edges[k, t][1]
            sums[1] = sums[1] + edges[k, h][2] * edges[k, t][3]
            sums[2] = sums[2] + edges[h, k][4] * edges[t, k][5]
        update = layer.combined(layer.combined_norm(torch.cat(sums))) + layer.mirrored(normed[t, h])
        updated[h, t] = layer.transition(pairs[h, t] + update)
    return updated


def _axial(layer: Axial, pairs: Pairs) -> Pairs:
    normed = {pair: layer.norm(value) for pair, value in pairs.items()}
    updated: Pairs = {}
    for h, t in pairs:
        rows = _attended(layer.of_head, normed, (h, t), [pair for pair in pairs if pair[0] == h])
        columns = _attended(layer.of_tail, normed, (h, t), [pair for pair in pairs if pair[1] == t])
        updated[h, t] = layer.transition(pairs[h, t] + layer.combined(torch.cat([rows, columns])))
    return updated


def _attended(project: torch.nn.Linear, normed: Pairs, pair: tuple[int, int], others: list[tuple[int, int]]) -> Tensor:
    query, _, _ = project(normed[pair]).chunk(3)
    heads = []
    for part in range(ATTENTION_HEADS):
        size = len(query) // ATTENTION_HEADS
        span = slice(part * size, (part + 1) * size)
        keys = torch.stack([project(normed[other]).chunk(3)[1][span] for other in others])
        values = torch.stack([project(normed[other]).chunk(3)[2][span] for other in others])
        heads.append((keys @ query[span] / math.sqrt(size)).softmax(0) @ values)
    return torch.cat(heads)
