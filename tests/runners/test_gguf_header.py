from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError
from runners.gguf_header import read_gguf_header, shards
from tests.embedded import embedded_model_file
from tests.runners.gguf_files import BYTES_PER_TOKEN, LLAMA, write_gguf

VOCABULARY = {"tokenizer.ggml.tokens": ["word"] * 5000, "tokenizer.ggml.token_type": [1] * 5000}


@pytest.mark.parametrize(
    ("metadata", "context", "bytes_per_token"),
    [
        pytest.param(LLAMA, 8192, BYTES_PER_TOKEN, id="as converters write it"),
        pytest.param({**VOCABULARY, **LLAMA}, 8192, BYTES_PER_TOKEN, id="the vocabulary first"),
        pytest.param({**LLAMA, **VOCABULARY}, 8192, BYTES_PER_TOKEN, id="the vocabulary last"),
        pytest.param(
            {**LLAMA, "llama.attention.head_count_kv": [0, 3]}, 8192, 3 * 32 * 2, id="heads that differ by layer"
        ),
        pytest.param(
            {**LLAMA, "llama.attention.key_length": 24, "llama.attention.value_length": 8}, 8192, 2 * 2 * 32 * 2,
            id="keys and values of other sizes",
        ),
        pytest.param({"general.architecture": "x", "llama.context_length": 9}, None, 0, id="nothing said"),
    ],
)  # fmt: skip
def test_context_and_cache_are_read(
    metadata: dict[str, object], context: int | None, bytes_per_token: int, tmp_path: Path
) -> None:
    header = read_gguf_header(write_gguf(tmp_path / "m.gguf", metadata))
    assert (header.context, header.cache_bytes_per_token) == (context, bytes_per_token)


def test_a_real_model_is_read() -> None:
    header = read_gguf_header(embedded_model_file())
    assert (header.context, header.cache_bytes_per_token) == (8192, 30 * 3 * 128 * 2)


def test_a_file_that_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    whole = write_gguf(tmp_path / "whole.gguf").read_bytes()
    long_text = whole.replace((5).to_bytes(8, "little") + b"llama", (1 << 40).to_bytes(8, "little") + b"llama")
    contents = {
        b"": "not a GGUF file",
        b"PK\x03\x04 a zip": "not a GGUF file",
        whole[:40]: "cut off",
        whole[:-2]: "cut off",
        long_text: "damaged",
        whole.replace(b"GGUF\x03", b"GGUF\x01"): "version 1",
    }
    path = tmp_path / "m.gguf"
    for content, problem in contents.items():
        path.write_bytes(content)
        with pytest.raises(InputError, match=problem) as raised:
            read_gguf_header(path)
        assert str(path) in str(raised.value)
    with pytest.raises(InputError, match="No such file"):
        read_gguf_header(tmp_path / "absent.gguf")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("m.gguf", ["m.gguf"]),
        ("m-00002-of-00003.gguf", ["m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"]),
        ("m-00001-of-00002.GGUF", ["m-00001-of-00002.GGUF", "m-00002-of-00002.GGUF"]),
        ("m-2-of-3.gguf", ["m-2-of-3.gguf"]),
    ],
)
def test_the_files_of_a_model_are_named_from_any_of_them(name: str, expected: list[str]) -> None:
    assert [file.name for file in shards(Path("folder") / name)] == expected
