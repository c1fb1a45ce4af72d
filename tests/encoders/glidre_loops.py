"""GLiDRE as its published code computes it, in plain loops and by its published parameter names: the judge.

Every ordered pair, a pair of an entity with itself included, gathers the words of its mentions anew. Nothing is
taken from the module under test but its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from harness.types import Document

OURS_TO_PUBLISHED = {
    "encoder": "token_rep_layer.bert_layer.model",
    "projection": "token_rep_layer.projection",
    "label_encoder": "token_rep_layer.labels_encoder.model",
    "label_projection": "token_rep_layer.labels_projection",
    "head.inner": "span_rep_layer.head_extractor.0",
    "head.outer": "span_rep_layer.head_extractor.3",
    "tail.inner": "span_rep_layer.tail_extractor.0",
    "tail.outer": "span_rep_layer.tail_extractor.3",
    "pair.inner": "span_rep_layer.projection.0",
    "pair.outer": "span_rep_layer.projection.3",
    "label.inner": "prompt_rep_layer.0",
    "label.outer": "prompt_rep_layer.3",
    "threshold": "threshold_layer",
}


@dataclass(frozen=True)
class PublishedForm:
    """Parameters by their published names (without ``model.``), and the published settings that matter."""

    parameters: Mapping[str, Tensor]
    pooling: str = "mean"
    localized: bool = True
    adaptive: bool = False

    def scores(self, words: Tensor, attention: Tensor, entities: list[list[int]], labels: Tensor) -> Tensor:
        """Projected word states [l, d], attention [l, l], words of entities and of labels to [n, n, k (+ 1 first)]."""
        names = self._two_layers("prompt_rep_layer", labels)
        rows = []
        for head in entities:
            for tail in entities:
                pair = self._pair(words, attention, head, tail)
                logits = torch.stack([pair @ name for name in names])
                if self.adaptive:
                    both = torch.cat([names.mean(0), pair])
                    logits = torch.cat([self._layers("threshold_layer", both, (0, 3)), logits])
                rows.append(logits)
        return torch.stack(rows).view(len(entities), len(entities), -1)

    def label_states(self, encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, names: list[str]) -> Tensor:
        """The mean over the projected tokens of each name, special tokens included."""
        states = []
        for name in names:
            tokens = encoder(**tokenizer(name, return_tensors="pt")).last_hidden_state[0]
            states.append(self.projected("labels_projection", tokens).mean(0))
        return torch.stack(states)

    def projected(self, layer: str, states: Tensor) -> Tensor:
        """By a layer that is there only where widths differ."""
        name = f"token_rep_layer.{layer}"
        return self._linear(name, states) if f"{name}.weight" in self.parameters else states

    def _pair(self, words: Tensor, attention: Tensor, head: list[int], tail: list[int]) -> Tensor:
        of_head, of_tail = self._pooled(words, head), self._pooled(words, tail)
        if self.localized:
            look_head, look_tail = (
                torch.stack([attention[word] for word in own]).sum(0) / len(own) if own else torch.zeros(len(words))
                for own in (head, tail)
            )
            product = look_head * look_tail
            context = (product / (product.sum() + 1e-5)).to(words.dtype) @ words
            of_head = torch.tanh(self._two_layers("span_rep_layer.head_extractor", torch.cat([of_head, context])))
            of_tail = torch.tanh(self._two_layers("span_rep_layer.tail_extractor", torch.cat([of_tail, context])))
        return self._two_layers("span_rep_layer.projection", torch.cat([of_head, of_tail]))

    def _pooled(self, words: Tensor, own: list[int]) -> Tensor:
        if not own:
            return torch.zeros_like(words[0])
        several = torch.stack([words[word] for word in own])
        return several.mean(0) if self.pooling == "mean" else several.logsumexp(0)

    def _two_layers(self, name: str, values: Tensor) -> Tensor:
        return self._layers(name, values, (0, 3))

    def _layers(self, name: str, values: Tensor, numbers: tuple[int, int]) -> Tensor:
        first, second = numbers
        return self._linear(f"{name}.{second}", functional.relu(self._linear(f"{name}.{first}", values)))

    def _linear(self, name: str, values: Tensor) -> Tensor:
        return functional.linear(values, self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"])


@dataclass(frozen=True)
class Words:
    """Where a document's words begin in its subwords (None: not read at all), and which are its entities'."""

    starts: list[int | None]
    entities: list[list[int]]

    @classmethod
    def of(cls, document: Document, tokenizer: PreTrainedTokenizerBase) -> Words:
        starts: list[int | None] = []
        subwords = 0
        first_of_sentence = []
        for sentence in document.sentences:
            first_of_sentence.append(len(starts))
            for word in sentence:
                pieces = tokenizer([word], is_split_into_words=True, add_special_tokens=False).input_ids
                starts.append(subwords if pieces else None)
                subwords += len(pieces)
        entities = [
            [
                word
                for mention in entity.mentions
                for word in range(
                    first_of_sentence[mention.sent_id] + mention.start, first_of_sentence[mention.sent_id] + mention.end
                )
                if starts[word] is not None
            ]
            for entity in document.entities
        ]
        return cls(starts, entities)


def published_name(name: str) -> str:
    """The published name of one of our parameters."""
    for ours, theirs in OURS_TO_PUBLISHED.items():
        if name.startswith(f"{ours}."):
            return theirs + name.removeprefix(ours)
    raise KeyError(name)
