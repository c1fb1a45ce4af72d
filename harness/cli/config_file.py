"""`--config FILE`: options from a YAML file, and what such a file cannot decide without the command saying it, too.

The file may come from elsewhere. It describes a run; it chooses no program, and no key for the server that it names.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import typer

from harness.cli.options import key_values
from harness.cli.yaml_files import yaml_mapping
from harness.errors import InputError
from harness.redaction import address


def read_configuration(context: typer.Context, path: Path | None) -> Path | None:
    """Callback of ``--config``: a YAML mapping of option names becomes the defaults; flags win.

    Names are those of the long options, with dashes or underscores; lists and mappings stand for
    repeatable options (``prompt-option: {refs: name}``).
    """
    if path is None:
        return None
    content = yaml_mapping(path, "--config")
    parameters = {
        flag.lstrip("-").replace("-", "_"): parameter for parameter in context.command.params for flag in parameter.opts
    }
    defaults: dict[str, Any] = {}
    for key, value in content.items():
        parameter = parameters.get(key.replace("-", "_"))
        if parameter is None or parameter.name is None:
            raise InputError(f"--config {path}: `harness {context.info_name}` has no option {key!r}")
        if isinstance(value, dict):
            # Flags and numbers of a mapping are told apart from text as JSON does: true, not True.
            value = [f"{inner}={item if isinstance(item, str) else json.dumps(item)}" for inner, item in value.items()]
        if isinstance(value, list) and not getattr(parameter, "multiple", False):
            raise InputError(f"--config {path}: {key!r} takes one value; do not write a list or mapping")
        if isinstance(value, bool) and not getattr(parameter, "is_flag", False):
            raise InputError(f"--config {path}: {key!r} is no switch; give it a value, text in quotes")
        if parameter.name == "config":
            raise InputError(f"--config {path}: a file names no other file of options; put them into one")
        if getattr(parameter, "multiple", False) and not isinstance(value, list):
            value = [str(value)]
        defaults[parameter.name] = value
    context.default_map = {**(context.default_map or {}), **defaults}
    return path


def model_options(
    context: typer.Context, config: Path | None, model: str, base_url: str | None, pairs: list[str] | None
) -> dict[str, str]:
    """The ``-M`` options of the file and those of the command, which win one by one.

    Raises InputError where the file chooses a program, a key variable or a flag of vLLM that may load or reach
    something. A server that only the file names is sent no key.
    """
    own, filed = key_values(pairs, "-M"), key_values(_in_file(context, "model_option"), "-M")
    if _is_filed(context, "model_option"):
        own = {}
    if chosen := [
        f"-M {shlex.quote(f'{key}={filed[key]}')}" for key in filed if key not in own and _decides(key, filed)
    ]:
        raise InputError(
            f"--config {config} chooses what is run or which key is sent. If that is right, add to the command: "
            f"{' '.join(chosen)}"
        )
    options = filed | own
    if base_url and _is_filed(context, "base_url") and (variable := _key_for(model, base_url, options)):
        wanted = " ".join(f"--base-url {shlex.quote(address(one))}" for one in base_url.split())
        if "key_env" in own:
            raise InputError(f"--config {config} names the server: add {wanted} to send it the key in ${variable}")
        if os.environ.get(variable):
            print(
                f"note: {config} names the server, so it gets no key: add {wanted} to send ${variable}", file=sys.stderr
            )
            options["key_env"] = ""
    return options


def _is_filed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "DEFAULT_MAP"


def _in_file(context: typer.Context, name: str) -> list[str]:
    value = (context.default_map or {}).get(name) or []
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _decides(key: str, options: dict[str, str]) -> bool:
    from runners.vllm_flags import FLAG_PREFIX, is_harmless

    return (key in ("python", "key_env") or key.startswith(FLAG_PREFIX)) and not is_harmless(key, options[key])


def _key_for(model: str, base_url: str, options: dict[str, str]) -> str:
    """The variable whose key this model's server would be sent; empty for none."""
    from harness.models import resolve_model
    from runners.providers import PROVIDERS

    spec = resolve_model(model, base_url)
    if spec.runner not in ("openai_api", "vllm_server"):
        return ""
    provider = PROVIDERS.get(spec.provider)
    return options.get("key_env", (provider.key_env if provider else "") or "OPENAI_API_KEY")
