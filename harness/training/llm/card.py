"""The model card of an adapter: what it is for, what it learned from, and what it scored."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.encoders.weights import storing
from harness.json_files import json_text
from harness.training.llm.figure import FIGURE

if TYPE_CHECKING:
    from harness.runs.config import RunConfig
    from harness.training.folder import Trained
    from harness.training.trainer import Progress

CARD = "README.md"


def write_card(
    folder: Path,
    question: Mapping[str, Any],
    run: RunConfig,
    base: str,
    progress: Progress,
    trained: Trained,
    *,
    is_drawn: bool = False,
    is_part: bool = False,
) -> None:
    """Write the card beside the adapter. ``question`` is that of ``training.json``, ``base`` the value of --model.

    ``run`` is what was asked for, whose options a run with the adapter takes, too. ``is_drawn`` says whether the figure
    of the curve is there, too; ``is_part`` whether a run takes adapters of other steps besides, so that this one has no
    scores of its own.
    """
    with storing(folder):
        (folder / CARD).write_text(
            _card(question, _command(run, base, question["step"]), base, progress, trained, is_drawn, is_part),
            encoding="utf-8",
        )


def _command(run: RunConfig, base: str, step: str | None) -> str:
    """The command that asks as the training did; the folder of the adapter is left open."""
    options = [word for key, value in run.prompt_options.items() for word in ("-P", f"{key}={value}")]
    candidates = ["--candidates", run.candidates] if run.candidates else []
    adapter = f"{step}=FOLDER" if step else "FOLDER"
    return shlex.join(
        ["harness", "run", "--model", base, "--prompt", run.prompt, *options, *candidates, "--adapter", adapter]
    )


def _card(
    question: Mapping[str, Any],
    command: str,
    base: str,
    progress: Progress,
    trained: Trained,
    is_drawn: bool,
    is_part: bool,
) -> str:
    prompt, data, step = question["asked"]["prompt"], question["data"], question["step"]
    identity = question["asked"]["model"]["identity"]
    settings = dict(question["training"])
    if is_part:  # its epoch is chosen by the loss, whatever these say
        settings = {name: value for name, value in settings.items() if not name.startswith("choose_")}
    # JSON strings are YAML, whatever a name holds.
    header = [
        "---",
        f"base_model: {json_text(identity['model'])}",
        "library_name: peft",
        "pipeline_tag: text-generation",
        "tags: [lora, relation-extraction]",
        "---",
    ]
    lines = [
        *header,
        f"# Adapter for the prompt {prompt['name']}" + (f", step {step}" if step else ""),
        "",
        f"For `{base}` ({_identity(identity)}).",
        f"Prompt options: {_settings(prompt['options'])}.",
        "",
        f"    {command}",
        "",
        "## Data",
        "",
        f"{data['train_documents']} documents of `{data['train']}` (sha256 `{data['train_sha256']}`).",
        _held_out(data),
        "`seen.bin` has hashes of all documents that were trained on or chosen by; a run on them is not ranked.",
        "",
        "## Scores",
        "",
        "A run with the adapters of all steps is scored, one of them alone is not." if is_part else _reported(trained),
        "",
        "| epoch | loss | held-out loss | precision | recall | F1 | seconds |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {line.epoch}{' (kept)' if line.epoch == progress.best_epoch else ''} | {line.loss:.4f} "
            f"| {_number(line.held_out_loss, 4)} | {_percent(line.precision)} | {_percent(line.recall)} "
            f"| {_percent(line.f1)} | {line.seconds:,.0f} |"
            for line in progress.curve
        ),
        "",
        "Precision, recall and F1 are in percent, of the documents that were answered to choose the epoch.",
        "",
        *([f"![Loss and F1 by epoch]({FIGURE})", ""] if is_drawn else []),
        "## Training",
        "",
        f"{_settings(settings)}; {trained.seconds:,.0f} seconds.",
    ]
    return "\n".join(lines) + "\n"


def _held_out(data: Mapping[str, Any]) -> str:
    tested = f" Scores are on `{data['test']}` (sha256 `{data['test_sha256']}`)." if "test" in data else ""
    if "dev" in data:
        return f"The epoch was chosen by `{data['dev']}` (sha256 `{data['dev_sha256']}`).{tested}"
    reported = "" if tested else f", and {data['report']} more were held out to report on"
    return (
        f"{data['choose']} other documents of it were held out to choose the epoch by{reported} "
        f"(split seed {data['split_seed']}).{tested}"
    )


def _reported(trained: Trained) -> str:
    scores = trained.reported
    if scores is None:
        return "There were no documents to report on."
    found = ", ".join(f"{name} {_percent(scores[name])}" for name in ("precision", "recall", "f1"))
    return f"On the documents to report on, in percent: {found}."


def _identity(identity: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in identity.items() if name != "provider")


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None) or "none"


def _percent(value: float | int | None) -> str:
    return _number(None if value is None else 100 * value, 2)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
