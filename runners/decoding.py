"""Decoding a batch with Hugging Face's ``generate`` where every row has a grammar, a sampling and a limit of its own.

Outlines' own batches hold all rows to one grammar and return text alone; here each row carries its own
Outlines logits processor, and tells why it ended and how probable its tokens were.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any

from harness.types import Constraint, FinishReason, Request, TokenLogprob
from runners.label_tokens import NO_LABELS, LabelTokens
from runners.repetition import repeats

if TYPE_CHECKING:
    import torch

# Masks, in place or in what it returns, the tokens that a grammar forbids: ([1, length], [1, vocabulary]).
Mask = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]


@dataclass(eq=False)
class Row:
    """One request in a batch: its prompt's tokens, and what was generated so far.

    ``labels`` are the tokens whose probabilities are returned besides the most probable ones. ``abandoned`` may be set
    from another thread: the row ends at the next token. ``copies`` in a row end it, too (0: none do).
    """

    prompt: list[int]
    request: Request
    copies: int = 0
    labels: LabelTokens = NO_LABELS
    abandoned: Event = field(default_factory=Event)
    mask: Mask | None = None
    tokens: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    text: str = ""
    finish_reason: FinishReason | None = None

    @property
    def is_over(self) -> bool:
        return self.finish_reason is not None or self.abandoned.is_set()


def decode_rows(model: Any, tokenizer: Any, rows: Sequence[Row], end_tokens: Collection[int]) -> None:
    """Generate until every row is over; the rows hold their answers afterwards.

    ``tokenizer`` has a padding token. Greedy rows take the most probable token that their mask allows;
    the others draw from a generator of their own, so that an answer does not depend on its batch.
    """
    import torch

    longest = max(len(row.prompt) for row in rows)
    padded = [[tokenizer.pad_token_id] * (longest - len(row.prompt)) + row.prompt for row in rows]
    attended = [[0] * (longest - len(row.prompt)) + [1] * len(row.prompt) for row in rows]
    with torch.inference_mode():
        model.generate(
            input_ids=torch.tensor(padded, device=model.device),
            attention_mask=torch.tensor(attended, device=model.device),
            max_new_tokens=max(row.request.sampling.max_tokens for row in rows),
            do_sample=False,
            logits_processor=[_ChosenTokens(rows, tokenizer, end_tokens)],
            stopping_criteria=[_FinishedRows(rows)],
        )


def constraint_mask(grammars: Any, constraint: Constraint) -> Mask:
    """The logits processor of a constraint, from Outlines' xgrammar backend, which compiles each but once."""
    import xgrammar

    # xgrammar reads all forms as they are; outlines-core, Outlines' default for two, drops valid continuations.
    mask: Mask
    if constraint.form == "regex":
        mask = grammars.get_regex_logits_processor(constraint.text)
    elif constraint.form == "json_schema":
        # Outlines has no switch for white space, which small models fill until the token limit.
        grammar = xgrammar.Grammar.from_json_schema(constraint.text, any_whitespace=False)
        mask = grammars.get_cfg_logits_processor(str(grammar))
    else:
        mask = grammars.get_cfg_logits_processor(constraint.text)
    return mask


class _ChosenTokens:
    """As the only logits processor, chooses the next token of each row and leaves no other possible."""

    def __init__(self, rows: Sequence[Row], tokenizer: Any, end_tokens: Collection[int]) -> None:
        import torch

        self._rows = rows
        self._tokenizer = tokenizer
        self._end_tokens = frozenset(end_tokens)
        self._vocabulary = len(tokenizer)
        self._draws = [torch.Generator().manual_seed(row.request.seed) for row in rows]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """``input_ids``: [rows, length]; ``scores``: [rows, vocabulary], the model's logits as they are."""
        at_work = [number for number, row in enumerate(self._rows) if not row.is_over]
        distributions = {
            number: scores[number].log_softmax(-1) for number in at_work if self._rows[number].request.top_logprobs
        }
        for number in at_work:
            mask = self._rows[number].mask
            if mask is not None:
                this = slice(number, number + 1)
                # The padding of an embedding matrix has logits, too, but stands for no token.
                scores[this, self._vocabulary :] = float("-inf")
                scores[this, : self._vocabulary] = mask(input_ids[this], scores[this, : self._vocabulary])
        chosen: list[int] = scores.argmax(-1).tolist()
        for number in at_work:
            row = self._rows[number]
            if row.request.sampling.temperature > 0:
                chosen[number] = self._drawn(scores[number], number)
            if number in distributions:
                row.logprobs.append(self._logprob(distributions[number], chosen[number], row))
            self._append(row, chosen[number])
        scores.fill_(float("-inf"))
        for number, token in enumerate(chosen):
            scores[number, token] = 0.0
        return scores

    def _drawn(self, logits: torch.Tensor, number: int) -> int:
        import torch
        from transformers import TemperatureLogitsWarper, TopPLogitsWarper

        sampling = self._rows[number].request.sampling
        none = torch.empty(0)  # neither of the two looks at the tokens so far
        warped = TemperatureLogitsWarper(sampling.temperature)(none, logits.cpu().unsqueeze(0))
        if sampling.top_p < 1.0:
            warped = TopPLogitsWarper(sampling.top_p)(none, warped)
        return int(torch.multinomial(warped.softmax(-1), 1, generator=self._draws[number]))

    def _logprob(self, distribution: torch.Tensor, token: int, row: Row) -> TokenLogprob:
        values, tokens = distribution.topk(row.request.top_logprobs)
        known = dict(zip(tokens.tolist(), values.tolist(), strict=True))
        labels = sorted(((float(distribution[one]), one) for one in row.labels.ids if one not in known), reverse=True)
        known |= {one: value for value, one in labels}
        return TokenLogprob(
            self._tokenizer.decode([token]),
            float(distribution[token]),
            tuple((self._tokenizer.decode([alternative]), value) for alternative, value in known.items()),
            _unlisted(row.labels, float(values[-1])),
        )

    def _append(self, row: Row, token: int) -> None:
        sampling = row.request.sampling
        row.tokens.append(token)
        if token in self._end_tokens:
            row.finish_reason = "stop"
        elif len(row.tokens) == sampling.max_tokens:
            row.finish_reason = "length"
        elif row.copies and repeats(row.tokens, row.copies):
            row.finish_reason = "repetition"
        if row.finish_reason or sampling.stop:
            row.text = self._tokenizer.decode(row.tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        ends = [row.text.find(stop) for stop in sampling.stop if stop in row.text]
        if ends:
            row.text, row.finish_reason = row.text[: min(ends)], "stop"


def _unlisted(labels: LabelTokens, least: float) -> float | None:
    """The most that a token which is not returned and spells a label has; ``least`` is the last of the top ones."""
    return None if not labels.ids else 0.0 if labels.whole and labels.texts else math.exp(least)


class _FinishedRows:
    """As stopping criterion, says which rows are over."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __call__(self, input_ids: torch.Tensor, _scores: object, **_more: object) -> torch.Tensor:
        import torch

        return torch.tensor([row.is_over for row in self._rows], device=input_ids.device)
