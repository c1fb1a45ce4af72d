"""Prompts and answers of a report, line by line: what prompts have in common is kept once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice

from harness.errors import InputError
from harness.store import DocumentRecord, RunFolder

LOOKED_AT = 3
"""Documents of each run that are looked at for lines that its prompts have in common."""


class TextTable:
    """Texts as ranges of numbered lines; equal texts and equal lines are kept once.

    ``shared`` lines have the numbers from 0; lines of ``own`` follow. ``texts`` are flat lists of a first line and a
    count: ``[0, 96, 100, 2]`` is the first 96 lines and then lines 100 and 101. Joined by line feeds they are the text,
    byte for byte.
    """

    def __init__(self, shared: Sequence[str]) -> None:
        self.own: list[str] = []
        self.texts: list[list[int]] = []
        self._lines = {line: number for number, line in enumerate(shared)}
        self._numbers: dict[str, int] = {}

    def add(self, text: str) -> int:
        """The number of the text, from 0."""
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self.texts)
            self.texts.append(self._ranges(text))
        return number

    def _ranges(self, text: str) -> list[int]:
        ranges: list[int] = []
        for line in text.split("\n"):
            number = self._lines.get(line)
            if number is None:
                number = self._lines[line] = len(self._lines)
                self.own.append(line)
            if ranges and ranges[-2] + ranges[-1] == number:
                ranges[-1] += 1
            else:
                ranges += (number, 1)
        return ranges


def shared_lines(folders: Iterable[RunFolder]) -> list[str]:
    """The lines that prompts of a run have in common over its first documents: instructions, schema, examples."""
    shared: dict[str, None] = {}
    for folder in folders:
        try:
            documents = [_prompt_lines(record) for record in islice(folder.documents(), LOOKED_AT)]
        except InputError:
            # It has nothing in common with others; whoever reads all of its records says what is wrong.
            continue
        times = Counter(line for lines in documents for line in lines)
        shared.update((line, None) for lines in documents for line in lines if times[line] > 1)
    return list(shared)


def _prompt_lines(record: DocumentRecord) -> dict[str, None]:
    """The distinct lines of a document's prompts, in their order."""
    return dict.fromkeys(
        line for step in record.steps for message in step["messages"] for line in message["content"].split("\n")
    )
