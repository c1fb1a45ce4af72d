"""Every number that is said to be a paper's stands in its table; files that are not of the form are refused."""

from __future__ import annotations

import csv
import itertools
import re
import tomllib
from pathlib import Path

import pytest

from harness.analyses.leaderboards import RunFilter, leaderboards
from harness.errors import InputError
from harness.paths import REPORTED_BESIDE_SOURCE
from harness.reported import METRICS, reported_rows, reported_table
from tests.paths import REPOSITORY
from tests.stored_runs import simulated_run

PAPERS = REPOSITORY.parent / "shared" / "papers"
INDEX = tomllib.loads((REPORTED_BESIDE_SOURCE / "tables.toml").read_text(encoding="utf-8"))
SHIPPED = REPOSITORY / "no results here"
NUMBER = re.compile(r"\d[\d,]*\.?\d*")


def paper_text(title: str) -> str:
    for file in sorted(PAPERS.glob("*.txt")):
        text = file.read_text(encoding="utf-8")
        if title.lower() in text[:500].lower():
            return text
    pytest.skip(f"the text of {title!r} is not at hand")


def letters(label: str) -> str:
    """A label without markup, citations and marks."""
    label = re.sub(r"\([A-Z][^()]*20\d\d[ab]?\)|</?\w+>", "", label)
    return re.sub(r"[^a-z0-9]", "", label.lower())


def numbers(text: str) -> list[str]:
    return [number.replace(",", "") for number in NUMBER.findall(text)]


def table_lines(table: dict[str, str]) -> list[str]:
    """The lines of tab-separated cells of a table, which stand before its caption or behind it."""
    lines = paper_text(INDEX["papers"][table["paper"]]["title"]).splitlines()
    number = table["table"]
    start = {"3a": r"\(a\) ", "3b": r"\(b\) "}.get(number, rf"Table {number}: ")
    caption = next(place for place, line in enumerate(lines) if re.match(start, line))
    before = table["paper"] == "lmrc" or number == "7"
    rest = lines[:caption][::-1] if before else lines[caption + 1 :]
    rows = itertools.dropwhile(lambda line: "\t" not in line, rest)
    return list(itertools.takewhile(lambda line: "\t" in line, rows))


@pytest.mark.parametrize("table", INDEX["tables"], ids=lambda table: table["file"])
def test_every_number_stands_in_the_paper_beside_its_label(table: dict[str, str]) -> None:
    lines = table_lines(table)
    whole = "\n".join(lines)
    with (REPORTED_BESIDE_SOURCE / table["file"]).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        label = row.get("relation") or row["row"]
        labelled = [line for line in lines if letters(label) in map(letters, line.split("\t")[:2])]
        printed = [row[name] for name in (*METRICS, "extracted") for name in (name, f"{name}_spread") if row.get(name)]
        assert printed, row
        # Where a system is a column of the table, only the table as a whole can be looked through.
        assert any(set(printed) <= set(numbers(line)) for line in labelled or [whole]), row


@pytest.mark.parametrize("table", INDEX["tables"], ids=lambda table: table["file"])
def test_no_number_of_the_table_is_left_out(table: dict[str, str]) -> None:
    cells = [cell for line in table_lines(table) for cell in line.split("\t")[1:]]
    in_paper = sorted(number for cell in cells if re.fullmatch(r"[\d.,\s±\\pm]+", cell) for number in numbers(cell))
    with (REPORTED_BESIDE_SOURCE / table["file"]).open(encoding="utf-8", newline="") as file:
        measured = (*METRICS, *(f"{name}_spread" for name in METRICS), "extracted")
        values = [row[name] for row in csv.DictReader(file) for name in measured if name in row]
    assert sorted(filter(None, values)) == in_paper


def test_reported_rows_stand_beside_runs_without_a_rank(tmp_path: Path) -> None:
    simulated_run(tmp_path, "ours", 0.15, question={"dataset": {"name": "redocred", "split": "test", "sha256": "aa"}})
    (board,) = leaderboards(tmp_path, RunFilter("redocred", "test"), reported=True)
    together = board.beside_reported()
    ours = together[together["model"] == "ours"].iloc[0]
    assert ours["rank"] == 1
    papers = together[together["model"] != "ours"]
    assert papers["rank"].isna().all()
    assert papers["p_bootstrap"].isna().all()
    assert papers["source"].notna().all()
    assert together["f1"].is_monotonic_decreasing
    best_zero_shot = papers[papers["prompt"] == "zero-shot"].iloc[0]
    assert (best_zero_shot["model"], best_zero_shot["f1"]) == ("Mistral-Large 123B", pytest.approx(0.1861))
    # These were asked about a few relations only.
    apart = board.not_ranked().set_index("model")
    assert set(apart.index) >= {"CoR", "GenRDK"}
    assert "unseen relations only" in str(apart.loc["GenRDK", "reason"])


def test_one_row_of_several_tables_names_them_all(tmp_path: Path) -> None:
    (board,) = leaderboards(tmp_path, RunFilter("redocred", "test", model="GLiDRE"), reported=True)
    row = board.reported[board.reported["prompt"] == "fine-tuned"]
    assert list(row["source"]) == ["GLiDRE, Table 1; GLiDRE, Table 4; GLiDRE, Table 5"]
    assert list(row["f1_spread"]) == pytest.approx([0.0023])


def test_what_is_not_over_the_whole_split_stands_apart_with_the_reason(tmp_path: Path) -> None:
    (board,) = leaderboards(tmp_path, RunFilter("docred", "dev"), reported=True)
    apart = board.not_ranked().set_index("model")
    assert apart.loc["GPT-4-turbo", "reason"] == "partial: 100 sampled documents"
    assert "consults gold" in apart.loc["LMRC-LLaMA2-13B-Chat", "reason"]
    assert apart.loc["LSR-BERT base", "reason"] == "no F1 in the paper's table"
    assert "GPT-4-turbo" not in set(board.beside_reported()["model"])


def test_the_table_of_all_rows_has_fractions_and_relations() -> None:
    table = reported_table(SHIPPED)
    country = table[(table["relation"] == "P17") & (table["row"] == "LMRC 13B")].iloc[0]
    assert country["f1"] == pytest.approx(0.5691)
    assert len(table[table["relation"] != ""]) == 4 * 96
    assert table["f1"].dropna().between(0, 1).all()


def test_a_results_folder_may_bring_its_own_numbers(tmp_path: Path) -> None:
    write_reported(tmp_path, "row,system,setting,dataset,split,f1,f1_spread\nours,Ours,zero-shot,mine,dev,50.5,1\n")
    (row,) = reported_rows(tmp_path)
    assert (row.source, row.system, row.values, row.spreads) == ("A, Table 1", "Ours", {"f1": 0.505}, {"f1": 0.01})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("row,system,setting,dataset,f1\n", "no column 'split'"),
        ("row,system,setting,dataset,split,speed\n", "column 'speed' is none of"),
        ("row,system,setting,dataset,split,f1\na,a,a,a,a,5o\n", "line 2: f1 is '5o'"),
        ("row,system,setting,dataset,split,f1\na,a,a,a,a,nan\n", "line 2: f1 is 'nan'"),
        ("row,system,setting,dataset,split,f1\na,a,a,a,a,inf\n", "line 2: f1 is 'inf'"),
        ("row,system,setting,dataset,split,f1\n\udce9,a,a,a,a,1\n", "is no CSV file in UTF-8"),
        ("row,system,setting,dataset,split,f1\n" + "a" * 200_000 + ",a,a,a,a,1\n", "is no CSV file in UTF-8"),
    ],
)
def test_a_table_that_cannot_be_read_is_told_by_file_and_line(tmp_path: Path, content: str, message: str) -> None:
    write_reported(tmp_path, content)
    with pytest.raises(InputError, match=re.escape(message)):
        reported_rows(tmp_path)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("[papers", "is not TOML"),
        ("papers = " + "[" * 5000, "is not TOML"),
        ('[papers.a]\nname="A"\n[[tables]]\nfile=5\npaper="a"\ntable="1"\n', "reported/5: cannot be read"),
        ("[papers.a]\n[[tables]]\n", "needs a name"),
        ('[papers.a]\nname="A"\n[[tables]]\nfile="b.csv"\npaper="b"\ntable="1"\n', "not described"),
        ('[papers.a]\nname="A"\n[[tables]]\nfile="b.csv"\npaper="a"\ntable="1"\n', "b.csv: cannot be read"),
    ],
)
def test_an_index_that_cannot_be_read_is_told(tmp_path: Path, index: str, message: str) -> None:
    write_reported(tmp_path, "", index)
    with pytest.raises(InputError, match=re.escape(message)):
        reported_rows(tmp_path)


def write_reported(results: Path, content: str, index: str | None = None) -> None:
    folder = results / "reported"
    folder.mkdir()
    (folder / "a.csv").write_text(content, encoding="utf-8", errors="surrogateescape")
    default = '[papers.a]\nname = "A"\n[[tables]]\nfile = "a.csv"\npaper = "a"\ntable = "1"\n'
    (folder / "tables.toml").write_text(index or default, encoding="utf-8")
