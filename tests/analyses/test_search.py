"""A search over prompts: halving, budget, resuming, what it refuses and what it records."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.analyses.grid import Cell, read_axes
from harness.analyses.search import Search, check_split, run_search
from harness.cli.display import QuietDisplay
from harness.datasets.registry import load_dataset
from harness.engine.budget import Limits, Prices
from harness.errors import InputError
from harness.runs.config import RunConfig
from harness.runs.execute import OutOfBudget
from harness.runs.plan import prepare
from harness.store import run_folders
from tests.commands import error_line, harness_here

AXES = ("refs=name,id", "types=shown,hidden")


async def search(config: RunConfig, *axes: str, first: int = 2) -> Search:
    def observe(_number: int, _count: int, _cell: Cell, _round: int) -> QuietDisplay:
        return QuietDisplay()

    return await run_search(config, read_axes(axes, config), observe, first)


async def test_half_of_the_configurations_goes_on_to_twice_the_documents(config: RunConfig) -> None:
    found = await search(config, *AXES)
    rounds = [(one.round, one.documents, dict(one.cell)["refs"], one.kept) for one in found.tried]
    assert sorted(rounds[:4]) == [(1, 2, "id", True)] * 2 + [(1, 2, "name", False)] * 2
    assert [one[:3] for one in rounds[4:]] == [(2, 4, "id")] * 2
    assert [one[3] for one in rounds[4:]].count(True) == 1
    assert (found.chosen.cell["refs"], found.chosen.score, found.ending) == ("id", 0.5, "one is left")


async def test_answers_of_earlier_rounds_and_of_a_search_before_are_not_paid_for_again(config: RunConfig) -> None:
    found = await search(config, *AXES)
    first, second = found.tried[0], found.tried[-1]
    assert 0 < second.paid < 1.5 * first.paid, "two new documents, as in the first round"
    again = await search(config, *AXES)
    assert (again.as_json(), again.name) == (found.as_json(), found.name)


async def test_the_last_whole_round_decides_if_the_budget_ends(config: RunConfig) -> None:
    config = replace(config, max_tokens=8)  # a request is only sent if its longest answer is within the budget
    whole = await search(config, *AXES)
    round_one = sum(one.paid for one in whole.tried if one.round == 1)
    elsewhere = replace(config, results=config.results / "other")
    found = await search(replace(elsewhere, limits=Limits(tokens=(round_one + whole.paid) // 2)), *AXES)
    assert found.ending == "the budget was used up"
    assert found.chosen.round == 1
    assert round_one <= found.paid < whole.paid
    spent = [one.read_manifest().spent for one in run_folders(elsewhere.results)]
    assert found.paid == sum(one.prompt_tokens + one.completion_tokens for one in spent if one), "the stopped run, too"
    resumed = await search(elsewhere, *AXES)
    assert resumed.ending == "one is left"
    limits = Limits(tokens=round_one - 10)
    with pytest.raises(OutOfBudget, match=f"^--max-tokens-total {limits.tokens} does not end the first round"):
        await search(replace(config, results=config.results / "third", limits=limits), *AXES)


@pytest.mark.parametrize("unit", ["tokens", "cost_usd"])
async def test_a_budget_of_tokens_or_dollars_bounds_all_rounds_together(
    unit: str, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("harness.runs.execute", "harness.analyses.search"):
        monkeypatch.setattr(f"{module}.prices_of", lambda _: Prices(prompt=1e6, completion=1e6))  # a dollar a token
    config = replace(config, max_tokens=8)
    whole = await search(config, *AXES)
    most = max(one.paid for one in whole.tried)
    # Enough for any run alone, and for no two rounds.
    limits = Limits(**{unit: 2 * most + 40})
    with pytest.raises(OutOfBudget):
        await search(replace(config, results=config.results / "bounded", limits=limits), *AXES)


async def test_a_search_ends_when_all_documents_were_seen(config: RunConfig) -> None:
    found = await search(replace(config, limit=2), *AXES)
    assert (len(found.tried), found.chosen.documents, found.ending) == (4, 2, "all documents were seen")


async def test_a_run_of_what_was_chosen_is_told_how_many_of_its_documents_chose_it(config: RunConfig) -> None:
    assert not prepare(config).chosen()
    found = await search(config, "refs=name,id", "max_triplets=50,60", "reasoning=none,brief")
    assert found.chosen.cell["refs"] == "id"
    options = {name: found.chosen.cell[name] for name in ("refs", "reasoning")}
    chosen = replace(config, max_triplets=int(found.chosen.cell["max_triplets"]), prompt_options=options)
    [told] = prepare(chosen).chosen()
    assert (told["documents"], told["of"]) == (max(one.documents for one in found.tried), 8)
    assert told["option"].startswith(f"--max-triplets {chosen.max_triplets}")
    assert "refs" not in told["option"], "a default is no choice"
    assert not prepare(replace(chosen, prompt_options={**options, "refs": "name"})).chosen()
    assert not prepare(config).chosen()


@pytest.mark.parametrize("split", ["dev", "test", "dev-report"])
def test_splits_that_are_reported_are_refused(split: str) -> None:
    dataset = load_dataset("sample")
    with pytest.raises(InputError, match="--split train or dev-train or dev-choose"):
        check_split(RunConfig("mock"), replace(dataset, name="redocred", split=split))
    with pytest.raises(InputError, match="a file of them"):
        check_split(RunConfig("mock", dataset="sample"), dataset)
    check_split(RunConfig("mock"), replace(dataset, name="redocred", split="dev-choose"))


def test_the_command_prints_what_was_tried_and_what_was_chosen(config: RunConfig) -> None:
    typed = [
        "ablate", "--model", "mock", "--prompt", "tagged", "--dataset", config.dataset, "--constrain", "none",
        "-M", f"answers={config.model_options['answers']}", "--results-dir", str(config.results),
        "--axis", "refs=name,id", "--first-documents", "2",
    ]  # fmt: skip
    assert "give --search" in error_line(harness_here(*typed))
    shown = harness_here(*typed, "--search", "--display", "none")
    assert shown.returncode == 0, shown.stderr
    assert "goes on" in shown.stdout
    assert "chosen on 2 documents, as one is left: -P refs=id" in shown.stdout
    content = json.loads(harness_here(*typed, "--search", "--json").stdout)
    folder = Path(content.pop("folder"))
    assert json.loads((folder / "search.json").read_text(encoding="utf-8")) == content
    assert content["chosen"] == {"refs": "id"}
    assert (folder / "tried.csv").read_text(encoding="utf-8").startswith("round,documents,refs,precision,")
