"""Texts of the hub, in several languages, and corpora written as Parquet: `harness annotate` in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from harness.annotation import languages
from harness.annotation.languages import codes_of, stated_as
from harness.annotation.texts import TextCollection, TextFilter, source_of
from harness.datasets.registry import load_dataset
from harness.errors import InputError, ModelUnavailable
from tests.annotation.gold import as_plain, entity_answer, relation_answer
from tests.annotation.test_method import UNAMBIGUOUS
from tests.commands import error_line, harness_here
from tests.datasets.test_hub import at
from tests.hub_server import Hub

SCHEMA = load_dataset("sample").schema
GOLD = UNAMBIGUOUS[1:4]
OTHERS = [
    {"text": "Die Stadt liegt an einem breiten Fluss und hat einen kleinen Hafen.", "language": "de"},
    {"text": "La ville est au bord d'un large fleuve, avec un petit port.", "language": "fr-FR"},
]


def as_bytes(rows: list[dict[str, Any]]) -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(rows), sink)
    return bytes(sink.getvalue().to_pybytes())


def texts() -> list[dict[str, Any]]:
    english = [{"text": as_plain(document).text, "language": "en"} for document in GOLD]
    return [*english, *OTHERS]


def script(folder: Path) -> Path:
    """A perfect model, as answers of the mock; it reasons before each list of relations."""
    lines = []
    for document in GOLD:
        relations = f"Reasoning: The text says it.\nAnswer:\n{relation_answer(document, SCHEMA)}"
        lines.append({"contains": " ".join(document.sentences[0]), "text": entity_answer(document)})
        lines.append({"contains": f"E1: {document.entities[0].name} (", "text": relations})
    file = folder / "answers.jsonl"
    file.write_text("".join(json.dumps({**line, "finish_reason": "stop"}) + "\n" for line in lines), encoding="utf-8")
    return file


def annotated(tmp_path: Path, *more: str | Path) -> dict[str, Any]:
    done = harness_here(
        "annotate", *more, "--model", "mock", "--constrain", "none", "-M", f"answers={script(tmp_path)}",
        "--results-dir", tmp_path / "results", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def test_texts_of_the_hub_are_annotated_with_reasoning_and_kept_as_json_and_parquet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = texts()
    files = {"data/a-0.parquet": as_bytes(rows[:2]), "data/b-0.parquet": as_bytes(rows[2:]), "data/c.txt": b"Other."}
    both = tmp_path / "corpus" / "a.json", tmp_path / "corpus" / "a.parquet"
    with Hub("owner/web", {**files, "load.py": b"raise SystemExit"}, "datasets") as hub:
        at(hub, monkeypatch, tmp_path)
        arguments = ("hf://owner/web", "--file", "data/*.parquet", "--language", "en", "-P", "reasoning=brief")
        done = annotated(tmp_path, *arguments, "--out", both[0], "--out", both[1])
        assert not [path for path in hub.asked if path.endswith((".py", ".txt"))]
        other = annotated(tmp_path, *arguments[:-2], "--out", tmp_path / "plain" / "a.json")
        told = error_line(harness_here("annotate", "hf://owner/web", "--file", "*.jsonl", "--model", "mock"))
        assert "no file that is read fits --file *.jsonl; there is data/a-0.parquet, data/b-0.parquet" in told
    assert done["files"] == list(map(str, both))
    assert (done["documents"], done["written"]["documents"], done["dropped"]) == (3, 3, {})
    assert done["run_id"] != other["run_id"], "reasoning is a part of the question"
    as_json, as_parquet = (load_dataset(str(file)) for file in both)
    assert list(as_json.documents) == list(as_parquet.documents)
    assert as_json.schema == as_parquet.schema
    assert [one.title for one in as_json.documents] == ["data/a-0 0", "data/a-0 1", "data/b-0 0"]
    assert {source.kind for source in as_parquet.label_sources} == {"model"}
    for document, gold in zip(as_parquet.documents, GOLD, strict=True):
        assert {label.triplet for label in document.labels} == {label.triplet for label in gold.labels}
    records = (Path(done["run_dir"]) / "documents.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [step for line in records for step in json.loads(line)["steps"]]
    reasoned = {step["name"]: step.get("reasoning", "") for step in steps}
    assert reasoned == {"entities": "", "relations": "The text says it."}


def test_a_large_data_set_is_not_fetched_without_a_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"data/{number:02}.jsonl": json.dumps({"text": "One."}).encode() for number in range(11)}
    with Hub("owner/web", files, "datasets") as hub:
        at(hub, monkeypatch, tmp_path)
        with pytest.raises(InputError, match=r"holds 11 files such as data/00\.jsonl: choose some with --file PATTERN"):
            source_of("hf://owner/web")
        assert not [path for path in hub.asked if "resolve" in path]
        kept = TextCollection(source_of("hf://owner/web", ["data/0[12].jsonl"]))
    assert [one.title for one in kept] == ["data/01 1", "data/02 1"]
    with pytest.raises(InputError, match="--file chooses files of a data set of the hub"):
        source_of(str(tmp_path / "a.jsonl"), ["*.jsonl"])


def test_the_language_that_a_file_states_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing is left to tell from the texts themselves.
    monkeypatch.setattr(languages, "LIBRARY", "no_such_library")
    file = tmp_path / "web.parquet"
    file.write_bytes(as_bytes(texts()))
    kept = TextCollection(file, TextFilter(languages=("en", "fr")))
    assert [one.title for one in kept] == ["web 0", "web 1", "web 2", "web 4"]
    assert kept.left_out == {"other_language": 1}
    lines = tmp_path / "web.jsonl"
    lines.write_text("".join(json.dumps(one) + "\n" for one in texts()), encoding="utf-8")
    assert len(TextCollection(lines, TextFilter(languages=("de",)))) == 1
    lines.write_text(json.dumps({"text": OTHERS[0]["text"]}), encoding="utf-8")
    with pytest.raises(ModelUnavailable, match=r"pip install 'docre-harness\[language\]'"):
        TextCollection(lines, TextFilter(languages=("de",)))


def test_the_language_of_other_texts_is_told_from_them(tmp_path: Path) -> None:
    pytest.importorskip("py3langid", reason="pip install 'docre-harness[language]'")
    for name, text in {
        "en": "The town lies on a wide river, and it has a small harbour.",
        "de": str(OTHERS[0]["text"]),
        "fr": str(OTHERS[1]["text"]),
        "zh": "这座城市位于一条宽阔的河边，有一个小港口。",
    }.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    assert [one.title for one in TextCollection(tmp_path, TextFilter(languages=("zh", "de")))] == ["de", "zh"]
    assert TextCollection(tmp_path, TextFilter(languages=("en",))).left_out == {"other_language": 3}


def test_codes_of_languages() -> None:
    assert [stated_as(one) for one in ("en-US", "fra_Latn", " DE ", "")] == ["en", "fra", "de", ""]
    assert codes_of(["en", "EN", "zh-Hans"]) == ("en", "zh")
    with pytest.raises(InputError, match="--language english: write a code of two or three letters"):
        codes_of(["English"])


def test_what_cannot_be_written_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("One.", encoding="utf-8")
    place = ("annotate", text, "--model", "mock", "-M", f"answers={script(tmp_path)}", "--results-dir", tmp_path / "r")
    file = tmp_path / "out" / "a.parquet"
    for out, told in (
        ((file, file), "is given twice"),
        ((tmp_path / "a.csv",), "name a .json, a .jsonl or a .parquet file"),
    ):
        done = harness_here(*place, *(part for one in out for part in ("--out", one)))
        assert done.returncode == 2
        assert told in error_line(done)
    assert not file.parent.exists()


def test_rows_without_a_text_are_left_out_and_titles_may_be_numbers(tmp_path: Path) -> None:
    rows = [{"title": 7, "text": "Anna lives."}, {"title": 8, "text": None}, {"title": 9, "text": " \n"}]
    (tmp_path / "a.parquet").write_bytes(as_bytes(rows))
    found = TextCollection(tmp_path / "a.parquet")
    assert ([one.title for one in found], found.left_out) == (["7"], {"empty": 2})
    (tmp_path / "a.jsonl").write_text('{"title": 7, "text": "Anna lives."}', encoding="utf-8")
    assert [one.title for one in TextCollection(tmp_path / "a.jsonl")] == ["7"]
    (tmp_path / "blank.txt").write_text(" \n", encoding="utf-8")
    with pytest.raises(InputError, match="holds no text"):
        TextCollection(tmp_path / "blank.txt")
    (tmp_path / "b.parquet").write_bytes(as_bytes([{"body": "Anna."}]))
    with pytest.raises(InputError, match="has no column text; name the column of the texts so"):
        TextCollection(tmp_path / "b.parquet")
    (tmp_path / "b.parquet").write_bytes(as_bytes([{"text": b"Anna."}]))
    with pytest.raises(InputError, match="row 0: give the columns title and text, both texts"):
        TextCollection(tmp_path / "b.parquet")
