"""Texts of every format, and one clear line about what is none."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.extraction import inputs
from harness.extraction.inputs import Text, Unreadable, read_inputs
from harness.extraction.readers import html_text, kind_of, markdown_text, pdf_text


def pdf(text: str, password: str = "") -> bytes:
    """A PDF of one page whose text layer is one line for each of the text's; without text it has no layer."""
    from pypdf import PdfWriter
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = PdfWriter()
    page = writer.add_blank_page(300, 200)
    font = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
    kind = DictionaryObject({NameObject(key): NameObject(value) for key, value in font.items()})
    fonts = DictionaryObject({NameObject("/F1"): writer._add_object(kind)})
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    content = DecodedStreamObject()
    lines = "".join(f"({line}) Tj 0 -14 Td " for line in text.splitlines())
    content.set_data(f"BT /F1 12 Tf 20 150 Td {lines}ET".encode())
    page[NameObject("/Contents")] = writer._add_object(content)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def test_control_characters_are_spaces_so_that_offsets_stay(tmp_path: Path) -> None:
    """A log with colours is a text, and a JSON string may spell any character."""
    (tmp_path / "log.txt").write_text("Ada \x1b[1mLovelace\x1b[0m was born.")
    (tmp_path / "a.jsonl").write_text('{"text": "Ada\\u0000 was born."}\n')
    spelled, coloured = (one.text for one in read_inputs([str(tmp_path)]) if isinstance(one, Text))
    assert (coloured, spelled) == ("Ada     Lovelace     was born.", "Ada  was born.")


def test_markdown_loses_its_marks_and_keeps_its_words() -> None:
    source = (
        "---\ntitle: x\n---\n# The *Nile*\n\nA [river](http://x.org) in **Africa**, `long`.\n\n```\ncode\n```\n"
        "- Cairo\n- snake_case_name\n\n| City | Land |\n|---|---|\n| Giza | Egypt |\n"
    )
    text = markdown_text(source.encode())
    assert text.split("\n\n")[0].strip() == "The Nile"
    assert "A river in Africa, long." in text
    assert "snake_case_name" in text
    assert "Giza , Egypt" in text
    assert not {"*", "[", "`", "|", "code", "http"} & set(text.replace("\n", " ").split(" "))


def test_rows_of_a_markdown_table_are_paragraphs() -> None:
    table = "Offices\n=======\n| City | Land |\n|:-|--:|\n| Giza | Egypt |\n|Lima|Peru|\n\n- Nile\n- Amazon\n***\nEnd."
    parts = [part.strip() for part in markdown_text(table.encode()).split("\n\n")]
    assert [part for part in parts if part] == [
        *("Offices", "City , Land", "Giza , Egypt", "Lima,Peru", "Nile", "Amazon", "End."),
    ]


@pytest.mark.parametrize(
    "mark",
    ["[", "![", "[a](", "[a][", "<!--", "<a", "**a ", " _a", "`a", "# ", "\n", " \n", "-", "|-", "|a", "> ", "```a\n"],
)
def test_markdown_takes_time_in_proportion_to_its_length(mark: str) -> None:
    started = time.process_time()
    assert "Ada." in markdown_text(f"Ada.\n\n{mark * 100_000}\n\nAda.".encode())
    assert time.process_time() - started < 20  # less than a second on a free core; once, minutes


def test_links_of_markdown_keep_their_words() -> None:
    source = (
        "[![Logo](logo.png) Acme](https://x.org/a_(b)) and [Ada [Lovelace]](y), [Zuse][1], __all__ _of_ *them*."
        "\n\n[1]: z"
    )
    text = markdown_text(source.encode()).strip()
    assert text == "Logo Acme and [Ada [Lovelace]](y), Zuse, all of them."


def test_html_gives_the_text_that_is_shown() -> None:
    page = (
        "<html><head><title>T</title><style>p{}</style></head><body><nav>Menu</nav><h1>Ada</h1><!-- no -->"
        "<p>Ada &amp; Charles met in <b>Lon</b>don.<script>alert(1)</script></p><table><tr><td>a</td><td>b</td></tr>"
    )
    text = "Ada\n\nAda & Charles met in London.\n\na, b"
    assert [html_text(page.encode(encoding)) for encoding in ("utf-8", "utf-16")] == [text, text]


def test_what_a_page_hides_is_no_text_of_it() -> None:
    page = "<p>Ada.</p><p hidden>Secret.</p><ruby>Tokyo<rt>x</rt></ruby><template>No.</template><![CDATA[Yes.]]>"
    assert html_text(page.encode()).split() == ["Ada.", "TokyoYes."]


@pytest.mark.parametrize(
    "page",
    [
        b"<p>Ada.</p>" * 20_000,
        b"<div>" * 20_000 + b"Ada." + b"</div>" * 20_000,
        # What never ends.
        *(b"<p>Ada.</p>" + mark * 60_000 for mark in (b"<!--", b"<a ", b"</x", b"<![CDATA[", b'<a x="')),
    ],
)
def test_a_page_takes_time_in_proportion_to_its_length(page: bytes) -> None:
    started = time.process_time()
    assert html_text(page).startswith("Ada.")
    assert time.process_time() - started < 20  # less than a second on a free core; once, minutes


@pytest.mark.parametrize(
    "start", [b'<?xml version="1.0"?>\n<!-- x -->\n', b"\xef\xbb\xbf\n", b"<!-- x --> <!DOCTYPE html>"]
)
def test_a_page_without_a_name_is_known_by_its_root(start: bytes) -> None:
    assert kind_of(start + b"<html><body>Ada.") == "html"
    assert kind_of(start.replace(b"<!DOCTYPE html>", b"") + b"Ada.") == "text"


def test_the_text_layer_of_a_pdf() -> None:
    text = pdf_text(pdf("Ada Lovelace was born in Lon-\ndon in 1815 and wrote about\nengines."))
    assert " ".join(text.split()) == "Ada Lovelace was born in Lon- don in 1815 and wrote about engines." or (
        "born in London in 1815" in " ".join(text.split())
    )


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.txt", lambda: b"\x7fELF\0\0", "a binary file"),
        ("b.txt", lambda: "Café".encode("latin-1"), "not UTF-8 (byte 3)"),
        ("c.txt", lambda: b" \n... --- ", "holds no sentence"),
        ("d.pdf", lambda: pdf(""), "without a text layer"),
        ("e.pdf", lambda: b"%PDF-1.4 nothing", "a damaged PDF"),
        ("f.pdf", lambda: pdf("Ada", password="x"), "locked by a password"),
        ("g.jsonl", lambda: b"nothing\n", "line 1: is not JSON"),
        ("h.jsonl", lambda: b'{"title": "x"}\n', "has no text"),
        ("i.html", lambda: b"<html><script>x</script></html>", "holds no sentence"),
        ("j.txt", lambda: b"\x01\x02\x03\x04 words", "control characters"),
        ("k.json", lambda: b'[{"title": "x", "text": "Ada was in London."}]', "JSON, not a text"),
    ],
)
def test_what_is_no_text_is_told_in_one_line(
    tmp_path: Path, name: str, content: Callable[[], bytes], problem: str
) -> None:
    (tmp_path / name).write_bytes(content())
    (told,) = read_inputs([str(tmp_path / name)])
    assert isinstance(told, Unreadable)
    assert problem in f"{told.source}: {told.problem}"
    assert "\n" not in told.problem


def test_addresses_missing_files_empty_folders_and_large_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MOST_BYTES", 10)
    (tmp_path / "large.txt").write_text("eleven bytes")
    (tmp_path / "empty").mkdir()
    names = ["https://example.org/x", str(tmp_path / "no.txt"), str(tmp_path / "empty"), str(tmp_path / "large.txt")]
    problems = [one.problem for one in read_inputs(names) if isinstance(one, Unreadable)]
    for problem, part in zip(
        problems, ["nothing is fetched", "cannot be read", "without texts", "split it"], strict=True
    ):
        assert part in problem


def test_a_folder_is_read_whole_with_titles_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_text("One.", encoding="utf-16")
    (tmp_path / "a.md").write_text("# Two")
    (tmp_path / "sub" / "b.jsonl").write_text('{"text": "Three \\ud800."}\n\n{"title": "a", "text": "Four."}\n')
    (tmp_path / "picture.png").write_bytes(b"x")
    found = list(read_inputs([str(tmp_path)]))
    assert [one.title for one in found if isinstance(one, Text)] == ["a", "a (2)", "b 1", "a (3)"]
    assert [one.text.strip() for one in found if isinstance(one, Text)] == ["Two", "One.", "Three ?.", "Four."]


def test_names_of_no_file_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Ada.")
    names = ["", "HTTPS://example.org", "ftp://example.org/a.txt", str(tmp_path / ("x" * 300)), str(tmp_path / "a.txt")]
    *told, read = read_inputs(names)
    assert isinstance(read, Text)
    parts = ["has no name", "nothing is fetched", "nothing is fetched", "cannot be read: File name too long"]
    for one, part in zip(told, parts, strict=True):
        assert isinstance(one, Unreadable)
        assert part in one.problem


def test_a_device_is_read_no_further_than_a_text_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MOST_BYTES", 10)
    (told,) = read_inputs(["/dev/zero"])
    assert isinstance(told, Unreadable)
    assert "split it" in told.problem


def test_links_pipes_and_closed_folders_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("Ada.")
    (tmp_path / "closed").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "nowhere.txt").symlink_to(tmp_path / "no.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    scandir = os.scandir

    def refusing(path: str) -> object:  # root may open every folder, so modes do not close one to it
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    closed, read, nowhere = read_inputs([str(tmp_path)])
    assert isinstance(closed, Unreadable)
    assert (Path(closed.source).name, closed.problem) == ("closed", "a folder that cannot be read: Permission denied")
    assert isinstance(read, Text)
    assert isinstance(nowhere, Unreadable)
    assert "No such file" in nowhere.problem
    (told,) = read_inputs([str(tmp_path / "closed")])
    assert isinstance(told, Unreadable)
    assert "Permission denied" in told.problem
