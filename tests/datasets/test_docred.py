"""The DocRED loader: what it accepts, what it refuses and in which words, and what it costs."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import json_files, opening
from harness.datasets.docred import DocumentFile, read_documents, sha256_of
from harness.datasets.relation_table import read_schema
from harness.errors import InputError
from harness.types import Entity, Label, Mention, Triplet
from tests.paths import REPOSITORY, redocred_dir

HERE = Path(__file__).resolve().parent
BAD, BAD_SCHEMAS, GOOD = HERE / "bad", HERE / "bad_schemas", HERE / "good"
READ_IN_PIECES = {"cut_in_string.json", "cut_in_document.json", "two_lists.json", "repeated_key.json", "blank.json"}


def cases(folder: Path) -> list[object]:
    table = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return [pytest.param(folder / row["file"], row["says"], id=row["file"]) for row in table]


def refusal_of(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        list(read_documents(path, read_schema(BAD / "rel_info.json")))
    return str(caught.value)


@pytest.mark.parametrize(("path", "says"), cases(BAD))
def test_a_bad_file_is_refused_in_one_line_with_place_and_remedy(path: Path, says: list[str]) -> None:
    message = refusal_of(path)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    for fragment in says:
        assert fragment in message


def test_every_file_has_an_expectation() -> None:
    for folder in (BAD, BAD_SCHEMAS, GOOD):
        listed = {row["file"] for row in json.loads((folder / "expected.json").read_text(encoding="utf-8"))}
        assert listed | {"expected.json", "rel_info.json", "odd.json"} >= {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("row", json.loads((GOOD / "expected.json").read_text()), ids=lambda row: row["file"])
def test_every_form_with_one_meaning_is_read_as_the_same_documents(row: dict[str, Any], tmp_path: Path) -> None:
    schema = read_schema(BAD / "rel_info.json")
    documents = list(read_documents(GOOD / row["file"], schema))
    assert [document.title for document in documents] == row.get("titles", ["Oslo", "Lund"])
    lund, expected = documents[-1], list(read_documents(GOOD / "two_documents.json", schema))[1]
    assert lund.sentences == expected.sentences
    spans = [[(one.name, one.sent_id, one.start, one.end) for one in entity.mentions] for entity in lund.entities]
    assert spans == [[("Lund", 0, 0, 1)], [("Sweden", 0, 3, 4)]]
    assert [entity.type for entity in lund.entities] == row.get("types", ["LOC", "LOC"])
    label = Label(Triplet(0, "P17", 1), tuple(row.get("evidence", [0])))
    assert list(lund.labels) == [label] * row.get("labels", 1)
    assert [list(pair) for pair in lund.unrelated] == row.get("unrelated", [])
    packed = tmp_path / f"{row['file']}.gz"
    packed.write_bytes(gzip.compress((GOOD / row["file"]).read_bytes()))
    assert list(read_documents(packed, schema)) == documents


def test_a_label_of_no_relation_is_none_without_a_table_too() -> None:
    file = DocumentFile(GOOD / "no_relation.json")
    assert file.relation_ids == ("P17",)
    assert [document.unrelated for document in file] == [(), ((1, 0),)]


TABLES: list[tuple[object, list[tuple[str, str]], list[str]]] = [
    ({"P17": "country", "NR": "No relation"}, [("P17", "country")], ["NR"]),
    ({"P17": "country", "X": {"name": "elsewhere", "none": True}}, [("P17", "country")], ["X"]),
    ({"P17": {"name": "country", "type": 3}, "N/A": "n/a"}, [("P17", "country")], ["N/A"]),
    ({"P17": "country", "NA": {"name": "NA", "none": False}}, [("P17", "country"), ("NA", "NA")], []),
    (["P17", "no_relation"], [("P17", "P17")], ["no_relation"]),
    ([["P17", "country"], ["Na", "NA"]], [("P17", "country")], ["Na"]),
    ([{"id": "P17", "name": "country"}, {"id": "Z", "name": "z", "none": True}], [("P17", "country")], ["Z"]),
    ({"P131": 2, "Na": 0, "P17": 1}, [("P17", "P17"), ("P131", "P131")], ["Na"]),
]


@pytest.mark.parametrize(("table", "relations", "none"), TABLES)
def test_a_relation_table_tells_its_relations_and_what_stands_for_none(
    table: object, relations: list[tuple[str, str]], none: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "rel_info.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    schema = read_schema(path)
    assert [(relation.id, relation.name) for relation in schema.relations] == relations
    assert list(schema.none) == none


PACKED: list[tuple[str, bytes, str]] = [
    ("a zip archive", b"PK\x03\x04\x14\0", "is a zip archive; unpack it"),
    ("bzip2", b"BZh91AY", "is compressed by bzip2; unpack it, or compress it by gzip"),
    ("xz", b"\xfd7zXZ\0\0", "is compressed by xz"),
    ("zstd", b"\x28\xb5\x2f\xfd\0", "is compressed by zstd"),
    ("Parquet", b"PAR1\x15\x04", "is a Parquet file; name a corpus .parquet"),
    ("a pickle", b"\x80\x04\x95\0", "is a Python pickle"),
    ("a tar archive in gzip", gzip.compress(b"dev.json" + bytes(249) + b"ustar\x0000"), "is a tar archive"),
    ("gzip in gzip", gzip.compress(gzip.compress(b"[]")), "is gzipped twice; unpack it once"),
    ("cut gzip", gzip.compress(b"[1, 2, 3]" * 99)[:-20], "is damaged or was cut off"),
    ("damaged gzip", gzip.compress(b"[]")[:10] + b"\xff" * 30, "is damaged or was cut off"),
]


@pytest.mark.parametrize(("content", "says"), [case[1:] for case in PACKED], ids=[case[0] for case in PACKED])
def test_a_file_of_another_form_is_refused_with_its_name(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    path.write_bytes(content)
    assert says in refusal_of(path)


def test_what_unpacks_to_far_more_than_it_should_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "UNPACKED_BYTES", 100_000)
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(gzip.compress(b"[" + b" " * 10_000_000))
    assert "unpacks to more than" in refusal_of(path)


@pytest.mark.parametrize(("path", "says"), cases(BAD_SCHEMAS))
def test_a_bad_relation_table_is_refused_in_one_line(path: Path, says: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        read_schema(path)
    assert len(str(caught.value).splitlines()) == 1
    for fragment in [str(path), *says]:
        assert fragment in str(caught.value)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    assert "no such file" in refusal_of(tmp_path / "none.json")
    assert "is a folder" in refusal_of(tmp_path)


def test_unusual_but_legal_documents_are_read_as_they_are() -> None:
    text, no_gold, odd, empty = read_documents(GOOD / "odd.json", read_schema(GOOD / "rel_info.json"))
    assert (text.entities, text.labels, text.sentences[1]) == ((), (), ())
    assert no_gold.labels == ()
    assert odd.title == '  数 | "quoted"\n'
    assert odd.sentences == ((), ("東京", "", "\u2028", "(", "Tokyo", ")"))
    assert odd.entities == (
        Entity((Mention("Tōkyō", 1, 0, 1, "LOC"), Mention("Tokyo", 1, 3, 6, "LOC"))),
        Entity((Mention("😀", 1, 0, 6, "MISC"),)),
    )
    assert odd.labels == (
        Label(Triplet(0, "r | (1)", 1)),
        Label(Triplet(1, "r | (1)", 0), (1, 0)),
        Label(Triplet(1, "P17", 1)),
    )
    assert empty.sentences == ()


def test_without_a_schema_any_relation_id_is_accepted() -> None:
    _, document = read_documents(BAD / "relation_unknown.json")
    assert document.labels[0].triplet.relation == "P9999"


def test_a_byte_order_mark_and_an_empty_list_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "bom.json"
    path.write_bytes(b"\xef\xbb\xbf [ ] \n")
    assert list(read_documents(path)) == []


def test_documents_before_a_fault_are_already_yielded() -> None:
    documents = read_documents(BAD / "span_empty.json")
    assert next(documents).title == "Oslo"
    with pytest.raises(InputError):
        next(documents)


@pytest.mark.parametrize("read_characters", [1, 2, 7, 64])
def test_the_size_of_the_reads_changes_nothing(read_characters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = list(read_documents(GOOD / "odd.json"))
    messages = {path: refusal_of(path) for path in sorted(BAD.glob("*.json")) if path.name in READ_IN_PIECES}
    monkeypatch.setattr(json_files, "READ_CHARACTERS", read_characters)
    assert list(read_documents(GOOD / "odd.json")) == expected
    assert {path: refusal_of(path) for path in messages} == messages


def test_a_number_split_between_two_reads_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "numbers.json"
    path.write_text("[123456, -70.5e3, 8]", encoding="utf-8")
    monkeypatch.setattr(json_files, "READ_CHARACTERS", 1)
    assert list(json_files.list_values(path, "number")) == [123456, -70500.0, 8]


def test_a_document_file_is_a_sized_collection_that_can_be_read_again() -> None:
    file = DocumentFile(GOOD / "odd.json", read_schema(GOOD / "rel_info.json"))
    first, second = list(file), list(file)
    assert len(file) == len(first) == 4
    assert first == second
    assert first[2] in file
    assert "No gold" in file
    assert "Lund" not in file
    assert 2 not in file
    altered = type(first[2])(first[2].title, first[2].sentences, first[2].entities)
    assert altered not in file
    assert file.relation_ids == ("r | (1)", "P17")


def test_a_document_file_refuses_a_bad_file_when_it_is_made() -> None:
    with pytest.raises(InputError, match="repeated_title"):
        DocumentFile(BAD / "repeated_title.json")


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(InputError, match="cannot be read"):
        sha256_of(tmp_path)


def test_redocred_dev_loads_and_validates() -> None:
    folder = redocred_dir()
    schema = read_schema(folder / "rel_info.json")
    assert (len(schema.relations), schema.by_id["P17"].name) == (96, "country")
    documents = DocumentFile(folder / "dev_revised.json", schema)
    assert len(documents) == 500
    assert sum(len(document.labels) for document in documents) == 17284


# --- nonsense of 200 MB -----------------------------------------------------------------------------

HUGE = 200 * 2**20

# The peak resident size is read from /proc because getrusage carries over that of the parent process.
CHILD = """
import re, sys
from pathlib import Path
from harness.datasets.docred import DocumentFile
from harness.errors import InputError
try:
    DocumentFile(Path(sys.argv[1]))
except InputError as error:
    print(error)
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def write_repeated(path: Path, start: bytes, piece: bytes) -> None:
    block = piece * (2**20 // len(piece))
    with path.open("wb") as file:
        file.write(start)
        while file.tell() < HUGE:
            file.write(block)


@pytest.fixture
def huge_file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "huge.json"
    yield path
    path.unlink()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize(
    ("start", "piece", "says"),
    [
        pytest.param(b"", b"\0", "not JSON", id="not JSON at all"),
        pytest.param(b'["', b"a", "document 0 is longer than 4,194,304 characters", id="one endless string"),
        pytest.param(b"[", b"[", "nested", id="nothing but brackets"),
        pytest.param(b"[[", b"[],", "document 0 is longer than", id="one endless list"),
        pytest.param(b"[", b"     \n", "ends inside document 0", id="nothing but white space"),
    ],
)
def test_200_mb_of_nonsense_fails_in_bounded_memory(huge_file: Path, start: bytes, piece: bytes, says: str) -> None:
    write_repeated(huge_file, start, piece)
    # It takes seconds; what is quadratic in the length would take days.
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(huge_file)], cwd=REPOSITORY, capture_output=True, text=True, timeout=300
    )
    assert child.returncode == 0, child.stderr
    message, peak_kb = child.stdout.splitlines()
    assert says in message
    assert int(peak_kb) < 400 * 1024


def test_memory_does_not_grow_with_the_number_of_documents(huge_file: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory is read from /proc")
    document = '{{"title": "{}", "sents": [["' + "word" * 2500 + '"]], "vertexSet": []}}'
    peaks = []
    for count in (100, 3000):
        documents = ",\n".join(document.format(number) for number in range(count))
        huge_file.write_text(f"[{documents}]", encoding="utf-8")
        child = subprocess.run(
            [sys.executable, "-c", CHILD, str(huge_file)], cwd=REPOSITORY, capture_output=True, text=True, check=True
        )
        peaks.append(int(child.stdout))
    assert peaks[1] - peaks[0] < 8 * 1024
