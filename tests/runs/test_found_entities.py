"""Language models over entities that they or a trained finder found: scored end to end, on boards of their own."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness import api
from harness.analyses.leaderboards import leaderboards
from harness.cli.main import app
from harness.datasets.docred_output import document_output, write_schema
from harness.datasets.registry import load_dataset
from harness.encoders.entities import finder as finders
from harness.errors import InputError
from harness.escaping import escape
from harness.methods.asking import aside
from harness.methods.found_entities import renumbered
from harness.runs.config import RunConfig
from harness.runs.plan import prepare
from harness.runs.rescore import rescore_run
from harness.runs.results import RunResult
from harness.store import METRICS
from harness.types import Completion, Document, Entity, RelationSchema, Request
from tests.annotation.gold import entity_answer, relation_answer, scripted
from tests.annotation.test_method import UNAMBIGUOUS
from tests.chat_server import ChatServer, completion
from tests.embedded import embedded_model_file
from tests.runs.test_retry import invoked

SAMPLE = load_dataset("sample")
SCHEMA = SAMPLE.schema
DOCUMENTS = UNAMBIGUOUS[:2]
PRONOUNS = '"mentions": ["It", "the town", '
PLAIN = {"probe": "false", "constrain_with": "regex"}
Answer = Callable[[Document], str]
Run = Callable[..., RunResult]
TYPED = [word for key, value in PLAIN.items() for word in ("-M", f"{key}={value}")]


def rule(entities: Answer = entity_answer, relations: Answer = lambda one: relation_answer(one, SCHEMA)) -> Any:
    """What the labels answer to both questions, unless other answers are named."""

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        text = body["messages"][-1]["content"]
        asked = next(one for one in DOCUMENTS if one.entities[0].name in text)
        return completion(entities(asked) if "List the entities of the text" in text else relations(asked))

    return answer


def written(file: Path, documents: Iterable[Document], schema: RelationSchema = SCHEMA) -> Path:
    file.parent.mkdir()
    with document_output(file) as output:
        for one in documents:
            output.write(one)
    write_schema(file.with_name("rel_info.json"), schema)
    return file


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return written(tmp_path / "corpus" / "two.json", DOCUMENTS)


@pytest.fixture
def run(corpus: Path, tmp_path: Path) -> Run:
    def run(server: ChatServer, **options: Any) -> RunResult:
        usual = {"dataset": str(corpus), "results": tmp_path, "model_options": PLAIN, "given": "nothing"}
        return api.run("scripted", "tagged", base_url=server.base_url, **usual | {"finder": "llm"} | options)

    return run


def scores(result: RunResult) -> list[float]:
    found = result.metrics.end_to_end
    assert found is not None
    assert found.strict.f1 == result.metrics.official.f1
    return [one.f1 for one in (found.mentions, found.entities, found.strict, found.relaxed)]


async def test_perfect_answers_score_100_and_nothing_is_asked_twice(run: Run, tmp_path: Path) -> None:
    with ChatServer(rule=rule()) as server:
        result = run(server)
        assert scores(result) == [1, 1, 1, 1]
        assert result.manifest.usage.requests == server.answered.total() == 2 * len(DOCUMENTS)
        assert scores(run(server)) == [1, 1, 1, 1]
        assert server.answered.total() == 2 * len(DOCUMENTS)
        usual = run(server, given="entities", finder="entities-minilm")
    question = result.manifest.question
    assert (question.given or {})["finder"] == "llm"
    assert "given" not in usual.manifest.question.as_json()
    assert "given=nothing finder=llm" in result.manifest.label
    stored = (result.folder.path / METRICS).read_bytes()
    await rescore_run(result.folder, None)
    assert (result.folder.path / METRICS).read_bytes() == stored
    boards = {board.title: board.ranked["run_id"].tolist() for board in leaderboards(tmp_path)}
    assert boards == {"two all": [usual.folder.run_id], "two all, nothing given": [result.folder.run_id]}


def test_pronouns_and_descriptions_are_no_mentions(run: Run) -> None:
    with ChatServer(rule=rule(lambda one: entity_answer(one).replace('"mentions": [', PRONOUNS, 1))) as server:
        assert scores(run(server)) == [1, 1, 1, 1]


def test_a_list_that_breaks_off_is_asked_about_and_a_retry_asks_for_it_again(run: Run) -> None:
    broken = iter([True])

    def entities(document: Document) -> str:
        whole = entity_answer(document)
        return whole[: whole.rindex("{")] if document is DOCUMENTS[0] and next(broken, False) else whole

    with ChatServer(rule=rule(entities)) as server:
        result = run(server)
        assert result.manifest.statuses == {"invalid_output": 1, "ok": 1}
        assert 0 < scores(result)[1] < 1
        again = invoked("retry", str(result.folder.path), "--base-url", server.base_url, *TYPED)
    assert (again["statuses"], again["metrics"]["f1"]) == ({"ok": 2}, 1)


@dataclass(frozen=True)
class LosesTheFirst:
    """Finds all gold entities but the first; of given mentions, it joins those of two entities of one type."""

    folder: Path
    threshold = 0.5
    identity = {"encoder": "rule", "weights": "1"}  # noqa: RUF012

    def find(self, documents: Iterable[Document]) -> Iterator[Document]:
        return (replace(one, entities=one.entities[1:], labels=()) for one in documents)

    def join(self, documents: Iterable[Document]) -> Iterator[Document]:
        for one in documents:
            common = Counter(entity.type for entity in one.entities).most_common(1)[0][0]
            first, second, *others = sorted(one.entities, key=lambda entity: entity.type != common)
            yield replace(one, entities=(Entity((*first.mentions, *second.mentions)), *others), labels=())


async def test_a_finder_finds_or_joins_for_a_language_model(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finders, "entity_finder", lambda _name, _options: LosesTheFirst(tmp_path))
    asked = Counter[str]()

    def relations(document: Document) -> str:
        asked[document.title] += 1
        return "(E1 | country | E2)\nEND"

    with ChatServer(rule=rule(relations=relations)) as server:
        found = run(server, finder="entities-minilm")
        joined = run(server, finder="entities-minilm", given="mentions")
    assert asked == Counter({one.title: 2 for one in DOCUMENTS})
    assert found.folder.run_id != joined.folder.run_id
    assert [[tuple(one.triplet) for one in record.predictions] for record in found.folder.documents()] == [
        [(1, "P17", 2)]
    ] * 2, "entities that are exactly those of the labels have their numbers"
    mentions, entities, *_ = scores(found)
    assert 0 < mentions < 1
    assert 0 < entities < 1
    assert scores(joined)[0] == 1
    monkeypatch.setattr(LosesTheFirst, "find", None)
    stored = (found.folder.path / METRICS).read_bytes()
    await rescore_run(found.folder, None)
    assert (found.folder.path / METRICS).read_bytes() == stored, "the finder is not run again"


def test_a_prompt_is_shown_over_the_entities_that_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finders, "entity_finder", lambda _name, _options: LosesTheFirst(tmp_path))
    shown = ["prompts", "show", "tagged", "--model", "mock", "--document", DOCUMENTS[0].title]
    names = [escape(entity.name) for entity in DOCUMENTS[0].entities]
    for more, expected in (((), names), (("--given", "nothing"), names[1:])):
        message = invoked(*shown, *more)["requests"][0]["messages"][-1]["content"]
        assert re.findall(r"^E\d+: (.*) \(\w+\)$", message, re.MULTILINE) == expected
    refused = CliRunner().invoke(app, [*shown, "--given", "nothing", "--gold"])
    assert "--gold shows answers about the labels' entities" in str(refused.exception)
    asked = invoked(*shown, "--given", "nothing", "--finder", "llm")["requests"][0]["messages"][-1]["content"]
    assert "List the entities of the text" in asked


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"finder": "llm"}, "--finder goes with --given"),
        ({"given": "mentions", "finder": "llm"}, "use --given nothing"),
        ({"given": "nothing", "candidates": "gold"}, "--candidates gold are pairs of the labels' entities"),
        ({"given": "nothing", "refine": "atlop-minilm"}, "--refine atlop-minilm"),
        ({"given": "nothing", "prompt": "rhf", "prompt_options": {"given": "heads"}}, "-P given=heads"),
        ({"given": "nothing", "finder": "nowhere"}, "nowhere"),
        ({"given": "nothing", "finder": "spacy/en_core_web_sm"}, "spaCy finds entities for `harness extract"),
        ({"given": "noting"}, "--given noting: choose nothing, mentions, entities"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepare(RunConfig(**{"model": "mock", "prompt": "tagged", "dataset": "sample"} | options))


def test_details_name_the_entities_by_the_numbers_of_the_record() -> None:
    details = {
        "found": {"relations": ["P17"], "heads": [["P17", 1]]},
        "candidates": [[0, "P17", 1, 0.5]],
        "answers": [{"pair": [1, 0], "options": []}],
        "alignments": [{"text": "x", "head": 0, "tail": 1}, {"text": "y", "head": None, "tail": None}],
        "questions": 3,
    }
    assert renumbered(details, [7, 2]) == {
        "found": {"relations": ["P17"], "heads": [["P17", 2]]},
        "candidates": [[7, "P17", 2, 0.5]],
        "answers": [{"pair": [2, 7], "options": []}],
        "alignments": [{"text": "x", "head": 7, "tail": 2}, {"text": "y", "head": None, "tail": None}],
        "questions": 3,
    }


class Collects:
    """As what collects the requests of a batch: it never answers."""

    first_alone = False

    async def slot(self) -> None: ...

    async def __call__(self, request: Request) -> Completion:
        raise NotImplementedError


async def test_entities_are_found_at_once_where_requests_are_only_collected() -> None:
    here = threading.get_ident()
    assert await aside(Collects(), threading.get_ident) == here
    ask, _ = scripted()
    assert await aside(ask, threading.get_ident) != here


def test_the_embedded_model_relates_what_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded_model_file()
    monkeypatch.setattr(finders, "entity_finder", lambda _name, _options: LosesTheFirst(tmp_path))
    shortest = min(UNAMBIGUOUS, key=lambda one: sum(map(len, one.sentences)))
    # Few relations, as a prompt of all takes long to read.
    schema = SCHEMA.within({label.triplet.relation for label in shortest.labels})
    file = written(tmp_path / "corpus" / "shortest.json", [shortest], schema)
    result = api.run("smollm2-135m", "tagged", dataset=str(file), results=tmp_path, given="nothing", max_triplets=1)
    (record,) = result.folder.documents()
    assert (record.status, [step["name"] for step in record.steps], record.rejects) == ("ok", ["extract"], ())
    assert result.metrics.end_to_end is not None
    assert result.metrics.end_to_end.mentions.precision == 1
