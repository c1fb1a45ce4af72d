"""Keeps secrets out of files, logs and messages: by their value, and by the place where they stand.

By value: what ``remember`` was told, also in pieces, quoted or encoded. By place: logins and keys in addresses, bearer
tokens and keys of known shapes, options whose name or value says that they hold a secret.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import string
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import quote, quote_plus, unquote

HIDDEN = "(hidden)"
"""What stands in a manifest in place of an option's value."""

KEY = "[key]"
"""What stands in a text in place of a secret."""

_PIECE = 8
# In an answer, a shorter piece of a key may be a word of the document.
_PIECE_OF_ANSWER = 16
_FREE_OPTIONS = ("body.", "header.", "query.")
# Fields of chat completions whose text is a public name, such as that of a model or of a host.
_PUBLIC_FIELDS = frozenset({
    "model", "models", "provider", "quantizations", "reasoning", "reasoning_effort", "response_format", "route",
    "service_tier", "stop", "thinking", "tool_choice", "transforms", "verbosity", "chat_template_kwargs",
})  # fmt: skip
_SECRET_NAME = re.compile(
    r"secret|passw|credential|authori[sz]ation|cookie|(^|[._-])(sig|signature|auth|code|pwd|api[._-]?key|key|token)$"
    r"|(access|auth|bearer|api)[_-]?(key|token)$",
    re.IGNORECASE,
)
_HINT = re.compile(r"secret|passw|credential|token|key|auth", re.IGNORECASE)
# Of these, keycloak, tokenizer and authors are none.
_NAMES_SECRET = re.compile(r"secret|passw|credential|api_?key|(?<![a-z])(keys?|tokens?|auth)(?![a-z])", re.IGNORECASE)
_SHAPES = re.compile(
    r"(?i:\b(bearer|basic)\s+)[A-Za-z0-9_*.\-=+/~]{6,}|\b(sk-|gsk_|xai-|nvapi-|ghp_|github_pat_|AIza)[A-Za-z0-9_*.\-]{6,}"
    r"|\bhf_[A-Za-z0-9]{16,}|\beyJ[A-Za-z0-9_\-]{6,}\.[A-Za-z0-9_.\-]+"
)
_NAMED = re.compile(
    r"((?:api[-_ ]?key|access[-_]token|client[-_]secret|password|authorization)[\"']?\s*[:=]\s*[\"']?)"
    r"[^\s\"',;&\[]{6,}",
    re.IGNORECASE,
)
_URL = re.compile(r"\b[a-z][a-z0-9+.\-]*://[^\s'\"<>]+", re.IGNORECASE)
_MARK = re.compile(r"\[(key|sha256:[0-9a-f]{12})\]$")
_WORDS = re.compile(r"[^\w]+|_")
_WORD = re.compile(r"[A-Za-z]{0,15}\d{0,2}|\d{1,8}|\w{1,6}")
# A word with a vowel, and up to two runs of letters or digits beside it: random characters alternate more often.
_FEW_RUNS = re.compile(
    r"(?=.{1,12}$)(?=.*(?:[A-Z]?[a-z]{3}|[A-Z]{3}))(?=.*[aeiouyAEIOUY])(?!.*[^\W\d_aeiouyAEIOUY]{4})"
    r"(?:[A-Z]?[a-z]+|[A-Z]+|\d+){1,3}"
)
_SHORT_WORD = re.compile(r"[A-Za-z_]{0,16}")
_FOLD = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class _Known(NamedTuple):
    """What a piece of a secret belongs to: the length of the whole, and whether it surely is a secret."""

    length: int
    sure: bool


_pieces: dict[str, _Known] = {}
_remembered: set[tuple[str, bool]] = set()


def remember(secret: str, *, sure: bool = True) -> None:
    """Strike this value from every message from now on, and from answers where it is ``sure`` to be a secret.

    Short values and single words are what servers without keys are given; they stay.
    """
    is_word = len(secret) < _PIECE or (secret.isalpha() and len(secret) < 2 * _PIECE)
    if is_word or (secret, sure) in _remembered:
        return
    _remembered.add((secret, sure))
    for form in _forms(secret):
        folded = form.translate(_FOLD)
        for start in range(len(folded) - _PIECE + 1):
            known = _pieces.get(folded[start : start + _PIECE])
            if known is None or (sure and not known.sure):
                _pieces[folded[start : start + _PIECE]] = _Known(len(form), sure)


def remember_options(options: Mapping[str, str]) -> None:
    """``remember`` what the values of ``-M`` options keep hidden."""
    for name, value in options.items():
        if _shown(name, value) != HIDDEN:
            continue
        for field, leaf in _leaves(name, _content(value)):
            secret = re.sub(r"(?i)^(bearer|basic)\s+", "", str(leaf))
            remember(secret, sure=is_secret_name(field) or (" " not in secret and not _has_words(secret)))


def remember_address(url: str) -> None:
    """``remember`` the parts of an address that ``address`` leaves out."""
    address(url, _remembering=True)


def redact(text: str, *secrets: str) -> str:
    """A message without these secrets, those remembered, and whatever stands where secrets stand."""
    for secret in secrets:
        remember(secret)
    text = _without_pieces(text, _PIECE, sure=False)
    text = _URL.sub(_address_in_text, text)
    return _NAMED.sub(rf"\1{KEY}", _SHAPES.sub(KEY, text))


def _address_in_text(found: re.Match[str]) -> str:
    """The address, and what ends the sentence or the bracket around it."""
    url = found[0]
    end = len(url.rstrip(".,;:)]}"))
    end += bool(_MARK.search(url[: end + 1]))
    return address(url[:end], _in_text=True) + url[end:]


def redact_answer(content: object) -> object:
    """JSON that a server sent, without the secrets that are remembered; all else is left as the model wrote it."""
    if not _pieces:
        return content
    if isinstance(content, str):
        return _without_pieces(content, _PIECE_OF_ANSWER, sure=True)
    if isinstance(content, list):
        return [redact_answer(one) for one in content]
    if isinstance(content, dict):
        return {redact_answer(name): redact_answer(one) for name, one in content.items()}
    return content


def address(url: str, *, _remembering: bool = False, _in_text: bool = False) -> str:
    """A URL without login and keys that still tells its server from another.

    A parameter whose name says that it is a key becomes ``[key]``, so that a new key leaves the server the same. Other
    parts that look like keys become digests: they may as well select a deployment.
    """

    def hide(text: str, shown: str, *, sure: bool = True) -> str:
        if _remembering:
            remember(text, sure=sure)
            remember(unquote(text), sure=sure)
        return shown

    def part(text: str) -> str:
        words = unquote(text)
        if _in_text:  # messages point to pages such as /account/api-keys
            is_plain = _is_readable(words)
        elif _remembering:  # the user has to see where a redirect leads
            is_plain = not _NAMES_SECRET.search(words) and _is_readable(words)
        else:  # what a file shows decides which server's answers are used again, and stays as it is
            is_plain = _is_plain(words)
        if _MARK.fullmatch(text) or len(text) < _PIECE or is_plain:
            return text
        # Words such as max_output_tokens may be part of an answer.
        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
        return hide(text, f"[sha256:{digest}]", sure=not _has_words(words))

    def parameter(text: str) -> str:
        name, equals, value = text.partition("=")
        if equals and is_secret_name(unquote(name)):
            return f"{name}={value if _MARK.fullmatch(value) else hide(value, KEY)}"
        return f"{part(name)}{equals}{part(value)}"

    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    place, question, query = rest.partition("?")
    # A login may hold a slash; an address without one has no other use for an @.
    login, at, place = place.rpartition("@")
    host, slash, path = place.partition("/")
    path = "/".join(map(part, path.split("/")))
    query = "&".join(map(parameter, query.split("&")))
    if login:
        for one in login.split(":"):
            hide(one, KEY)
    return f"{scheme}://{KEY if at else ''}{at}{host}{slash}{path}{question}{query}"


def holds_marks(url: str) -> bool:
    """Whether ``address`` left a part out, so that the address cannot be used as it is."""
    return KEY in url or "[sha256:" in url


def has_login(url: str) -> bool:
    """Whether an address holds a login, also one with a slash in it."""
    return "@" in url.partition("://")[2].partition("?")[0]


def is_secret_name(name: str) -> bool:
    """Whether the name of an option, field, header or parameter says that its value is a secret."""
    return bool(_SECRET_NAME.search(name))


def looks_like_key(text: str) -> bool:
    """Whether a text has the shape of a key: a known beginning, or a long run of mixed characters."""
    return bool(_SHAPES.match(text)) or (len(text) >= 2 * _PIECE and not _has_words(text))


def shown(options: Mapping[str, str]) -> dict[str, str]:
    """Options or an identity for a file: a value is hidden where its name, its place or itself suggests a secret."""
    return {name: _shown(name, value) for name, value in options.items()}


def _shown(name: str, value: str) -> str:
    option = name.removeprefix("-M ")
    if option == "base_url":
        return address(value)
    if option == "key_env":
        return value
    if is_secret_name(option) or redact(value) != value:
        return HIDDEN
    return value if not option.startswith(_FREE_OPTIONS) or _is_public(option, value) else HIDDEN


def _is_public(option: str, value: str) -> bool:
    """Whether a free field holds numbers, switches, and words that are no secret."""
    is_public_text = _is_plain if option.partition(".")[2] in _PUBLIC_FIELDS else _is_short_word
    return all(
        is_public_text(str(leaf)) and not is_secret_name(name) for name, leaf in _leaves(option, _content(value))
    )


def _content(value: str) -> object:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _leaves(name: str, content: object) -> Iterator[tuple[str, object]]:
    """Texts and whole numbers of JSON, each with the name that it stands under."""
    if isinstance(content, dict):
        for inner, one in content.items():
            yield from _leaves(inner, one)
    elif isinstance(content, list):
        for one in content:
            yield from _leaves(name, one)
    elif isinstance(content, str) or (isinstance(content, int) and not isinstance(content, bool)):
        yield name, content


def _is_plain(text: str) -> bool:
    """Whether a text is made of words, short numbers and short mixtures such as v1 or 70b."""
    if len(text) < _PIECE:
        return True
    return not _HINT.search(text) and _has_words(text)


def _has_words(text: str) -> bool:
    return all(_WORD.fullmatch(word) for word in _WORDS.split(text))


def _is_readable(text: str) -> bool:
    """Whether a part of an address is made of words, also of a few with numbers between them, such as r307loop."""
    return all(_WORD.fullmatch(word) or _FEW_RUNS.fullmatch(word) for word in _WORDS.split(text))


def _is_short_word(text: str) -> bool:
    return bool(_SHORT_WORD.fullmatch(text)) or (text.removeprefix("-").isdecimal() and len(text) <= _PIECE)


def _forms(secret: str) -> Iterator[str]:
    """The secret as it is, and as messages, addresses, JSON, pages and Basic authentication spell it."""
    raw = secret.encode("utf-8", "replace")
    yield from {secret, json.dumps(secret)[1:-1], html.escape(secret)}
    yield from {quote(secret, safe="", errors="replace"), quote_plus(secret, errors="replace")}
    yield raw.hex()
    # A model that is asked to may spell every character.
    yield from {"".join(f"%{byte:02x}" for byte in raw), "".join(f"\\u{ord(one):04x}" for one in secret)}
    for offset in range(3):
        # What stands before and after shares the outermost characters, so these are left out.
        encoded = base64.b64encode(bytes(offset) + raw).decode().rstrip("=")
        inner = encoded[offset and offset + 1 : len(encoded) - ((offset + len(raw)) % 3 > 0)]
        yield from {inner, inner.replace("+", "-").replace("/", "_")}


def _without_pieces(text: str, least: int, *, sure: bool) -> str:
    """The text with every run of at least ``least`` characters of a known secret, or all of a shorter one, struck."""
    if not _pieces or len(text) < _PIECE:
        return text
    folded = text.translate(_FOLD)
    kept: list[str] = []
    done = start = 0
    while start <= len(text) - _PIECE:
        known = _pieces.get(folded[start : start + _PIECE])
        if known is None or (sure and not known.sure):
            start += 1
            continue
        end, longest = start + _PIECE, known.length
        while end < len(text) and (known := _pieces.get(folded[end - _PIECE + 1 : end + 1])) is not None:
            end, longest = end + 1, min(longest, known.length)
        if end - start >= min(least, longest):
            kept += (text[done:start], KEY)
            done = end
        start = end
    return "".join((*kept, text[done:]))
