"""The table of known corpora: a row each.

Published counts are those of the papers named with them. What a row says of a licence is what the corpus' home says;
read it there before you publish.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.datasets.corpus import TABLES, Arguments, Corpus, CorpusFile, Published
from harness.datasets.dwie import TYPES as DWIE_TYPES

_REDOCRED_DEV = CorpusFile("dev_revised.json", "56c7700aaa9a6f9b1c99f0cdf0b576890fddcadc")
_DOCRED_TYPES = ("PER", "ORG", "LOC", "TIME", "NUM", "MISC")
_BIORED_TYPES = (
    *("GeneOrGeneProduct", "DiseaseOrPhenotypicFeature", "ChemicalEntity"),
    *("SequenceVariant", "OrganismTaxon", "CellLine"),
)
_LMRC = "Li et al. (2024), LMRC, Table 1"
_EOG = "Christopoulou et al. (2019), Edge-oriented Graphs, statistics of the data sets"
_HACRED = "github.com/qiaojiim/HacRED, file list"
_BIORED = "Luo et al. (2022), BioRED, Section 2"

_SCIERC = "Luan et al. (2018), SciERC, Section 5"
_FEWREL = "Han et al. (2018), FewRel, Section 3"
_FEWREL_DEV = CorpusFile("val_wiki.json", "fe103ba5f52de1f0c070d66c7a8ba9de20c9f96c")

UNSEEN = (5, 10, 15)
"""How many relations are unseen in the splits of the zero-shot protocols on sentences."""
SEEDS = range(5)
"""Of their splits: each has other unseen relations."""
_PARTS = {"": "test", "-train": "train", "-dev": "dev"}
_UNSEEN_SPLITS = {
    f"m{m}-seed-{seed}{ending}": CorpusFile(
        f"unseen_{m}_seed_{seed}/{part}.jsonl", format="sentences", unseen=part != "train"
    )
    for m in UNSEEN
    for seed in SEEDS
    for ending, part in _PARTS.items()
}
_WIKI_SPLITS = {name: replace(file, labelled_by="distant") for name, file in _UNSEEN_SPLITS.items()}
_SPLITS_PAGE = "github.com/declare-lab/RelationPrompt: zero_rte_data.zip, the folder zero_rte"
_UNSEEN_NOTES = (
    "Splits such as m5-seed-0 (test), m5-seed-0-train and m5-seed-0-dev are the public ones of Chia et al. (2022): "
    "sentences of 5 relations that train does not have; there are 10 and 15, too, and the seeds 0 to 4. Their pairs "
    "are given. Scored by macro P, R and F1."
)

_FREDO = "Popovic and Färber (2022), FREDo, results in its README: support, added up"
_EPISODES = (
    "Documents are the queries of few-shot episodes, named by episode and query; each is asked about its episode's "
    "relations, and comes with 1 or 3 labelled support documents. Scored by macro F1 over relations."
)


def _episodes(documents: str, *names: str, relations: str = "") -> CorpusFile:
    """A file of episodes over documents, under one of the names that are in use."""
    name, *others = names
    return CorpusFile(
        name, other_names=tuple(others), format="episodes", documents=documents, packaged_relations=relations
    )


_CROSS_DOMAIN = {
    f"cross-{count}-doc": _episodes(
        *("test_scierc.json", f"test_cross_domain_{count}_doc_indices.json", f"test_scierc_{count}_doc_indices.json"),
        f"test_cross_domain_{count}_doc.json",
        relations=f"{TABLES}/scierc.json",
    )
    for count in (1, 3)
}
_DOCRED = {
    "dev": Published(
        {"candidate_pairs": 395_572, "na_pairs": 384_949, "related_pairs": 10_623, "triplets": 12_275}, _LMRC
    ),
    "test": Published({"candidate_pairs": 392_158}, _LMRC),
}
_REDOCRED = {
    "dev": Published(
        {"candidate_pairs": 193_232, "na_pairs": 179_870, "related_pairs": 13_362, "triplets": 17_284}, _LMRC
    ),
    "test": Published(
        {"candidate_pairs": 198_670, "na_pairs": 185_043, "related_pairs": 13_627, "triplets": 17_448}, _LMRC
    ),
}
_MERGED = (
    "Files in DocRED's format hold entities with the same mentions as one, so that entities and distinct pairs are "
    "fewer; labels are counted as they stand in the file."
)


def _counted(documents: int, intra: int, inter: int, note: str = "") -> Published:
    labels = {"stated_labels": intra + inter, "intra_stated_labels": intra, "inter_stated_labels": inter}
    counts = {"documents": documents, **labels}
    return Published(counts, _EOG, note)


_CDR = {
    "train": _counted(500, 754, 284, _MERGED),
    "dev": _counted(500, 766, 246, _MERGED),
    "test": _counted(500, 747, 319, _MERGED),
}
_GDA = {
    "train": _counted(23_353, 30_905, 5_174),
    "dev": _counted(5_839, 7_558, 1_204),
    "test": _counted(1_000, 1_305, 197),
}


def _of_cdr(split: str, source: str) -> CorpusFile:
    """The file of a split in DocRED's format, as lines of pairs, or as BioCreative published it."""
    others = (f"{split}_filter.data", f"{split}.data", f"{source}.PubTator.txt")
    return CorpusFile(f"{split}.json", other_names=others, candidates="typed")


def _with_filtered(splits: Mapping[str, CorpusFile]) -> dict[str, CorpusFile]:
    """The splits, and each with the pairs that its labels name as the only candidates."""
    filtered = {f"{name}-filtered": replace(file, candidates="labelled") for name, file in splits.items()}
    return {**splits, **filtered}


CORPORA: Mapping[str, Corpus] = {
    "redocred": Corpus(
        name="redocred",
        splits={
            "train": CorpusFile("train_revised.json", "1ba485adf8e4cb789c441de2f6fe41de95690caa"),
            "dev": _REDOCRED_DEV,
            "test": CorpusFile("test_revised.json", "f59191a3f954ee623ed67cb5740a6e1aedd13a0b"),
            "dev-train": replace(_REDOCRED_DEV, part="train"),
            "dev-choose": replace(_REDOCRED_DEV, part="choose"),
            "dev-report": replace(_REDOCRED_DEV, part="report"),
            **{f"dev-{count}-doc-seed-0": replace(_REDOCRED_DEV, episodes=(count, 0)) for count in (1, 3)},
        },
        default_split="dev",
        relations=CorpusFile("rel_info.json", "9ef6fb9677cd51183b540eae69b3ce489b837055"),
        licence="MIT",
        entity_types=_DOCRED_TYPES,
        published=_REDOCRED,
        notes=(
            "Scored as its evaluation script does; Ign F1 leaves out the facts of the training split. dev-1-doc-seed-0 "
            "and dev-3-doc-seed-0 are few-shot episodes as FREDo's, drawn here from dev over its test relations."
        ),
        source="Tan et al. (2022), Revisiting DocRED, EMNLP; github.com/tonytan48/Re-DocRED",
        url="https://raw.githubusercontent.com/tonytan48/Re-DocRED/main/data/",
        url_variable="HARNESS_REDOCRED_URL",
        packaged_relations="redocred_rel_info.json",
    ),
    "sample": Corpus(
        name="sample",
        splits={"dev": CorpusFile("documents.json")},
        default_split="dev",
        relations=CorpusFile("rel_info.json"),
        licence="Apache-2.0",
        entity_types=_DOCRED_TYPES,
        source="written for this project; ships inside the package",
    ),
    "fewrel": Corpus(
        name="fewrel",
        splits={
            "train": CorpusFile("train_wiki.json"),
            "dev": _FEWREL_DEV,
            **{domain: CorpusFile(f"val_{domain}.json") for domain in ("nyt", "pubmed", "semeval")},
            **{f"dev-m{m}-seed-{seed}": replace(_FEWREL_DEV, drawn=(m, seed)) for m in UNSEEN for seed in SEEDS},
            **_UNSEEN_SPLITS,
        },
        default_split="dev",
        relations=CorpusFile("pid2name.json", "00b632be58e00b5337c054ac8a46bda1f4c27b0e"),
        licence="MIT",
        source="Han et al. (2018), FewRel, EMNLP; Gao et al. (2019), FewRel 2.0, EMNLP; github.com/thunlp/FewRel",
        page=f"github.com/thunlp/FewRel (the folder data), or for m5-seed-0 and the like {_SPLITS_PAGE} (fewrel)",
        published={
            "train": Published({"documents": 44_800}, _FEWREL),
            "dev": Published({"documents": 11_200}, _FEWREL),
        },
        notes=_UNSEEN_NOTES + " dev-m5-seed-0 and the like are drawn here, from dev.",
        url="https://raw.githubusercontent.com/thunlp/FewRel/master/data/",
        url_variable="HARNESS_FEWREL_URL",
        format="fewrel",
    ),
    "wiki-zsl": Corpus(
        name="wiki-zsl",
        splits={"all": CorpusFile("wiki_train_new.json", labelled_by="distant"), **_WIKI_SPLITS},
        default_split="m5-seed-0",
        relations=CorpusFile("pid2name.json"),
        licence="see its home; the texts are Wikipedia's",
        source="Chen and Li (2021), ZS-BERT, NAACL, after Sorokin and Gurevych (2017); github.com/dinobby/ZS-BERT",
        page=f"{_SPLITS_PAGE} (wiki), or for all github.com/dinobby/ZS-BERT, with FewRel's pid2name.json beside it",
        format="sentences",
        published={"all": Published({"documents": 94_383}, "Chen and Li (2021), ZS-BERT, Table 1")},
        notes=_UNSEEN_NOTES,
    ),
    "docred": Corpus(
        name="docred",
        splits={
            "train": CorpusFile("train_annotated.json"),
            "distant": CorpusFile("train_distant.json", labelled_by="distant"),
            "dev": CorpusFile("dev.json"),
            "test": CorpusFile("test.json"),
        },
        default_split="dev",
        relations=CorpusFile("rel_info.json"),
        packaged_relations="redocred_rel_info.json",
        licence="MIT",
        source="Yao et al. (2019), DocRED, ACL; github.com/thunlp/DocRED",
        page="the folders that github.com/thunlp/DocRED names (data/README.md)",
        entity_types=_DOCRED_TYPES,
        published=_DOCRED,
        notes=(
            "test has no labels: `harness export RUN` writes its predictions for the evaluation server. train_distant "
            "is labelled by distant supervision."
        ),
    ),
    "fredo": Corpus(
        name="fredo",
        splits={
            **{
                f"test-{count}-doc": _episodes(
                    *("test_docred.json", f"test_in_domain_{count}_doc_indices.json"),
                    *(f"test_docred_{count}_doc_indices.json", f"test_in_domain_{count}_doc.json"),
                )
                for count in (1, 3)
            },
            **_CROSS_DOMAIN,
            "dev-1-doc": _episodes("dev.json", "dev_1_doc_indices.json"),
        },
        default_split="test-1-doc",
        relations=CorpusFile("rel_info.json"),
        packaged_relations="redocred_rel_info.json",
        licence="see its home; the documents are those of DocRED and SciERC",
        source="Popovic and Färber (2022), FREDo, NAACL; github.com/nicpopovic/FREDo",
        page="github.com/nicpopovic/FREDo (the folder data)",
        entity_types=_DOCRED_TYPES,
        published={
            "test-1-doc": Published({"stated_labels": 65_313}, _FREDO),
            "test-3-doc": Published({"stated_labels": 36_715}, _FREDO),
            "cross-1-doc": Published({"stated_labels": 64_583}, _FREDO),
            "cross-3-doc": Published({"stated_labels": 26_305}, _FREDO),
        },
        notes=_EPISODES,
    ),
    "refredo": Corpus(
        name="refredo",
        splits={
            **{
                f"test-{count}-doc": _episodes("test_redocred.json", f"test_redocred_{count}_doc_indices.json")
                for count in (1, 3)
            },
            **_CROSS_DOMAIN,
        },
        default_split="test-1-doc",
        relations=CorpusFile("rel_info.json"),
        packaged_relations="redocred_rel_info.json",
        licence="see its home; the documents are those of Re-DocRED and SciERC",
        source="Meng et al. (2023), RAPL, EMNLP; github.com/THU-BPM/RAPL",
        page="github.com/THU-BPM/RAPL (the folder dataset)",
        entity_types=_DOCRED_TYPES,
        notes=_EPISODES,
    ),
    "cdr": Corpus(
        name="cdr",
        splits=_with_filtered(
            {
                "train": _of_cdr("train", "CDR_TrainingSet"),
                "dev": _of_cdr("dev", "CDR_DevelopmentSet"),
                "test": _of_cdr("test", "CDR_TestSet"),
            }
        ),
        default_split="dev",
        relations=CorpusFile("rel_info.json"),
        packaged_relations=f"{TABLES}/cdr.json",
        licence="see its home",
        source="Li et al. (2016), BioCreative V CDR task corpus, Database",
        page="biocreative.bioinformatics.udel.edu (CDR_Data.zip), or as .data lines, or in DocRED's format",
        entity_types=("CHEM", "DISE"),
        type_names={"Chemical": "CHEM", "Disease": "DISE"},
        arguments=Arguments("CHEM", "DISE"),
        published=_CDR,
        notes=(
            "Candidates are all pairs of a chemical and a disease; other predictions are not scored. In the splits "
            "-filtered they are the pairs that labels name: files made with the hypernym filter leave out diseases "
            "that are more general than one that the chemical induces."
        ),
    ),
    "gda": Corpus(
        name="gda",
        splits={
            "train": CorpusFile("train.json", labelled_by="distant", other_names=("train.data",), candidates="typed"),
            "dev": CorpusFile("dev.json", labelled_by="distant", other_names=("dev.data",), candidates="typed"),
            "test": CorpusFile("test.json", labelled_by="distant", other_names=("test.data",), candidates="typed"),
        },
        default_split="dev",
        relations=CorpusFile("rel_info.json"),
        packaged_relations=f"{TABLES}/gda.json",
        licence="see its home",
        source="Wu et al. (2019), RENET, RECOMB; split of Christopoulou et al. (2019)",
        page="bitbucket.org/alexwuhkucs/gda-extraction, made into .data lines as Christopoulou et al. (2019) do",
        entity_types=("GENE", "DISE"),
        type_names={"Gene": "GENE", "Disease": "DISE"},
        arguments=Arguments("GENE", "DISE"),
        published=_GDA,
        notes="Labelled by distant supervision, test too. Candidates are all pairs of a gene and a disease.",
    ),
    "dwie": Corpus(
        name="dwie",
        splits={name: CorpusFile(f"{name}.json") for name in ("train", "dev", "test")},
        default_split="test",
        relations=CorpusFile("rel_info.json"),
        packaged_relations=f"{TABLES}/dwie.json",
        licence="see its home; the texts are Deutsche Welle's",
        source="Zaporojets et al. (2021), DWIE, Information Processing & Management; github.com/klimzaporojets/DWIE",
        page=(
            "github.com/klimzaporojets/DWIE: add the contents with its script, then "
            "`harness data convert FOLDER OUT --corpus dwie`"
        ),
        entity_types=DWIE_TYPES,
        notes=(
            "With the entities given, F1 over triplets is its own relation score at entity level, hard and soft. At "
            "mention level a triplet counts once for every pair of mentions of its entities (mention_f1)."
        ),
        mention_level=True,
    ),
    "hacred": Corpus(
        name="hacred",
        splits={name: CorpusFile(f"{name}.json") for name in ("train", "dev", "test")},
        default_split="dev",
        relations=CorpusFile("rel2id.json"),
        licence="see its home",
        source="Cheng et al. (2021), HacRED, Findings of ACL; github.com/qiaojiim/HacRED",
        page="the folder that github.com/qiaojiim/HacRED names",
        format="hacred",
        language="zh",
        published={
            "train": Published({"documents": 6231}, _HACRED),
            "dev": Published({"documents": 1500}, _HACRED),
            "test": Published({"documents": 1500}, _HACRED),
        },
        notes="Words are read, not characters; text is shown without spaces between them.",
    ),
    "biored": Corpus(
        name="biored",
        splits={
            "train": CorpusFile("Train.PubTator"),
            "dev": CorpusFile("Dev.PubTator"),
            "test": CorpusFile("Test.PubTator"),
        },
        default_split="dev",
        relations=CorpusFile("rel_info.json"),
        packaged_relations=f"{TABLES}/biored.json",
        licence="see its home",
        source="Luo et al. (2022), BioRED, Briefings in Bioinformatics",
        page="ftp.ncbi.nlm.nih.gov/pub/lu/BioRED (BIORED.zip)",
        format="pubtator",
        entity_types=_BIORED_TYPES,
        published={
            "train": Published({"documents": 400}, _BIORED),
            "dev": Published({"documents": 100}, _BIORED),
            "test": Published({"documents": 100}, _BIORED),
        },
        notes="Its relations have no direction: labels are read from first to second entity. Novelty is not read.",
    ),
    "scierc": Corpus(
        name="scierc",
        splits={name: CorpusFile(f"{name}.json") for name in ("train", "dev", "test")},
        default_split="dev",
        relations=CorpusFile("rel_info.json"),
        packaged_relations=f"{TABLES}/scierc.json",
        licence="see its home",
        source="Luan et al. (2018), SciERC, EMNLP; nlp.cs.washington.edu/sciIE",
        page="nlp.cs.washington.edu/sciIE (sciERC_processed.tar.gz, the folder json)",
        format="scierc",
        entity_types=("Task", "Method", "Metric", "Material", "OtherScientificTerm", "Generic"),
        published={
            "train": Published({"documents": 350}, _SCIERC),
            "dev": Published({"documents": 50}, _SCIERC),
            "test": Published({"documents": 100}, _SCIERC),
        },
        notes="Its own scores are over mentions; here its clusters join mentions, and entities have the relations.",
    ),
}
