"""The submission format: what is written is read back, and bad files are told in one line."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import opening
from harness.errors import InputError, StorageError
from harness.scoring.submission import read_submission, write_submission
from harness.types import Prediction, Relation, RelationSchema, Triplet

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


ITEMS = [{"title": "A", "h_idx": 0, "t_idx": 1, "r": "P17"}, {"title": "B", "h_idx": 1, "t_idx": 0, "r": "P36"}]
READ = {"A": [Prediction(Triplet(0, "P17", 1))], "B": [Prediction(Triplet(1, "P36", 0))]}
LIST, LINES = json.dumps(ITEMS).encode(), "\n".join(map(json.dumps, ITEMS)).encode()


def zipped(compression: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return file.getvalue()


FORMS: dict[str, bytes] = {
    "a list": LIST,
    "lines": LINES,
    "a gzipped list": gzip.compress(LIST),
    "gzipped lines": gzip.compress(LINES),
    "a zip archive with result.json": zipped(result_json=LIST, readme_txt=b"", old_json=b"[]"),
    "a zip archive with result.json in a folder": zipped(out__result_json=LINES),
    "a zip archive with one JSON file": zipped(zipfile.ZIP_STORED, dev_json=LIST, log_txt=b"x"),
}


@pytest.mark.parametrize("content", FORMS.values(), ids=FORMS.keys())
def test_every_form_of_file_holds_the_same_predictions(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "predictions"
    path.write_bytes(content)
    assert read_submission(path) == READ


ARCHIVES: dict[str, tuple[bytes, str]] = {
    "two files": (zipped(a_json=LIST, b_json=LIST), "holds 'a.json', 'b.json', not one result.json"),
    "no file": (zipped(), "is an empty zip archive"),
    "another method": (zipped(zipfile.ZIP_BZIP2, result_json=LIST), "another method than deflate"),
    "cut off": (zipped(result_json=LIST)[:-30], "is damaged or was cut off"),
    "damaged": (zipped(result_json=LIST * 9).replace(b"\x03\x01", b"\x03\xff", 1)[:60] + b"\0" * 90, "is damaged"),
    "archive in it": (zipped(result_json=zipped(result_json=LIST)), "is a zip archive"),
}


@pytest.mark.parametrize(("content", "says"), ARCHIVES.values(), ids=ARCHIVES.keys())
def test_an_archive_without_one_readable_result_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "predictions.zip"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        read_submission(path)


def test_an_archive_is_read_no_further_than_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "UNPACKED_BYTES", 100_000)
    path = tmp_path / "predictions.zip"
    path.write_bytes(zipped(result_json=b"[" + b" " * 10_000_000))
    with pytest.raises(InputError, match="unpacks to more than"):
        read_submission(path)


def test_with_a_schema_relations_may_be_named_and_none_predicts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "predictions.json"
    written = ["P17", "country", "NR", "x", "No relation", "P9999"]
    items = [{"title": 7, "h_idx": 0, "t_idx": "1", "r": one, "evidence": [None]} for one in written]
    path.write_text(json.dumps(items), encoding="utf-8")
    schema = RelationSchema((Relation("P17", "country"),), ("x",))
    relations = [one.triplet.relation for one in read_submission(path, schema)["7"]]
    assert relations == ["P17", "P17", "P9999"]
    assert [one.triplet.relation for one in read_submission(path)["7"]] == written


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
    with pytest.raises(InputError, match="no such file"):
        read_submission(tmp_path / "none.json")
    with pytest.raises(InputError, match="is a folder"):
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
