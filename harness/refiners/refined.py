"""Drell's refiner as a method: an encoder's predictions, and what an LLM adds to them about its hard pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from harness.methods.base import Demonstration, PromptMethod
from harness.refiners.fusion import Fused, Fusion
from harness.refiners.task_distribution import HardPair, HardPairs
from harness.types import Ask, Document, Extraction, Prediction, Triplet


@dataclass(frozen=True)
class Refined:
    """The method ``asked``, whose questions are ``hard_pairs``, and the fusion of its answers.

    The predictions are the encoder's own, then those that the fusion adds; an answer that cannot be read adds
    none, and one without probabilities counts as certain of what is written. The details of an extraction
    are those of the method asked, with ``easy_pairs``, ``hard_pairs``, the questions ``undecided`` for want of
    probabilities, the triplets ``added`` and what each sum was made of.
    """

    asked: PromptMethod
    hard_pairs: HardPairs
    fusion: Fusion

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        extraction = await self.asked.extract(document, ask)
        hard = {one.pair: one for one in self.hard_pairs.of(document)}
        answers = cast(Sequence[Mapping[str, Any]], extraction.details["answers"])
        fusions = [fuse_answer(hard[tuple(answer["pair"])], answer, self.fusion) for answer in answers]
        added = [
            Prediction(
                Triplet(answer["pair"][0], answer["options"][option], answer["pair"][1]),
                score=round(fused.sums[option] - fused.sums[none_of(answer)], 4),
            )
            for answer, fused in zip(answers, fusions, strict=True)
            for option in fused.predicted
        ]
        own = self.hard_pairs.scores.of(document).predictions()
        details: dict[str, object] = {
            **extraction.details,
            "hard_pairs": len(hard),
            "easy_pairs": self.hard_pairs.pair_count(document) - len(hard),
            "undecided": sum(fused.uncertain for fused in fusions),
            "added": [list(prediction.triplet) for prediction in added],
            "answers": [
                {**answer, "encoder": encoder_of(hard[tuple(answer["pair"])], answer), "sums": list(fused.sums)}
                for answer, fused in zip(answers, fusions, strict=True)
            ],
        }
        return replace(extraction, predictions=(*own, *added), details=details)

    def demonstrate(self, document: Document) -> list[Demonstration]:
        """The questions about the document's hard pairs, with the answers of its labels."""
        return self.asked.demonstrate(document)


def fuse_answer(hard: HardPair, answer: Mapping[str, Any], fusion: Fusion) -> Fused:
    """The fusion of one answer, as ``OptionAnswer.as_json`` stores it, with the encoder's view of its pair."""
    encoder = encoder_of(hard, answer)
    none = none_of(answer)
    if answer["probabilities"] is not None:
        mass = answer["option_mass"]
        return fusion.fuse(encoder, answer["probabilities"], [more / mass for more in answer["unread"]], none)
    if answer["written"] is None:
        return Fused(tuple(encoder), (), True)
    certain = [float(option == answer["written"]) for option in range(len(encoder))]
    return fusion.fuse(encoder, certain, [0.0] * len(encoder), none)


def encoder_of(hard: HardPair, answer: Mapping[str, Any]) -> list[float]:
    """The encoder's probabilities of the options of an answer, in their order."""
    of_relation = dict(zip((*hard.relations, None), hard.probabilities, strict=True))
    return [of_relation[relation] for relation in answer["options"]]


def none_of(answer: Mapping[str, Any]) -> int:
    """The place of the option that no relation holds."""
    return int(answer["options"].index(None))
