"""A safetensors file checked without a library: what is in it, whether it is whole, and whether its values are numbers.

Source: the description of the format, https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from harness.errors import InputError

_LONGEST_HEADER = 1 << 26
# Bytes of a value, and the bits of its exponent, all of which are set in infinite values and in those that are no
# numbers.
_FLOATS = {"F16": (2, 0x7C00), "BF16": (2, 0x7F80), "F32": (4, 0x7F800000), "F64": (8, 0x7FF0000000000000)}


class StoredTensor(NamedTuple):
    """A tensor of a file: the type of its values, its shape, and its place as offsets from the file's beginning."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def stored_tensors(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a file by name; InputError for one that is cut off, damaged, or holds other than float values."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _LONGEST_HEADER:
                raise ValueError("its header is too long")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        found = {name: _tensor(name, one, 8 + length) for name, one in header.items()}
        _check_places(found, 8 + length, path.stat().st_size)
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        struct.error,
        RecursionError,
    ) as error:
        raise InputError(f"{path} is cut off or damaged ({error}): copy or train it again") from None
    return found


def refuse_other_than_numbers(path: Path, tensors: Mapping[str, StoredTensor]) -> None:
    """Raise InputError where a value is infinite or no number: every answer would be spoilt by it."""
    import numpy as np

    with path.open("rb") as file:
        for name, one in tensors.items():
            size, exponent = _FLOATS[one.dtype]
            file.seek(one.start)
            values = np.frombuffer(file.read(one.end - one.start), f"<u{size}")
            if ((values & exponent) == exponent).any():
                raise InputError(f"{path}: {name} holds values that are no numbers: its training diverged, train again")


def _tensor(name: str, told: Mapping[str, object], begin: int) -> StoredTensor:
    dtype, shape, offsets = told["dtype"], told["shape"], told["data_offsets"]
    if dtype not in _FLOATS:
        raise ValueError(f"{name} has the type {dtype}; {', '.join(_FLOATS)} can be read")
    if not (isinstance(shape, list) and isinstance(offsets, list) and len(offsets) == 2):
        raise ValueError(f"{name} has no shape or place")
    sizes, (start, end) = tuple(map(int, shape)), map(int, offsets)
    count = 1
    for size in sizes:
        count *= size
    if min(sizes, default=0) < 0 or end - start != count * _FLOATS[str(dtype)][0]:
        raise ValueError(f"{name} has the shape {list(sizes)} and {end - start:,} bytes")
    return StoredTensor(str(dtype), sizes, begin + start, begin + end)


def _check_places(tensors: Mapping[str, StoredTensor], begin: int, size: int) -> None:
    """Raise ValueError where the tensors do not follow one another from the header to the end of the file."""
    end = begin
    for name, one in sorted(tensors.items(), key=lambda item: item[1].start):
        if one.start != end:
            raise ValueError(f"{name} does not begin where the tensor before it ends")
        end = one.end
    if size != end:
        raise ValueError(f"it should have {end:,} bytes and has {size:,}")
