"""A stored run of an encoder: how far its probabilities hold, and the calibration that fits them best."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.datasets.gold import with_gold
from harness.encoders.calibration import CALIBRATION, Calibration, fitted, margins_and_labels
from harness.encoders.scores import PAIR_SCORES, ScoreFile
from harness.encoders.weights import folder_named, storing, weights_digest
from harness.errors import InputError
from harness.json_files import json_text
from harness.refiners.calibration import BINS, Bin, calibration_error
from harness.runs.stored_data import WHEREVER, DataPlace, find_dataset
from harness.store import RunFolder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST = 0.1
"""Triplets of a lower probability are in no bin: nearly all pairs and relations are."""


@dataclass(frozen=True)
class EncoderCalibration:
    """The fit, with bins and expected calibration errors of triplets before and after it, on the same documents."""

    calibration: Calibration
    bins: list[Bin]
    fitted_bins: list[Bin]
    weights: str = ""
    """Checksum of the weights of the run's encoder; empty where its identity does not tell, as of an ensemble."""

    @property
    def error(self) -> float:
        return calibration_error(self.bins)

    @property
    def fitted_error(self) -> float:
        return calibration_error(self.fitted_bins)

    def as_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        return {
            **self.calibration.model_dump(),
            "error": self.error,
            "fitted_error": self.fitted_error,
            "bins": [one._asdict() for one in self.bins],
            "fitted_bins": [one._asdict() for one in self.fitted_bins],
        }

    def save(self, folder: Path) -> None:
        """Write the calibration beside an encoder's weights; StorageError, InputError for other weights or none."""
        if folder_named(str(folder)) is None:
            raise InputError(f"--into {folder}: no folder of a trained encoder")
        weights = weights_digest(folder)
        if self.weights and weights and weights != self.weights:
            raise InputError(f"--into {folder}: has other weights than the encoder of this run")
        calibration = self.calibration.model_copy(update={"weights": weights})
        with storing(folder):
            (folder / CALIBRATION).write_text(json_text(calibration.model_dump(), indent=1) + "\n", "utf-8")


def encoder_calibration_of(folder: RunFolder, place: DataPlace = WHEREVER) -> EncoderCalibration:
    """Fit a calibration to the pair scores of a run; InputError without labels, or where pairs are not scored."""
    manifest = folder.read_manifest()
    dataset = with_gold(find_dataset(folder, manifest, place), "a calibration")
    file = ScoreFile(folder.path / PAIR_SCORES)
    documents = [one for one in dataset.documents if one.title in set(file)]
    margins, held = margins_and_labels(documents, (file[one.title] for one in documents))
    if not held.any() or held.all():
        raise InputError(f"{folder.run_id}: its triplets are all right or all wrong; name a run of more documents")
    temperature, offset = fitted(margins, held)
    question = manifest.question.dataset
    fit = Calibration(
        temperature=round(temperature, 4),
        offset=round(offset, 4),
        documents=len(documents),
        fitted_on=f"{question.name} {question.split}",
    )
    weights = str(manifest.question.model.identity.get("weights", ""))
    return EncoderCalibration(fit, _bins(margins, held, Calibration()), _bins(margins, held, fit), weights)


def _bins(margins: NDArray[np.float64], held: NDArray[np.bool_], calibration: Calibration) -> list[Bin]:
    """Bins of equal width; empty ones are left out."""
    import numpy as np

    logits = np.clip(margins / calibration.temperature - calibration.offset, -60, 60)
    probabilities = 1 / (1 + np.exp(-logits))
    found = []
    for number in range(round(LEAST * BINS), BINS):
        low, high = number / BINS, (number + 1) / BINS
        inside = (probabilities > low) & (probabilities <= high)
        if count := int(inside.sum()):
            found.append(Bin(low, high, count, float(probabilities[inside].mean()), float(held[inside].mean())))
    return found
