"""Scripted answers of a model that knows the labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from harness.methods.choice import LETTERS
from harness.runs.plan import Experiment
from harness.types import Completion, Document, Message, Request, TokenLogprob, Usage
from runners.mock import MockRunner

Messages = tuple[Message, ...]


def answering(experiment: Experiment, answer: Callable[[Request], str | Completion]) -> Experiment:
    """The experiment with a mock in place of its model."""
    return replace(experiment, runner=MockRunner(answer))


def all_knowing(experiment: Experiment) -> Experiment:
    """Every question answered as the labels say, with the probability shared by all true options."""
    answers = {
        request: completion
        for document in experiment.documents
        for request, completion in _perfect(experiment, document)
    }
    return answering(experiment, lambda request: answers[request.messages])


def _perfect(experiment: Experiment, document: Document) -> Iterator[tuple[Messages, Completion | str]]:
    demonstrations = experiment.method().demonstrate(document)
    if experiment.refinement is None or experiment.settings.variant.name == "judge":
        for demonstration in demonstrations:
            plain = experiment.refinement is None
            yield (
                demonstration.request.messages,
                demonstration.answer if plain else said({demonstration.answer: 1.0}),
            )
        return
    gold = {label.triplet for label in document.labels}
    questions = experiment.refinement.hard_pairs.questions(document)
    for demonstration, (pair, relations) in zip(demonstrations, questions, strict=True):
        true = [LETTERS[i] for i, relation in enumerate(relations) if (pair[0], relation, pair[1]) in gold]
        true = true or [LETTERS[len(relations)]]
        yield demonstration.request.messages, said(dict.fromkeys(true, 1 / len(true)))


def said(probabilities: dict[str, float]) -> Completion:
    """An answer of one token with these probabilities; the likeliest is the one that was written."""
    top = tuple((label, math.log(probability)) for label, probability in probabilities.items())
    text = max(probabilities, key=lambda label: probabilities[label])
    return Completion(
        text=text,
        finish_reason="stop",
        usage=Usage(10, 1),
        logprobs=(TokenLogprob(text, math.log(probabilities[text]), top),),
    )
