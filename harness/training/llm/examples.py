"""What an adapter learns: the tokens of a prompt as a run would send it, and of the answer that the labels give."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Protocol

from harness.errors import InputError
from harness.methods.candidates import AllPairs, GoldAndUnrelatedPairs, GoldPairs, RankedPairs
from harness.methods.episodes import InCorpora
from harness.methods.pairs import PairQuestions
from harness.training.llm.config import LlmTrainingConfig
from harness.types import Document, Message

if TYPE_CHECKING:
    from harness.methods.base import PromptMethod


log = logging.getLogger(__name__)


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


@dataclass(frozen=True)
class TokenSequence:
    """What the model reads at once: tokens that several prompts begin with, and the rest of each exchange.

    No exchange sees another one: each is read as if it stood alone behind ``shared``.
    """

    shared: tuple[int, ...]
    rests: tuple[Exchange, ...]

    def __len__(self) -> int:
        return len(self.shared) + sum(map(len, self.rests))

    @property
    def answered(self) -> int:
        """Tokens of answers."""
        return sum(len(rest.answer) for rest in self.rests)


@dataclass
class Exchanges:
    """The exchanges of each document that has any, and how many were too long to train on.

    ``max_length`` is the most tokens of a sequence; where it is 0, every exchange is a sequence of its own.
    """

    by_document: list[list[Exchange]] = field(default_factory=list)
    too_long: int = 0
    longest: int = 0
    max_length: int = 0

    def of_epoch(self, epoch: int, seed: int, most: int) -> list[TokenSequence]:
        """Those of one epoch, shuffled; of each document ``most`` at random, all where ``most`` is 0."""
        rng = random.Random(f"exchanges {seed} {epoch}")
        chosen = [
            one
            for exchanges in self.by_document
            for one in self._sequences(rng.sample(exchanges, most) if 0 < most < len(exchanges) else exchanges)
        ]
        rng.shuffle(chosen)
        return chosen

    def all(self) -> list[TokenSequence]:
        """Those of all documents, in order."""
        return [one for exchanges in self.by_document for one in self._sequences(exchanges)]

    def _sequences(self, exchanges: Sequence[Exchange]) -> list[TokenSequence]:
        """The exchanges of one document in as few sequences as ``max_length`` allows."""
        if not self.max_length:
            return [TokenSequence((), (one,)) for one in exchanges]
        # A token of every prompt is kept apart: the first token of an answer is predicted from it.
        shared = _common_beginning([one.prompt[:-1] for one in exchanges])
        rests = [Exchange(one.prompt[len(shared) :], one.answer) for one in exchanges]
        found: list[TokenSequence] = []
        for rest in rests:
            if found and len(found[-1]) + len(rest) <= self.max_length:
                found[-1] = TokenSequence(shared, (*found[-1].rests, rest))
            else:
                found.append(TokenSequence(shared, (rest,)))
        return found


def _common_beginning(prompts: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The tokens that all prompts begin with."""
    same = takewhile(lambda tokens: len(set(tokens)) == 1, zip(*prompts, strict=False))
    return tuple(tokens[0] for tokens in same)


def with_sampled_pairs(method: PromptMethod, ratio: float | None, seed: int) -> PromptMethod:
    """The method, asking about related pairs and ``ratio`` unrelated ones for each, shuffled; as it is for None.

    Where an encoder proposes the method's pairs, the unrelated ones are among those that it finds likeliest: on
    documents that it was trained on, what it proposes is nearly all related, and would teach no None.

    Raises InputError for a prompt that cannot answer that a pair has no relation, and for a list of pairs.
    """
    if ratio is None:
        return method
    if isinstance(method, InCorpora):
        raise InputError("-O na: is drawn from the pairs of one corpus: train on corpora of the same relations")
    if not (isinstance(method, PairQuestions) and method.none):
        raise InputError("-O na: the prompt has no answer for pairs without a relation; use --prompt pairwise")
    proposer = method.source if isinstance(method.source, RankedPairs) else None
    if proposer is None and not isinstance(method.source, AllPairs | GoldPairs):
        raise InputError(
            f"-O na: draws pairs itself, and would not ask about those of --candidates {method.source.name}: leave out "
            "one of them, or give an encoder as candidates"
        )
    return replace(method, source=GoldAndUnrelatedPairs(seed=seed, ratio=ratio, is_shuffled=True, proposer=proposer))


def exchanges_of(
    documents: Iterable[Document],
    method: PromptMethod,
    chat: ChatTokens,
    tokenizer: Any,
    end: int,
    config: LlmTrainingConfig,
    context: int,
    step: str | None = None,
) -> Exchanges:
    """The exchanges of the documents in a method, those of one ``step`` if it is given.

    ``end`` is the token that ends a turn, ``context`` the most tokens that the model reads: a run could not ask what is
    longer. Raises InputError where no exchange is left.
    """
    max_length = min(config.max_length, context)
    is_context = max_length == context
    found = Exchanges(max_length=config.max_length if config.share_text else 0)
    steps: dict[str, None] = {}
    for document in documents:
        mine = []
        for demonstration in method.demonstrate(document):
            steps[demonstration.step] = None
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
    if found.by_document and found.too_long:
        kept = sum(map(len, found.by_document))
        log.warning(
            "%d of %d exchanges have more than %d tokens (the longest %d) and are left out: %s",
            *(found.too_long, kept + found.too_long, max_length, found.longest),
            "that is all that the model reads" if is_context else "-O max_length takes more",
        )
    if step is not None and steps and step not in steps:
        raise InputError(f"--step {step}: the prompt asks the documents for {', '.join(steps)}")
    if not found.by_document:
        raise InputError(
            f"all {found.too_long} exchanges are longer than {max_length} tokens (the longest has {found.longest}): "
            + ("that is all that the model reads, give shorter documents" if is_context else "raise -O max_length")
            if found.too_long
            else "the documents give the prompt nothing to ask: an adapter needs documents with two entities and labels"
        )
    return found


def batches(sequences: Sequence[TokenSequence], size: int) -> list[Sequence[TokenSequence]]:
    """The sequences in groups of ``size``, the last as it comes."""
    return [sequences[start : start + size] for start in range(0, len(sequences), size)]
