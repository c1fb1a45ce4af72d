"""The table of tests on unseen relations: macro scores by system, on sentences and in few-shot episodes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.analyses.leaderboards.across import SYSTEM
from harness.analyses.leaderboards.columns import records
from harness.analyses.leaderboards.entries import BoardKey, RunFilter, described
from harness.analyses.leaderboards.reported import reported_boards
from harness.analyses.not_ranked import IN_EPISODES, reasons_not_ranked
from harness.datasets.corpora import CORPORA
from harness.datasets.episodes import TEST_RELATIONS
from harness.errors import InputError
from harness.records.manifest import Asked, CompleteManifest
from harness.records.question import DatasetIdentity
from harness.runs.results import RunResult
from harness.scoring.counts import f1
from harness.store import METRICS, run_folders

if TYPE_CHECKING:
    import pandas as pd

TITLE = "Unseen relations and few-shot episodes: macro precision, recall and F1"
SCORES = ("precision", "recall", "f1")
COLUMNS = ("m", "corpus", *SYSTEM, "seeds", *SCORES, "f1_of_means", "apart", "source")
_SPLIT = re.compile(r"(?:dev-)?m(\d+)-seed-(\d+)")
_EPISODES = re.compile(r"((\w+)-\d-doc)(?:-seed-(\d+))?")
_ASKED = {"test": len(TEST_RELATIONS), "cross": 7}
"""Relations that the episodes of published tests ask about: of DocRED, and all of SciERC."""
_REPORTED = re.compile(r"(\d+) unseen relations(?:, (.+))?")


def unseen(results: Path, chosen: RunFilter, max_failed: float) -> pd.DataFrame:
    """A row for each number m of unseen relations, corpus and system: papers' rows, then ours; fractions, 0 to 1.

    Ours are means over the ``seeds`` of splits such as ``m5-seed-0``, of each of which the last run counts; draws of
    this project (``dev-m5-seed-0``) are a corpus of their own. Runs that were asked for differently, as over a part of
    the documents only, are rows of their own. Of few-shot episodes, each split is a corpus. ``f1`` is the
    mean of the relations' F1, ``f1_of_means`` that of mean precision and mean recall, as ZS-BERT's evaluation takes it
    (Chen and Li, 2021). ``apart`` says why a run would not be ranked: a part of the split, sentences or relations that
    an encoder was trained on, labels of distant supervision.
    """
    import pandas as pd

    rows = [*_reported(results, chosen), *_measured(results, chosen, max_failed)]
    rows.sort(key=lambda row: (row["m"], row["corpus"], not row["source"], -row["f1"]))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _reported(results: Path, chosen: RunFilter) -> list[dict[str, Any]]:
    return [
        {
            **dict.fromkeys(SYSTEM, ""),
            **{name: row[name] for name in ("model", "prompt", *SCORES, "source")},
            "m": int(match[1]),
            "corpus": f"{dataset} {match[2]}" if match[2] else dataset,
            "apart": "",
            "f1_of_means": f1(row["precision"], row["recall"]),
        }
        for (dataset, split), several in reported_boards(results, chosen).items()
        if (match := _REPORTED.fullmatch(split))
        for row in several
    ]


def _measured(results: Path, chosen: RunFilter, max_failed: float) -> list[dict[str, Any]]:
    by_system: dict[tuple[object, ...], dict[int, RunResult]] = {}
    for folder in run_folders(results):
        try:
            manifest = folder.read_manifest()
            dataset = manifest.question.dataset
            found = _test_of(dataset)
            row = described(folder, manifest)
            if found is None or not chosen.takes(BoardKey(dataset.name, dataset.split, dataset.sha256), row):
                continue
            if not isinstance(manifest, CompleteManifest) or not folder.has(METRICS):
                continue
            result = RunResult.to_rank(folder, manifest)
            m, corpus, seed = found
            m = m or sum(scores.gold > 0 for scores in result.metrics.per_relation.values())
            key = (m, corpus, *(row[name] for name in SYSTEM), _asked(manifest))
            by_system.setdefault(key, {})[seed] = result
        except InputError:
            continue  # `harness leaderboard` names damaged runs.
    return [_row(key, list(runs.values()), max_failed) for key, runs in by_system.items()]


def _test_of(dataset: DatasetIdentity) -> tuple[int, str, int] | None:
    """Unseen relations (0: not known), the corpus as the table names it, and the seed; None for any other split."""
    corpus = CORPORA.get(dataset.name)
    file = corpus.splits.get(dataset.split) if corpus else None
    if file is None or not file.tests_unseen:
        return None
    ours = ", our draws" if file.drawn or file.episodes else ""
    if match := _SPLIT.fullmatch(dataset.split):
        return int(match[1]), f"{dataset.name}{ours}", int(match[2])
    if match := _EPISODES.fullmatch(dataset.split):
        return _ASKED.get(match[2], 0), f"{dataset.name} {match[1]}{ours}", int(match[3] or 0)
    return None


def _asked(manifest: Asked) -> str:
    """What runs of one system have in common on every split: nothing that follows from the split's own relations."""
    question, documents = manifest.question, manifest.documents
    part = None if documents.asked == documents.in_split else documents.asked
    adapted, theta = sorted(question.adapters or ()), question.alignment and question.alignment.theta
    asked = [question.prompt.sha256, question.max_triplets, adapted, theta, question.votes, question.task, part]
    return json.dumps(asked)


def _row(key: tuple[object, ...], runs: list[RunResult], max_failed: float) -> dict[str, Any]:
    means = {name: sum(one.metrics.macro[name] for one in runs) / len(runs) for name in SCORES}
    reasons = dict.fromkeys(reason for one in runs for reason in reasons_not_ranked(one, max_failed))
    # Macro scores are what is shown here.
    reasons.pop(IN_EPISODES, None)
    for one in runs:
        stated = sum(scores.gold > 0 for scores in one.metrics.per_relation.values())
        if _SPLIT.fullmatch(one.manifest.question.dataset.split) and stated != key[0]:
            reasons[f"states {stated} relations, not {key[0]}"] = None
    return {
        **dict(zip(("m", "corpus", *SYSTEM), key, strict=False)),
        **means,
        "f1_of_means": f1(means["precision"], means["recall"]),
        "seeds": len(runs),
        "apart": "; ".join(reasons),
        "source": "",
    }


def shown_unseen(table: pd.DataFrame) -> list[list[str]]:
    """Heading and rows as text, scores in percent; columns of a system's settings without any text are left out."""
    names = [name for name in COLUMNS if name not in SYSTEM or table[name].any()]
    return [names, *([_cell(name, row[name]) for name in names] for row in records(table))]


def _cell(name: str, value: object) -> str:
    if name == "seeds" and isinstance(value, int | float):
        return str(int(value))
    return f"{100 * value:.2f}" if isinstance(value, float) else str(value or "")
