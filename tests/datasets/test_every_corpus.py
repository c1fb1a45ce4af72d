"""Every corpus of the table, in its own form: read, validated, counted, asked about, and scored by its definition."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness import run
from harness.datasets.conversion import convert
from harness.datasets.corpora import CORPORA
from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.types import Document
from tests.chat_server import ChatServer, completion
from tests.commands import harness_here

HERE = Path(__file__).resolve().parent / "corpora"


class Case(NamedTuple):
    """A corpus as its fixture holds it: what is counted, and how many predictions are scored and are not."""

    split: str
    files: dict[str, str]
    documents: int
    pairs: int
    triplets: int
    predicted: int
    not_candidates: int | None = None
    labelled_by: str = "human"


_FREDO = ("test_docred.json", "test_in_domain_1_doc_indices.json")
_REFREDO = ("test_redocred.json", "test_redocred_1_doc_indices.json")
CASES = {
    "docred": Case("dev", {"docred/dev.json": "dev.json"}, 2, 6, 4, 5),
    "redocred": Case("dev", {"docred/dev.json": "dev_revised.json"}, 2, 6, 4, 5),
    "cdr": Case("dev", {"CDR_DevelopmentSet.PubTator.txt": "CDR_DevelopmentSet.PubTator.txt"}, 3, 10, 3, 3, 2),
    "gda": Case("test", {"gda_test.data": "test.data"}, 1, 2, 1, 1, 1, "distant"),
    "biored": Case("dev", {"biored_Dev.PubTator": "Dev.PubTator"}, 1, 20, 2, 3),
    "scierc": Case("dev", {"scierc_dev.json": "dev.json"}, 1, 6, 2, 3),
    "hacred": Case("dev", {"hacred_dev.json": "dev.json", "hacred_rel2id.json": "rel2id.json"}, 2, 6, 2, 3),
    "dwie": Case("test", {}, 2, 20, 3, 4),
    "fewrel": Case("m5-seed-0", {"fewrel/unseen_5_seed_0": "unseen_5_seed_0"}, 3, 4, 4, 4, 3),
    # Of three queries and two: pairs 6 + 12 + 0 and 6 + 6, triplets 3 + 1 + 0 and 0 + 0.
    "fredo": Case("test-1-doc", {f"fredo/{name}": name for name in _FREDO}, 5, 30, 4, 6),
    "refredo": Case("test-1-doc", dict(zip((f"fredo/{name}" for name in _FREDO), _REFREDO, strict=True)), 5, 30, 4, 6),
    "wiki-zsl": Case("m10-seed-4", {"wiki-zsl/unseen_10_seed_4": "unseen_10_seed_4"}, 2, 3, 3, 3, 2, "distant"),
}


def folder_of(corpus: str, tmp_path: Path) -> Path:
    """A folder with the fixture of a corpus under the names of its files."""
    for source, name in CASES[corpus].files.items():
        (shutil.copytree if (HERE / source).is_dir() else shutil.copy)(HERE / source, tmp_path / name)
    if corpus == "redocred":
        shutil.copy(HERE.parents[2] / "harness/datasets/redocred_rel_info.json", tmp_path / "rel_info.json")
    if corpus == "dwie":
        convert(HERE / "dwie", tmp_path / "test.json")
    return tmp_path


def scripted(documents: list[Document], names: dict[str, str]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A model that states the labels of the document it is asked about, and the first of them the wrong way round."""

    def lines(document: Document) -> str:
        stated = [label.triplet for label in document.labels]
        head, relation, tail = stated[0]
        return "".join(
            f"(E{one + 1} | {names[name]} | E{other + 1})\n" for one, name, other in [*stated, (tail, relation, head)]
        )

    def key(document: Document) -> list[str]:
        return [entity.name for entity in document.entities]

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        shown = re.findall(r"^E\d+: (.+) \(\S+\)$", body["messages"][-1]["content"], re.MULTILINE)
        asked = next(one for one in documents if key(one) == shown)
        return completion((lines(asked) if asked.labels else "") + "END")

    return answer


def test_every_row_has_a_fixture() -> None:
    assert CASES.keys() == CORPORA.keys() - {"sample"}


@pytest.mark.parametrize("corpus", CASES)
def test_a_corpus_is_read_counted_asked_about_and_scored(corpus: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    case, folder = CASES[corpus], folder_of(corpus, tmp_path / "data")
    place = (corpus, "--split", case.split, "--data-dir", folder)
    assert ", all valid" in harness_here("data", "validate", *place).stdout
    counted = json.loads(harness_here("data", "stats", *place, "--json").stdout)
    assert (counted["documents"], counted["candidate_pairs"], counted["triplets"]) == case[2:5]
    assert counted["labels"]["kind"] == case.labelled_by

    dataset = load_dataset(corpus, case.split, folder)
    names = {one.id: one.name for one in dataset.schema.relations}
    with ChatServer(scripted(list(dataset.documents), names)) as server:
        result = run(
            "scripted", "tagged", dataset=corpus, split=case.split, data_dir=folder, base_url=server.base_url,
            results=tmp_path / "results", model_options={"probe": "false", "constrain_with": "regex"},
        )  # fmt: skip
    scores = result.metrics.official
    assert (scores.correct, scores.gold, scores.predicted) == (case.triplets, case.triplets, case.predicted)
    assert (scores.recall, scores.precision) == (1.0, case.triplets / case.predicted)
    assert scores.not_candidates == case.not_candidates
    if corpus == "dwie":
        # Two mentions of Mara Lindqvist and one of Valdoria: her two relations count twice.
        assert (scores.mention_recall, scores.mention_precision) == (1.0, 5 / 7)


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("m5-seed-0", '"head": [0]', '"head": [10]', "0: triplets[0].head: [10] are no tokens of a sentence of 10"),
        ("m5-seed-0", '"tail": [5]', '"tail": []', "sentence 0: triplets[0].tail: [] are no tokens"),
        ("m5-seed-0", '"label": "capital"', '"label": 3', "sentence 0: triplets[0].label: "),
        ("m5-seed-0", '"label": "country"', '"label": "land"', "label: 'country' is not the name that P17 had"),
        ("m5-seed-0", '"label": "country"', '"label": "capital"', "sentence 1: triplets[1].label: 'country' is not"),
        ("m5-seed-0", '"label": "river in"', '"label": "capital"', "P36 and capital have one name, 'capital'"),
        ("all", '"P36"', '"P99"', "sentence 0: edgeSet[0].kbID: 'P99' has no name in the table of relations; add it"),
        ("all", '"edgeSet": []', '"edges": []', "sentence 2: edgeSet: is missing"),
    ],
)  # fmt: skip
def test_a_fault_of_a_sentence_names_file_sentence_and_field(
    file: str, old: str, new: str, says: str, tmp_path: Path
) -> None:
    corpus, source = ("fewrel", "unseen_5_seed_0/test.jsonl") if file != "all" else ("wiki-zsl", "wiki_train_new.json")
    shutil.copytree(HERE / corpus, tmp_path / "data")
    path = tmp_path / "data" / source
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_dataset(corpus, file, tmp_path / "data")
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def test_splits_of_sentences_are_read_from_their_files_and_drawn_ones_from_dev(tmp_path: Path) -> None:
    folder = HERE / "wiki-zsl"
    first, second = load_dataset("wiki-zsl", "all", folder).documents
    # Only the first edge of a sentence counts, and a sentence without one is left out.
    assert [len(one.labels) for one in (first, second)] == [1, 1]
    assert second.entities[0].name == "river Mel"
    (pubmed,) = load_dataset("fewrel", "pubmed", HERE / "fewrel").schema.relations
    assert (pubmed.id, pubmed.name) == ("gene_has_process", "gene has process")
    (tmp_path / "wiki_train_new.json").write_text('{"tokens": ["a"]}', encoding="utf-8")
    with pytest.raises(InputError, match="sentence 0: edgeSet: is missing, and so are triplets; write"):
        load_dataset("wiki-zsl", "all", tmp_path)
    shutil.copy(folder / "wiki_train_new.json", tmp_path)
    with pytest.raises(InputError, match=r"names relations by id only: put FewRel's pid2name.json beside it"):
        load_dataset("wiki-zsl", "all", tmp_path)
    with pytest.raises(InputError, match=r"get it from github.com/declare-lab/RelationPrompt: zero_rte_data.zip"):
        load_dataset("wiki-zsl", "m15-seed-1-train", tmp_path)
    with pytest.raises(InputError, match=r"val_wiki.json: holds 2 relations, of which dev-m5-seed-0 draws 5"):
        load_dataset("fewrel", "dev-m5-seed-0", HERE / "fewrel")
    refused = harness_here("data", "fetch", "fewrel", "--split", "train")
    assert "the checksum of train_wiki.json is not known: get it from github.com/thunlp/FewRel" in refused.stderr
