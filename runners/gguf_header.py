"""The metadata at the start of a GGUF file, and the files of a model that comes in several.

Source: ggml's specification of GGUF, versions 2 and 3.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from harness.errors import InputError

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>\.gguf)", re.IGNORECASE)
# struct formats of the scalar types 0 to 12; 8 is a string, 9 an array.
_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_LONGEST_STRING = 1 << 24
# Longer arrays are vocabularies; they are skipped.
_LONGEST_ARRAY = 1 << 12
_VOCABULARY = "tokenizer."


@dataclass(frozen=True)
class GgufHeader:
    """What a file tells of its model, by the specification's keys; vocabularies are left out."""

    metadata: Mapping[str, object]

    @property
    def architecture(self) -> str | None:
        """Such as llama or qwen2; None where the file does not say."""
        value = self.metadata.get("general.architecture")
        return value if isinstance(value, str) else None

    @property
    def width(self) -> int | None:
        """The length of a hidden state; None where the file does not say."""
        return self._number("embedding_length")

    @property
    def layers(self) -> int | None:
        """How many layers the model has; None where the file does not say."""
        return self._number("block_count")

    @property
    def heads(self) -> tuple[int, int]:
        """The heads of a layer: of queries, and of keys and values; 0 where the file does not say."""
        heads = self._number("attention.head_count") or 0
        return heads, self._number("attention.head_count_kv") or heads

    @property
    def context(self) -> int | None:
        """The tokens that the model was trained for; None where the file does not say."""
        return self._number("context_length")

    @property
    def cache_bytes_per_token(self) -> int:
        """What keys and values of one token take in 16 bits, in all layers; 0 where the file does not say."""
        layers, width = self.layers or 0, self.width or 0
        heads = self._numbers("attention.head_count") or [1]
        kept = self._numbers("attention.head_count_kv") or heads
        size = width // max(1, *heads)
        key = self._number("attention.key_length") or size
        value = self._number("attention.value_length") or size
        return (sum(kept) if len(kept) > 1 else layers * kept[0]) * (key + value) * 2

    def _number(self, name: str) -> int | None:
        value = self._get(name)
        return value if isinstance(value, int) and value > 0 else None

    def _numbers(self, name: str) -> list[int]:
        """A number that may differ by layer."""
        value = self._get(name)
        return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, int)]

    def _get(self, name: str) -> object:
        return self.metadata.get(f"{self.architecture}.{name}")


def read_gguf_header(path: Path) -> GgufHeader:
    """Read the metadata of a file; InputError for a file that is no GGUF or is cut off in its header."""
    try:
        with path.open("rb") as file:
            return GgufHeader(_read(file, path))
    except (struct.error, ValueError) as error:
        raise InputError(f"{path} is cut off or damaged in its header ({error}): fetch it again") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error})") from None


def shards(path: Path) -> list[Path]:
    """All files of the model that ``path`` belongs to, the first one first; the file itself if there is one only."""
    match = _SHARD.fullmatch(path.name)
    if match is None:
        return [path]
    numbers = range(1, int(match["count"]) + 1)
    return [path.with_name(f"{match['stem']}-{number:05d}-of-{match['count']}{match['suffix']}") for number in numbers]


def _read(file: BinaryIO, path: Path) -> dict[str, object]:
    if file.read(4) != b"GGUF":
        raise InputError(f"{path} is not a GGUF file: it does not begin with the letters GGUF")
    version, _tensors, count = _unpack(file, "IQQ")
    if not 2 <= version <= 3:
        raise InputError(f"{path} has GGUF version {version}; versions 2 and 3 can be read")
    metadata: dict[str, object] = {}
    for _ in range(count):
        key = _string(file)
        if key.startswith(_VOCABULARY) and "general.architecture" in metadata and GgufHeader(metadata).context:
            # By custom the vocabulary comes last. Walking through its words takes as long as loading them.
            break
        metadata[key] = _value(file, *_unpack(file, "I"))
    return metadata


def _value(file: BinaryIO, kind: int) -> object:
    if kind == _STRING:
        return _string(file)
    if kind in _FORMATS:
        return _unpack(file, _FORMATS[kind])[0]
    if kind != _ARRAY:
        raise ValueError(f"unknown type {kind}")
    inner, count = _unpack(file, "IQ")
    if inner in _FORMATS and count > _LONGEST_ARRAY:
        file.seek(count * struct.calcsize(_FORMATS[inner]), 1)
        return None
    if inner == _STRING and count > _LONGEST_ARRAY:
        for _ in range(count):
            _string(file)
        return None
    return [_value(file, inner) for _ in range(count)]


def _string(file: BinaryIO) -> str:
    (length,) = _unpack(file, "Q")
    if length > _LONGEST_STRING:
        raise ValueError(f"a text of {length} bytes")
    text = file.read(length)
    if len(text) < length:
        raise ValueError("unexpected end of file")
    return text.decode("utf-8", "replace")


def _unpack(file: BinaryIO, types: str) -> tuple[int, ...]:
    layout = struct.Struct(f"<{types}")
    return layout.unpack(file.read(layout.size))
