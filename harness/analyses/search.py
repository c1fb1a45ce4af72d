"""A search over prompts and options by successive halving: many configurations on few documents, few on many.

Every configuration of a grid is run on the first documents. The better part of them goes on to more documents, until
one is left (Jamieson and Talwalkar, 2016). Answers are asked for once: a run on more documents finds those of the fewer
ones in the journal. A search never sees documents that are reported; what it chose is recorded with what it saw.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.analyses.grid import Axis, Cell, configuration
from harness.analyses.planned_cells import plan_cells
from harness.analyses.stored import store_analysis
from harness.datasets.content import content_hash
from harness.datasets.gold import with_gold
from harness.datasets.registry import CORPORA
from harness.engine.budget import Limits, Prices
from harness.engine.session import RunnerSession
from harness.errors import InputError
from harness.records.manifest import Spent
from harness.records.question import PROPOSES_PAIRS
from harness.runs.chosen_settings import record_search
from harness.runs.config import RunConfig
from harness.runs.execute import Observer, OutOfBudget, Stopped, execute, prices_of
from harness.runs.plan import prepare
from harness.runs.planned_run import question_digest
from harness.runs.results import RunResult
from harness.store import RunFolder
from harness.types import Dataset, Usage

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "searches"
REPORTED_SPLITS = frozenset({"dev", "test", "dev-report"})
"""What results are reported on: no search may see it. ``dev`` holds ``dev-report``."""


@dataclass(frozen=True)
class Tried:
    """A configuration in one round: its run, and whether it went on."""

    round: int
    documents: int
    cell: Cell
    result: RunResult
    kept: bool = False

    @property
    def paid(self) -> int:
        """Tokens that this round paid for it; answers of earlier rounds are in the journal."""
        spent = self.result.manifest.spent
        return spent.prompt_tokens + spent.completion_tokens if spent else 0

    @property
    def scores(self) -> dict[str, float]:
        """Precision, recall and F1, 0 to 1: of triplets, or of pairs for a prompt that proposes pairs."""
        official = self.result.metrics.official
        what = "pair_" if self.result.manifest.question.task == PROPOSES_PAIRS else ""
        return {name: float(getattr(official, what + name) or 0.0) for name in ("precision", "recall", "f1")}

    @property
    def score(self) -> float:
        """The F1 that decides."""
        return self.scores["f1"]


@dataclass(frozen=True)
class Search:
    """What was tried, in order; ``chosen`` is the best of the last whole round, and ``ending`` says why it ended."""

    model: str
    axes: tuple[Axis, ...]
    tried: Sequence[Tried]
    chosen: Tried
    ending: str
    impossible: Sequence[tuple[Cell, str]]
    unfinished: int = 0
    """Tokens that were paid for a run that the budget stopped: it is not among ``tried``."""

    @property
    def paid(self) -> int:
        """Tokens that were paid for, over all rounds."""
        return sum(one.paid for one in self.tried) + self.unfinished

    @property
    def name(self) -> str:
        """Dataset, model and axes, then a hash of the runs: the same search has the same name."""
        ids = [one.result.folder.run_id for one in self.tried]
        return "-".join([*ids[0].split("-")[:3], *(axis.name for axis in self.axes), question_digest({"runs": ids})])

    def table(self) -> pd.DataFrame:
        """A row a run: round, documents, the cell, scores, tokens paid, whether it went on, run id."""
        import pandas as pd

        rows = [
            {
                "round": one.round,
                "documents": one.documents,
                **one.cell,
                **one.scores,
                "tokens": one.paid,
                "kept": one.kept,
                "run_id": one.result.folder.run_id,
            }
            for one in self.tried
        ]
        return pd.DataFrame(rows)

    def as_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints and ``search.json`` holds."""
        return {
            "search": self.name,
            "model": self.model,
            "axes": {axis.name: list(axis.values) for axis in self.axes},
            "tried": self.table().to_dict("records"),
            "chosen": dict(self.chosen.cell),
            "documents": self.chosen.documents,
            "tokens": self.paid,
            "ending": self.ending,
            "impossible": [{"cell": dict(cell), "reason": reason} for cell, reason in self.impossible],
        }

    def store(self, results: Path) -> Path:
        """Write ``search.json`` and ``tried.csv``; returns their folder, or raises StorageError."""
        folder = results / FOLDER / self.name
        store_analysis(folder, "search", self.as_json(), {"tried": self.table()})
        return folder


def check_split(config: RunConfig, dataset: Dataset) -> None:
    """Raise InputError for a split that results are reported on."""
    if dataset.split not in REPORTED_SPLITS:
        return
    corpus = CORPORA.get(config.dataset)
    others = [split for split in corpus.splits if split not in REPORTED_SPLITS] if corpus else []
    advice = f"--split {' or '.join(others)}" if others else "a file of them (--dataset FILE)"
    raise InputError(
        f"--search chooses by scores, and {dataset.name} {dataset.split} is what is reported: search on other "
        f"documents, with {advice}"
    )


async def run_search(
    config: RunConfig,
    axes: Sequence[Axis],
    observe: Callable[[int, int, Cell, int], Observer],
    first_documents: int = 4,
    reduction: int = 2,
) -> Search:
    """Search on one model that is started once; ``config.limits`` bound all rounds together.

    Each round runs on ``reduction`` times the documents of the one before and keeps the best of every ``reduction``
    configurations; of equal scores, the one with fewer tokens. ``config.limit`` bounds the documents. If the budget
    ends within a round, the round before decides. The same command resumes: nothing is paid for twice.

    ``observe`` is called with the number of the run in its round, their number, the cell and the number of the round.
    Raises InputError for a split that is reported, documents without labels, and a grid without a possible cell;
    OutOfBudget if not even the first round can be ended; else what ``execute`` raises.
    """
    planned, impossible = plan_cells(replace(config, limit=min(first_documents, config.limit or first_documents)), axes)
    dataset = with_gold(planned[0][1].dataset, "a search")
    check_split(config, dataset)
    most = min(config.limit or len(dataset.documents), len(dataset.documents))
    left = [cell for cell, _ in planned]
    count, paid, ending, unfinished = min(first_documents, most), Usage(0, 0), "one is left", 0
    started, prices = time.monotonic(), prices_of(planned[0][1])
    tried: list[Tried] = []
    best: list[Tried] = []
    async with RunnerSession(planned[0][1].runner) as session:
        for number in itertools.count(1):
            results: list[Tried] = []
            under_way: RunFolder | None = None
            try:
                for place, cell in enumerate(left, 1):
                    under_way = None
                    limits = _rest(config.limits, paid, prices, time.monotonic() - started)
                    made = configuration(replace(config, limit=count, limits=limits), cell)
                    experiment = prepare(made, dataset=dataset)
                    under_way = RunFolder(config.results / "runs" / experiment.run_id)
                    result = await execute(experiment, observe(place, len(left), cell, number), session=session)
                    results.append(Tried(number, count, cell, result))
                    paid = _sum(paid, result.manifest.spent)
            except OutOfBudget:
                spent = under_way.read_manifest().spent if under_way else None
                before, paid = _tokens(paid), _sum(paid, spent)
                unfinished = _tokens(paid) - before
                if not best:
                    # What stopped the run names what was left of the budget, not the budget.
                    raise OutOfBudget(
                        f"{_told(config.limits)} does not end the first round ({_tokens(paid):,} tokens are paid): "
                        "type the same command with more to go on"
                    ) from None
                tried += results
                ending = "the budget was used up"
                break
            except Stopped:
                seconds = config.limits.seconds
                if seconds is None or time.monotonic() - started < seconds:
                    raise
                raise Stopped(f"--max-time {seconds:g} s is over. The same command resumes") from None
            best = sorted(results, key=_rank)[: 1 if count == most else math.ceil(len(results) / reduction)]
            tried += [replace(one, kept=one in best) for one in results]
            left = [one.cell for one in results if one in best]
            if len(left) == 1:
                ending = "all documents were seen" if count == most and len(results) > 1 else ending
                break
            count = min(most, count * reduction)
    seen = itertools.islice(dataset.documents, max(one.documents for one in tried))
    chosen = best[0]
    record_search(chosen.result.folder, chosen.cell, [content_hash(document) for document in seen])
    return Search(config.model, tuple(axes), tried, chosen, ending, impossible, unfinished)


def _rank(one: Tried) -> tuple[float, int]:
    return -one.score, one.result.manifest.usage.tokens


def _sum(paid: Usage, spent: Spent | None) -> Usage:
    if spent is None:
        return paid
    return Usage(paid.prompt_tokens + spent.prompt_tokens, paid.completion_tokens + spent.completion_tokens)


def _tokens(usage: Usage) -> int:
    return usage.prompt_tokens + usage.completion_tokens


def _told(limits: Limits) -> str:
    """The limits of tokens and dollars, as they are typed."""
    tokens = f"--max-tokens-total {limits.tokens}" if limits.tokens is not None else ""
    return " ".join(filter(None, [tokens, f"--max-cost {limits.cost_usd:g}" if limits.cost_usd is not None else ""]))


def _rest(limits: Limits, paid: Usage, prices: Prices | None, seconds: float) -> Limits:
    """What is left of a budget after what was paid in this time; raises OutOfBudget where no tokens or dollars are."""
    if limits.tokens is not None:
        tokens = limits.tokens - _tokens(paid)
        limits = replace(limits, tokens=tokens)
        if tokens <= 0:
            raise OutOfBudget("--max-tokens-total is used up: type the same command with more")
    if limits.cost_usd is not None and prices is not None:
        cost_usd = limits.cost_usd - prices.cost_usd(paid.prompt_tokens, paid.completion_tokens)
        limits = replace(limits, cost_usd=cost_usd)
        if cost_usd <= 0:
            raise OutOfBudget("--max-cost is used up: type the same command with more")
    if limits.seconds is not None:
        # At 0 the run stops at once, and says so.
        limits = replace(limits, seconds=max(0.0, limits.seconds - seconds))
    return limits
