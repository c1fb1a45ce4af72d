"""Every relation has its texts, and they say what Re-DocRED's gold triplets say, in the same direction."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple, cast

import pytest
import yaml

from harness.datasets.docred import read_schema
from harness.datasets.registry import CORPORA, PACKAGE, load_dataset
from harness.errors import InputError
from harness.prompting.relations import argument_types, load_relation_texts, read_relation_texts
from harness.prompting.variant import shipped_variants
from harness.types import Document, Triplet
from tests.documents import document
from tests.paths import redocred_dir

HERE = Path(__file__).parent
SCHEMA = read_schema(PACKAGE / CORPORA["redocred"].packaged_relations)
TEXTS = load_relation_texts("redocred")
FAULTS = yaml.safe_load((HERE / "relation_text_faults.yaml").read_text(encoding="utf-8"))
UNSEEN_IN_DEV = {"P1198"}
SYMMETRIC = ("P26", "P190", "P3373")
INVERSES = (
    ("P36", "P1376"),
    ("P22", "P40"),
    ("P25", "P40"),
    ("P155", "P156"),
    ("P355", "P749"),
    ("P361", "P527"),
    ("P674", "P1441"),
    ("P710", "P1344"),
    ("P150", "P131"),
    ("P1365", "P1366"),
)
# P22 and P25 are both the inverse of P40, whose one example and one spot check can mirror one of them only.
MIRRORED = tuple(pair for pair in INVERSES if pair != ("P22", "P40"))


class SpotCheck(NamedTuple):
    title: str
    head: str
    tail: str
    sentence: str


@cache
def dev_documents() -> tuple[Document, ...]:
    return tuple(load_dataset("redocred", "dev", redocred_dir()).documents)


@cache
def spot_checks() -> Mapping[str, SpotCheck]:
    lines = (HERE / "relation_spot_checks.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| P")]
    checks = {relation: SpotCheck(*cells) for relation, *cells in rows}
    assert len(checks) == len(rows)
    return checks


def named_triplets(document: Document) -> set[tuple[str, str, str]]:
    """The gold triplets of a document by all combinations of the names of their arguments."""
    return {
        (head, label.triplet.relation, tail)
        for label in document.labels
        for head, tail in product(
            document.entities[label.triplet.head].names, document.entities[label.triplet.tail].names
        )
    }


def test_every_relation_of_the_schema_has_texts_in_its_order_and_no_other_has() -> None:
    assert list(TEXTS) == [relation.id for relation in SCHEMA.relations]
    assert all(relation == text.id for relation, text in TEXTS.items())


@pytest.mark.parametrize("field", ["description", "example", "statement"])
def test_no_two_relations_share_a_text(field: str) -> None:
    values = [getattr(text, field) for text in TEXTS.values()]
    assert len(set(values)) == len(SCHEMA.relations)


def test_examples_use_the_relation_names_of_the_schema() -> None:
    names = {relation.id: relation.name for relation in SCHEMA.relations}
    assert {relation: text.example[1] for relation, text in TEXTS.items()} == names


def test_no_example_gives_away_a_gold_triplet() -> None:
    gold = {triplet for one in dev_documents() for triplet in named_triplets(one)}
    shown = {(head, relation, tail) for relation, text in TEXTS.items() for head, _, tail in [text.example]}
    assert len(gold) > 17_284
    assert not gold & shown


@pytest.mark.parametrize(("relation", "inverse"), MIRRORED)
def test_examples_of_inverse_relations_mirror_each_other(relation: str, inverse: str) -> None:
    head, _, tail = TEXTS[relation].example
    assert TEXTS[inverse].example == (tail, SCHEMA.by_id[inverse].name, head)


def test_descriptions_say_which_relations_hold_in_both_directions() -> None:
    said = tuple(relation for relation, text in TEXTS.items() if "both directions" in text.description)
    assert said == SYMMETRIC


def test_argument_types_are_those_of_the_dev_split() -> None:
    derived = argument_types(dev_documents())
    written = {relation: (text.head_types, text.tail_types) for relation, text in TEXTS.items()}
    assert {relation: written.pop(relation) for relation in UNSEEN_IN_DEV} == {"P1198": (("LOC",), ("NUM",))}
    assert written == derived


def test_argument_types_are_ordered_by_frequency_and_rare_ones_are_left_out() -> None:
    kinds = ["PER"] * 3 + ["ORG"] * 2 + ["LOC"] * 2 + ["MISC"]
    text = " ".join(f"n{number}" for number in range(len(kinds) + 1))
    spans = [[(0, number, number + 1, kind)] for number, kind in enumerate([*kinds, "TIME"])]
    one = document(text, spans, [(head, "P17", len(kinds)) for head in range(len(kinds))])
    assert argument_types([one]) == {"P17": (("PER", "LOC", "ORG", "MISC"), ("TIME",))}
    assert argument_types([one], minimum_share=2 / 8) == {"P17": (("PER", "LOC", "ORG"), ("TIME",))}
    assert argument_types([one], minimum_share=0.26) == {"P17": (("PER",), ("TIME",))}


def test_a_label_given_twice_counts_once() -> None:
    spans = [[(0, number, number + 1, kind)] for number, kind in enumerate(["LOC", "LOC", "PER", "ORG"])]
    one = document("a b c d", spans, [(0, "P17", 3), (1, "P17", 3), (2, "P17", 3), (2, "P17", 3), (2, "P17", 3)])
    assert argument_types([one])["P17"].head == ("LOC", "PER")


@pytest.mark.parametrize(
    ("relation", "inverses"),
    [
        *((relation, (inverse,)) for relation, inverse in INVERSES),
        *((relation, (relation,)) for relation in SYMMETRIC),
        ("P40", ("P22", "P25")),
    ],
)
def test_gold_labels_of_inverse_relations_point_in_opposite_directions(
    relation: str, inverses: tuple[str, ...]
) -> None:
    opposite = total = same = 0
    for one in dev_documents():
        gold = {label.triplet for label in one.labels}
        for head, _, tail in {triplet for triplet in gold if triplet.relation == relation}:
            total += 1
            opposite += any(Triplet(tail, inverse, head) in gold for inverse in inverses)
            same += any(Triplet(head, inverse, tail) in gold for inverse in inverses)
    assert opposite > total / 2
    assert relation in SYMMETRIC or same < opposite / 10


def test_every_relation_with_gold_triplets_has_a_spot_check() -> None:
    assert list(spot_checks()) == [relation for relation in TEXTS if relation not in UNSEEN_IN_DEV]


def test_statements_are_as_they_were_read_in_the_spot_checks() -> None:
    for relation, check in spot_checks().items():
        assert TEXTS[relation].state(check.head, check.tail) == check.sentence, relation


def test_spot_checks_are_gold_triplets() -> None:
    triplets: defaultdict[str, set[tuple[str, str, str]]] = defaultdict(set)
    for one in dev_documents():
        triplets[one.title] |= named_triplets(one)
    for relation, check in spot_checks().items():
        assert (check.head, relation, check.tail) in triplets[check.title], relation


@pytest.mark.parametrize(("relation", "inverse"), MIRRORED)
def test_inverse_statements_were_read_on_one_pair(relation: str, inverse: str) -> None:
    one, other = spot_checks()[relation], spot_checks()[inverse]
    assert (one.title, one.head, one.tail) == (other.title, other.tail, other.head)


@pytest.mark.parametrize("name", ["{tail}", "{head}", "{", "}}", r"\1", r"\g<0>", "%s", "a {b} c"])
def test_names_enter_a_statement_as_they_are(name: str) -> None:
    text = TEXTS["P36"]
    assert text.statement == "{head} has or had the capital {tail}."
    assert text.state(name, "Oslo") == f"{name} has or had the capital Oslo."
    assert text.state("Norway", name) == f"Norway has or had the capital {name}."


def as_toml(tables: Mapping[str, object]) -> str:
    """TOML of tables of strings, numbers and flat lists, which JSON writes alike."""
    lines = []
    for relation, table in tables.items():
        assert isinstance(table, dict)
        lines += [f"[{relation}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    return "\n".join(lines)


def write(folder: Path, content: str) -> Path:
    path = folder / "texts.toml"
    path.write_text(content, encoding="utf-8")
    return path


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    text = read_relation_texts(write(tmp_path, as_toml({"P17": FAULTS["sound"]})))["P17"]
    assert (text.id, text.example, text.tail_types) == ("P17", ("Lake Orvand", "country", "Valdoria"), ("LOC", "ORG"))


@pytest.mark.parametrize("fault", FAULTS["faults"], ids=lambda fault: str(fault["change"]))
def test_a_faulty_text_is_told_with_file_relation_and_field(tmp_path: Path, fault: dict[str, object]) -> None:
    change = fault["change"]
    assert isinstance(change, dict)
    broken = {key: value for key, value in {**FAULTS["sound"], **change}.items() if value is not None}
    path = write(tmp_path, as_toml({"P1": FAULTS["sound"], "P17": broken}))
    with pytest.raises(InputError) as caught:
        read_relation_texts(path)
    message = str(caught.value)
    where = f"{path}, relation P17: {fault['field']}: " if fault["field"] else f"{path}, relation P17: "
    assert message.startswith(where)
    assert str(fault["problem"]) in message.removeprefix(where)
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "problem"),
    [('P17 = "in"', "relation P17: must be a table"), ("[P17", "cannot be read"), ("[P17]\n[P17]", "cannot be read")],
)
def test_a_file_of_another_shape_is_told(tmp_path: Path, content: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        read_relation_texts(write(tmp_path, content))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_relation_texts(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("name", "hint"), [("redocrd", "did you mean 'redocred'"), ("nothing", "redocred"), ("../redocred", "redocred")]
)
def test_a_schema_without_texts_is_told_with_those_that_have_them(name: str, hint: str) -> None:
    with pytest.raises(InputError, match=hint):
        load_relation_texts(name)


def test_texts_are_read_once_and_cannot_be_changed() -> None:
    assert load_relation_texts("redocred") is TEXTS
    with pytest.raises(TypeError, match="assignment"):
        cast("dict[str, object]", TEXTS)["P17"] = TEXTS["P36"]


def test_the_folder_of_relation_texts_is_no_prompt_variant() -> None:
    assert "relations" not in [variant.name for variant in shipped_variants()]
