"""JSON files: whatever is wrong with one is told in one line, whatever is written can be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.errors import InputError, StorageError
from harness.json_files import json_text, line_values, list_values, text_value, whole_value

REMEDY = "make it anew"
REFUSED = {
    "[": "ends inside",
    '{"a": 1} 2': "goes on after",
    '{"a": NaN}': "NaN is not JSON",
    '{"a": -Infinity}': "-Infinity is not JSON",
    '{"a": 1e999}': "none that can be computed with",
    '{"a": 1, "a": 2}': "given twice",
    '{"a": "\\ud800"}': "half a character",
    '{"a": ' + "1" * 5000 + "}": "thousands of digits",
    "[" * 101 + "]" * 101: "more than 100 deep",
    "[" * 5000: "hundreds deep",
    "": "is empty",
    "plain": "not JSON",
}


@pytest.mark.parametrize(("text", "says"), REFUSED.items(), ids=[text[:20] for text in REFUSED])
def test_what_is_wrong_is_told_with_the_remedy(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says) as raised:
        whole_value(path, "the file", remedy=REMEDY)
    assert str(path) in str(raised.value)
    assert str(raised.value).endswith(f"; {REMEDY}")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", [text for text in REFUSED if text])
def test_a_bad_line_is_told_by_its_number(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.jsonl"
    path.write_text(f'{{"first": "\u2028"}}\n\n{text}\n', encoding="utf-8")
    lines = line_values(path, REMEDY)
    assert next(lines) == (f"{path}, line 1", {"first": "\u2028"})
    with pytest.raises(InputError, match=r"file\.jsonl, line 3: .*; make it anew"):
        next(lines)


def test_a_line_in_another_encoding_is_told_and_those_before_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl"
    path.write_bytes(b'"a"\n"\xfc"\n')
    lines = line_values(path, REMEDY)
    assert next(lines)[1] == "a"
    with pytest.raises(InputError, match="line 2: is not UTF-8 text"):
        next(lines)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is no regular file"):
        whole_value(tmp_path / "pipe", "the file")
    with pytest.raises(InputError, match="is no regular file"):
        list(list_values(tmp_path / "pipe", "document"))


def test_pairs_of_halves_are_a_character() -> None:
    assert text_value('"\\ud83d\\ude00 \\\\ud800"', "a text", REMEDY) == "\U0001f600 \\ud800"


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_what_json_has_not_is_never_written(number: float) -> None:
    with pytest.raises(StorageError, match="no finite number"):
        json_text({"a": [number]})
