"""Few-shot prompts: worked exchanges about labelled documents, put before the question."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from harness.methods.base import Demonstration, PromptMethod
from harness.methods.candidates import GoldAndUnrelatedPairs, GoldPairs, PairSource
from harness.methods.settings import MethodSettings
from harness.types import Message


def with_shots(
    settings: MethodSettings, create: Callable[[MethodSettings], PromptMethod], *, unrelated_pairs: bool
) -> PromptMethod:
    """The method with one exchange a step from every document of ``settings.shots``, in their order.

    The first exchange of a step opens the conversation, so what opens one (the list of relations) is said once.
    """
    if not settings.shots:
        return create(settings)
    candidates = _shown_pairs(settings, unrelated_pairs)
    shown = replace(settings, candidates=candidates, questions=None)
    opening = create(replace(shown, opening=True))
    going_on = create(replace(shown, opening=False))
    exchanges: defaultdict[str, list[Message]] = defaultdict(list)
    for document in settings.shots:
        firsts = opening.demonstrate(document)
        later = going_on.demonstrate(document)
        for step, number in _chosen(firsts, f"{settings.sampling.seed} {document.title}").items():
            request = (later if exchanges[step] else firsts)[number].request
            exchanges[step] += _exchange(request.messages, firsts[number].answer)
    return create(replace(settings, opening=False, exchanges={step: tuple(said) for step, said in exchanges.items()}))


def _exchange(messages: Sequence[Message], answer: str) -> list[Message]:
    """The question of a request and its answer, with the beginning that the request itself gives to it."""
    begun = [message.content for message in messages if message.role == "assistant"][-1:]
    question = [message for message in messages if message.role == "user"][-1]
    return [question, Message("assistant", " ".join([*begun, answer]))]


def _shown_pairs(settings: MethodSettings, unrelated: bool) -> PairSource | None:
    """What is asked about the documents shown, whose labels are known; a file knows the evaluated documents only.

    With ``unrelated`` there are examples of pairs without a relation, too.
    """
    if settings.candidates is None and settings.questions is None:
        return None
    return GoldAndUnrelatedPairs(seed=settings.sampling.seed) if unrelated else GoldPairs()


def _chosen(demonstrations: list[Demonstration], seed: str) -> Mapping[str, int]:
    """Per step the number of one demonstration: of those that say most, one drawn by ``seed``."""
    by_step: defaultdict[str, list[int]] = defaultdict(list)
    for number, demonstration in enumerate(demonstrations):
        by_step[demonstration.step].append(number)
    chosen = {}
    for step, numbers in by_step.items():
        # Counted in words, so that answers of one word, such as true and false, say equally much.
        most = max(len(demonstrations[number].answer.split()) for number in numbers)
        best = [number for number in numbers if len(demonstrations[number].answer.split()) == most]
        chosen[step] = random.Random(f"{seed} {step}").choice(best)
    return chosen
