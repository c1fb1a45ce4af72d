"""A LoRA adapter as a GGUF file for llama.cpp, converted once and kept in the cache.

GGUF orders the rows of a llama model's query and key weights otherwise than transformers does, so the rows of these
matrices' B are put into that order, too. Source: llama.cpp's ``convert_hf_to_gguf.py`` and ``convert_lora_to_gguf.py``.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError, ModelUnavailable, StorageError
from harness.paths import cache_dir
from harness.types import Adapter
from runners.adapters import WEIGHTS, factor_names, scale_of
from runners.gguf_header import GgufHeader

if TYPE_CHECKING:
    import numpy as np

# Architectures, as GGUF names them, that answer as in transformers (tested). Of the first, rows are in another order.
PERMUTED = frozenset({"llama"})
PLAIN = frozenset({"qwen2", "qwen3"})
# Part of the file's name: another way of converting is another file.
VERSION = 1
_NEEDED = ("gguf", "numpy", "safetensors")


def check_convertible(adapter: Adapter, header: GgufHeader) -> None:
    """Raise InputError for an adapter that llama.cpp cannot apply, ModelUnavailable without the packages."""
    missing = [package for package in _NEEDED if find_spec(package) is None]
    if missing:
        raise ModelUnavailable(
            f"--adapter: {missing[0]}, which converts adapters for llama.cpp, is not installed: "
            "pip install 'docre-harness[local]'"
        )
    if header.architecture not in PERMUTED | PLAIN:
        raise InputError(
            f"--adapter {adapter.folder}: adapters of the architecture {header.architecture} cannot be converted for "
            f"llama.cpp; those of {', '.join(sorted(PERMUTED | PLAIN))} can: use transformers/FILE.gguf"
        )
    if adapter.config.get("use_dora") or adapter.config.get("fan_in_fan_out"):
        raise InputError(f"--adapter {adapter.folder}: llama.cpp has no DoRA: use transformers/MODEL")


def as_gguf(adapter: Adapter, header: GgufHeader) -> Path:
    """The adapter's GGUF file in the cache, made first if it is not there.

    Raises InputError for a tensor that the model does not have, StorageError if the file cannot be kept.
    """
    heads = "-".join(map(str, header.heads))
    path = cache_dir() / "adapters" / f"{adapter.sha256}-{header.architecture}-{heads}-v{VERSION}.gguf"
    if path.is_file():
        return path
    tensors = dict(_tensors(adapter, header))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
        try:
            _write(partial, tensors, str(header.architecture), float(adapter.config["lora_alpha"]))
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"the converted adapter cannot be kept under {path.parent} ({error}); set $HARNESS_CACHE_DIR to a folder "
            "with room"
        ) from error
    return path


def _write(path: Path, tensors: Mapping[str, np.ndarray[Any, Any]], architecture: str, alpha: float) -> None:
    import gguf

    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tensors(adapter: Adapter, header: GgufHeader) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """The matrices under llama.cpp's names.

    llama.cpp multiplies B·A by alpha / rank, with one alpha for all; what peft multiplies it by besides is put into B.
    """
    import gguf

    architectures = {name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}
    names = gguf.get_tensor_name_map(architectures[str(header.architecture)], header.layers or 0)
    alpha = float(adapter.config["lora_alpha"])
    for name, values in _stored(adapter.folder / WEIGHTS):
        found = factor_names(name)
        module, side = found or (name, "")
        known = names.get_name(module)
        if found is None or known is None:
            raise InputError(
                f"--adapter {adapter.folder}: llama.cpp cannot apply {name} to a model of the architecture "
                f"{header.architecture}: use transformers/MODEL, or train the adapter on its linear layers only"
            )
        if side == "B":
            values = _permuted(values, module, header)
            factor = scale_of(adapter.config, module, values.shape[1]) / (alpha / values.shape[1]) if alpha else 1.0
            if factor != 1.0:
                values = (values.astype("float32") * factor).astype("float32")
        yield f"{known}.weight.lora_{side.lower()}", values


def _permuted(values: np.ndarray[Any, Any], module: str, header: GgufHeader) -> np.ndarray[Any, Any]:
    """B of a query or key projection, [outputs, rank], in the order of GGUF's rows.

    transformers has the first halves of all of a head's rotated pairs and then the second ones, GGUF pair by pair.
    """
    kind = module.rpartition(".")[2]
    if header.architecture not in PERMUTED or kind not in ("q_proj", "k_proj"):
        return values
    heads = header.heads[kind == "k_proj"]
    rows, rank = values.shape
    if not heads or rows % (2 * heads):
        raise InputError(f"--adapter: {module} has {rows} outputs, which {heads} heads do not divide: another base")
    return values.reshape(heads, 2, rows // heads // 2, rank).swapaxes(1, 2).reshape(rows, rank).copy()


def _stored(path: Path) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """The tensors of a safetensors file, in half or single precision."""
    import numpy as np
    from safetensors import SafetensorError, deserialize

    try:
        content: Any = deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read ({error}): copy or train it again") from None
    for name, tensor in content:
        kind, data, shape = tensor["dtype"], tensor["data"], tensor["shape"]
        if kind == "BF16":  # which numpy does not have: the upper half of a float32
            values = (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
        elif kind in ("F16", "F32"):
            values = np.frombuffer(data, {"F16": "<f2", "F32": "<f4"}[kind])
        else:
            raise InputError(f"{path}: {name} has the type {kind}; F16, BF16 and F32 can be converted")
        yield name, values.reshape(shape)
