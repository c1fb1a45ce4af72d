"""Two panels: how right answers are at each confidence, and how often each option is right and chosen."""

from __future__ import annotations

from pathlib import Path

from harness.cli.calibrate import option_name
from harness.cli.figures import save_figure
from harness.experiment.answers import Calibration


def draw(path: Path, found: Calibration) -> None:
    """Raises StorageError where the file cannot be written."""
    # Not pyplot: a figure of its own needs no screen.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], ":", color="grey", label="calibrated")
    left.plot([one.confidence for one in found.bins], [one.accuracy for one in found.bins], "o-", color="black")
    left.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability of the chosen option", ylabel="share that is right")
    left.set_title(f"{found.questions - found.unread} answers, calibration error {found.error:.3f}", fontsize="small")
    left.legend()
    names = [option_name(one) for one in found.places]
    right.bar(
        [x - 0.2 for x in range(len(names))], [one.right for one in found.places], 0.4, label="right", color="0.7"
    )
    right.bar(
        [x + 0.2 for x in range(len(names))], [one.chosen for one in found.places], 0.4, label="chosen", color="0.2"
    )
    right.set_xticks(range(len(names)), names)
    right.set(xlabel="option", ylabel="questions")
    figure.suptitle(found.run_id, fontsize="small")
    right.legend()
    save_figure(figure, path)
