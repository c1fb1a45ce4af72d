"""Plain texts: read from files, cut into sentences and tokens, nothing lost."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.annotation.texts import TextCollection, TextFilter, read_texts
from harness.datasets.tokens import split_sentences
from harness.errors import InputError


def test_sentences_and_tokens_of_ordinary_prose() -> None:
    text = "Dr. Mary McDonald-Berg couldn't go. She (born 4 March 1921) works at AT&T in St. Louis.\n\nA heading\n\nEnd"
    assert split_sentences(text) == (
        ("Dr", ".", "Mary", "McDonald", "-", "Berg", "could", "n't", "go", "."),
        ("She", "(", "born", "4", "March", "1921", ")", "works", "at", "AT&T", "in", "St", ".", "Louis", "."),
        ("A", "heading"),
        ("End",),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("北京大学很老。“好！”他说。", ["北 京 大 学 很 老 。", "“ 好 ！ ” 他 说 。"]),
        ("東京タワーは日本にある。高い", ["東 京 タ ワ ー は 日 本 に あ る 。", "高 い"]),
        ("ที่กรุง Bangkok", ["ที่ ก รุ ง Bangkok"]),
        ("苹果公司iPhone15卖100元", ["苹 果 公 司 iPhone15 卖 100 元"]),
        (
            "In English 北京大学 is Peking University.",
            ["In English 北京大学 is Peking University ."],
        ),
    ],
)
def test_a_text_without_spaces_has_its_characters_as_tokens(text: str, sentences: list[str]) -> None:
    assert [" ".join(sentence) for sentence in split_sentences(text)] == sentences


def test_an_endless_sentence_is_cut_after_punctuation_or_else_anywhere() -> None:
    lengths = [len(sentence) for sentence in split_sentences("word " * 150 + ", " + "word " * 500)]
    assert lengths == [151, 200, 200, 100]


@given(st.text(st.sampled_from("Ab é.,!?()-_'’\"&\n\t 東。”กี1…\u200b\u2028"), max_size=60))
def test_nothing_but_white_space_is_lost(text: str) -> None:
    sentences = split_sentences(text)
    assert "".join(map("".join, sentences)) == "".join(text.replace("\u200b", " ").split())
    assert all(all(sentence) and sentence for sentence in sentences)


def test_a_file_a_folder_and_lines_are_read_with_their_titles(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("Second.", encoding="utf-8")
    (tmp_path / "a.txt").write_text("\ufeffFirst.", encoding="utf-8")
    (tmp_path / "notes.md").write_text("no text", encoding="utf-8")
    lines = tmp_path / "texts.jsonl"
    lines.write_text('{"title": "T", "text": "One."}\n\n{"text": "Two \\ud800 b."}\n', encoding="utf-8")
    assert list(read_texts(tmp_path / "b.txt")) == [("b", "Second.", "")]
    assert list(read_texts(tmp_path)) == [("a", "First.", ""), ("b", "Second.", "")]
    assert list(read_texts(lines)) == [("T", "One.", ""), ("texts 3", "Two ? b.", "")]
    texts = TextCollection(lines)
    assert len(texts) == 2
    assert "T" in texts
    assert [document.sentences for document in texts] == [(("One", "."),), (("Two", "?", "b", "."),)]


def test_texts_of_parquet_are_filtered_and_counted(tmp_path: Path) -> None:
    texts = ["One two three.", "One.", "a\nb b\nBB\na\nc", "word " * 9]
    file = tmp_path / "part.parquet"
    parquet.write_table(pa.table({"text": texts, "url": ["u"] * 4}), file)
    assert [one.title for one in read_texts(file)] == [f"part {number}" for number in range(4)]
    kept = TextCollection(file, TextFilter(2, 8, 0.3))
    assert [one.title for one in kept] == ["part 0"]
    assert (len(kept), kept.left_out) == (1, {"too_short": 1, "repeated_lines": 1, "too_long": 1})
    assert kept.sha256 != TextCollection(file).sha256
    with pytest.raises(InputError, match="the filters keep none of its 4 texts"):
        TextCollection(file, TextFilter(100))
    parquet.write_table(pa.table({"content": texts}), file)
    with pytest.raises(InputError, match=r"part\.parquet: has no column text"):
        TextCollection(file)


def test_the_checksum_changes_with_texts_and_titles(tmp_path: Path) -> None:
    file = tmp_path / "one.jsonl"
    checksums = set()
    for title, text in (("A", "b"), ("A", "c"), ("B", "b"), ("A", "bc"), ("Ab", "c")):
        file.write_text(json.dumps({"title": title, "text": text}), encoding="utf-8")
        checksums.add(TextCollection(file).sha256)
    assert len(checksums) == 5


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"text": 1}', "line 2"),
        ("a.jsonl", b'{"title": "", "text": "x"}', "line 1"),
        ("a.jsonl", b"{", "line 1"),
        ("a.jsonl", b'["x"]', "line 1"),
        ("a.jsonl", b'{"title": "A", "text": "x"}\n{"title": "A", "text": "y"}', "unique"),
        ("a.jsonl", b"", "holds no text"),
        ("a.txt", b"\xff", "UTF-8"),
        ("a.jsonl", b"\xff", "UTF-8"),
        ("a.pdf", b"%PDF", ".txt"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(name: str, content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=told) as error:
        TextCollection(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        TextCollection(tmp_path / "none.txt")
