"""What kind of expression a mention is: a name, or words that mean something else in other places."""

from __future__ import annotations

from typing import Literal

Kind = Literal["name", "pronoun", "description"]

_PRONOUNS = frozenset({
    "i", "me", "my", "mine", "myself", "you", "your", "yours", "yourself", "yourselves", "we", "us", "our", "ours",
    "ourselves", "he", "him", "his", "himself", "she", "her", "hers", "herself", "it", "its", "itself", "they", "them",
    "their", "theirs", "themselves", "who", "whom", "whose", "which", "that", "this", "these", "those", "one", "ones",
    "er", "ihn", "ihm", "sie", "ihr", "es", "il", "elle", "ils", "elles", "él", "ella", "ellos", "ellas",
    "他", "她", "它", "他们", "她们", "它们", "他們", "她們", "它們", "其", "彼", "彼女", "彼ら", "それ", "これ",
})  # fmt: skip
_DETERMINERS = frozenset({
    "the", "this", "that", "these", "those", "a", "an", "his", "her", "its", "their", "our", "my", "your",
})  # fmt: skip


def kind_of(mention: str) -> Kind:
    """A pronoun is one in any case but capitals (US, IT and WHO are names); a description is ``the company``."""
    first, *rest = mention.split() or [""]
    if not rest and first.lower() in _PRONOUNS and (len(first) == 1 or not first.isupper()):
        return "pronoun"
    if rest and first.lower() in _DETERMINERS and all(word.islower() for word in rest):
        return "description"
    return "name"
