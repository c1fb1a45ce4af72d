"""Ablations: the grid, what is left out of it, what an axis does, and one journal for all."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest

from harness.analyses.ablation import Ablation, run_ablation
from harness.analyses.grid import Axis, Cell, cells, configuration, read_axes
from harness.cli.display import QuietDisplay
from harness.errors import InputError
from harness.runs.config import RunConfig
from tests.commands import error_line, harness, harness_json

CONFIG = RunConfig(model="mock", prompt="tagged", dataset="sample")


async def ablate(config: RunConfig, *axes: str) -> Ablation:
    def observe(_number: int, _count: int, _cell: Cell) -> QuietDisplay:
        return QuietDisplay()

    return await run_ablation(config, read_axes(axes, config), observe)


def test_the_grid_holds_every_combination() -> None:
    axes = read_axes(["refs=id,name", "constrain=closed,format,none"], CONFIG)
    assert axes == (Axis("refs", ("id", "name")), Axis("constrain", ("closed", "format", "none")))
    grid = cells(axes)
    assert len(grid) == 6
    assert grid[1] == {"refs": "id", "constrain": "format"}


def test_a_cell_sets_options_of_the_prompt_and_fields_of_the_run() -> None:
    cell = {"refs": "name", "constrain": "format", "shots": "3", "temperature": "0.5", "prompt": "pairwise"}
    made = configuration(CONFIG, cell)
    assert made.prompt_options == {"refs": "name"}
    assert (made.constrain, made.shots, made.temperature, made.prompt) == ("format", 3, 0.5, "pairwise")


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ([], "--axis refs=id,name"),
        (["refs"], "name=a,b"),
        (["refs=id"], "at least two different values"),
        (["refs=id,id"], "at least two different values"),
        (["refs=id,name", "refs=name,id"], "given twice"),
        (["refs=id,nam"], "cannot be 'nam'"),
        (["ref=id,name"], "has no option 'ref'.*axes of the run are"),
        (["constrain=closed,tight"], "choose typed, closed, format, none"),
        (["shots=0,few"], "few"),
        (["prompt=tagged,taged"], "did you mean 'tagged'"),
        (["prompt=tagged,pairwise", "k=1,2"], "'tagged' has no option 'k'"),
    ],
)
def test_an_axis_that_no_run_could_have_is_told_before_anything_runs(axes: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_axes(axes, CONFIG)


async def test_the_effect_of_an_axis_is_the_mean_difference_of_runs_alike_in_all_else(config: RunConfig) -> None:
    ablation = await ablate(config, "refs=id,name", "types=shown,hidden")
    by_cell = {(cell["refs"], cell["types"]): result.metrics.official.f1 for cell, result in ablation.runs}
    assert by_cell["id", "shown"] == by_cell["id", "hidden"] == 0.5, "one of three gold triplets, all of them right"
    assert by_cell["name", "shown"] == by_cell["name", "hidden"] == 0.0, "nobody is called E1"
    refs, types = ablation.effects
    assert (refs.axis.name, refs.value, refs.cells) == ("refs", "name", 2)
    assert refs.difference.value == pytest.approx(-0.5)
    assert refs.difference.p_value < 0.05
    assert (types.difference.value, types.difference.p_value) == (0.0, 1.0)


async def test_cells_that_contradict_themselves_are_left_out_with_the_reason(config: RunConfig) -> None:
    ablation = await ablate(config, "constrain=format,closed", "schema=listed,open")
    assert [dict(cell) for cell, _ in ablation.runs] == [
        {"constrain": "format", "schema": "listed"},
        {"constrain": "format", "schema": "open"},
        {"constrain": "closed", "schema": "listed"},
    ]
    [(cell, reason)] = ablation.impossible
    assert cell == {"constrain": "closed", "schema": "open"}
    assert "schema=open" in reason
    assert [effect.cells for effect in ablation.effects] == [1, 1]


async def test_without_a_possible_cell_nothing_is_run(config: RunConfig) -> None:
    with pytest.raises(InputError, match="no cell of the grid"):
        await ablate(config, "shots=200,300")


async def test_nothing_is_asked_twice(config: RunConfig) -> None:
    def stored() -> int:
        with sqlite3.connect(config.results / "journal.sqlite") as journal:
            [(tables,)] = journal.execute("select name from sqlite_master where type = 'table' limit 1").fetchall()
            return int(journal.execute(f"select count(*) from {tables}").fetchone()[0])

    first = await ablate(config, "refs=id,name")
    answers = stored()
    assert answers == 16
    again = await ablate(config, "refs=id,name")
    assert stored() == answers
    assert again.name == first.name
    assert again.as_json()["effects"] == first.as_json()["effects"]


def test_the_command_prints_and_stores_one_table(config: RunConfig) -> None:
    arguments = [
        "ablate", "--model", "mock", "--prompt", "tagged", "--dataset", config.dataset, "--constrain", "none",
        "-M", f"answers={config.model_options['answers']}", "--results-dir", str(config.results),
        "--axis", "refs=id,name",
    ]  # fmt: skip
    content = harness_json(*arguments)
    folder = Path(content.pop("folder"))
    assert json.loads((folder / "ablation.json").read_text(encoding="utf-8")) == content
    assert [row["refs"] for row in content["runs"]] == ["id", "name"]
    assert (folder / "runs.csv").read_text(encoding="utf-8").startswith("refs,precision,recall,f1,")
    assert "\nrefs,name,id,1,-0.5," in (folder / "effects.csv").read_text(encoding="utf-8")
    shown = harness(*arguments)
    assert shown.returncode == 0
    assert "id -> name" in shown.stdout
    assert "-50.00" in shown.stdout
    assert "run 2 of 2: refs=name" in shown.stderr


def test_a_wrong_axis_is_answered_in_one_line(tmp_path: Path) -> None:
    done = harness(
        "ablate", "--model", "mock", "--prompt", "tagged", "--dataset", "sample", "--axis", "refs", cwd=tmp_path
    )
    assert done.returncode == 2
    assert "name=a,b" in error_line(done)


@pytest.mark.parametrize(
    ("axis", "says"),
    [
        ("shots=0,-1", "--shots -1: give 0 or more"),
        ("temperature=0,-1", "--temperature -1.0: give 0 or more"),
        ("top_p=1,5", "--top-p 5.0: give 1 or less"),
        ("max_tokens=10,-5", "give 1 or more"),
        ("max_triplets=10,0", "give 1 or more"),
        ("samples=1,0", "give 1 or more"),
        ("repeat=0,-1", "give 0 or more"),
        ("retrieve_relations=5,-3", "give 1 or more"),
        ("seed=0,1.5", "give a whole number"),
        ("temperature=0,x", "give a number"),
        ("temperature=0,nan", "give a finite number"),
        ("refs=id,id", "two different values"),
        ("refs=id,foo", "choose"),
    ],
)
def test_an_axis_has_the_bounds_of_its_option(axis: str, says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)) as raised:
        read_axes([axis], RunConfig("mock", "tagged"))
    assert "axes of the run" not in str(raised.value)


def test_an_axis_varies_nothing_that_is_also_set() -> None:
    with pytest.raises(InputError, match="leave out one"):
        read_axes(["refs=id,name"], RunConfig("mock", "tagged", prompt_options={"refs": "name"}))
