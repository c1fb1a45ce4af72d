"""The plain text of a file's bytes: text, Markdown, HTML, and the text layer of a PDF."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from harness.errors import InputError, ModelUnavailable

if TYPE_CHECKING:
    from bs4 import BeautifulSoup

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""What colours a terminal's text."""
_MOST_CONTROL = 0.01
"""The share of control characters from which bytes are no text."""


def kind_of(content: bytes) -> str:
    """The format of bytes without a known name: pdf, html or text."""
    # A declaration and comments may come before the root.
    start = re.sub(rb"\A(?:\xef\xbb\xbf|\s+|<\?xml[^>]*>|<!--.*?-->)+", b"", content[:4096], flags=re.DOTALL).lower()
    if start.startswith(b"%pdf-"):
        return "pdf"
    return "html" if start.startswith((b"<!doctype html", b"<html")) else "text"


def plain_text(content: bytes) -> str:
    """UTF-8, or UTF-16 that says so; InputError for anything else, and for bytes that are no text."""
    if content.startswith((b"%PDF-", b"PK\x03\x04", b"\x89PNG", b"\xff\xd8\xff", b"\x7fELF", b"\x1f\x8b")):
        raise InputError("a binary file, not a text: name text, Markdown, HTML, PDF (with its ending) or JSON lines")
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    if encoding != "utf-16" and b"\0" in content[:65536]:
        raise InputError("a binary file, not a text: name text, Markdown, HTML, PDF (with its ending) or JSON lines")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"not {encoding.removesuffix('-sig').upper()} (byte {error.start:,}): save it as UTF-8, such as by "
            "iconv -f latin1 -t utf-8"
        ) from None
    text = _ESCAPE.sub(lambda found: " " * len(found[0]), text)
    if len(_CONTROL.findall(text)) > _MOST_CONTROL * len(text):
        raise InputError("a binary file, not a text: it is full of control characters")
    return without_control(text.replace("\r\n", "\n").replace("\r", "\n"))


def without_control(text: str) -> str:
    """The text with a space for each control character, so that offsets stay; tabs and ends of lines are none."""
    return _CONTROL.sub(" ", text)


# No sign that begins a mark may stand inside it: so each mark is looked at once, however many are never closed.
_TARGET = r"\((?:[^()]|\([^()]*\))*\)"
"""The address of a link, with pairs of brackets in it."""
_MARKS = tuple(
    (re.compile(pattern, re.MULTILINE), kept)
    for pattern, kept in (
        (rf"!\[([^\[\]]*)\]{_TARGET}", r"\1"),
        (rf"\[([^\[\]]+)\](?:{_TARGET}|\[[^\[\]]*\])", r"\1"),
        (r"^[ \t]*\[[^\[\]\n]+\]:[ \t]+\S.*$", ""),
        (r"</?[A-Za-z][^<>\n]*>", ""),
        # A heading, an item of a list and a row of a table are sentences of their own.
        (r"^[ \t]{0,3}#{1,6}[ \t]+(.*)$", lambda heading: f"\n{heading[1].rstrip().rstrip('#').rstrip()}\n"),
        (r"^[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+", "\n"),
        (r"^[ \t]{0,3}(?:>[ \t]?)+", ""),
        (r"^[ \t:|=*_-]+$", ""),
        (r"^[ \t]*\|(.*)\|[ \t]*$", lambda row: f"\n{row[1].strip().replace('|', ',')}\n"),
        (r"(\*\*|__)(?=\S)((?:(?!\1).)+)(?<=\S)\1", r"\2"),
        (r"(?<!\w)([*_])(?=\S)((?:(?!\1).|(?<=\w)\1(?=\w))+)(?<=\S)\1(?!\w)", r"\2"),
        (r"`([^`\n]*)`", r"\1"),
        (r"\n{3,}", "\n\n"),
    )
)


def markdown_text(content: bytes) -> str:
    """The text of Markdown without its marks: code blocks, addresses of links, signs of emphasis and tables."""
    text = plain_text(content)
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    text = re.sub(r"^(```|~~~).*?^\1[^\n]*$", "", text, flags=re.DOTALL | re.MULTILINE)
    text = _without_comments(text)
    for mark, kept in _MARKS:
        text = mark.sub(kept, text)
    return text


def _without_comments(text: str) -> str:
    kept, place = [], 0
    while (start := text.find("<!--", place)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        kept.append(text[place:start])
        place = end + 3
    return "".join([*kept, text[place:]])


_BLOCKS = (
    *("p", "div", "section", "article", "header", "footer", "main", "aside", "ul", "ol", "li", "dl", "dt", "dd", "pre"),
    *("table", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "figure", "figcaption", "form", "address"),
    *("hr", "br", "body"),
)
_CELLS = ("td", "th")
_NOT_TEXT = ("script", "style", "noscript", "template", "nav", "svg", "head", "iframe", "object", "button", "select")


_ENDS = "<![CDATA[]]><!---->"
"""Ends what a page leaves open. Of a mark that never ends, Python's parser looks for the end from each of them on."""


def html_text(content: bytes) -> str:
    """The text that a page shows, its blocks as paragraphs; scripts, styles and navigation are left out."""
    try:
        from bs4 import BeautifulSoup
    except ImportError:
        raise ModelUnavailable("HTML needs beautifulsoup4: pip install 'docre-harness[extract]'") from None
    encoding = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}.get(content[:2], "ascii")
    if encoding == "ascii" and b"\0" in content[:65536]:
        raise InputError("a binary file, not a page")
    try:
        page = BeautifulSoup(content + _ENDS.encode(encoding), "html.parser")
    except RecursionError:
        raise InputError("elements are nested too deep: save the page's text") from None
    paragraphs = (" ".join(part.split()) for part in "".join(_shown(page)).split("\0"))
    return "\n\n".join(filter(None, (_CONTROL.sub(" ", one).strip() for one in paragraphs)))


def _shown(page: BeautifulSoup) -> Iterator[str]:
    """The strings that a page shows, NUL at both ends of a block.

    The tree is only read, each element once: to put something into it takes bs4 as long as its parent has children.
    """
    from bs4.element import CData, NavigableString, Tag

    inside, ends = [iter(page.contents)], [""]
    while inside:
        node = next(inside[-1], None)
        if node is None:
            inside.pop()
            yield ends.pop()
        elif isinstance(node, Tag):
            if node.name in _NOT_TEXT or node.has_attr("hidden"):
                continue
            edge = "\0" if node.name in _BLOCKS else ""
            comma = ", " if node.name in _CELLS and node.find_next_sibling(_CELLS) else ""
            yield edge
            inside.append(iter(node.contents))
            ends.append(comma + edge)
        elif type(node) in (NavigableString, CData):  # not a comment or a declaration
            yield str(node)


def pdf_text(content: bytes) -> str:
    """The text layer of a PDF, page by page; words cut at the ends of lines are put together.

    Raises InputError for a PDF that is damaged, locked, or has no text layer.
    """
    try:
        from pypdf import PdfReader
        from pypdf.errors import PyPdfError
    except ImportError:
        raise ModelUnavailable("PDF needs pypdf: pip install 'docre-harness[extract]'") from None
    # It tells of every oddity of a file by a warning.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise InputError("a PDF locked by a password: unlock it first, such as by qpdf --decrypt")
        pages = [page.extract_text() for page in reader.pages]
    except InputError:
        raise
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"a damaged PDF ({reason}): print or save it anew") from error
    except Exception as error:  # a locked file without the package that unlocks it
        raise InputError(f"a PDF that cannot be read ({type(error).__name__}): print or save it anew") from error
    if not any(map(str.isalnum, "".join(pages))):
        raise InputError("a PDF without a text layer, such as a scan: give it one first, such as by ocrmypdf")
    return _CONTROL.sub(" ", "\n\n".join(map(_joined_lines, pages)))


def _joined_lines(page: str) -> str:
    """Lines that end inside a sentence joined; a short line, or one after a full stop, may end a paragraph."""
    page = re.sub(r"(?<=[a-zäöüß])-\n(?=[a-zäöüß])", "", page)
    lines = [line.strip() for line in page.splitlines()]
    longest = max(map(len, lines), default=0)
    text = ""
    for line in lines:
        text += line
        is_end = not line or (len(line) < 0.6 * longest and line[-1:] in ".:!?") or (len(line) < 0.4 * longest)
        text += "\n\n" if is_end else "\n"
    return re.sub(r"\n{3,}", "\n\n", text)


READERS: Mapping[str, Callable[[bytes], str]] = {
    "text": plain_text,
    "markdown": markdown_text,
    "html": html_text,
    "pdf": pdf_text,
}
