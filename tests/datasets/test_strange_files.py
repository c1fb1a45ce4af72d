"""Damaged and strange files of other forms than DocRED's: one line each, or the one meaning that they can have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.datasets.brat import read_brat
from harness.datasets.conversion import convert
from harness.datasets.corpora import CORPORA
from harness.datasets.docbin import read_docbin
from harness.datasets.dwie import read_dwie
from harness.datasets.label_studio import read_label_studio
from harness.datasets.pubtator import read_pubtator
from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.types import Triplet
from tests.commands import error_line, harness_here, harness_json

LINES = Path(__file__).resolve().parent / "corpora" / "dev.data"
PUBTATOR_ROWS = (
    "1|t|Aspirin causes pain.\n1|a|It is bad.\n1\t0\t7\tAspirin\tChemical\tD1\n1\t15\t19\tpain\tDisease\tD2\n"
)
PAIR_ROW = "\t".join(
    [
        *("1", "Aspirin causes pain .|It is bad .", "1:CID:2", "L2R", "NON-CROSS", "0-1", "2-3"),
        *("D1", "Aspirin", "Chemical", "0", "1", "0", "D2", "pain", "Disease", "2", "3", "0"),
    ]
)
ANN = "T1\tPER 0 4\tAnna\nT2\tLOC 14 18\tRome\nR1\tlives Arg1:T1 Arg2:T2\n"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.PubTator", f"{PUBTATOR_ROWS}{PUBTATOR_ROWS}", r"line 5: is a second title or abstract"),
        ("a.PubTator", f"1|t|Another.\n{PUBTATOR_ROWS}", r"line 2: is a second title or abstract"),
        ("a.PubTator", PUBTATOR_ROWS.replace("\t0\t7", "\t²\t7"), "line 3: .* is no title, abstract, mention"),
        ("a.PubTator", PUBTATOR_ROWS.replace("\t7\t", f"\t{'9' * 5000}\t"), "line 3: .* is no title, abstract"),
        ("a.data", PAIR_ROW.replace("\t0\t1\t0\t", "\t-5\t0\t0\t"), "tokens -5 to 0 are no part of one sentence"),
        ("a.PubTator", "\n\n", "a.PubTator: is empty; give a file with documents"),
        ("a.data", "\n", "a.data: is empty; give a file with a document a line"),
        ("a.data", PAIR_ROW.replace("\t2\t3\t", "\t٢\t3\t"), "'٢' is no list of numbers apart by colons"),
        ("a.data", PAIR_ROW.replace("\tD1\t", "\t\t"), r"pair\[0\]\.id: is empty"),
        ("a.data", PAIR_ROW.removeprefix("1"), "id: is empty; begin the line with the document's id"),
        ("a.ann", ANN.replace(" 0 4", " ² 4"), "line 1: write id, tab, type with start and end"),
        ("a.ann", ANN.replace(" 0 4", f" 0 {'9' * 5000}"), "line 1: write id, tab, type with start and end"),
        ("a.ann", ANN.replace(" 0 4", " 0 4;1400 1800"), "line 1: 0 to 1800 are no part of the text, of 19 characters"),
        ("a.ann", ANN.replace(" 0 4", " 0 2;14 18"), "line 1: 'Anna' is not at 0 to 2 and 14 to 18; 'An Rome' is"),
        ("a.ann", ANN.replace(" 0 4", " 0 2;2"), "line 1: 0 to 2 are no part of the text"),
        ("a.ann", ANN.replace("Arg2:T2", "Arg2:E1"), "line 3: joins the event 'E1', and events are not read; take it"),
        ("a.ann", f"{ANN}T1\tLOC 14 18\tRome\n", "line 4: has the id 'T1' of an annotation before it"),
    ],
)
def test_strange_files_are_refused_in_a_line(name: str, content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    (tmp_path / "a.txt").write_text("Anna lives in Rome.", encoding="utf-8")
    source = tmp_path if name == "a.ann" else tmp_path / name
    with pytest.raises(InputError, match=says):
        convert(source, tmp_path / "out" / "dev.json")


def test_a_relation_from_the_second_argument_to_the_first_is_read_so(tmp_path: Path) -> None:
    (tmp_path / "dev.data").write_text(PAIR_ROW.replace("1:CID:2", "2:CID:1"), encoding="utf-8")
    (document,) = load_dataset(str(tmp_path / "dev.data")).documents
    assert [one.triplet for one in document.labels] == [Triplet(1, "CID", 0)]


def test_brat_reads_a_text_of_any_beginning_and_an_empty_equivalence(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("<p>Anna</p>", encoding="utf-8")
    (tmp_path / "a.ann").write_text("T1\tPER 3 7\tAnna\n*\tEquiv \n", encoding="utf-8")
    (document,) = read_brat(tmp_path)
    assert [one.name for one in document.entities] == ["Anna"]


def test_brats_pieces_may_be_in_any_order_and_names_of_arguments_tell_the_direction(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("North and South Korea fought.", encoding="utf-8")
    (tmp_path / "a.ann").write_text(
        "T1\tLOC 16 21;0 5\tNorth Korea\nT2\tLOC 10 21\tSouth Korea\nR1\tfought Arg2:T1 Arg1:T2\n", encoding="utf-8"
    )
    (document,) = read_brat(tmp_path)
    assert [one.name for one in document.entities] == ["North and South Korea", "South Korea"]
    assert [one.triplet for one in document.labels] == [Triplet(1, "fought", 0)]


def test_dwies_concepts_are_known_by_their_numbers(tmp_path: Path) -> None:
    annotation = {
        "id": "DW_1",
        "content": "Anna lives in Rome.",
        "mentions": [
            {"begin": 0, "end": 4, "text": "Anna", "concept": 0},
            {"begin": 14, "end": 18, "text": "Rome", "concept": 1},
        ],
        "concepts": [{"concept": 1, "tags": ["type::location"]}, {"concept": 0, "tags": ["type::person"]}],
        "relations": [],
    }
    (tmp_path / "1.json").write_text(json.dumps(annotation), encoding="utf-8")
    (document,) = read_dwie(tmp_path)
    assert [(one.name, one.type) for one in document.entities] == [("Anna", "person"), ("Rome", "location")]
    (tmp_path / "2.json").write_text(json.dumps(annotation), encoding="utf-8")
    with pytest.raises(InputError, match=r"2\.json.*id: is already that of another file"):
        list(read_dwie(tmp_path))
    annotation["concepts"] = [{"concept": 1}, {"concept": 1}]
    (tmp_path / "1.json").write_text(json.dumps(annotation), encoding="utf-8")
    with pytest.raises(InputError, match=r"concepts\[1\]\.concept: is 1, as of another concept"):
        list(read_dwie(tmp_path))


def test_a_docbin_with_a_title_twice_or_other_relations_is_refused(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import Doc, DocBin

    if not Doc.has_extension("rel"):
        Doc.set_extension("rel", default=None)

    def stored(relations: object, *titles: str) -> Path:
        made = []
        for title in titles:
            doc = Doc(spacy.blank("en").vocab, words=["Anna", "lives"], ents=["B-PER", "O"])
            doc._.rel, doc.user_data["title"] = relations, title
            made.append(doc)
        DocBin(store_user_data=True, docs=made).to_disk(tmp_path / "a.spacy")
        return tmp_path / "a.spacy"

    assert len(list(read_docbin(stored({}, "one", "two")))) == 2
    with pytest.raises(InputError, match="title: is already that of another document"):
        list(read_docbin(stored({}, "one", "one")))
    for relations in ([1], {(0, 0): 5}, {(0, 0): {"x": "y"}}):
        with pytest.raises(InputError, match="rel: write"):
            list(read_docbin(stored(relations, "one")))
    with pytest.raises(InputError, match="rel: holds a probability that is no number"):
        list(read_docbin(stored({(0, 2): {"met": float("nan")}}, "one")))


def test_a_score_against_cdr_is_over_its_candidate_pairs(tmp_path: Path) -> None:
    """The same predictions have the same score as a run, and against a corpus by name; a plain file has no pairs."""
    data = tmp_path / "cdr"
    data.mkdir()
    (data / "dev.data").write_bytes(LINES.read_bytes())
    predictions = [
        {"title": document.title, "h_idx": head, "t_idx": tail, "r": "CID", "evidence": []}
        for document in load_dataset("cdr", "dev", data).documents
        for head in range(len(document.entities))
        for tail in range(len(document.entities))
    ]
    (tmp_path / "p.json").write_text(json.dumps(predictions), encoding="utf-8")
    place = ("--data-dir", data)
    results = ("--results-dir", tmp_path / "results")
    run = harness_json("import", tmp_path / "p.json", "--model", "all", "--dataset", "cdr", *place, *results)
    by_name = harness_json("score", tmp_path / "p.json", "--gold", "cdr:dev", *place)
    again = harness_json("score", run["run_id"], "--gold", "cdr:dev", *place, *results)
    assert run["metrics"]["not_candidates"] > 0
    assert by_name["metrics"]["f1"] == again["metrics"]["f1"] == run["metrics"]["f1"]
    told = error_line(harness_here("score", run["run_id"], "--gold", data / "dev.data", *results))
    assert "does not tell the candidate pairs of cdr" in told
    convert(data / "dev.data", tmp_path / "made" / "dev.json", CORPORA["cdr"])
    made = harness_json("score", run["run_id"], "--gold", tmp_path / "made" / "dev.json", *results)
    assert made["metrics"]["f1"] == run["metrics"]["f1"]


def test_tabs_at_the_end_of_a_line_of_pairs_and_blank_lines_within_a_document_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "dev.data").write_text(f"{PAIR_ROW}\t\t\n", encoding="utf-8")
    text = PUBTATOR_ROWS.replace("bad.\n", "bad.\n\n") + "1\tCID\tD1\tD2\n"
    other = "".join(f"2{line[1:]}" if line[:1] == "1" else line for line in text.splitlines(keepends=True))
    (tmp_path / "a.PubTator").write_text(f"{text}\n{other}", encoding="utf-8")
    (row,) = load_dataset(str(tmp_path / "dev.data")).documents
    assert [one.triplet for one in row.labels] == [Triplet(0, "CID", 1)]
    documents = list(read_pubtator(tmp_path / "a.PubTator"))
    assert [(one.title, len(one.entities), len(one.labels)) for one in documents] == [("1", 2, 1), ("2", 2, 1)]


def test_what_the_entity_linker_does_not_know_is_not_one_entity(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import Doc, DocBin, Span

    doc = Doc(spacy.blank("en").vocab, words=["Anna", "met", "Ben", "and", "Ben", "in", "Rome"])
    linked = [(0, "NIL"), (2, "Q1"), (4, "Q1"), (6, "NIL")]
    doc.ents = [Span(doc, token, token + 1, "X", kb_id=id) for token, id in linked]
    DocBin(attrs=["ENT_IOB", "ENT_TYPE", "ENT_KB_ID"], docs=[doc]).to_disk(tmp_path / "a.spacy")
    (document,) = read_docbin(tmp_path / "a.spacy")
    assert [[one.name for one in entity.mentions] for entity in document.entities] == [
        ["Anna"],
        ["Ben", "Ben"],
        ["Rome"],
    ]


def test_documents_without_a_relation_are_converted_without_a_table_and_read_back(tmp_path: Path) -> None:
    (tmp_path / "in.PubTator").write_text(PUBTATOR_ROWS, encoding="utf-8")
    assert convert(tmp_path / "in.PubTator", tmp_path / "out" / "dev.json") == 1
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["dev.json"]
    (document,) = load_dataset(str(tmp_path / "out" / "dev.json")).documents
    assert (len(document.entities), document.labels) == (2, ())


def _span(id: str, start: int, end: int, kind: str = "labels") -> dict[str, object]:
    return {"id": id, "type": kind, "value": {"start": start, "end": end, "labels": ["PER"]}}


@pytest.mark.parametrize(
    ("results", "says"),
    [
        ([_span("a", 0, 4), _span("a", 9, 12)], r"result\[1\]\.id: 'a' is that of another span; ids must be unique"),
        ([_span("a", 0, 4, "hypertextlabels")], r"result\[0\]\.type: 'hypertextlabels' are spans of no plain text"),
    ],
)
def test_spans_of_label_studio_are_not_lost_in_silence(
    results: list[dict[str, object]], says: str, tmp_path: Path
) -> None:
    task = {"id": 1, "data": {"text": "Anna met Ben."}, "annotations": [{"result": results}]}
    (tmp_path / "a.json").write_text(json.dumps([task]), encoding="utf-8")
    with pytest.raises(InputError, match=says):
        list(read_label_studio(tmp_path / "a.json"))


def test_a_span_of_label_studio_with_labels_of_two_kinds_is_one(tmp_path: Path) -> None:
    task = {
        "id": 1,
        "data": {"text": "Anna met Ben."},
        "annotations": [{"result": [_span("a", 0, 4), _span("b", 9, 12), _span("a", 0, 4)]}],
    }
    (tmp_path / "a.json").write_text(json.dumps([task]), encoding="utf-8")
    (document,) = read_label_studio(tmp_path / "a.json")
    assert [[one.name for one in entity.mentions] for entity in document.entities] == [["Anna"], ["Ben"]]
