"""Files of wordings are checked where they are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.prompting.wordings import load_relation_wordings, read_relation_wordings


def test_the_shipped_wordings_tell_employer_from_employee() -> None:
    employer = load_relation_wordings()["P108"]
    assert "employed by" in employer.forward
    assert "employs" in employer.inverse


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('[P1]\nforward = ["a"]\n', "relation P1: inverse"),
        ('[P1]\nforward = ["a"]\ninverse = ["b"]\nbackward = []\n', "relation P1: backward"),
        ('[P1]\nforward = ["a", "b"]\ninverse = ["b"]\n', "'b' is both forward and inverse"),
        ('[P1]\nforward = "a"\ninverse = ["b"]\n', "relation P1: forward"),
        ("P1 = 3\n", "relation P1: table"),
        ("[P1\n", "cannot be read"),
    ],
)
def test_a_faulty_file_is_told_with_its_place(content: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "wordings.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=expected) as raised:
        read_relation_wordings(path)
    assert str(path) in str(raised.value)
