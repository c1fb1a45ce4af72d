"""FewRel's relations have texts in the direction of its labels, and those of Wiki-ZSL are found by property id."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.paths import prompts_dir
from harness.prompting.relations import load_relation_texts, read_relation_texts, relation_texts_for
from harness.runs.config import RunConfig
from harness.runs.plan import prepare
from harness.types import Relation, RelationSchema
from tests.paths import fewrel_dir
from tests.prompting.goldens import FEWREL_DEV

FEWREL, REDOCRED = load_relation_texts("fewrel"), load_relation_texts("redocred")
_TRAIN = (
    "P931 P4552 P140 P1923 P150 P6 P27 P449 P1435 P175 P1344 P39 P527 P740 P706 P84 P495 P123 P57 P22 P178 P241 P403 "
    "P1411 P135 P991 P156 P176 P31 P1877 P102 P1408 P159 P3373 P1303 P17 P106 P551 P937 P355 P710 P137 P674 P466 P136 "
    "P306 P127 P400 P974 P1346 P460 P86 P118 P264 P750 P58 P3450 P105 P276 P101 P407 P1001 P800 P131"
)
TRAIN = _TRAIN.split()
"""The relations of FewRel's training sentences."""
SPOT_CHECKS = Path(__file__).parent / "relation_spot_checks_fewrel.md"


def shipped(name: str) -> Path:
    return prompts_dir() / "relations" / f"{name}.toml"


def names() -> dict[str, str]:
    table = json.loads((fewrel_dir() / "pid2name.json").read_text(encoding="utf-8"))
    return {relation: name for relation, (name, _) in table.items()}


def test_all_80_relations_of_fewrel_have_texts_that_call_them_as_its_table_does() -> None:
    ids = [*TRAIN, *FEWREL_DEV]
    assert len(set(ids)) == 80
    texts = relation_texts_for(RelationSchema(tuple(Relation(id, names()[id]) for id in ids))).by_id
    assert list(texts) == ids
    assert {id: text.example[1] for id, text in texts.items()} == {id: names()[id] for id in ids}
    for field in ("description", "statement", "example"):
        assert len({getattr(text, field) for text in texts.values()}) == 80, field
    # In the prompt hrt one word is read: labels must differ in their first.
    assert len({(text.label or "").split(" ")[0] for text in texts.values()}) == 80


def test_the_file_has_what_that_of_redocred_lacks_and_the_one_relation_of_another_name() -> None:
    assert FEWREL.keys() & REDOCRED.keys() == {"P364"}
    assert FEWREL.keys() == {*TRAIN, *FEWREL_DEV} - REDOCRED.keys() | {"P364"}
    assert FEWREL["P364"].statement == REDOCRED["P364"].statement
    assert not {text.label for text in FEWREL.values()} & {
        text.label for relation, text in REDOCRED.items() if relation != "P364"
    }
    assert [relation for relation, text in FEWREL.items() if text.symmetric] == ["P460"]
    assert [id for id, text in FEWREL.items() if "both directions" in text.description] == ["P460"]


def test_descriptions_say_what_head_and_tail_are() -> None:
    """Of the relations whose names could be read from either side."""
    for relation, head, tail in (
        ("P974", "river or lake", "smaller river"),
        ("P991", "election", "person"),
        ("P466", "building", "person"),
        ("P1877", "film", "writer"),
        ("P3450", "season", "league"),
    ):
        first, second = FEWREL[relation].description.split("; ")
        assert head in first
        assert tail in second


def test_statements_are_as_they_were_read_beside_labelled_sentences() -> None:
    dataset = load_dataset("fewrel", "dev", fewrel_dir())
    texts = relation_texts_for(dataset.schema).by_id
    documents = {one.title: one for one in dataset.documents}
    lines = SPOT_CHECKS.read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| P")]
    assert [relation for relation, *_ in rows] == list(FEWREL_DEV) == [one.id for one in dataset.schema.relations]
    for relation, title, head, tail, sentence in rows:
        document = documents[title]
        (label,) = document.labels
        assert label.triplet.relation == relation
        assert document.entities[label.triplet.head].names[0] == head
        assert document.entities[label.triplet.tail].names[0] == tail
        assert texts[relation].state(head, tail) == sentence


def test_no_example_is_a_labelled_pair_of_fewrel() -> None:
    dataset = load_dataset("fewrel", "dev", fewrel_dir())
    labelled = {
        (one.entities[label.triplet.head].names[0], one.entities[label.triplet.tail].names[0])
        for one in dataset.documents
        for label in one.labels
    }
    assert len(labelled) > 9_000
    assert not {(text.example[0], text.example[2]) for text in (*FEWREL.values(), *REDOCRED.values())} & labelled


def test_a_run_on_fewrel_takes_them_and_its_record_has_the_checksum_of_both_files() -> None:
    experiment = prepare(RunConfig("mock", "statements", "fewrel", data_dir=fewrel_dir(), candidates="all", limit=1))
    assert list(experiment.settings.relation_texts) == list(FEWREL_DEV)
    both = shipped("redocred").read_bytes() + shipped("fewrel").read_bytes()
    assert experiment.relation_texts is not None
    assert experiment.relation_texts.sha256 == hashlib.sha256(both).hexdigest()


@pytest.mark.parametrize("named", [None, "redocred", "fewrel"])
def test_texts_of_wikidata_properties_are_found_by_id_in_both_files(named: str | None) -> None:
    schema = RelationSchema((Relation("P36", "capital"), Relation("P364", "original language of work")))
    texts = relation_texts_for(schema, named)
    # Those of Re-DocRED alone do: what runs recorded before stays as it was.
    assert (texts.by_id, texts.sha256) == (REDOCRED, hashlib.sha256(shipped("redocred").read_bytes()).hexdigest())
    mixed = RelationSchema((Relation("P36", "capital"), Relation("P59", "constellation"), Relation("P364", "language")))
    assert dict(relation_texts_for(mixed, named).by_id) == {
        "P36": REDOCRED["P36"],
        "P59": FEWREL["P59"],
        # Neither file calls it so: the first has it.
        "P364": REDOCRED["P364"],
    }
    sky = RelationSchema((Relation("P59", "constellation"),))
    assert relation_texts_for(sky, named).sha256 == hashlib.sha256(shipped("fewrel").read_bytes()).hexdigest()


def test_a_property_in_neither_file_is_told_and_names_do_without() -> None:
    schema = RelationSchema((Relation("P36", "capital"), Relation("P35000", "swum across by")))
    with pytest.raises(InputError, match=r"'redocred' and 'fewrel' lack 1 of .* as P35000 \(swum across by\).* names$"):
        relation_texts_for(schema)
    assert list(relation_texts_for(schema, "names").by_id) == ["P36", "P35000"]


def test_the_file_alone_is_read_by_its_path() -> None:
    assert read_relation_texts(shipped("fewrel")) == FEWREL
    schema = RelationSchema((Relation("P36", "capital"),))
    with pytest.raises(InputError, match=r"fewrel.toml' lack 1 of the schema's relations, such as P36"):
        relation_texts_for(schema, str(shipped("fewrel")))
