"""What an adapter learns: the tokens of a prompt as a run would send it, and of the answer that the labels give."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from harness.errors import InputError
from harness.methods.candidates import GoldAndUnrelatedPairs, RankedPairs
from harness.methods.pairs import PairQuestions
from harness.types import Document, Message

if TYPE_CHECKING:
    from harness.methods.base import PromptMethod


class ChatTokens(Protocol):
    """A runner in this process, which knows its model's chat format."""

    def prompt_tokens(self, messages: tuple[Message, ...]) -> list[int]:
        """The tokens of a chat, up to where the model's answer begins."""
        ...


@dataclass(frozen=True)
class Exchange:
    """A prompt and its answer in tokens; the answer ends with the token that ends the model's turn."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


@dataclass
class Exchanges:
    """The exchanges of each document that has any, and how many were too long to train on."""

    by_document: list[list[Exchange]] = field(default_factory=list)
    too_long: int = 0
    longest: int = 0

    def of_epoch(self, epoch: int, seed: int, most: int) -> list[Exchange]:
        """Those of one epoch, shuffled; of each document ``most`` at random, all where ``most`` is 0."""
        rng = random.Random(f"exchanges {seed} {epoch}")
        chosen = [
            one
            for exchanges in self.by_document
            for one in (rng.sample(exchanges, most) if 0 < most < len(exchanges) else exchanges)
        ]
        rng.shuffle(chosen)
        return chosen

    def count(self, most: int) -> int:
        """How many exchanges an epoch has."""
        return sum(min(len(exchanges), most) if most else len(exchanges) for exchanges in self.by_document)


def with_sampled_pairs(method: PromptMethod, ratio: float | None, seed: int) -> PromptMethod:
    """The method, asking about related pairs and ``ratio`` unrelated ones for each, shuffled; as it is for None.

    Where an encoder proposes the method's pairs, the unrelated ones are among those that it finds likeliest: on
    documents that it was trained on, what it proposes is nearly all related, and would teach no None.

    Raises InputError for a prompt that cannot answer that a pair has no relation.
    """
    if ratio is None:
        return method
    if not (isinstance(method, PairQuestions) and method.none):
        raise InputError("-O na: the prompt has no answer for pairs without a relation; use --prompt pairwise")
    proposer = method.source if isinstance(method.source, RankedPairs) else None
    return replace(method, source=GoldAndUnrelatedPairs(seed=seed, ratio=ratio, is_shuffled=True, proposer=proposer))


def exchanges_of(
    documents: Iterable[Document],
    method: PromptMethod,
    chat: ChatTokens,
    tokenizer: Any,
    end: int,
    max_length: int,
    step: str | None = None,
) -> Exchanges:
    """The exchanges of the documents in a method, those of one ``step`` if it is given.

    ``end`` is the token that ends a turn. Raises InputError where no exchange is left.
    """
    found = Exchanges()
    for document in documents:
        mine = []
        for demonstration in method.demonstrate(document):
            if step is not None and demonstration.step != step:
                continue
            prompt = chat.prompt_tokens(demonstration.request.messages)
            answer = tokenizer(demonstration.answer, add_special_tokens=False)["input_ids"]
            exchange = Exchange(tuple(prompt), (*answer, end))
            found.longest = max(found.longest, len(exchange))
            if len(exchange) > max_length:
                found.too_long += 1
            else:
                mine.append(exchange)
        if mine:
            found.by_document.append(mine)
    if not found.by_document:
        raise InputError(
            f"all {found.too_long} exchanges are longer than {max_length} tokens: raise -O max_length "
            f"(the longest has {found.longest})"
            if found.too_long
            else "the documents give the prompt nothing to ask: an adapter needs documents with two entities and labels"
        )
    return found


def batches(exchanges: Sequence[Exchange], size: int) -> list[Sequence[Exchange]]:
    """The exchanges in groups of ``size``, the last as it comes."""
    return [exchanges[start : start + size] for start in range(0, len(exchanges), size)]
