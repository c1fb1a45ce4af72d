"""The configuration of a stored run, read as data: it names no program, address, key or weights that are used.

These come from the user's own command, or from the packaged tables of models and providers. What else a run names
(corpus, prompt, texts) is only read, and its checksum is part of the run's id.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from harness.encoders.entities import FINDER, LLM_FINDER
from harness.errors import InputError
from harness.models import load_models, resolve_model
from harness.records.manifest import Asked
from harness.redaction import HIDDEN, address, holds_marks, redact, shown
from harness.runs.config import RunConfig
from harness.runs.consistency import id_fits
from harness.store import RunFolder

# Names the server in a configuration that is only scored; this top-level domain leads nowhere (RFC 2606).
_NO_SERVER = "http://not-reached.invalid/v1"


@dataclass(frozen=True)
class Repeated:
    """What the user's own command says of the model, for a run that was stored with it."""

    model: str | None = None
    base_url: str | None = None
    model_options: Mapping[str, str] = field(default_factory=dict)
    adapter: Mapping[str, str] = field(default_factory=dict)
    finder: str | None = None


NOTHING_REPEATED = Repeated()


def config_to_score(folder: RunFolder, manifest: Asked) -> RunConfig:
    """The configuration of a run whose answers are read again; no model can be reached or started with it.

    Raises InputError for a manifest of another version.
    """
    stored = _stored(folder, manifest)
    finder = stored.finder if _is_packaged_finder(stored) else FINDER  # records have what it found
    return replace(
        stored, base_url=stored.base_url and _NO_SERVER, model_options=_harmless(stored), adapter={}, finder=finder
    )


def config_to_ask(folder: RunFolder, manifest: Asked, repeated: Repeated) -> RunConfig:
    """The configuration of a run whose model is asked again.

    Raises InputError where the manifest is that of another run, and where the run needs something that the command
    must repeat: the message names the options.
    """
    _check_question(folder, manifest)
    stored = _stored(folder, manifest)
    if missing := options_to_repeat(stored, repeated):
        raise InputError(
            f"{folder.run_id} was made with options that a stored run cannot choose. If they are right, repeat them: "
            f"harness retry RUN {' '.join(missing)}"
        )
    return replace(
        stored,
        model=repeated.model or stored.model,
        base_url=repeated.base_url,
        model_options={**_harmless(stored), **repeated.model_options},
        adapter={**_packaged_adapters(stored), **repeated.adapter},
        finder=repeated.finder or stored.finder,
    )


def _stored(folder: RunFolder, manifest: Asked) -> RunConfig:
    """What is written goes where the run lies, whatever folder it names."""
    return replace(RunConfig.from_json(manifest.config.as_json()), results=folder.path.parents[1])


def _check_question(folder: RunFolder, manifest: Asked) -> None:
    if folder.path.parent.name != "runs":
        raise InputError(f"{folder.path}: move the folder into RESULTS/runs, so that its answers have a journal beside")
    if not id_fits(folder.run_id, manifest):
        raise InputError(
            f"{folder.run_id}: its manifest was changed or is that of another run: type the original command instead"
        )


def _harmless(stored: RunConfig) -> dict[str, str]:
    from runners.vllm_flags import is_harmless

    return {key: value for key, value in stored.model_options.items() if is_harmless(key, value)}


def _packaged_adapters(stored: RunConfig) -> dict[str, str]:
    from runners.adapters import packaged_adapters

    packaged = packaged_adapters()
    return {step: named for step, named in stored.adapter.items() if named in packaged}


def _is_packaged_finder(stored: RunConfig) -> bool:
    return stored.finder in (FINDER, LLM_FINDER)


def options_to_repeat(stored: RunConfig, repeated: Repeated = NOTHING_REPEATED) -> list[str]:
    """The words that a command to ask this run's model again lacks; what could be a secret is left out of them."""
    missing = []
    if not repeated.model and not _is_packaged(stored):
        missing += ["--model", _typed(stored.model)]
    if stored.base_url and not repeated.base_url:
        missing += [word for one in stored.base_url.split() for word in ("--base-url", _typed(_recognisable(one)))]
    for step in stored.adapter.keys() - repeated.adapter.keys() - _packaged_adapters(stored).keys():
        missing += ["--adapter", _typed(f"{step}=FOLDER" if step else "FOLDER")]
    if not repeated.finder and not _is_packaged_finder(stored):
        missing += ["--finder", _typed(stored.finder)]
    for key, value in shown(stored.model_options).items():
        if key not in _harmless(stored) and key not in repeated.model_options:
            missing += ["-M", _typed(f"{key}={'...' if value == HIDDEN else value}")]
    return missing


def retry_command(folder: RunFolder, manifest: Asked) -> str:
    """What to type to ask again for the documents of this run that did not end ok."""
    try:
        repeated = options_to_repeat(_stored(folder, manifest))
    except InputError:
        # A manifest of another version: the command itself tells what is the matter.
        repeated = []
    return " ".join(["harness retry", folder.run_id, *repeated])


def _typed(text: str) -> str:
    """The text as a shell takes it, on one line and without what a terminal would act on."""
    return shlex.quote("".join(one if one.isprintable() else "?" for one in redact(text)))


def _recognisable(url: str) -> str:
    """The address, if nothing in it is hidden; else its server alone."""
    told = address(url)
    if not holds_marks(told):
        return told
    scheme, _, rest = told.partition("://")
    return f"{scheme}://{rest.partition('?')[0].rpartition('@')[2].partition('/')[0]}/..."


def _is_packaged(stored: RunConfig) -> bool:
    """Whether the model is one of the tables', or only a name that a server is told."""
    models = load_models()
    if stored.model in models or stored.model.partition("/")[2] in models:
        return True
    return resolve_model(stored.model, stored.base_url).runner in ("openai_api", "mock")
