"""A LoRA adapter's folder, in peft's layout: read, checked, and held against the model that it is put on."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import InputError
from harness.types import Adapter, AdapterBase, ModelSpec
from runners.content import file_digest
from runners.gguf_header import read_gguf_header
from runners.safetensors_header import refuse_other_than_numbers, stored_tensors

CONFIG, WEIGHTS, PICKLED, RECORD = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "adapter_model.bin",
    "adapter.json",
)
FORMAT = 1
# The settings of an adapter that its answers depend on, besides its weights.
_SETTINGS = ("r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "use_dora", "fan_in_fan_out")
# These import modules by name, change the layers of the model, or are known to peft alone.
_REFUSED = (
    "megatron_config",
    "layer_replication",
    "alora_invocation_tokens",
    "arrow_config",
    "use_qalora",
    "use_bdlora",
    "kasa_config",
    "monteclora_config",
    "velora_config",
)
_PART = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<side>[AB])\.(?:default\.)?weight")
# How an adapter may begin such that the weights of its base stay as they are; the others take a part of them away.
_KEEP_BASE = (True, False, None, "gaussian", "orthogonal", "eva")
GREATEST_ALPHA = 1e9
"""Of an adapter that is served, alpha is less."""
# A module's name or its end. peft reads it as a regular expression, and one of any form could take forever.
_MODULE = re.compile(r"(?!.*\)\*)(?:[\w.\\^$|()-]|\*(?!(?:.*\*){2})){1,200}")
_LAYER = re.compile(r"\.layers\.(\d+)\.")
# The projections that read and those that write the model's hidden state.
_READ_HIDDEN = ("q_proj", "k_proj", "v_proj", "qkv_proj", "gate_proj", "up_proj", "gate_up_proj")
_WRITE_HIDDEN = ("o_proj", "down_proj")

TRAINED = Path(__file__).with_name("trained")
"""The adapters that ship with the package, a folder each."""


class Factors(NamedTuple):
    """The shapes of an adapter's two matrices for one module: A is [rank, inputs], B is [outputs, rank]."""

    a: tuple[int, int]
    b: tuple[int, int]


def packaged_adapters() -> list[str]:
    """The names of the adapters that ship with the package."""
    return sorted(file.parent.name for file in TRAINED.glob(f"*/{CONFIG}"))


def read_adapter(named: str | Path) -> Adapter:
    """The packaged adapter of that name, or else the one in a folder, checked without loading it.

    Raises InputError for missing, damaged or pickled files, for what is no LoRA adapter, and where the matrices do not
    have the rank of the configuration.
    """
    folder = TRAINED / named if str(named) in packaged_adapters() else Path(named).expanduser()
    if not folder.is_dir():
        packaged = ", ".join(packaged_adapters())
        raise InputError(f"--adapter {folder}: no such folder; give one with {CONFIG} and {WEIGHTS}, or {packaged}")
    config = _json_object(folder / CONFIG)
    if not (folder / WEIGHTS).is_file():
        if (folder / PICKLED).exists():
            raise InputError(f"{folder / PICKLED} is a pickle, which can run code: save the adapter as safetensors")
        raise InputError(f"--adapter {folder} has no {WEIGHTS}: give the folder that training wrote")
    if config.get("peft_type") != "LORA":
        raise InputError(f"{folder / CONFIG}: an adapter of the type {config.get('peft_type')}; LoRA can be served")
    for name in _REFUSED:
        if config.get(name):
            raise InputError(f"{folder / CONFIG}: {name} is not supported")
    record = _json_object(folder / RECORD) if (folder / RECORD).is_file() else {}
    if record and record.get("format") != FORMAT:
        raise InputError(f"{folder / RECORD}: format {record.get('format')}; this version reads {FORMAT}")
    factors = factors_of(folder)
    refuse_other_than_numbers(folder / WEIGHTS, stored_tensors(folder / WEIGHTS))
    try:
        _check_settings(folder, config)
        rank = max(_checked_rank(folder, config, module, one) for module, one in factors.items())
        return Adapter(folder, _digest(folder, config), rank, _base(record, config, factors), config, record)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"--adapter {folder}: {CONFIG} or {RECORD} is damaged ({error}): train it again") from None


def merged_into(model: str) -> Adapter | None:
    """The adapter that is in the weights of a model's folder, as far as the folder tells; None for other models."""
    path = Path(model).expanduser() / RECORD
    record = _json_object(path) if path.is_file() else {}
    merged = record.get("merged")
    if record.get("format") != FORMAT or not isinstance(merged, Mapping):
        return None
    try:
        return Adapter(path.parent, str(merged["sha256"]), int(merged["rank"]), AdapterBase(), {}, record)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}): merge the adapter again") from None


def factors_of(folder: Path) -> dict[str, Factors]:
    """The shapes of the adapter's matrices by module, such as ``model.layers.0.self_attn.q_proj``."""
    path = folder / WEIGHTS
    sides: dict[str, dict[str, tuple[int, int]]] = {}
    for name, one in stored_tensors(path).items():
        if (match := _PART.fullmatch(name)) and len(one.shape) == 2:
            sides.setdefault(match["module"], {})[match["side"]] = (one.shape[0], one.shape[1])
    if not sides:
        raise InputError(f"{path} holds no LoRA matrices of linear layers")
    for module, both in sides.items():
        if both.keys() != {"A", "B"}:
            raise InputError(f"{path}: {module} has one of its two matrices only: train it again")
    return {module: Factors(both["A"], both["B"]) for module, both in sides.items()}


def factor_names(name: str) -> tuple[str, str] | None:
    """The module and the side, A or B, of a tensor's name in an adapter's file; None for any other tensor."""
    match = _PART.fullmatch(name)
    return (match["module"], match["side"]) if match else None


def scale_of(config: Mapping[str, Any], module: str, rank: int) -> float:
    """What the product B·A of a module is multiplied by. Source: peft's ``LoraLayer.update_layer``."""
    alpha = float(_pattern(config, "alpha_pattern", module, config["lora_alpha"]))
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


@dataclass(frozen=True)
class BaseModel:
    """What is known of the model that adapters are put on; None for what is not."""

    name: str
    architecture: str | None = None
    hidden_size: int | None = None
    layers: int | None = None
    file: Path | None = None
    """Its GGUF file, if it has one that is there."""
    file_sha256: str | None = None
    """The checksum of that file, where it is known without reading it."""

    @classmethod
    def of_gguf(cls, spec: ModelSpec, file: Path) -> BaseModel:
        header, known = read_gguf_header(file), spec.extra.get("file_sha256")
        return cls(spec.name, header.architecture, header.width, header.layers, file, str(known) if known else None)

    @classmethod
    def of_config(cls, name: str, config: Mapping[str, Any]) -> BaseModel:
        """From the fields of a ``config.json``."""
        inner = config.get("text_config") or config
        hidden, layers = inner.get("hidden_size"), inner.get("num_hidden_layers")
        return cls(name, config.get("model_type"), hidden, layers)

    @classmethod
    def of_folder(cls, spec: ModelSpec) -> BaseModel:
        """From the ``config.json`` of a folder of this machine; nothing is known of a model of a hub."""
        path = Path(spec.model_id).expanduser() / "config.json"
        return cls.of_config(spec.name, _json_object(path)) if path.is_file() else cls(spec.name)

    def check(self, adapter: Adapter) -> None:
        """Raise InputError for an adapter that was trained on another model."""
        trained = adapter.base
        for what, ours, theirs in (
            ("architecture", self.architecture, trained.architecture),
            ("hidden size", self.hidden_size, trained.hidden_size),
            ("number of layers", self.layers, trained.layers),
        ):
            if ours is not None and theirs is not None and ours != theirs:
                raise self._refused(adapter, f"its base has the {what} {theirs}, and {self.name} has {ours}")
        if self.layers is not None and adapter.base.layers is None:
            named = [int(match[1]) for module in factors_of(adapter.folder) if (match := _LAYER.search(module))]
            if named and max(named) >= self.layers:
                raise self._refused(adapter, f"it changes layer {max(named)}, and {self.name} has {self.layers} layers")
        if trained.file_sha256 and self.file is not None:
            ours = self.file_sha256 or file_digest(self.file)
            if ours != trained.file_sha256:
                raise self._refused(adapter, f"it was trained on another file of weights than {self.file.name}")

    def _refused(self, adapter: Adapter, why: str) -> InputError:
        base = f" ({adapter.base.name})" if adapter.base.name else ""
        return InputError(f"--adapter {adapter.folder}: {why}: use the --model that it was trained on{base}")


def _base(record: Mapping[str, Any], config: Mapping[str, Any], factors: Mapping[str, Factors]) -> AdapterBase:
    """What the adapter says of its base; its shapes tell the hidden size where nothing else does, or must agree."""
    told: Mapping[str, Any] = record.get("base") or {}
    widths = set(_hidden_sizes(factors))
    if len(widths) > 1:
        raise ValueError(f"its matrices fit hidden sizes {sorted(widths)}, which no model has together")
    width = next(iter(widths), None)
    if width is not None and told.get("hidden_size", width) != width:
        raise ValueError(f"the base's hidden size is {told['hidden_size']}, and the matrices are for {width}")
    return AdapterBase(
        name=str(told.get("name") or config.get("base_model_name_or_path") or ""),
        architecture=told.get("architecture"),
        hidden_size=width if width is not None else told.get("hidden_size"),
        layers=told.get("layers"),
        file_sha256=told.get("file_sha256"),
    )


def _hidden_sizes(factors: Mapping[str, Factors]) -> Iterator[int]:
    for module, (a, b) in factors.items():
        kind = module.rpartition(".")[2]
        if kind in _READ_HIDDEN:
            yield a[1]
        elif kind in _WRITE_HIDDEN:
            yield b[0]


def _check_settings(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise InputError, or ValueError or TypeError, where the scale of a matrix, or the base's weights, are unknown."""
    start = config.get("init_lora_weights", True)
    if start not in _KEEP_BASE:
        raise InputError(
            f"{folder / CONFIG}: init_lora_weights is {start}, which changes the base's own weights: convert the "
            "adapter to plain LoRA (peft: path_initial_model_for_weight_conversion)"
        )
    for pattern in ("rank_pattern", "alpha_pattern"):
        for key in config.get(pattern) or {}:
            if not _MODULE.fullmatch(key) or not _is_expression(key):
                raise ValueError(f"{pattern} has the key {key!r}, which names no module")
    for alpha in (config["lora_alpha"], *(config.get("alpha_pattern") or {}).values()):
        if not abs(float(alpha)) < GREATEST_ALPHA:
            raise ValueError(f"lora_alpha is {alpha}")


def _is_expression(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def _checked_rank(folder: Path, config: Mapping[str, Any], module: str, one: Factors) -> int:
    rank = int(_pattern(config, "rank_pattern", module, config.get("r")))
    if one.a[0] != rank or one.b[1] != rank:
        raise InputError(
            f"--adapter {folder}: {module} has matrices {list(one.a)} and {list(one.b)}, and {CONFIG} says rank "
            f"{rank}: the two files belong to different adapters"
        )
    return rank


def _pattern(config: Mapping[str, Any], name: str, module: str, default: Any) -> Any:
    """A setting that may differ by module, whose name ends in the key or matches it. Source: peft."""
    for pattern, value in (config.get(name) or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return default


def _digest(folder: Path, config: Mapping[str, Any]) -> str:
    """Of the weights and of the settings that change an answer: not of where the base lay when it was trained."""
    settings = {name: config[name] for name in _SETTINGS if config.get(name)}
    content = json.dumps([file_digest(folder / WEIGHTS), settings], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _json_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"--adapter {path.parent} has no {path.name}: give the folder that training wrote") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({error})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no JSON object")
    return content
