"""`harness doctor`: what works here, what is missing, and how to get it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from harness.cli.options import JsonOption, ResultsOption

if TYPE_CHECKING:
    from harness.types import ModelSpec

EXTRAS = {
    "adapters": ("peft", "training LoRA adapters"),
    "align": ("sentence_transformers", "relation alignment by SBERT"),
    "encoders": ("torch", "ATLOP, candidate proposer, GLiDRE"),
    "extract": ("pypdf", "PDF and HTML files in `harness extract`"),
    "gliner": ("gliner", "GLiNER as entity finder of `harness extract`"),
    "graph": ("networkx", "graphs from `harness extract`"),
    "language": ("py3langid", "`harness annotate --language`"),
    "parquet": ("pyarrow", "Parquet files"),
    "ray": ("ray", "clusters"),
    "report": ("matplotlib", "figures and report pages"),
    "serve": ("fastapi", "`harness serve`"),
    "spacy": ("spacy", "spaCy: its files, names, and component"),
    "tracking": ("mlflow", "MLflow, Weights & Biases"),
}


class Finding(NamedTuple):
    """One thing looked at: fine or not, and what to do if it is not. ``needed`` if runs fail without it."""

    name: str
    fine: bool
    note: str
    needed: bool = False


def doctor(
    repair_journal: Annotated[
        bool, typer.Option("--repair-journal", help="Make a damaged journal anew from the answers that can be read.")
    ] = False,
    results_dir: ResultsOption = Path("results"),
    as_json: JsonOption = False,
) -> None:
    """Look at this machine: packages, models, data, keys, GPUs. Exits with 1 if a run could not be stored."""
    if repair_journal:
        from harness.engine.journal import JOURNAL_FILE
        from harness.engine.repair import repair_journal as repair

        saved, damaged = repair(results_dir / JOURNAL_FILE)
        told = f"saved {saved:,} answers; the damaged journal is now {damaged}"
        typer.echo(json.dumps({"saved": saved, "damaged": str(damaged)}) if as_json else told)
        return
    findings = list(examine(results_dir))
    if as_json:
        typer.echo(json.dumps([finding._asdict() for finding in findings]))
    else:
        for finding in findings:
            typer.echo(f"{'ok ' if finding.fine else '-- '} {finding.name:<23} {finding.note}")
    if any(finding.needed and not finding.fine for finding in findings):
        raise typer.Exit(1)


def examine(results: Path) -> Iterator[Finding]:
    """All findings; nothing is started, downloaded or sent, and of keys only whether they are set."""
    from harness import __version__
    from harness.datasets.registry import CORPORA
    from harness.environment import gpus, hardware
    from harness.models import load_models
    from runners.providers import PROVIDERS
    from runners.registry import all_declared

    machine = hardware()
    yield Finding("harness", True, f"version {__version__}")
    yield Finding("machine", True, f"{machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}")
    cards = gpus()
    yield Finding("GPUs", bool(cards), ", ".join(cards) or "none: use an API model, a server, or smollm2-135m")
    runners = {runner.extra: (runner.package, runner.purpose) for runner in all_declared() if runner.extra}
    for extra, (package, purpose) in (runners | EXTRAS).items():
        present = find_spec(package) is not None
        note = "installed" if present else f"not installed: pip install 'docre-harness[{extra}]'"
        yield Finding(f"extra {extra}", present, f"{note} ({purpose})")
    yield from (_model_finding(spec) for spec in load_models().values() if spec.runner == "llama_cpp")
    for corpus in CORPORA.values():
        splits = [one for one in corpus.listed_splits if corpus.splits[one].path_in(corpus.folder).is_file()]
        get = f"harness data fetch {corpus.name}" if corpus.url else f"from {corpus.page}"
        note = f"{', '.join(splits)} in {corpus.folder}" if splits else get
        yield Finding(f"data {corpus.name}", bool(splits), note)
    for variable in sorted({row.key_env for row in PROVIDERS.values() if row.key_env}):
        is_set = bool(os.environ.get(variable))
        yield Finding(variable, is_set, "set" if is_set else "not set")
    yield _results_finding(results)


def _model_finding(spec: ModelSpec) -> Finding:
    """Whether a model for the CPU is here, else whether it fits this machine's memory and how to get it."""
    from harness.models import resolve_model
    from runners.hardware import total_memory
    from runners.model_file import model_file

    memory = total_memory() / 1e9
    if spec.memory_gb > memory:
        return Finding(
            spec.name, False, f"does not fit: needs {spec.memory_gb:g} GB of memory, here are {memory:.1f} GB"
        )
    file = model_file(resolve_model(spec.name))
    size = f"{float(str(spec.extra['download_mb'])) / 1000:.1f} GB"
    return Finding(
        spec.name, file.is_file(), str(file) if file.is_file() else f"fits: harness models fetch {spec.name} ({size})"
    )


def _results_finding(results: Path) -> Finding:
    """Whether runs can be stored, tried with a file that vanishes at once; no folder is made."""
    folder = next(one for one in (results.resolve(), *results.resolve().parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            return Finding("results folder", True, f"{results.resolve()} can be written", needed=True)
    except OSError as error:
        note = f"{folder}: {error.strerror}; choose another with --results-dir"
        return Finding("results folder", False, note, needed=True)
