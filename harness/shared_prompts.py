"""The prompts of a document's record: what the questions of a step share is stored once."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import InputError
from harness.json_files import MAX_STORED_CHARACTERS

# A shorter beginning is not worth a reference.
_SHORTEST = 80


def packed(steps: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[Mapping[str, Any]]]:
    """The beginnings that messages of several steps share, and the steps with ``shared``, a beginning's index, in
    place of it.

    Messages share a beginning if they stand at the same place in steps of one name. Where nothing is shared, the steps
    are as they were.
    """
    places: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for step in steps:
        for place, message in enumerate(step["messages"]):
            places[step["name"], place].append(message["content"])
    shared = {
        key: beginning
        for key, contents in places.items()
        if len(contents) > 1 and len(beginning := _beginning(contents)) >= _SHORTEST
    }
    beginnings = list(dict.fromkeys(shared.values()))
    index = {beginning: number for number, beginning in enumerate(beginnings)}

    def message_of(name: str, place: int, message: Mapping[str, Any]) -> Mapping[str, Any]:
        beginning = shared.get((name, place))
        if beginning is None:
            return message
        return {**message, "shared": index[beginning], "content": message["content"][len(beginning) :]}

    if not beginnings:
        return [], list(steps)
    return beginnings, [
        {**step, "messages": [message_of(step["name"], place, one) for place, one in enumerate(step["messages"])]}
        for step in steps
    ]


def unpacked(
    shared: Sequence[str], steps: Sequence[Mapping[str, Any]], where: str, remedy: str
) -> tuple[Mapping[str, Any], ...]:
    """Inverse of :func:`packed`; InputError for a beginning that is not there, or for prompts that are too long."""
    held = 0

    def message_of(message: Mapping[str, Any]) -> Mapping[str, Any]:
        nonlocal held
        number = message.get("shared")
        if number is None:
            return message
        if number >= len(shared):
            raise InputError(f"{where}: steps: a message refers to shared text {number} of {len(shared)}; {remedy}")
        content = shared[number] + message["content"]
        held += len(content)
        if held > MAX_STORED_CHARACTERS:
            raise InputError(f"{where}: steps: prompts of more than {MAX_STORED_CHARACTERS:,} characters; {remedy}")
        return {"role": message["role"], "content": content}

    if not shared and not any("shared" in message for step in steps for message in step["messages"]):
        return tuple(steps)
    return tuple({**step, "messages": [message_of(one) for one in step["messages"]]} for step in steps)


def _beginning(texts: Sequence[str]) -> str:
    """The longest beginning of all texts."""
    first, last = min(texts), max(texts)  # What these two share, all share.
    length = bisect_left(range(1, len(first) + 1), True, key=lambda one: not last.startswith(first[:one]))
    return first[:length]
