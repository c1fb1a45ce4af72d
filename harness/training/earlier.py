"""Trainings that another one builds on: what they saw is not to be chosen by, or reported on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.errors import InputError


def refuse_another_split(earlier: Iterable[Mapping[str, Any]], data: Mapping[str, Any]) -> None:
    """Raise InputError where an earlier training may have seen the documents that ``data`` holds out of its file.

    All are records as ``weights.data_of`` reads them. One that held out the same documents has not seen them.
    """
    if "choose" not in data:
        return
    for one in earlier:
        refuse_another_split(one.get("earlier", ()), data)
        used = {one.get(name) for name in ("train_sha256", "dev_sha256", "sentences_sha256")}
        if data["train_sha256"] in used and _held_out(one) != _held_out(data):
            raise InputError(
                f"{data['train']}: an earlier training, which this one builds on, saw other parts of it than would "
                f"be held out now: {_told(one)}"
            )


def _held_out(data: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(data.get(name) for name in ("choose", "report", "split_seed", "dev_sha256"))


def _told(data: Mapping[str, Any]) -> str:
    if "choose" in data:
        return f"hold out the same (--choose {data['choose']} --report {data['report']}), or give other documents"
    return "give other documents"
