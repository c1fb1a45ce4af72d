"""Where spaces stand between the tokens of a text that is shown: everywhere, except in scripts written without them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

UNSPACED_SHARE = 0.2
"""From this share of its letters on, a text counts as written without spaces between words.

Below it, two tokens of such a script side by side are a name that its author spaced: the tokens of a text with spaces
were split at them. No document of Re-DocRED's dev split reaches 0.03.
"""

# Han, kana, Bopomofo and Yi, with their punctuation and the full-width forms.
_EAST_ASIAN = (
    "\u2e80-\u2fdf\u3000-\u30ff\u3100-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf"
    "\uf900-\ufaff\ufe10-\ufe1f\ufe30-\ufe4f\uff01-\uff9f\uffe0-\uffe6\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
# Thai, Lao, Tibetan, Burmese, Khmer, the Tai scripts, Balinese and Javanese: spaces end phrases and stand at numbers.
_OTHER_UNSPACED = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\u1b00-\u1b7f\ua980-\ua9ff\uaa60-\uaadf"
)
_UNSPACED = f"[{_EAST_ASIAN}{_OTHER_UNSPACED}]"
_IS_EAST_ASIAN = f"[{_EAST_ASIAN}]"


@dataclass(frozen=True, slots=True)
class Spacing:
    """How the tokens of one text are joined; ``unspaced`` says that its script is mostly one without spaces."""

    unspaced: bool

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]]) -> Spacing:
        """That of a document, of which ``sentences`` are all, or those at hand."""
        text = "".join(map("".join, sentences))
        if text.isascii():
            return cls(False)
        letters = "".join(filter(str.isalpha, text))
        unspaced = len(re.findall(_UNSPACED, letters))
        return cls(unspaced > 0 and unspaced >= UNSPACED_SHARE * len(letters))

    def between(self, left: str, right: str, *, new_sentence: bool = False) -> str:
        """What stands between two tokens: a space or nothing.

        Nothing between two of a script without spaces. East Asian text has none at punctuation and digits either; the
        other scripts have one between sentences.
        """
        if not self.unspaced or not left or not right:
            return " "
        before, after = left[-1], right[0]
        if re.match(_IS_EAST_ASIAN, before):
            is_glued = not (before.isalnum() and after.isalpha()) or bool(re.match(_IS_EAST_ASIAN, after))
        elif re.match(_IS_EAST_ASIAN, after):
            is_glued = not (before.isalpha() and after.isalnum())
        else:
            is_glued = not new_sentence and bool(re.match(_UNSPACED, before) and re.match(_UNSPACED, after))
        return "" if is_glued else " "

    def spaced(self, sentences: Iterable[Sequence[str]]) -> list[list[str]]:
        """The tokens of each sentence, each with what stands before it in the text; the first with nothing."""
        previous: str | None = None
        lines: list[list[str]] = []
        for sentence in sentences:
            line: list[str] = []
            for token in sentence:
                line.append(token if previous is None else self.between(previous, token, new_sentence=not line) + token)
                previous = token
            lines.append(line)
        return lines

    def join(self, tokens: Sequence[str]) -> str:
        """The text of tokens of one sentence."""
        return "".join(self.spaced([tokens])[0])


def characters(word: str) -> list[str]:
    """A word without its parts known: each character of a script without spaces, with its marks, is one of its own."""
    parts: list[str] = []
    for character in word:
        is_mark = unicodedata.category(character).startswith("M")
        if parts and (is_mark or not (re.match(_UNSPACED, character) or re.match(_UNSPACED, parts[-1]))):
            parts[-1] += character
        else:
            parts.append(character)
    return parts


def text_of(sentences: Sequence[Sequence[str]]) -> str:
    """The running text of a document."""
    return "".join(map("".join, Spacing.of(sentences).spaced(sentences)))
