"""Small GGUF files written for tests: headers only, without tensors."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

LLAMA = {
    "general.architecture": "llama",
    "llama.context_length": 8192,
    "llama.block_count": 2,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
}
BYTES_PER_TOKEN = 2 * 2 * (16 + 16) * 2


def write_gguf(path: Path, metadata: Mapping[str, object] = LLAMA, version: int = 3) -> Path:
    """Write a header with the metadata: whole numbers, texts, and lists of either."""
    parts = [b"GGUF", struct.pack("<IQQ", version, 0, len(metadata))]
    for key, value in metadata.items():
        parts += [_text(key), struct.pack("<I", _type(value)), _value(value)]
    path.write_bytes(b"".join(parts))
    return path


def _type(value: object) -> int:
    return 9 if isinstance(value, list) else 8 if isinstance(value, str) else 4


def _value(value: object) -> bytes:
    if isinstance(value, list):
        return struct.pack("<IQ", _type(value[0]), len(value)) + b"".join(map(_value, value))
    return _text(value) if isinstance(value, str) else struct.pack("<I", value)


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()
