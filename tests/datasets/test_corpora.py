"""Corpora of other forms than DocRED's: read, counted, converted, and scored as their literature does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.datasets.brat import read_brat
from harness.datasets.candidate_pairs import conventional
from harness.datasets.conversion import convert
from harness.datasets.corpora import CORPORA
from harness.datasets.docbin import read_docbin
from harness.datasets.dwie import read_dwie
from harness.datasets.fields import Fault
from harness.datasets.label_studio import read_label_studio
from harness.datasets.pair_lines import read_pair_lines
from harness.datasets.pubtator import read_pubtator
from harness.datasets.registry import load_dataset, load_split
from harness.datasets.statistics import statistics
from harness.errors import InputError
from harness.prompting.relations import relation_texts_for
from harness.scoring.official import score
from harness.spacing import text_of
from harness.types import Document, Prediction, Triplet
from tests.commands import harness_here
from tests.paths import cdr_dir

HERE = Path(__file__).resolve().parent / "corpora"
PUBTATOR, LINES = HERE / "CDR_DevelopmentSet.PubTator.txt", HERE / "dev.data"


def folder_with(tmp_path: Path, **files: str) -> Path:
    """A folder with some of the fixtures under other names."""
    tmp_path.mkdir(exist_ok=True)
    for source, name in files.items():
        shutil.copy(next(HERE.glob(f"{source}*")), tmp_path / name)
    return tmp_path


def facts(document: Document) -> set[tuple[str, str, str]]:
    """The labels by the names of their entities."""
    names = [entity.name for entity in document.entities]
    return {(names[head], relation, names[tail]) for head, relation, tail in (one.triplet for one in document.labels)}


def test_cdr_is_read_from_pubtator(tmp_path: Path) -> None:
    dataset = load_dataset("cdr", "dev", folder_with(tmp_path, CDR_Dev=PUBTATOR.name))
    first, second, third = dataset.documents
    assert [relation.name for relation in dataset.schema.relations] == ["Chemical induces disease"]
    assert facts(first) == {("Sorvanol", "CID", "Acute kidney failure"), ("Sorvanol", "CID", "vomiting")}
    # A mention inside a token cuts it: "Sorvanol-induced" begins with a chemical.
    assert first.sentences[0][0] == "Sorvanol"
    assert [(one.name, one.type) for one in first.entities[:2]] == [("Sorvanol", "CHEM"), ("renal failure", "DISE")]
    for document in dataset.documents:
        for mention in (mention for entity in document.entities for mention in entity.mentions):
            tokens = document.sentences[mention.sent_id][mention.start : mention.end]
            assert "".join(tokens) == mention.name.replace(" ", "")
    # A mention of two diseases is one of each; one that is linked to nothing is left out.
    assert [one.names for one in second.entities] == [("Melidone", "melidone"), *[("liver or kidney damage",)] * 2]
    assert second.pairs == ((0, 1), (0, 2))
    assert (third.labels, third.pairs) == ((), ())


def test_cdr_is_read_from_lines_of_pairs(tmp_path: Path) -> None:
    dataset = load_dataset("cdr", "dev", folder_with(tmp_path, dev="dev.data"))
    first, second, third = dataset.documents
    assert facts(first) == {("Sorvanol", "CID", "Acute kidney failure"), ("Sorvanol", "CID", "vomiting")}
    assert [mention.sent_id for mention in second.entities[0].mentions] == [0, 1]
    assert [one.names for one in second.entities] == [("Melidone", "melidone"), ("liver damage",)]
    assert (third.title, third.entities) == ("103", ())
    counts = statistics(dataset.documents)
    assert (counts.documents, counts.candidate_pairs, counts.triplets, counts.labelled_na_pairs) == (3, 9, 3, 2)
    # The pair that the hypernym filter took out is no candidate in the filtered split.
    assert statistics(load_dataset("cdr", "dev-filtered", tmp_path).documents).candidate_pairs == 5


def test_gda_lines_and_biored_are_read(tmp_path: Path) -> None:
    gda = load_dataset("gda", "test", folder_with(tmp_path, gda="test.data", biored="Dev.PubTator"))
    (document,) = gda.documents
    assert facts(document) == {("ORV1", "GDA", "familial tremor")}
    assert (document.label_source.kind, len(document.pairs), len(document.unrelated)) == ("distant", 2, 1)
    (biored,) = load_dataset("biored", "dev", tmp_path).documents
    assert facts(biored) == {("c.76A>T", "Positive_Correlation", "familial tremor"), ("ORV1", "Bind", "ORV2")}
    assert len(biored.pairs) == 5 * 4


def test_labels_are_turned_to_point_from_chemical_to_disease() -> None:
    (document,) = [one for one in read_pair_lines(LINES) if one.title == "102"]
    turned = Document(
        **{name: getattr(document, name) for name in ("title", "sentences", "entities")},
        labels=tuple(type(one)(Triplet(one.triplet.tail, "CID", one.triplet.head)) for one in document.labels),
        unrelated=((1, 0),),
    )
    read = conventional(turned, CORPORA["cdr"], "typed")
    assert facts(read) == {("Melidone", "CID", "liver damage")}
    assert (read.unrelated, read.candidates) == ((), ((0, 1),))
    with pytest.raises(Fault, match="joins DISE and DISE; the corpus relates CHEM and DISE"):
        conventional(
            Document(turned.title, turned.sentences, (turned.entities[1],) * 2, turned.labels), CORPORA["cdr"], "typed"
        )


def test_predictions_for_other_pairs_are_not_scored_but_counted() -> None:
    document = conventional(next(iter(read_pair_lines(LINES))), CORPORA["cdr"], "typed")
    right = [Prediction(label.triplet) for label in document.labels]
    turned = [Prediction(Triplet(label.triplet.tail, "CID", label.triplet.head)) for label in document.labels]
    wrong = next(pair for pair in document.pairs if pair in document.unrelated)
    scored = score([document], {document.title: [*right, *turned, Prediction(Triplet(wrong[0], "CID", wrong[1]))]})
    assert (
        scored.as_dict() | {"precision": 2 / 3, "recall": 1.0, "predicted": 3, "not_candidates": 2} == scored.as_dict()
    )
    assert "not_candidates" not in score([next(iter(read_pair_lines(LINES)))], {}).as_dict()


def test_the_hypernym_filter_leaves_out_diseases_above_an_induced_one(tmp_path: Path) -> None:
    target = tmp_path / "dev.json"
    assert convert(PUBTATOR, target, CORPORA["cdr"], HERE / "mesh_tree.txt") == 3
    first, second, _ = load_dataset("cdr", "dev-filtered", tmp_path).documents
    # Kidney failure is below renal failure, and vomiting below nausea, in the tree of the fixture.
    assert [first.entities[tail].name for head, tail in first.unrelated if head == 0] == []
    assert [first.entities[tail].name for head, tail in first.unrelated] == [
        *("renal failure", "Acute kidney failure", "vomiting", "Nausea")
    ]
    assert [second.entities[tail].names for _, tail in second.unrelated] == [("liver or kidney damage",)]
    with pytest.raises(InputError, match="does not label pairs without relation: `harness data convert`"):
        load_dataset("cdr", "dev-filtered", folder_with(tmp_path / "source", CDR_Dev=PUBTATOR.name))
    with pytest.raises(InputError, match="--mesh-tree filters PubTator files"):
        convert(LINES, target, CORPORA["cdr"], HERE / "mesh_tree.txt")
    (tmp_path / "tree.txt").write_text("heading\nD03.1\tD900001\n", encoding="utf-8")
    with pytest.raises(InputError, match="no tree number of a disease"):
        convert(PUBTATOR, target, CORPORA["cdr"], tmp_path / "tree.txt")


def test_hacred_is_read_by_words_and_shown_without_spaces(tmp_path: Path) -> None:
    dataset = load_dataset("hacred", "dev", folder_with(tmp_path, hacred_dev="dev.json", hacred_rel="rel2id.json"))
    first, second = dataset.documents
    assert (first.title, second.title, second.entities) == ("6020", "6021", ())
    assert text_of(first.sentences) == "李岚毕业于苏河大学。她执导了《盐路》。"
    assert facts(first) == {("李岚", "毕业院校", "苏河大学"), ("盐路", "导演", "李岚")}
    assert [relation.name for relation in dataset.schema.relations] == ["毕业院校", "导演"]


def test_scierc_mentions_are_joined_by_its_clusters(tmp_path: Path) -> None:
    (document,) = load_dataset("scierc", "dev", folder_with(tmp_path, scierc="dev.json")).documents
    assert [(one.names, one.type) for one in document.entities] == [
        (("a tagger", "It"), "Method"),
        (("parsing",), "Task"),
        (("the old tagger",), "Method"),
    ]
    assert facts(document) == {("a tagger", "USED-FOR", "parsing"), ("a tagger", "COMPARE", "the old tagger")}


def test_dwie_annotations_are_converted(tmp_path: Path) -> None:
    (document,) = read_dwie(HERE / "dwie", tag="train")
    assert facts(document) == {
        *(("Mara Lindqvist", relation, "Valdoria") for relation in ("head_of_gov", "citizen_of")),
        ("Valdorian", "gpe0", "Valdoria"),
    }
    assert [(one.names, one.type) for one in document.entities][::4] == [
        (("Mara Lindqvist", "leader"), "entity"),
        (("House",), "none"),
    ]
    done = harness_here("data", "convert", HERE / "dwie", tmp_path / "test.json", "--tag", "test")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'test.json'}: 1 document\n")
    assert not (tmp_path / "rel_info.json").exists()
    assert convert(HERE / "dwie", tmp_path / "train.json", tag="train") == 1
    dataset = load_dataset("dwie", "train", tmp_path)
    assert [one.name for one in dataset.schema.relations] == ["citizen of", "gpe0", "head of gov"]
    assert facts(next(iter(dataset.documents))) == facts(document)
    with pytest.raises(InputError, match="lacks the relation 'CID'"):
        convert(PUBTATOR, tmp_path / "other.json")


def test_dwie_with_its_row_has_all_relations_by_their_names_and_types_that_their_texts_allow(tmp_path: Path) -> None:
    annotation = json.loads((HERE / "dwie" / "DW_1.json").read_text(encoding="utf-8"))
    person, country, people = annotation["concepts"][:3]
    # In the order of the annotation files, where the narrower name comes before or after the coarse one.
    person["tags"] = ["slot::head_of_gov", "type::entity", "type::head_of_gov", "type::person"]
    country["tags"] = ["type::entity", "type::gpe", "type::gpe0", "type::location"]
    people["tags"] = ["type::gpe0-x", "type::other"]
    annotation["concepts"][3]["tags"] = ["type::business_per"]
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "DW_1.json").write_text(json.dumps(annotation), encoding="utf-8")
    done = harness_here("data", "convert", tmp_path / "source", tmp_path / "data" / "test.json", "--corpus", "dwie")
    assert done.returncode == 0, done.stderr
    dataset = load_dataset("dwie", "test", tmp_path / "data")
    assert len(dataset.schema.relations) == 65
    assert dataset.schema.by_id["head_of_gov"].name == "head of government of"
    (document,) = dataset.documents
    assert [one.type for one in document.entities] == ["person", "location", "other", "business_per", "none"]
    texts = relation_texts_for(dataset.schema).by_id
    for label in document.labels:
        head, relation, tail = label.triplet
        assert texts[relation].type_rank(document.entities[head].type, document.entities[tail].type) is not None
    annotation["relations"][0]["p"] = "reigns_in"
    (tmp_path / "source" / "DW_1.json").write_text(json.dumps(annotation), encoding="utf-8")
    with pytest.raises(InputError, match=r"relations\[0\]\.p: 'reigns_in' is no relation of the schema"):
        convert(tmp_path / "source", tmp_path / "other.json", CORPORA["dwie"])


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (PUBTATOR.name, "D900101\t", "D900101\t", ""),
        (
            PUBTATOR.name,
            "101\t0\t8\tSorvanol",
            "101\t1\t8\tSorvanol",
            "document 0 ('101'): line 3: 'Sorvanol' is not at 1 to 8",
        ),
        (
            PUBTATOR.name,
            "101\tCID\tD900001\tD900103",
            "101\tCID\tD1\tD2",
            "line 11: no mention has the identifier 'D1'",
        ),
        (PUBTATOR.name, "101\tCID\tD900001\tD900103", "101\tABC\tD900001\tD900103", "line 11: 'ABC' is no relation of"),
        (PUBTATOR.name, "103|t|A chemical alone\n", "", "document 2 ('103'): title: has no title line"),
        (
            PUBTATOR.name,
            "103\t22\t30",
            "103\tx\t30",
            "line 23: '103\\tx\\t30\\tplacebol\\tChemical\\tC900003' is no title",
        ),
        (PUBTATOR.name, "102|", "101|", "document 1 ('101'): id: is already that of another document"),
        (LINES.name, "\tnot_include\t", "\t1:XYZ:2\t", "line 1 ('101'): pair[2].relation: 'XYZ' is no relation"),
        (LINES.name, "\tnot_include\t", "\t", "line 1 ('101'): has 86 columns; write the id, the text, and 17"),
        (LINES.name, "\t6\t9\t1\t", "\t6\t99\t1\t", "pair[0].D900102: tokens 6 to 99 are no part of one sentence"),
        (LINES.name, "\t6\t9\t1\t", "\tsix\t9\t1\t", "pair[0].D900102: 'six' is no list of numbers"),
        (LINES.name, "102\tMelidone and", "101\tMelidone and", "line 2 ('101'): id: is already that of another line"),
        (
            "hacred_dev.json",
            '"pos": [3, 4]',
            '"pos": [3, 9]',
            "document 0 ('6020'): vertex_word[1][0].pos: [3, 9) is no span",
        ),
        ("hacred_dev.json", '"labels_word": [{"r": "毕业院校"', '"labels_word": [{"r": "某"', "labels_word[0].r: '某'"),
        ("hacred_dev.json", '"sents_word"', '"sents"', "document 0 ('6020'): sents_word: is missing"),
        ("scierc_dev.json", "[5, 5, ", "[5, 7, ", "document 0 ('A1'): ner[0][1]: tokens 5 to 7 are no part of one"),
        ("scierc_dev.json", "2, 3, 5, 5", "2, 3, 4, 5", "relations[0][0]: [4, 5] is no mention of ner"),
        ("scierc_dev.json", '"COMPARE"', '"ABC"', "relations[1][0][4]: 'ABC' is no relation of the schema"),
        ("scierc_dev.json", '"ner"', '"net"', "document 0 ('A1'): ner: is missing"),
        (
            "scierc_dev.json",
            '], [[7, 7, "Generic"',
            ', [7, 7, "Generic"',
            "ner: has 1 lists for 2 sentences; give each",
        ),
        ("scierc_dev.json", '"relations": [', '"relations": [[], ', "relations: has 3 lists for 2 sentences"),
    ],
)
def test_a_fault_names_file_document_and_field(file: str, old: str, new: str, says: str, tmp_path: Path) -> None:
    content = (HERE / file).read_text(encoding="utf-8")
    assert old in content
    corpus = next((one for one in ("hacred", "scierc") if file.startswith(one)), "cdr")
    name = file if corpus == "cdr" else "dev.json"
    (tmp_path / name).write_text(content.replace(old, new, 1), encoding="utf-8")
    if corpus == "hacred":
        shutil.copy(HERE / "hacred_rel2id.json", tmp_path / "rel2id.json")
    if not says:
        assert len(load_dataset(corpus, "dev", tmp_path).documents) == 3
        return
    with pytest.raises(InputError) as caught:
        load_dataset(corpus, "dev", tmp_path)
    assert str(tmp_path / name) in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"content":', '"contents":', "('DW_1'): content: is missing; add the article's text"),
        ('"begin": 0', '"begin": 1', "mentions[0]: 'Mara Lindqvist' is not at 1 to 14"),
        ('"concept": 3', '"concept": 9', "mentions[3].concept: there is no concept 9"),
        ('"o": 1', '"o": 7', "relations[0].o: there is no concept 7"),
    ],
)
def test_a_fault_of_a_dwie_annotation_names_file_document_and_field(
    old: str, new: str, says: str, tmp_path: Path
) -> None:
    content = (HERE / "dwie" / "DW_1.json").read_text(encoding="utf-8")
    (tmp_path / "DW_1.json").write_text(content.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        list(read_dwie(tmp_path))
    assert str(tmp_path / "DW_1.json") in str(caught.value)
    assert says in str(caught.value)


def test_files_of_other_forms_are_read_by_their_paths() -> None:
    assert [one.name for one in load_dataset(str(LINES)).schema.relations] == ["CID"]
    assert load_dataset(str(PUBTATOR)).documents.__len__() == 3
    assert [one.identifiers for one in read_pubtator(PUBTATOR)][2] == ("C900003",)
    assert load_split("sample:dev").name == "sample"


def test_corpora_are_listed_and_shown() -> None:
    listed = json.loads(harness_here("data", "list", "--json").stdout)
    assert {row["name"] for row in listed} == set(CORPORA)
    assert all(row["source"] and row["licence"] and row["language"] and row["files"] for row in listed)
    assert "train_filter.data" in harness_here("data", "show", "cdr").stdout
    shown = harness_here("data", "show", "gda", "--split", "test", "--data-dir", HERE, "--document", "9")
    assert "no such file" in shown.stderr
    fetched = harness_here("data", "fetch", "cdr")
    assert fetched.returncode == 2
    assert "cannot be fetched by one address: get it from biocreative" in fetched.stderr


@pytest.mark.parametrize("split", ["train", "dev"])
def test_cdr_counts_as_the_literature_does(split: str) -> None:
    folder = cdr_dir()
    counted = json.loads(harness_here("data", "stats", "cdr", "--split", split, "--data-dir", folder, "--json").stdout)
    published = counted["published"]["counts"]
    assert published == {name: counted[name] for name in published}
    assert counted["documents"] == 500
    pairs = {"train": (1_022, 5_348, 5_159), "dev": (997, 5_159, 4_990)}[split]
    filtered = statistics(load_dataset("cdr", f"{split}-filtered", folder).documents)
    assert (counted["triplets"], counted["candidate_pairs"], filtered.candidate_pairs) == pairs


LEADS = {("Mara Lindqvist", "leads", "Valdoria"), ("Mara Lindqvist", "born_in", "Orvand")}


def test_brat_folders_and_label_studio_exports_are_read_with_their_coreference(tmp_path: Path) -> None:
    (document,) = read_brat(HERE / "brat")
    assert facts(document) == LEADS
    assert [one.names for one in document.entities] == [("Mara Lindqvist", "leader"), ("Valdoria",), ("Orvand",)]
    first, second = read_label_studio(HERE / "label_studio.json")
    assert (facts(first), first.entities, first.sentences) == (LEADS, document.entities, document.sentences)
    assert (second.title, second.label_source.kind, second.entities) == ("8", "none", ())
    done = harness_here("data", "convert", HERE / "label_studio.json", tmp_path / "a.json", "--format", "label-studio")
    assert done.returncode == 0, done.stderr
    assert facts(next(iter(load_dataset(str(tmp_path / "a.json")).documents))) == LEADS
    assert convert(HERE / "brat", tmp_path / "b.json") == 1
    with pytest.raises(InputError, match="--tag chooses documents of a folder of DWIE's"):
        convert(HERE / "brat", tmp_path / "b.json", tag="train")


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("brat/one.ann", "T4\tLOC 54 60", "T4\tLOC 55 60", "line 4: 'Orvand' is not at 55 to 60; 'rvand' is"),
        ("brat/one.ann", "T4\tLOC 54 60", "T4\tLOC 54", "line 4: write id, tab, type with start and end"),
        ("brat/one.ann", "Arg2:T4", "Arg2:T9", "line 9: no text-bound annotation has the id 'T9'"),
        ("brat/one.ann", "Arg2:T4", "T4", "line 9: write id, tab, type with Arg1:T1 and Arg2:T2"),
        ("brat/one.ann", "Equiv T1 T3", "Equiv T1 T8", "Equiv: no text-bound annotation has the id 'T8'"),
        ("label_studio.json", '"start": 54', '"start": 55', "annotations[1].result[3]: 'Orvand' is not at 55 to 60"),
        (
            "label_studio.json",
            '"to_id": "T4"',
            '"to_id": "T9"',
            "annotations[1].result[8].to_id: no span has the id 'T9'",
        ),
        ("label_studio.json", '"data"', '"date"', "task 0 ('7'): data: is missing; export as JSON: JSON-MIN"),
        ("label_studio.json", '"id": 8', '"id": 7', "task 1 ('7'): id: is already that of another task"),
    ],
)
def test_a_fault_of_an_annotation_tool_s_file_names_its_place(
    file: str, old: str, new: str, says: str, tmp_path: Path
) -> None:
    content = (HERE / file).read_text(encoding="utf-8")
    assert old in content
    path = tmp_path / Path(file).name
    path.write_text(content.replace(old, new, 1), encoding="utf-8")
    shutil.copy(HERE / "brat" / "one.txt", tmp_path)
    with pytest.raises(InputError) as caught:
        list(read_brat(tmp_path) if file.startswith("brat") else read_label_studio(path))
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def test_a_docbin_of_spacy_is_read(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import Doc, DocBin, Span

    Doc.set_extension("rel", default=None, force=True)
    nlp = spacy.blank("en")
    doc = Doc(
        nlp.vocab,
        words=["Mara", "leads", "Valdoria", ".", " ", "She", "left", "."],
        sent_starts=[1, 0, 0, 0, 0, 1, 0, 0],
    )
    doc.ents = [Span(doc, 0, 1, "PER", span_id="m"), Span(doc, 2, 3, "LOC"), Span(doc, 5, 6, "PER", span_id="m")]
    doc._.rel = {(0, 2): {"leads": 0.9, "born_in": 0.2}}
    bare = Doc(nlp.vocab, words=["Nothing"])
    DocBin(docs=[doc, bare], store_user_data=True).to_disk(tmp_path / "a.spacy")
    first, second = read_docbin(tmp_path / "a.spacy")
    assert facts(first) == {("Mara", "leads", "Valdoria")}
    assert [one.names for one in first.entities] == [("Mara", "She"), ("Valdoria",)]
    assert first.sentences == (("Mara", "leads", "Valdoria", "."), ("She", "left", "."))
    assert second.label_source.kind == "none"
    (tmp_path / "b.spacy").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="is no DocBin of spaCy"):
        list(read_docbin(tmp_path / "b.spacy"))
