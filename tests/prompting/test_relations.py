"""Every relation has its texts, and they say what Re-DocRED's gold triplets say, in the same direction."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple, cast

import pytest
import yaml

from harness.datasets.registry import CORPORA, PACKAGE, load_dataset
from harness.datasets.relation_table import read_schema
from harness.errors import InputError
from harness.prompting.relations import load_relation_texts, read_relation_texts
from harness.prompting.variant import shipped_variants
from harness.types import Document, Triplet
from tests.paths import redocred_dir

HERE = Path(__file__).parent
SCHEMA = read_schema(PACKAGE / CORPORA["redocred"].packaged_relations)
TEXTS = load_relation_texts("redocred")
FAULTS = yaml.safe_load((HERE / "relation_text_faults.yaml").read_text(encoding="utf-8"))
UNSEEN_IN_DEV = {"P1198"}
SYMMETRIC = tuple(relation for relation, text in TEXTS.items() if text.symmetric)
INVERSES = tuple(dict.fromkeys((one, other) for one, text in TEXTS.items() for other in text.inverse))
# P22 and P25 are both the inverse of P40, whose one example and one spot check can mirror one of them only.
MIRRORED = tuple(pair for pair in INVERSES if "P22" not in pair)


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


def test_every_relation_of_the_schema_has_argument_types_and_its_inverses() -> None:
    assert all(text.head_types and text.tail_types for text in TEXTS.values())
    assert SYMMETRIC == ("P26", "P190", "P3373")
    assert ("P36", "P1376") in INVERSES
    assert ("P1376", "P36") in INVERSES
    assert TEXTS["P40"].inverse == ("P22", "P25")
    # A territory that contains another is where that one lies; a building lies in a town that does not contain it
    # as a territory.
    assert (TEXTS["P150"].inverse, TEXTS["P131"].inverse) == (("P131",), ())


def test_argument_types_are_plausible() -> None:
    """A bound on types that were written from meanings. They are never changed to raise it."""
    fit = total = 0
    for one in load_dataset("redocred", "dev-train", redocred_dir()).documents:
        for head, relation, tail in {label.triplet for label in one.labels}:
            total += 1
            fit += TEXTS[relation].type_rank(one.entities[head].type, one.entities[tail].type) is not None
    assert fit >= 0.97 * total


def test_types_are_ranked_by_their_places_and_types_that_are_left_out_are_any() -> None:
    text = TEXTS["P140"]
    assert (text.head_types, text.tail_types) == (("PER", "ORG", "LOC", "MISC"), ("MISC", "ORG"))
    assert [text.type_rank(*pair) for pair in (("PER", "MISC"), ("LOC", "ORG"), ("PER", "LOC"))] == [0, 3, None]
    assert replace(text, head_types=()).type_rank("CHEM", "ORG") == 1
    assert replace(text, head_types=(), tail_types=()).type_rank("CHEM", "DISE") == 0


@pytest.mark.parametrize(
    ("relation", "inverses"),
    [
        *((relation, text.inverse) for relation, text in TEXTS.items() if text.inverse),
        *((relation, (relation,)) for relation in SYMMETRIC),
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


def test_a_file_of_ones_own_is_read_and_needs_no_types(tmp_path: Path) -> None:
    untyped = {key: value for key, value in FAULTS["sound"].items() if not key.endswith("_types")}
    own = read_relation_texts(write(tmp_path, as_toml({"P17": untyped})))["P17"]
    assert (own.head_types, own.tail_types, own.inverse, own.symmetric) == ((), (), (), False)
    text = read_relation_texts(write(tmp_path, as_toml({"P17": FAULTS["sound"]})))["P17"]
    assert (text.id, text.example, text.tail_types) == ("P17", ("Lake Orvand", "country", "Valdoria"), ("LOC", "ORG"))


@pytest.mark.parametrize("fault", FAULTS["faults"], ids=lambda fault: str(fault["change"]))
def test_a_faulty_text_is_told_with_file_relation_and_field(tmp_path: Path, fault: dict[str, object]) -> None:
    change = fault["change"]
    assert isinstance(change, dict)
    broken = {key: value for key, value in {**FAULTS["sound"], **change}.items() if value is not None}
    other = {**FAULTS["sound"], **cast("dict[str, object]", fault.get("of_p1", {}))}
    path = write(tmp_path, as_toml({"P1": other, "P17": broken}))
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


def test_types_that_the_texts_do_not_speak_of_fit_everywhere() -> None:
    """FewRel names no types: its entities fit the texts that were written for DocRED's."""
    mother = load_relation_texts("redocred")["P25"]
    assert mother.type_rank("PER", "PER") == 0
    assert mother.type_rank("PER", "NUM") is None
    assert mother.type_rank("ENTITY", "ENTITY") is not None
    assert mother.type_rank("ENTITY", "NUM") is None
    assert mother.takes_head("ENTITY")
    assert not mother.takes_tail("NUM")
