"""The submission format: what is written is read back, and bad files are told in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError, StorageError
from harness.scoring.submission import read_submission, write_submission
from harness.types import Prediction, Triplet

BAD = json.loads((Path(__file__).parent / "bad_submissions.json").read_text())

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
indices = st.integers(0, 10**6)
predictions = st.builds(
    Prediction,
    st.builds(Triplet, indices, texts, indices),
    st.lists(indices, max_size=3).map(tuple),
)


@given(written=st.lists(st.tuples(texts, predictions)))
def test_what_is_written_is_read_back(
    written: list[tuple[str, Prediction]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("submission") / "predictions.json"
    write_submission(path, written)
    expected: dict[str, list[Prediction]] = {}
    for title, prediction in written:
        expected.setdefault(title, []).append(prediction)
    assert read_submission(path) == expected


def test_the_file_is_a_json_list_of_the_official_keys_without_the_score(tmp_path: Path) -> None:
    path = tmp_path / "predictions.json"
    write_submission(path, [("Oslo", Prediction(Triplet(0, "P17", 1), (2, 3), score=0.5))])
    assert json.loads(path.read_text()) == [{"title": "Oslo", "h_idx": 0, "t_idx": 1, "r": "P17", "evidence": [2, 3]}]


def test_evidence_may_be_left_out_and_other_keys_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "predictions.json"
    path.write_text(' \n[{"title": "A", "h_idx": 0, "t_idx": 1, "r": "P17", "score": 0.3}]')
    assert read_submission(path) == {"A": [Prediction(Triplet(0, "P17", 1))]}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_file_is_told_in_one_line(bad: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "predictions.json"
    path.write_bytes(bytes.fromhex(bad["bytes"]) if "bytes" in bad else bad["text"].encode())
    with pytest.raises(InputError) as raised:
        read_submission(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    for fragment in bad["says"]:
        assert fragment in message


@pytest.mark.parametrize(
    "text",
    ["[" * 200_000, "[" * 200_000 + "]" * 200_000, "[" + "9" * 5_000 + "]", '[{"title": "' + "x" * 5_000 + '"}]'],
    ids=["open brackets", "nested lists", "digits", "title"],
)
def test_absurd_nesting_numbers_and_texts_are_told_in_one_short_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "predictions.json"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        read_submission(path)
    message = str(raised.value)
    assert "\n" not in message
    assert len(message) < len(str(path)) + 300


def test_a_missing_file_and_a_folder_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_submission(tmp_path / "none.json")
    with pytest.raises(InputError, match="Is a directory"):
        read_submission(tmp_path)


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "predictions.json"
    write_submission(path, [("Oslo", Prediction(Triplet(0, "P17", 1)))])
    before = path.read_bytes()

    def interrupted() -> Iterator[tuple[str, Prediction]]:
        yield "Oslo", Prediction(Triplet(2, "P17", 3))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_submission(path, interrupted())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("make", ["missing folder", "file as folder", "folder as file"])
def test_a_place_that_cannot_be_written_is_told_in_one_line(make: str, tmp_path: Path) -> None:
    path = tmp_path / "runs" / "predictions.json"
    if make == "file as folder":
        path.parent.write_text("not a folder")
    elif make == "folder as file":
        path.mkdir(parents=True)
    with pytest.raises(StorageError, match="cannot be written") as raised:
        write_submission(path, [])
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.glob("**/*.partial"))


def test_a_file_that_cannot_grow_is_told_in_one_line_and_leaves_the_old_file(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="needs POSIX limits on file sizes")
    path = tmp_path / "predictions.json"
    write_submission(path, [("Oslo", Prediction(Triplet(0, "P17", 1)))])
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(StorageError, match="cannot be written"):
            write_submission(path, (("Oslo", Prediction(Triplet(head, "P17", 1))) for head in range(1000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
