"""The table of models: which runner serves a name, and what it needs."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from harness.errors import InputError
from harness.types import ModelSpec, PredictionSource

MODELS_FILE = Path(__file__).with_name("models.toml")

ENCODER = PredictionSource.ENCODER.value
"""The ``runner`` of models that score pairs instead of answering prompts."""

_OF_ADAPTERS = "adapter_config.json"
_SEED = re.compile(r"seed-\d+")
_LLMS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
_FILES_OF_ENCODERS = ("model.safetensors", "0/model.safetensors", "training.json", "glidre_config.json")


@lru_cache
def load_models(path: Path = MODELS_FILE) -> Mapping[str, ModelSpec]:
    """Read the rows of ``models.toml`` by short name, in the file's order.

    Raises InputError for a row with an unknown or missing key.
    """
    rows = tomllib.loads(path.read_text(encoding="utf-8"))
    known = {field.name for field in fields(ModelSpec)} - {"name"}
    models = {}
    for name, row in rows.items():
        unknown = sorted(row.keys() - known)
        if unknown or not {"runner", "model_id"} <= row.keys():
            problem = f"unknown key {unknown[0]!r}" if unknown else "runner and model_id are needed"
            raise InputError(f"{path}, model {name}: {problem}")
        models[name] = ModelSpec(name=name, **row)
    return models


def resolve_model(name: str, base_url: str | None = None) -> ModelSpec:
    """What ``--model`` stands for: a short name, ``provider/name``, a GGUF file, or a trained encoder's folder.

    ``provider/name`` is split at the first slash, so ``vllm//models/x`` is the folder ``/models/x``, and
    ``encoder/owner/name`` an encoder at the hub; with a runner as provider, the name may be a short one:
    ``transformers/smollm2-135m`` runs that row's model there.
    With ``base_url``, an embedded model's row asks that server instead, and a name without a row is
    asked for as it stands, also that of a GGUF file. Raises InputError for anything else, naming the nearest
    short names.
    """
    from runners.model_file import is_gguf
    from runners.providers import PROVIDERS
    from runners.registry import all_declared

    models = load_models()
    if spec := models.get(name):
        if base_url and spec.runner == "llama_cpp":
            return replace(spec, runner="openai_api", model_id=name, revision="", extra={})
        return _with_known_file(spec)
    prefixes = {runner.prefix: runner.name for runner in all_declared() if runner.prefix} | {ENCODER: ENCODER}
    if name and (Path(name) / _OF_ADAPTERS).is_file():
        raise InputError(
            f"model {name}: an adapter; give it as --adapter {name}, and as --model what it was trained on"
        )
    if any((Path(name) / file).is_file() for file in _FILES_OF_ENCODERS) and not _holds_llm(Path(name)):
        return ModelSpec(name=_name_of_encoder(Path(name).resolve()), runner=ENCODER, model_id=name)
    provider, _, model_id = name.partition("/")
    is_served = base_url or (model_id and provider in PROVIDERS and not Path(name).is_file())
    if is_gguf(name) and provider not in prefixes and not is_served:
        return ModelSpec(name=Path(name).stem, runner="llama_cpp", model_id=name)
    if model_id and provider in prefixes:
        row = models.get(model_id)
        return (row and _on_another_runner(row, name, prefixes[provider])) or ModelSpec(
            name=name, runner=prefixes[provider], model_id=model_id
        )
    if model_id and provider in PROVIDERS:
        extra = _extra_of_api_model(models.values(), provider, model_id)
        return ModelSpec(name=name, runner="openai_api", provider=provider, model_id=model_id, extra=extra)
    if base_url:
        return ModelSpec(name=name, runner="openai_api", model_id=name)
    if name and Path(name).is_dir():
        lacks = "" if _holds_llm(Path(name)) else f", which has {_FILES_OF_ENCODERS[0]}"
        raise InputError(
            f"model {name}: no trained encoder{lacks}; a folder with an LLM's weights is "
            f"transformers/{name} or vllm/{name}"
        )
    near = get_close_matches(name, models, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise InputError(
        f"unknown model {name!r}: {hint}`harness models` lists them; provider/name reaches others, "
        f"with provider one of {', '.join([*prefixes, *PROVIDERS])}"
    )


def _name_of_encoder(folder: Path) -> str:
    """The folder's name, with that of the folder above where it is one of several seeds: ``atlop-docred/seed-0``."""
    return f"{folder.parent.name}/{folder.name}" if _SEED.fullmatch(folder.name) else folder.name


def on_runner(name: str, runner: str) -> str:
    """The value of ``--model`` that has ``runner``, one with a prefix, load the weights that ``name`` stands for.

    Raises InputError for a name that is none.
    """
    from runners.registry import all_declared

    declared_runners = {one.name: one for one in all_declared()}
    if Path(name).is_dir():
        spec = None
    elif (spec := resolve_model(name)).runner == runner:
        return name
    provider, _, model_id = name.partition("/")
    prefix = declared_runners[runner].prefix
    # What another runner would load from a folder or the hub, as `vllm/NAME`.
    is_prefixed = spec is not None and (one := declared_runners.get(spec.runner)) is not None and one.prefix == provider
    return f"{prefix}/{model_id if is_prefixed and model_id else name}"


def given_base_url(name: str, base_url: str | None) -> str | None:
    """The server to ask: the user's, else ``$OPENAI_BASE_URL`` for models of OpenAI and names that are no others."""
    address = os.environ.get("OPENAI_BASE_URL", "").strip()
    base_url = base_url and base_url.strip()
    if base_url or not address:
        return base_url
    try:
        is_elsewhere = resolve_model(name).provider not in ("openai", "openai-compatible")
    except InputError:
        is_elsewhere = False
    return None if is_elsewhere else address


def _holds_llm(folder: Path) -> bool:
    """Whether a folder has the configuration of a language model in the layout of transformers."""
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return any(str(one).endswith(_LLMS) for one in content.get("architectures") or ())
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        return False


def _extra_of_api_model(rows: Iterable[ModelSpec], provider: str, model_id: str) -> Mapping[str, object]:
    """What the row of a provider's model says of it and of its dated versions (``gpt-4-0613``); empty without one."""
    named = [row for row in rows if row.provider == provider and f"{model_id}-".startswith(f"{row.model_id}-")]
    return max(named, key=lambda row: len(row.model_id)).extra if named else {}


def _on_another_runner(row: ModelSpec, name: str, runner: str) -> ModelSpec | None:
    """The model of ``row`` run by ``runner``, which reads an embedded model's file or loads the hub's weights.

    None if the row's weights are not to be had, or ``runner`` takes no row of another.
    """
    from runners.registry import declared

    if ENCODER in (runner, row.runner) or not declared(runner).loads_rows or not declared(row.runner).open_weights:
        return None
    if declared(row.runner).reads_gguf and not declared(runner).reads_gguf:
        return replace(row, name=name, runner=runner, revision="", extra={})
    return replace(_with_known_file(row), name=name, runner=runner)


def _with_known_file(row: ModelSpec) -> ModelSpec:
    """A row whose file is at the hub as that of the file on this machine, if it was fetched or registered."""
    from runners.hub_file import is_hub_row, known_file

    path = known_file(row) if is_hub_row(row) else None
    return replace(row, model_id=str(path), revision="", extra={}) if path else row
