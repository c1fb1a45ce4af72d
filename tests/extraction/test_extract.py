"""Texts in, entities and relations out: offsets, windows, formats, pages, and hostile text in all of them."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from harness.datasets.registry import load_dataset
from harness.encoders.calibration import Calibration
from harness.encoders.entities.text import Span
from harness.errors import InputError, StorageError
from harness.extraction.entities import GivenEntities, SpacyEntities, by_name, entity_source
from harness.extraction.evaluation import end_to_end
from harness.extraction.explanation import explanation
from harness.extraction.graphs import normalised
from harness.extraction.inputs import Text, read_inputs
from harness.extraction.page import page_writer
from harness.extraction.pipeline import MOST_WINDOWS, Extractor, tokenised
from harness.extraction.results import TRIPLET_COLUMNS, triplet_table
from harness.extraction.writers import format_of, safe_cell, writer
from harness.types import Document, PairScores
from tests.commands import error_line, harness_here
from tests.documents import document
from tests.extraction.rules import HOSTILE, SCHEMA, EveryPair

GRAPHML = "{http://graphml.graphdrawing.org/xmlns}"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A real spaCy pipeline that knows some names."""
    import spacy

    nlp = spacy.blank("en")
    rules = nlp.add_pipe("entity_ruler")
    names = {"PERSON": ["Ada", "Ada Lovelace", "Ada Byron"], "GPE": ["London"], "ORG": ["=HYPERLINK", "Acme"]}
    rules.add_patterns([{"label": kind, "pattern": name} for kind, several in names.items() for name in several])
    folder = tmp_path_factory.mktemp("spacy") / "rules"
    nlp.to_disk(folder)
    return str(folder)


@pytest.fixture
def extractor(pipeline: str) -> Extractor:
    return Extractor(SpacyEntities(pipeline), EveryPair(), SCHEMA, "rule")


def test_offsets_are_those_of_the_text(extractor: Extractor) -> None:
    text = "Ada  was born\nin London. Nobody knew.\n\nAda worked for Acme."
    (outcome,) = extractor.extract([Text("t", "t.txt", text)])
    found = outcome.extracted
    assert [(one.name, one.type, len(one.mentions)) for one in found.entities] == [
        ("Ada", "PER", 2),
        ("London", "LOC", 1),
        ("Acme", "ORG", 1),
    ]
    assert all(text[one.start : one.end] == one.text for entity in found.entities for one in entity.mentions)
    assert [(one.relation, one.score, one.evidence) for one in found.relations] == [
        ("P19", 0.9526, (0,)),
        ("own", 0.6225, (2,)),
    ]
    assert found.evidence_text(found.relations[0]) == "Ada was born in London."
    assert list(triplet_table([found])["tail"]) == ["London", "Acme"]


def test_a_long_text_is_read_in_windows_and_is_one_document(pipeline: str) -> None:
    sentences = [f"Number {number} is here." for number in range(40)]
    sentences[2], sentences[30] = "Ada was in London.", "Ada joined Acme."
    extractor = Extractor(SpacyEntities(pipeline), EveryPair(), SCHEMA, "rule", window=40)
    (outcome,) = extractor.extract([Text("t", "-", " ".join(sentences))])
    found = outcome.extracted
    assert [(one.name, [m.sentence for m in one.mentions]) for one in found.entities] == [
        ("Ada", [2, 30]),
        ("London", [2]),
        ("Acme", [30]),
    ]
    assert [(one.relation, one.evidence) for one in found.relations] == [("P19", (2,)), ("own", (30,))]


def test_a_person_named_in_full_in_one_window_is_the_one_of_the_last_name_in_another(pipeline: str) -> None:
    sentences = [f"Number {number} is here." for number in range(40)]
    sentences[2], sentences[30] = "Ada Lovelace was in London.", "Ada joined Acme."
    extractor = Extractor(SpacyEntities(pipeline), EveryPair(), SCHEMA, "rule", window=40)

    def people() -> list[tuple[str, int]]:
        (outcome,) = extractor.extract([Text("t", "-", " ".join(sentences))])
        return [(one.name, len(one.mentions)) for one in outcome.extracted.entities if one.type == "PER"]

    assert people() == [("Ada Lovelace", 2)]
    sentences[31] = "Ada Lovelace left."
    assert people() == [("Ada Lovelace", 2), ("Ada", 1)], "the finder saw both there, and kept them apart"
    sentences[31], sentences[15] = "Nobody left.", "Ada Byron was in London."
    assert people() == [("Ada Lovelace", 1), ("Ada Byron", 1), ("Ada", 1)], "it could be either"


def test_a_scorer_is_given_few_windows_of_a_long_text_at_a_time(pipeline: str) -> None:
    given: list[int] = []

    class Counting(EveryPair):
        def score(self, documents: Iterable[Document]) -> Iterator[PairScores]:
            given.append(len(windows := list(documents)))
            return super().score(windows)

    sentences = [f"Ada {number} was in London." for number in range(40)]
    extractor = Extractor(SpacyEntities(pipeline), Counting(), SCHEMA, "rule", window=6)
    (outcome,) = extractor.extract([Text("t", "-", " ".join(sentences))])
    assert len(outcome.extracted.relations) == 1
    assert (sum(given), max(given)) == (40, MOST_WINDOWS)


def test_a_result_is_written_before_the_rest_is_read(extractor: Extractor, tmp_path: Path) -> None:
    folder, out = tmp_path / "texts", tmp_path / "out.jsonl"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number:02}.txt").write_text("Ada was born in London.")
    events: list[tuple[str, int]] = []

    def texts() -> Iterator[Text]:
        for number, one in enumerate(read_inputs([str(folder)])):
            assert isinstance(one, Text)
            events.append(("read", number))
            yield one

    with writer("jsonl", out, SCHEMA) as writing:
        for outcome in extractor.extract(texts()):
            writing.write(outcome)
            # What is in the file is there for others to read.
            events.append(("written", len(out.read_text(encoding="utf-8").splitlines()) - 1))
    assert events[:7] == [
        *(("read", 0), ("written", 0)),
        *(("read", one) for one in (1, 2)),
        *(("written", one) for one in (1, 2)),
        ("read", 3),
    ]
    held = most = 0
    for what, _ in events:
        held += 1 if what == "read" else -1
        most = max(most, held)
    assert (held, most) == (0, MOST_WINDOWS)


@pytest.mark.parametrize(("kind", "kept"), [("jsonl", True), ("csv", True), ("text", True), ("graphml", False)])
def test_a_file_that_was_there_is_kept_until_all_is_written(
    extractor: Extractor, tmp_path: Path, kind: str, kept: bool
) -> None:
    out, partial = tmp_path / "out", tmp_path / "out.partial"
    out.write_text("earlier", encoding="utf-8")
    (outcome,) = extractor.extract([Text("t", "t.txt", "Ada was born in London.")])

    def stopped() -> None:
        with writer(kind, out, SCHEMA) as output:
            output.write(outcome)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert out.read_text(encoding="utf-8") == "earlier"
    assert partial.exists() == kept
    with writer(kind, out, SCHEMA) as output:
        output.write(outcome)
    assert "Ada" in out.read_text(encoding="utf-8")
    assert not partial.exists()


@pytest.mark.parametrize("kind", ["jsonl", "csv", "text"])
def test_an_extraction_without_a_result_leaves_no_file_and_keeps_an_earlier_one(tmp_path: Path, kind: str) -> None:
    out, partial = tmp_path / "out", tmp_path / "out.partial"

    def failed() -> None:
        with writer(kind, out, SCHEMA):
            raise InputError("the plan of a run")

    with pytest.raises(InputError):
        failed()
    assert not list(tmp_path.iterdir())
    out.write_text("earlier", encoding="utf-8")
    partial.write_text("stopped", encoding="utf-8")
    with pytest.raises(InputError):
        failed()
    assert (out.read_text(encoding="utf-8"), partial.read_text(encoding="utf-8")) == ("earlier", "stopped")
    with writer(kind, out, SCHEMA):
        pass  # no text at all
    assert out.read_text(encoding="utf-8") == (",".join(TRIPLET_COLUMNS) + "\n" if kind == "csv" else "")
    assert not partial.exists()


def test_a_plan_that_fails_behind_the_finder_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Ada was born in London.", encoding="utf-8")
    done = harness_here(
        "extract", tmp_path / "a.txt", "--out", tmp_path / "found.csv", "--relations", "mock", "--prompt", "tagged",
        "--adapter", tmp_path / "nothing", "--results-dir", tmp_path / "results",
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert not list(tmp_path.glob("found.csv*"))


def test_a_place_that_cannot_be_written_is_told_before_a_text_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot write"), writer("graphml", tmp_path / "file" / "out", SCHEMA):
        raise AssertionError("the texts were read")


def test_the_lines_of_a_list_are_sentences_and_broken_lines_are_not() -> None:
    listed = tokenised(Text("t", "-", "Capitals:\nLima, Peru\nQuito, Ecuador\n\n- Lima\n- Quito is\n"))
    assert [" ".join(one) for one in listed.sentences] == [
        "Capitals :",
        "Lima , Peru",
        "Quito , Ecuador",
        "- Lima",
        "- Quito is",
    ]
    broken = f"Ada lived in {'a very ' * 9}large\nhouse in London. It was\nred."
    assert len(tokenised(Text("t", "-", broken)).sentences) == 2


def test_a_language_model_is_asked_about_the_found_entities(pipeline: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Ada was born in London.")
    options = [
        "--entities",
        f"spacy/{pipeline}",
        "--relations",
        "mock",
        "--prompt",
        "tagged",
        "--results-dir",
        tmp_path,
    ]
    done = harness_here("extract", tmp_path / "a.txt", *options, "--display", "none")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["entities"]) == 2
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_a_language_model_finds_the_entities_of_whole_answers(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Ada was born in London.")
    (tmp_path / "b.txt").write_text("Bob was cut off.")
    script = tmp_path / "answers.jsonl"
    found = {"entities": [{"type": "PER", "mentions": ["Ada"]}, {"type": "LOC", "mentions": ["London"]}]}
    answers = [("Ada was", json.dumps(found), "stop"), ("Bob was", '{"entities": [{"type": "PER"', "length")]
    lines = [{"contains": one, "text": text, "finish_reason": end} for one, text, end in answers]
    script.write_text("".join(json.dumps(line) + "\n" for line in lines))
    options = ["--relations", "none", "-M", f"answers={script}", "--results-dir", tmp_path, "--display", "none"]
    done = harness_here("extract", tmp_path / "a.txt", tmp_path / "b.txt", "--entities", "mock", *options)
    assert done.returncode == 1
    assert "1 of 2 documents without a full answer: 1 truncated" in error_line(done)
    names = [[one["name"] for one in json.loads(line)["entities"]] for line in done.stdout.splitlines()]
    assert names == [["Ada", "London"], []]
    assert "which is none" in error_line(harness_here("extract", tmp_path / "a.txt", "--entities", "llm", *options))


BIOGRAPHY = (
    "Grace Hopper was born in New York City in 1906. She studied at Vassar College and Yale University. Hopper "
    "joined the United States Navy Reserve in 1943. In 1949 she joined the Eckert-Mauchly Computer Corporation in "
    "Philadelphia."
)
Scored = dict[tuple[int, str, int], float | None]


def _scored(line: str) -> Scored:
    return {(one["head"], one["relation"], one["tail"]): one["score"] for one in json.loads(line)["relations"]}


def test_a_language_model_refines_an_encoder(tmp_path: Path) -> None:
    """The encoder's triplets stay with their probabilities; the model adds some of the pairs that are hard."""
    (tmp_path / "a.txt").write_text(BIOGRAPHY)
    script = tmp_path / "answers.jsonl"
    script.write_text('{"contains": "", "text": "A"}\n')
    own = _scored(harness_here("extract", tmp_path / "a.txt").stdout)
    refined = ["--relations", "mock", "--refine", "atlop-minilm", "-M", f"answers={script}"]
    place = ["--results-dir", tmp_path / "r", "--display", "plain"]
    done = harness_here("extract", tmp_path / "a.txt", *refined, *place)
    assert done.returncode == 0, done.stderr
    both = _scored(done.stdout)
    added = {triplet: score for triplet, score in both.items() if triplet not in own}
    assert own
    assert own == {triplet: score for triplet, score in both.items() if triplet in own}
    assert added
    assert set(added.values()) == {None}
    assert list(both.values())[: len(own)] == sorted(own.values(), key=lambda score: -(score or 0))
    assert all(one["evidence"] for one in json.loads(done.stdout)["relations"])
    # Of more that is hard, more is asked and added; what was scored is not scored again.
    assert "atlop-minilm scores the documents first" in done.stderr
    more = harness_here("extract", tmp_path / "a.txt", *refined, *place, "-R", "hardness=0.01")
    assert both.keys() < _scored(more.stdout).keys()
    assert "scores the documents" not in more.stderr


def test_a_long_text_is_refined_window_by_window_and_keeps_what_the_encoder_found(tmp_path: Path) -> None:
    filler = " ".join(f"The {number}th sentence says nothing at all about any of them." for number in range(60))
    (tmp_path / "long.txt").write_text(f"{BIOGRAPHY}\n\n{filler}\n\n{BIOGRAPHY.replace('Grace Hopper', 'Ada Byron')}")
    script = tmp_path / "answers.jsonl"
    script.write_text('{"contains": "", "text": "no letter"}\n')
    own = harness_here("extract", tmp_path / "long.txt")
    place = ["--results-dir", tmp_path / "r", "--display", "none", "-M", f"answers={script}"]
    done = harness_here("extract", tmp_path / "long.txt", "--relations", "mock", "--refine", "atlop-minilm", *place)
    # No answer can be read: that is told, and what the encoder found is there.
    assert done.returncode == 1
    assert "without a full answer" in error_line(done)
    assert _scored(done.stdout).keys() == _scored(own.stdout).keys()
    assert {sentence for one in json.loads(done.stdout)["relations"] for sentence in one["evidence"]} > {0, 65}
    (run,) = (one for one in (tmp_path / "r" / "runs").iterdir() if "choice" in one.name)
    titles = [json.loads(line)["title"] for line in (run / "documents.jsonl").read_text().splitlines()]
    assert titles == [f"long [{number} of {len(titles)}]" for number in range(1, len(titles) + 1)]
    assert len(titles) > 2


def test_texts_may_be_called_as_windows_of_another_are(tmp_path: Path) -> None:
    filler = " ".join(f"The {number}th sentence says nothing at all about any of them." for number in range(60))
    lines = [{"title": "long", "text": f"{BIOGRAPHY}\n\n{filler}"}]
    lines += [{"title": f"long [1 of {number}]", "text": "Ada lived in Paris."} for number in range(2, 6)]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    script = tmp_path / "answers.jsonl"
    script.write_text('{"contains": "", "text": "A"}\n')
    place = ["--results-dir", tmp_path / "r", "--display", "none", "-M", f"answers={script}"]
    own = harness_here("extract", tmp_path / "texts.jsonl")
    done = harness_here("extract", tmp_path / "texts.jsonl", "--relations", "mock", "--refine", "atlop-minilm", *place)
    assert done.returncode == 0, done.stderr
    for before, after in zip(own.stdout.splitlines(), done.stdout.splitlines(), strict=True):
        assert _scored(before).keys() <= _scored(after).keys()
        assert json.loads(before)["title"] == json.loads(after)["title"]


def test_each_schema_has_scores_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(BIOGRAPHY)
    (tmp_path / "own.json").write_text('{"P19": "born in", "own": "wrote to"}')
    script = tmp_path / "answers.jsonl"
    script.write_text('{"contains": "", "text": "Z"}\n')
    command = ["extract", tmp_path / "a.txt", "--relations", "mock", "--refine", "atlop-minilm", "-R", "hardness=0.01"]
    command += ["--results-dir", tmp_path / "r", "--display", "none", "-M", f"answers={script}"]
    schema = ["--schema", tmp_path / "own.json"]
    assert "--relation-texts names" in error_line(harness_here(*command, *schema))
    own = harness_here(*command, *schema, "--relation-texts", "names")
    assert {one["name"] for one in json.loads(own.stdout)["relations"]} == {"born in"}
    all_of_them = harness_here(*command)
    assert _scored(all_of_them.stdout).keys() >= _scored(harness_here("extract", tmp_path / "a.txt").stdout).keys()
    assert harness_here(*command, *schema, "--relation-texts", "names").stdout == own.stdout


def test_an_encoder_proposes_the_pairs_of_a_language_model(tmp_path: Path) -> None:
    from harness import extract

    script = tmp_path / "answers.jsonl"
    script.write_text('{"contains": "", "text": "P19"}\n')
    with pytest.warns(UserWarning, match="1 of 1 documents without a full answer"):
        (found,) = extract(
            BIOGRAPHY, relations="mock", options={"answers": str(script)}, candidates="rcp-minilm", results=tmp_path
        )
    assert found.entities
    assert not found.relations
    (run,) = (tmp_path / "runs").glob("*-pairwise-*")
    assert json.loads((run / "manifest.json").read_text())["question"]["candidates"].startswith("sha256:")
    blank: dict[str, Any] = {"relations": "mock", "options": {"answers": str(script)}, "results": tmp_path / "blank"}
    for asked in ({"candidates": "rcp-minilm"}, {"prompt": "tagged"}):
        assert [one.entities for one in extract(["", " \n"], **blank, **asked)] == [(), ()]
    assert not (tmp_path / "blank").exists()
    with pytest.raises(InputError, match="no option 'shots'"):
        extract(BIOGRAPHY, relations="mock", shots=1)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--refine", "atlop-minilm"], "--refine is of a language model, and --relations atlop-minilm is an encoder"),
        (["--prompt", "tagged"], "--prompt is of a language model"),
        (
            ["-P", "least=3", "--relations", "none"],
            "--relations none is no model: leave it out",
        ),
        (["--max-cost", "1"], "--max-cost is of a language model"),
        (["--relations", "mock", "--refine", "gold"], "--refine gold: give an encoder such as atlop-minilm"),
        (["--relations", "mock", "--candidates", "runs"], "give an encoder such as atlop-minilm, or all"),
        (["--relations", "mock", "--refine", "rcp-minilm"], "it proposes pairs and scores no relation"),
        (["--relations", "mock", "--min-score", "0.5"], "--min-score is the probability of an encoder"),
        (["--merge"], "--merge: jsonl is no graph; write --format graphml, node-link, turtle"),
        (["--relation-texts", "names"], "--relation-texts is of a language model"),
        (["--html", Path(__file__)], f"--html {__file__} is there and is no report"),
    ],
)
def test_options_that_nothing_would_use_are_refused(tmp_path: Path, options: list[str | Path], problem: str) -> None:
    (tmp_path / "a.txt").write_text("Ada was born in London.")
    done = harness_here("extract", tmp_path / "a.txt", *options, "--results-dir", tmp_path)
    assert done.returncode == 2
    assert problem in error_line(done)


def test_known_entities_of_a_long_text_are_related_window_by_window(tmp_path: Path) -> None:
    sentences = [f"Number {number} is here." for number in range(40)]
    sentences[2], sentences[30] = "Ada was in London.", "Countess joined Acme."
    text = " ".join(sentences)
    names = {"PER": ["Ada", "Countess"], "LOC": ["London"], "ORG": ["Acme"]}
    entities = [
        {"type": kind, "mentions": [{"start": text.index(one), "end": text.index(one) + len(one)} for one in several]}
        for kind, several in names.items()
    ]
    given = tmp_path / "given.jsonl"
    given.write_text(json.dumps({"title": "t", "entities": entities}) + "\n")
    (outcome,) = Extractor(GivenEntities(given), EveryPair(), SCHEMA, "rule", window=40).extract([Text("t", "-", text)])
    assert len(outcome.extracted.entities) == 3
    assert [(one.head, one.relation, one.tail, one.evidence) for one in outcome.extracted.relations] == [
        (0, "P19", 1, (2,)),
        (0, "own", 2, (30,)),
    ]


def test_the_first_result_is_there_before_the_second_text_is_read(extractor: Extractor) -> None:
    read = []

    def texts() -> Iterator[Text]:
        for number in range(50):
            read.append(number)
            yield Text(str(number), "-", "Ada was born in London.")

    outcomes = extractor.extract(texts())
    next(outcomes)
    assert read == [0]
    assert [one.extracted.title for one in outcomes] == [str(number) for number in range(1, 50)]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "docred", "graphml", "node-link", "turtle"])
def test_hostile_text_does_no_harm_in_any_format(extractor: Extractor, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out.json"
    texts = [Text(f"{HOSTILE} {number}", "-", f"Ada was in London. {HOSTILE} hired Ada. \x0b") for number in range(2)]
    with writer(kind, out, SCHEMA, merge=True) as writing:
        for outcome in extractor.extract(texts):
            writing.write(outcome)
    content = out.read_text(encoding="utf-8")
    if kind == "jsonl":
        lines = [json.loads(line) for line in content.splitlines()]
        assert [len(line["relations"]) for line in lines] == [2, 2]
    elif kind == "csv":
        rows = list(csv.reader(content.splitlines()))
        assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
        assert len(rows) == 5
    elif kind == "docred":
        assert len(load_dataset(str(out)).documents) == 2
    elif kind == "graphml":
        import networkx

        graph = networkx.parse_graphml(content)
        assert (len(graph), graph.number_of_edges()) == (3, 4)
        assert "<script>" not in content
        # GraphML wants an id of its own for every edge of a graph.
        ids = [edge.get("id") for edge in ElementTree.fromstring(content).iter(f"{GRAPHML}edge")]
        assert sorted(map(str, ids)) == ["0", "1", "2", "3"]
    elif kind == "node-link":
        nodes = json.loads(content)["nodes"]
        assert [len(node["documents"]) for node in nodes] == [2, 2, 2]
    else:
        import rdflib

        graph = rdflib.Graph().parse(data=content, format="turtle")
        assert "http://www.wikidata.org/prop/direct/P19" in {str(predicate) for predicate in graph.predicates()}
        assert len(list(graph.triples((None, rdflib.RDF.type, rdflib.RDF.Statement)))) == 4


@pytest.mark.parametrize("name", ["entities-minilm", "spacy/en", "given.jsonl"])
def test_types_by_name_are_for_gliner_only(name: str) -> None:
    with pytest.raises(InputError, match="--entity-type CITY: only GLiNER"):
        entity_source(name, labels=["CITY"])


@pytest.mark.parametrize("text", ["=1+1", " +1", "-1", "@a", "\t=1", "\r=1", "\n=1", "＝1", "＠a"])
def test_a_cell_is_no_formula(text: str) -> None:
    assert safe_cell(text) == f"'{text}"
    assert safe_cell(f"a{text}") == f"a{text}"


def test_pages_hold_hostile_text_as_data_only(extractor: Extractor, tmp_path: Path) -> None:
    out = tmp_path / "pages"
    with page_writer(out, SCHEMA, "rule") as writing:
        for outcome in extractor.extract([Text(HOSTILE, "-", f"Ada was in London. {HOSTILE}")]):
            writing.write(outcome)
    index = (out / "index.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert" in index
    assert "<script>alert" not in index
    assert {"document-0.js", "shared.js"} == {path.name for path in (out / "data").iterdir()}


def test_given_mentions_are_taken_by_their_offsets(tmp_path: Path, extractor: Extractor) -> None:
    text = Text("t", "-", "Ada was born in London.")
    given = tmp_path / "given.jsonl"
    (first,) = extractor.extract([text])
    given.write_text(json.dumps(first.extracted.as_json()) + "\n")
    (again,) = Extractor(GivenEntities(given), EveryPair(), SCHEMA, "rule").extract([text])
    assert again.extracted == first.extracted


def test_given_mentions_are_found_in_time_in_proportion_to_their_number(tmp_path: Path) -> None:
    text = Text("t", "-", "Ada was born in London.\n" * 8_000)
    places = [{"start": 24 * line, "end": 24 * line + 3} for line in range(8_000)]
    given = tmp_path / "given.jsonl"
    given.write_text(json.dumps({"title": "t", "entities": [{"type": "PER", "mentions": places}]}) + "\n")
    started = time.process_time()
    (entity,) = GivenEntities(given).entities(tokenised(text)).entities
    assert len(entity.mentions) == 8_000
    assert time.process_time() - started < 20  # a second or two on a free core; once, minutes


def test_end_to_end_scores_of_every_stage(pipeline: str) -> None:
    gold = document(
        "Ada saw London and Acme .\nAda left .",
        [[(0, 0, 1, "PER"), (1, 0, 1, "PER")], [(0, 2, 3, "LOC")], [(0, 4, 5, "MISC")]],
        [(0, "P19", 1), (1, "own", 2)],
    )
    scores = {
        row.given: row for row in end_to_end(Extractor(SpacyEntities(pipeline), EveryPair(), SCHEMA, "r"), [gold])
    }
    assert (scores["nothing"].mentions.correct, scores["nothing"].mentions.gold) == (3, 4)
    assert (scores["nothing"].entities.correct, scores["nothing"].entities.predicted) == (2, 3)
    assert scores["nothing"].strict.f1 == scores["nothing"].relaxed.f1 == pytest.approx(0.5)
    assert scores["entities"].entities.f1 == 1
    by_score = {least: (strict.predicted, strict.precision) for least, strict, _ in scores["nothing"].by_score}
    assert (by_score[0.6], by_score[0.7]) == ((2, 0.5), (1, 1.0))


def test_scores_are_calibrated_and_kept_from_a_probability_on(pipeline: str) -> None:
    calibration = Calibration(temperature=2.0, offset=0.25)
    text = Text("t", "-", "Ada was born in London. Ada worked for Acme.")

    def scores(least: float | None) -> list[float | None]:
        one = Extractor(SpacyEntities(pipeline), EveryPair(), SCHEMA, "rule", least, calibration=calibration)
        return [relation.score for outcome in one.extract([text]) for relation in outcome.extracted.relations]

    assert scores(None) == [0.7773, 0.5], "what the scorer predicts, whatever its probability"
    assert scores(0.6) == [0.7773]
    assert len(scores(0.0)) == 3 * 2 * 2


def test_a_triplet_is_explained_by_its_sentences_and_what_else_its_pair_could_be(extractor: Extractor) -> None:
    text = "Ada \x1b[31mwas\u202e born\nin London. Ada worked for Acme."
    (outcome,) = extractor.extract([Text("t\n2. fake", "-", text)])
    lines = explanation(outcome.extracted).splitlines()
    assert lines[:7] == [
        "t\\n2. fake: 3 entities, 2 triplets",
        "",
        "1. Ada (PER) | place of birth | London (LOC), 0.95",
        "   sentence 0: [head: Ada] \\x1b[31mwas\\u202e born in [tail: London].",
        "   > 0.95  logit   3.00  place of birth",
        "     0.50  logit   0.00  NA: from here on, the model itself says none",
        "     0.01  logit  -5.00  works <b>for</b>",
    ]
    assert "[head: Ada] worked for [tail: Acme]" in lines[9]
    ranked = outcome.extracted.as_json(explain=True)["relations"][0]["ranking"]
    assert [(one["relation"], one["score"], one["logit"]) for one in ranked] == [
        ("P19", 0.9526, 3.0),
        ("NA", 0.5, 0.0),
        ("own", 0.0067, -5.0),
    ]
    assert "ranking" not in outcome.extracted.as_json()["relations"][0]
    (outcome,) = extractor.extract([Text("t", "-", "Ada left.")])
    assert explanation(outcome.extracted) == "t: 1 entity, 0 triplets\n"


def test_names_and_formats() -> None:
    assert normalised("The U.S.") == normalised("the u s")
    assert format_of(None, Path("x.docred.json")) == "docred"
    assert format_of(None, None) == "jsonl"
    assert format_of(None, None, explain=True) == format_of(None, Path("x.txt")) == "text"
    with pytest.raises(InputError, match="csv has no place for it"):
        format_of("csv", None, explain=True)
    spans = [Span(0, 0, 1, "PER"), Span(0, 2, 3, "PER")]
    assert len(by_name(document("Ada met ada", []), spans).entities) == 1


def test_the_command_tells_what_it_could_not_read(pipeline: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Ada was born in London.")
    options = ["--entities", f"spacy/{pipeline}", "--relations", "none"]
    done = harness_here("extract", tmp_path / "a.txt", "https://example.org", *options)
    assert done.returncode == 1
    assert [entity["name"] for entity in json.loads(done.stdout)["entities"]] == ["Ada", "London"]
    assert done.stderr.splitlines()[-1] == "1 text, 2 entities, 0 triplets"
    assert error_line(harness_here("extract", tmp_path / "a.txt", "--relations", "none", "--entities", "spacy/nothing"))


def test_the_packaged_finder_and_encoder_read_a_text_as_they_are() -> None:
    """Nothing trained, nothing named: the default of the command and of Python."""
    from harness import extract

    (found,) = extract("The physicist Anne-Marie Weber was born in Hamburg. Weber later moved to Paris.")
    names = {one.name: one.type for one in found.entities}
    assert names["Anne-Marie Weber"] == "PER"  # As it is written, not as it is cut into tokens.
    assert names["Hamburg"] == names["Paris"] == "LOC"
    person = next(one for one in found.entities if one.name == "Anne-Marie Weber")
    assert [one.text for one in person.mentions] == ["Anne-Marie Weber", "Weber"]
    triplets = [(found.entities[one.head].name, one.name, found.entities[one.tail].name) for one in found.relations]
    assert ("Anne-Marie Weber", "place of birth", "Hamburg") in triplets
    # What no file can hold is a space or a question mark, and offsets stay.
    (found,) = extract("Ada \ud800 \x00 was born in London.", options={"threads": 1})
    assert [found.text[m.start : m.end] for one in found.entities if one.type == "LOC" for m in one.mentions] == [
        "London"
    ]
    wrong: list[tuple[Any, dict[str, Any], str]] = [
        (b"Ada", {}, "not int"),
        ([None], {}, "not NoneType"),
        ("Ada", {"min_score": "0.9"}, "min_score='0.9'"),
        ("Ada", {"min_score": 2}, "min_score=2"),
    ]
    for texts, options, problem in wrong:
        with pytest.raises(InputError, match=problem):
            extract(texts, **options)


def test_scores_of_other_relations_are_no_scores_of_a_run(tmp_path: Path) -> None:
    """A table of relations that changed beside its file: what an encoder scored before is not what it scores now."""
    (tmp_path / "a.txt").write_text(BIOGRAPHY)
    corpus, table = tmp_path / "corpus.json", tmp_path / "rel_info.json"
    assert (
        harness_here(
            "extract", tmp_path / "a.txt", "--format", "docred", "--out", corpus, "--relations", "none"
        ).returncode
        == 0
    )
    everything = table.read_text()
    table.write_text('{"P19": "place of birth"}')
    place = ["--dataset", corpus, "--results-dir", tmp_path / "r", "--display", "none"]
    assert harness_here("run", "--model", "atlop-minilm", *place).returncode == 0
    table.write_text(everything)
    done = harness_here("run", "--model", "mock", "--prompt", "choice", "--refine", "atlop-minilm", *place)
    assert done.returncode == 2
    assert "was made with other relations" in error_line(done)
