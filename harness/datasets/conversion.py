"""Files of other forms rewritten in DocRED's: documents, candidate pairs without relation, and the relation table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.datasets.brat import is_brat, read_brat
from harness.datasets.corpus import Corpus, Format
from harness.datasets.docred_output import document_output, write_schema
from harness.datasets.dwie import read_dwie
from harness.datasets.formats import READERS, format_of, read_corpus_file
from harness.datasets.hypernyms import read_mesh_tree, without_hypernyms
from harness.datasets.parquet import schema_in
from harness.datasets.pubtator import IdentifiedDocument
from harness.datasets.registry import annotated_by
from harness.datasets.relation_table import read_schema, schema_beside, table_beside
from harness.errors import InputError
from harness.label_source import LabelSource
from harness.types import Document, Relation, RelationSchema

RELATION_TABLE = "rel_info.json"


def convert(
    source: Path,
    target: Path,
    corpus: Corpus | None = None,
    mesh_tree: Path | None = None,
    tag: str | None = None,
    form: Format | None = None,
) -> int:
    """Write the documents of ``source`` to ``target``, with ``rel_info.json`` beside it; returns how many there are.

    Without a relation there is no such table, which would hold none.

    ``source`` is a file in a form of ``READERS``, told by its name or by ``form``, a folder of brat's annotations, or
    one of DWIE's, of which ``tag`` chooses the documents. With ``corpus``, its conventions hold: relations, names of
    types, direction of labels, candidate pairs, and who wrote the labels of a file of that name. Without, the relations
    are those of the table beside the source. With ``mesh_tree``, pairs of the hypernym filter are no candidates: the
    other pairs without a label are written as such. Raises InputError at the first fault of the source, or where
    another table stands beside the target; nothing is written then.
    """
    schema = _schema_of(corpus) if corpus else _schema_with(source)
    documents = _documents(source, corpus, schema, tag, form)
    if mesh_tree:
        documents = _filtered(documents, mesh_tree, source)
    used: dict[str, None] = {}
    none = schema.none[0] if schema and schema.none else "NA"
    with document_output(target) as output:
        for document in documents:
            output.write(document, none)
            used.update((label.triplet.relation, None) for label in document.labels)
        schema = schema or RelationSchema(tuple(Relation(one, one.replace("_", " ")) for one in sorted(used)), (none,))
        table = table_beside(target)
        if table and (missing := [one for one in used if one not in read_schema(table).by_id]):
            raise InputError(
                f"{table}: lacks the relation {missing[0]!r} of {source}; add it, or choose another folder"
            )
    if table is None and schema.relations:
        write_schema(target.with_name(RELATION_TABLE), schema)
    return output.count


def _schema_of(corpus: Corpus) -> RelationSchema | None:
    table = corpus.relation_table(corpus.folder)
    return read_schema(table) if table.is_file() else None


def _schema_with(source: Path) -> RelationSchema | None:
    """The relations of a file as ``load_dataset`` knows them; None for a folder, and where only its labels tell."""
    if not source.is_file():
        return None
    return schema_beside(source) or (schema_in(source) if format_of(source) == "parquet" else None)


def _documents(
    source: Path, corpus: Corpus | None, schema: RelationSchema | None, tag: str | None, form: Format | None
) -> Iterator[Document]:
    if tag and (not source.is_dir() or is_brat(source)):
        raise InputError("--tag chooses documents of a folder of DWIE's annotations: leave it out")
    if source.is_dir():
        return read_brat(source, schema) if is_brat(source) else read_dwie(source, schema, tag=tag)
    if (form or (corpus.format if corpus else None)) in ("fewrel", "sentences"):
        raise InputError("sentences with given pairs are read as they are: use them as --dataset fewrel or wiki-zsl")
    if corpus is None:
        return READERS[form or format_of(source)](source, schema, annotated_by(source))
    splits = corpus.splits.values()
    split = next((one for one in splits if source.name.removesuffix(".gz") in one.names), next(iter(splits)))
    return read_corpus_file(source, corpus, split.candidates, schema, LabelSource(split.labelled_by), form)


def _filtered(documents: Iterator[Document], mesh_tree: Path, source: Path) -> Iterator[Document]:
    tree = read_mesh_tree(mesh_tree)
    for document in documents:
        if not isinstance(document, IdentifiedDocument) or document.candidates is None:
            raise InputError(
                f"--mesh-tree filters PubTator files of a corpus with argument types, as cdr, and {source} is none: "
                "name the file with identifiers, and the corpus with --corpus"
            )
        yield without_hypernyms(document, tree)
