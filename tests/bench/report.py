"""How a benchmark tells what it measured, and whether a bound was kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """A number, the bound it is to keep if there is one, and what it was made from."""

    name: str
    value: float
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def is_kept(self) -> bool:
        above = self.at_least is None or self.value >= self.at_least
        return above and (self.at_most is None or self.value <= self.at_most)

    def line(self) -> str:
        bounds = [f"at least {self.at_least:g}"] if self.at_least is not None else []
        bounds += [f"at most {self.at_most:g}"] if self.at_most is not None else []
        mark = "" if not bounds else ("kept: " if self.is_kept else "MISSED: ")
        tail = f"  [{mark}{', '.join(bounds)}]" if bounds else ""
        return f"{self.value:10.3f}  {self.name}{f' ({self.note})' if self.note else ''}{tail}"


def report(measurements: Iterable[Measurement]) -> bool:
    """Print each as it comes; whether all bounds were kept."""
    all_kept = True
    for measurement in measurements:
        print(measurement.line(), flush=True)
        all_kept = all_kept and measurement.is_kept
    return all_kept
