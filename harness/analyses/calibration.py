"""A stored run's answers to questions with options, and what they say of the model: `harness calibrate`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, cast

from harness.datasets.content import content_hash
from harness.datasets.gold import label_source_of, with_gold
from harness.errors import InputError
from harness.refiners.calibration import (
    Bin,
    Place,
    Question,
    calibration_error,
    fitted_temperature,
    places,
    questions_of,
    reliability,
)
from harness.runs.stored_data import WHEREVER, DataPlace, find_dataset
from harness.store import RunFolder


@dataclass(frozen=True)
class Calibration:
    """What the answers of a run show; temperatures are fitted on its own documents, so report them on others.

    ``error`` is the expected calibration error of the answers as they are, ``fitted_error`` after tempering, both
    on the same documents. ``encoder_temperature`` is None unless the run refines an encoder. ``silver`` is what to say
    of the labels if no human wrote them; else empty.
    """

    run_id: str
    dataset: str
    split: str
    documents: int
    questions: int
    unread: int
    places: list[Place]
    bins: list[Bin]
    error: float
    model_temperature: float | None
    encoder_temperature: float | None
    fitted_error: float
    contents: frozenset[bytes]
    """The content hashes of the documents."""
    silver: str = ""

    def temperatures(self) -> dict[str, float]:
        """Those that could be fitted, by the name of the option of a refinement."""
        found = {"model_temperature": self.model_temperature, "encoder_temperature": self.encoder_temperature}
        return {name: temperature for name, temperature in found.items() if temperature is not None}

    def as_json(self) -> dict[str, Any]:
        content = asdict(self)
        del content["contents"]
        return {
            **content,
            "places": [one._asdict() for one in self.places],
            "bins": [one._asdict() for one in self.bins],
        }


def calibration_of(folder: RunFolder, place: DataPlace = WHEREVER) -> Calibration:
    """Read the answers of a complete run; InputError for one that asked no questions with options."""
    manifest = folder.read_manifest()
    dataset = with_gold(find_dataset(folder, manifest, place), "a calibration")
    by_title = {one.title: one for one in dataset.documents}
    questions: list[Question] = []
    asked = documents = 0
    contents: set[bytes] = set()
    for record in folder.documents():
        answers = cast("list[dict[str, Any]] | None", record.details.get("answers"))
        if answers is None:
            raise InputError(
                f"{folder.run_id} asked no questions with options: name a run of choice, judge or statements"
            )
        if record.title not in by_title:
            raise InputError(f"{folder.run_id}: {record.title!r} is not in its data: run it anew")
        documents += 1
        contents.add(content_hash(by_title[record.title]))
        asked += len(answers)
        questions += questions_of(by_title[record.title], answers)
    if not questions:
        without = (
            f"of its {asked:,} questions none has probabilities of options and of none" if asked else "it asked nothing"
        )
        raise InputError(f"{folder.run_id}: {without}, so there is nothing to calibrate")
    temperature = fitted_temperature(questions, lambda question: question.model)
    bins = reliability(questions)
    return Calibration(
        run_id=folder.run_id,
        dataset=manifest.question.dataset.name,
        split=manifest.question.dataset.split,
        documents=documents,
        questions=asked,
        unread=asked - len(questions),
        places=places(questions),
        bins=bins,
        error=calibration_error(bins),
        model_temperature=temperature,
        encoder_temperature=fitted_temperature(questions, lambda question: question.encoder),
        fitted_error=calibration_error(reliability(questions, temperature or 1.0)),
        contents=frozenset(contents),
        silver=label_source_of(dataset).silver,
    )
