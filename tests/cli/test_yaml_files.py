"""Configuration files: plain values in bounded depth and size, and one line for anything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.cli.yaml_files import yaml_mapping
from harness.errors import InputError

REFUSED = {
    "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n": r"\*a repeats what stands elsewhere",
    "a: " + "[" * 3000: "deep in each other",
    "a: " + "{b: " * 3000: "deep in each other",
    "a: " + "x" * 2**20: "is larger than",
    "- a\n- b\n": "write a mapping",
    "": "write a mapping",
    "\x00": "is not YAML",
    "a: \t- b": "is not YAML",
    "a: " + "9" * 5000: "is not YAML",
    "a: .nan": "is no finite number",
    "limit: 2\nlimit: 3\n": "'limit' is given twice",
    "a: {b: 1, b: 2}": "'b' is given twice",
    "a: [1, .inf]": "is no finite number",
    "a: !!binary aGVsbG8=": "bytes is none of",
    "a: !!set {b}": "set is none of",
    "? [a, b]\n: c": "is not YAML",
    "!!python/object/apply:os.getcwd []: 1": "is not YAML",
}


@pytest.mark.parametrize(("text", "says"), REFUSED.items(), ids=[text[:24] for text in REFUSED])
def test_what_is_no_plain_mapping_is_told_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says) as raised:
        yaml_mapping(path, "--config")
    assert str(raised.value).startswith(f"--config {path}")
    assert "\n" not in str(raised.value)


def test_what_looks_like_a_date_is_text(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("\ufeffsplit: 2020-01-01\n1: [true, null, 2.5, {a: b}]\n", encoding="utf-8")
    assert yaml_mapping(path, "--config") == {"split": "2020-01-01", "1": [True, None, 2.5, {"a": "b"}]}


@pytest.mark.parametrize(("line", "says"), [("limit: true", "is no switch"), ("config: other.yaml", "no other file")])
def test_a_switch_is_no_number_and_a_file_names_no_other(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(f"model: mock\n{line}\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["run", "--config", str(path)])
    assert says in str(result.exception)


@pytest.mark.parametrize("value", ["[1, 2]", "{a: b}"])
def test_an_option_with_one_value_takes_no_list(tmp_path: Path, value: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(f"model: mock\nlimit: {value}\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["run", "--config", str(path)])
    assert isinstance(done.exception, InputError)
    assert "'limit' takes one value" in str(done.exception)
