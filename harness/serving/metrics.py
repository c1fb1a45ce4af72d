"""What the service counts, in the text format of Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from harness.extraction.pipeline import Outcome

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds in seconds of the histogram's buckets."""


class Metrics:
    """Counters of one service, from its start on; nothing of a request's content is in them."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: Counter[float] = Counter()
        self._seconds_total = 0.0
        self._found: Counter[str] = Counter()

    def add_request(self, path: str, status: int) -> None:
        """``path`` is one of the service's own: a label for every address that is asked for would fill the memory."""
        self._requests[path, status] += 1

    def add_seconds(self, seconds: float) -> None:
        """How long a request with texts took, whatever its end."""
        self._seconds_total += seconds
        self._seconds[next((bound for bound in _BOUNDS if seconds <= bound), float("inf"))] += 1

    def add_batch(self, outcomes: Sequence[Outcome]) -> None:
        self._found["batches"] += 1
        self._found["texts"] += len(outcomes)
        self._found["entities"] += sum(len(one.extracted.entities) for one in outcomes)
        self._found["triplets"] += sum(len(one.extracted.relations) for one in outcomes)

    def text(self) -> str:
        """All of them, a line each."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        labelled = (
            (f'{{path="{path}",status="{status}"}}', count) for (path, status), count in sorted(self._requests.items())
        )
        yield from _metric("requests_total", "counter", "Requests by path and status.", labelled)
        yield from _metric("requests_in_flight", "gauge", "Requests with texts.", [("", self.in_flight)])
        for name, text in (
            ("batches", "Batches that the models read."),
            ("texts", "Texts in these batches."),
            ("entities", "Entities found."),
            ("triplets", "Triplets found."),
        ):
            yield from _metric(f"{name}_total", "counter", text, [("", self._found[name])])
        yield from _metric("request_seconds", "histogram", "Seconds of requests with texts.", ())
        below = 0
        for bound in (*_BOUNDS, float("inf")):
            below += self._seconds[bound]
            yield f'harness_request_seconds_bucket{{le="{"+Inf" if bound == float("inf") else bound}"}} {below}'
        yield f"harness_request_seconds_sum {self._seconds_total:.6f}"
        yield f"harness_request_seconds_count {below}"


def _metric(name: str, kind: str, text: str, values: Iterable[tuple[str, int]]) -> Iterator[str]:
    yield f"# HELP harness_{name} {text}"
    yield f"# TYPE harness_{name} {kind}"
    for labels, value in values:
        yield f"harness_{name}{labels} {value}"
