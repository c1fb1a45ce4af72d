"""Documents that an encoder saw in training are recognised by content, counted, and keep a run off the ranking."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness import run
from harness.analyses.leaderboards import leaderboards
from harness.cli.summary import result_lines
from harness.datasets.content import content_hash
from harness.datasets.registry import load_dataset
from harness.datasets.splits import split_documents
from harness.encoders.config import EnsembleConfig
from harness.encoders.scores import PAIR_SCORES
from harness.encoders.seen import SEEN, Role, Seen, seen_by, seen_of, write_seen
from harness.encoders.weights import CONFIG, TRAINED, TRAINING
from harness.errors import InputError
from harness.models import ENCODER, load_models
from harness.runs.config import RunConfig
from harness.runs.rescore import rescore_run
from harness.runs.results import RunResult
from harness.runs.sources.encoder import prepare_encoder
from harness.runs.sources.encoder_origin import UNCOUNTED
from harness.runs.sources.imported import import_run
from harness.store import PREDICTIONS
from harness.training.compressing import compress
from harness.training.fit import TrainingJob, train_encoder
from harness.training.recording import record_seen
from harness.types import Document, Relation
from tests.commands import harness_here, harness_json
from tests.corpora import write_corpus
from tests.datasets.test_every_corpus import HERE as CORPORA
from tests.encoders.small import OPTIONS, Recorder
from tests.paths import fewrel_dir, redocred_dir

SIX = "the encoder saw the documents: it was trained on 6 of the 6 documents"
SHIPPED = sorted(name for name, spec in load_models().items() if spec.runner == ENCODER and spec.model_id == name)


@pytest.fixture
def six(corpus: Path, documents: list[Document], tmp_path: Path) -> Path:
    """A file of six documents that the trained encoder was trained on, with other titles, tokens and sentences."""
    train = {document.title for document in split_documents(documents, 2, 2).train[:6]}
    content = [one for one in json.loads(corpus.read_text(encoding="utf-8")) if one["title"] in train]
    for number, one in enumerate(content):
        sentence = one["sents"][0]
        one |= {"title": f"Copy {number}", "sents": [[*sentence[:-1]], ["—", sentence[-1].upper()]]}
    return stored(tmp_path / "copies" / "six.json", content, corpus)


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """A file of six documents that no encoder has seen."""
    file = write_corpus(tmp_path / "others", 6)
    file.write_text(file.read_text(encoding="utf-8").replace("Town", "City"), encoding="utf-8")
    return file


def stored(file: Path, content: object, corpus: Path) -> Path:
    """A file of documents with the relations of the corpus beside it."""
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(content), encoding="utf-8")
    shutil.copy(corpus.with_name("rel_info.json"), file.parent)
    return file


def unranked(results: Path, model: str) -> str:
    """Why the one run of a model is not ranked; "" if it is."""
    (board,) = leaderboards(results, resamples=10)
    rows = [*board.ranked.to_dict("records"), *board.unranked.to_dict("records")]
    (row,) = (row for row in rows if row["model"] == model)
    return str(row.get("reason", ""))


@pytest.mark.parametrize("system", ["alone", "refine", "candidates", "stored run"])
def test_copies_of_training_documents_are_counted_and_not_ranked(
    trained: Path, six: Path, tmp_path: Path, system: str
) -> None:
    data = {"dataset": str(six), "results": tmp_path / "results"}
    if system == "alone":
        result = run(str(trained), **data)
    elif system == "refine":
        result = run("mock", "choice", refine=str(trained), **data)
    else:
        named = run(str(trained), **data).folder.run_id if system == "stored run" else str(trained)
        result = run("mock", "classify", candidates=named, **data)
    assert result.seen_by_encoder == SIX
    assert result.as_json()["seen_documents"] == {
        **{"documents": 6, "trained_on": 6, "chosen_by": 0, "unknown": 0},
        "relations_seen": 0,
    }
    assert SIX in unranked(tmp_path / "results", "tiny-atlop" if system == "alone" else "mock")


def test_of_stored_scores_those_documents_count_that_are_asked_about(
    trained: Path, six: Path, others: Path, corpus: Path, tmp_path: Path
) -> None:
    mixed = [*json.loads(others.read_text(encoding="utf-8"))[:2], *json.loads(six.read_text(encoding="utf-8"))]
    data = {"dataset": str(stored(tmp_path / "mixed" / "mixed.json", mixed, corpus)), "results": tmp_path}
    encoder = run(str(trained), **data)
    for limit, seen in ((2, ""), (3, "the encoder saw the documents: it was trained on 1 of the 3 documents")):
        asked = run("mock", "classify", candidates=encoder.folder.run_id, limit=limit, **data)
        assert asked.seen_by_encoder == seen


def test_a_test_of_unseen_relations_is_no_test_where_one_was_trained_on(
    trained: Path, others: Path, tmp_path: Path
) -> None:
    """The documents are new, and the file says that its relations are to be unseen; ids and names may be written so."""
    dataset = load_dataset(str(others))
    kept = {label.triplet.relation for one in dataset.documents for label in one.labels}
    target = tmp_path / "test" / "test.json"
    ids = tmp_path / "unseen.txt"
    ids.write_text(min(kept), encoding="utf-8")
    done = harness_here("data", "subset", others, target, "--relations", ids)
    assert done.returncode == 0, done.stderr
    result = run(str(trained), dataset=str(target), results=tmp_path / "results")
    count = len(load_dataset(str(target)).documents)
    told = f"trained on relations that {count} of the {count} documents test as unseen"
    assert told in unranked(tmp_path / "results", "tiny-atlop")
    assert result.as_json()["seen_documents"]["relations_seen"] == count
    (document, *_) = load_dataset(str(target)).documents
    seen = seen_by(trained)
    for relation, role in (
        (Relation("COUNTRY_OF", document.unseen[0].name.upper().replace(" ", "_")), Role.RELATIONS_SEEN),
        (Relation(document.unseen[0].id, "another name"), Role.RELATIONS_SEEN),
        (Relation("7", "a name that nobody uses"), Role.NOT_SEEN),
    ):
        assert seen.role(replace(document, unseen=(relation,))) == role
    assert replace(seen, relations=None).role(document) == Role.UNKNOWN
    assert replace(seen, relations=None).role(replace(document, unseen=())) == Role.NOT_SEEN


def test_episodes_test_unseen_relations() -> None:
    """An encoder that was trained on Re-DocRED knows the relations of FREDo's test, by id or by name."""
    seen = seen_by(TRAINED / "glidre-minilm")
    for split in ("test-1-doc", "cross-1-doc"):
        documents = load_dataset("fredo", split, CORPORA / "fredo").documents
        assert {seen.role(one) for one in documents} == {Role.RELATIONS_SEEN}
        assert all(len(one.unseen) == len(one.episode.relations) for one in documents if one.episode)
    support = next(iter(load_dataset("fredo", "test-1-doc", CORPORA / "fredo").documents)).episode
    assert support
    assert Seen.of(load_dataset("fredo", "test-1-doc", CORPORA / "fredo").documents).role(support.support[0]) == (
        Role.TRAINED_ON
    )


def test_a_run_of_other_documents_is_ranked_and_says_so(trained: Path, others: Path, tmp_path: Path) -> None:
    result = run(str(trained), dataset=str(others), results=tmp_path)
    assert result.as_json()["seen_by_encoder"] is None
    assert ("seen before", "none of the 6 documents") in result_lines(result)
    assert unranked(tmp_path, "tiny-atlop") == ""


@pytest.mark.parametrize(("missing", "file"), [(SEEN, "six"), (TRAINING, "others")])
def test_where_a_record_is_missing_nothing_is_known(
    trained: Path, request: pytest.FixtureRequest, tmp_path: Path, missing: str, file: str
) -> None:
    folder = shutil.copytree(trained, tmp_path / "encoder")
    (folder / missing).unlink()
    run(str(folder), dataset=str(request.getfixturevalue(file)), results=tmp_path)
    assert unranked(tmp_path, "encoder") == "what the encoder saw in training is unknown"


@pytest.mark.parametrize("name", [TRAINING, SEEN])
@pytest.mark.parametrize("damage", ["emptied", "cut", "other", "nested", "binary", "unreadable"])
def test_a_damaged_record_is_refused(trained: Path, others: Path, tmp_path: Path, name: str, damage: str) -> None:
    folder = shutil.copytree(trained, tmp_path / "encoder")
    content = (folder / name).read_bytes()
    damaged = {"emptied": b"", "cut": content[:-8], "other": b"[]", "nested": b"[" * 10**5, "binary": b"\xff\xfe\n"}
    (folder / name).unlink()
    if damage == "unreadable":
        (folder / name).mkdir()
    else:
        (folder / name).write_bytes(damaged[damage])
    with pytest.raises(InputError, match=rf"^.*{name}: cannot be read .*$"):
        prepare_encoder(RunConfig(str(folder), dataset=str(others), results=tmp_path))


@pytest.mark.parametrize("change", ["hash", "number", "training"])
def test_a_record_that_was_changed_or_belongs_to_another_training_is_refused(
    trained: Path, tmp_path: Path, change: str
) -> None:
    folder = shutil.copytree(trained, tmp_path / "encoder")
    content = (folder / SEEN).read_bytes()
    if change == "training":
        record = json.loads((folder / TRAINING).read_text(encoding="utf-8"))
        record["question"]["training"]["seed"] += 1
        (folder / TRAINING).write_text(json.dumps(record), encoding="utf-8")
    else:
        changed = {"hash": content[:-1] + bytes([content[-1] ^ 1]), "number": content.replace(b": 20,", b": 21,")}
        (folder / SEEN).write_bytes(changed[change])
    with pytest.raises(InputError, match=f"{SEEN}: "):
        seen_by(folder)


def test_of_an_earlier_record_the_relations_are_unknown(documents: list[Document], tmp_path: Path) -> None:
    seen = replace(Seen.of(documents[:2]), relations=None)
    write_seen(tmp_path, seen, None)
    assert (tmp_path / SEEN).read_bytes().startswith(b'{"format": "docre-harness seen 2"')
    assert seen_by(tmp_path) == seen
    assert (seen | Seen()).relations is None


def test_an_ensemble_saw_what_its_members_saw(trained: Path, documents: list[Document], tmp_path: Path) -> None:
    config = EnsembleConfig(task="atlop", relations=("P17",), encoder="any", members=("0", "1"))
    folder = tmp_path / "ensemble"
    for name in ("0", "1"):
        shutil.copytree(trained, folder / name)
    (folder / CONFIG).write_text(config.model_dump_json(), encoding="utf-8")
    write_seen(folder, Seen.of(choose=documents[:1]), None)
    assert seen_by(folder) == seen_by(trained) | Seen.of(choose=documents[:1])
    (folder / "1" / SEEN).unlink()
    assert not seen_by(folder).is_whole
    (folder / "1" / TRAINING).write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"1/training\.json: cannot be read"):
        seen_by(folder)


def test_a_training_sees_its_documents_and_those_of_what_it_builds_on(
    trained: Path, documents: list[Document], corpus: Path, tiny_encoder: Callable[[str], str], tmp_path: Path
) -> None:
    split = split_documents(documents, 2, 2)
    schema = load_dataset(str(corpus)).schema
    assert seen_by(trained) == Seen.of(split.train, split.choose, schema)
    more = write_corpus(tmp_path, 10, seed=5)
    more.write_text(more.read_text(encoding="utf-8").replace("Town", "Village"), encoding="utf-8")
    start = shutil.copytree(trained, tmp_path / "start")
    options = {**OPTIONS, "encoder": tiny_encoder("bert"), "epochs": "1"}
    job = TrainingJob("atlop", str(more), choose=2, report=2, few_shot=3, start=start, options=options)
    train_encoder(job, tmp_path / "next", Recorder())
    seen = seen_by(tmp_path / "next")
    assert len(seen.trained_on - seen_by(trained).trained_on) == 3
    assert len(seen.chosen_by - seen_by(trained).chosen_by) == 2
    (tmp_path / "next" / SEEN).unlink()
    train_encoder(job, tmp_path / "next", Recorder())
    assert seen_by(tmp_path / "next") == seen, "the same command records what an older one did not"
    compress(tmp_path / "next", 4, tmp_path / "small")
    assert seen_by(tmp_path / "small") == seen
    (start / SEEN).unlink()
    with pytest.raises(InputError, match="is unknown, so that no document can be held out to report on"):
        train_encoder(job, tmp_path / "unknown", Recorder())


async def test_an_older_run_is_ranked_once_it_was_scored_again(trained: Path, others: Path, tmp_path: Path) -> None:
    folder = run(str(trained), dataset=str(others), results=tmp_path).folder
    manifest = folder.read_manifest()
    for seen, reason in (
        ("", UNCOUNTED),
        ("it was trained on documents of this file", "the encoder saw the documents: it was trained on documents of"),
    ):
        folder.write_manifest(manifest.changed(encoder={"threshold": 0.0, "chosen_on": "", "seen": seen}))
        assert unranked(tmp_path, "tiny-atlop").startswith(reason)
    result = await rescore_run(folder, None)
    assert (result.seen_by_encoder, unranked(tmp_path, "tiny-atlop")) == ("", "")


@pytest.mark.parametrize("file", [PAIR_SCORES, PREDICTIONS])
def test_what_an_encoder_saw_stays_with_its_files_when_they_are_imported(
    trained: Path, six: Path, tmp_path: Path, file: str
) -> None:
    made = run(str(trained), dataset=str(six), results=tmp_path / "first").folder.path / file
    name = "renamed" if file == PAIR_SCORES else str(trained)
    result = import_run(made, RunConfig(name, dataset=str(six), results=tmp_path / "second"))
    assert result.seen_by_encoder == SIX
    assert RunResult.load(result.folder).seen_by_encoder == SIX
    if file == PAIR_SCORES:
        asked = run("mock", "choice", refine=result.folder.run_id, dataset=str(six), results=tmp_path / "second")
        assert asked.seen_by_encoder == SIX


def test_a_record_can_be_made_for_encoders_that_have_none(trained: Path, corpus: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained, tmp_path / "encoder")
    kept = (folder / SEEN).read_bytes()
    (folder / SEEN).unlink()
    made = harness_json("train", "seen", folder, "--documents", corpus)
    assert (made["trained_on"], made["chosen_by"]) == (20, 2)
    assert (folder / SEEN).read_bytes() == kept
    with pytest.raises(InputError, match="none of the files given: add it with --documents"):
        record_seen(folder, [corpus.with_name("rel_info.json")])
    (folder / TRAINING).unlink()
    seen = record_seen(folder, [corpus])
    dataset = load_dataset(str(corpus))
    assert seen_by(folder) == seen == Seen.of(dataset.documents, (), dataset.schema)


@pytest.fixture(scope="module")
def redocred() -> list[Document]:
    """The documents of Re-DocRED's dev split."""
    return list(load_dataset("redocred", "dev", redocred_dir()).documents)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_encoders_have_not_seen_the_reporting_documents(name: str, redocred: list[Document]) -> None:
    seen, split = seen_by(TRAINED / name), split_documents(redocred)
    for documents, numbers in ((redocred, (400, 50)), (split.choose, (0, 50)), (split.report, (0, 0))):
        counts = seen_of(map(seen.role, documents))["seen_documents"]
        assert (counts["trained_on"], counts["chosen_by"], counts["unknown"]) == (*numbers, 0)


def test_what_shipped_encoders_saw_can_be_recorded_anew(tmp_path: Path) -> None:
    folder = shutil.copytree(
        TRAINED / "atlop-minilm", tmp_path / "copy", ignore=shutil.ignore_patterns("*.safetensors")
    )
    kept = {path: path.read_bytes() for path in folder.rglob(SEEN)}
    for path in kept:
        path.unlink()
    record_seen(folder, [redocred_dir() / "dev_revised.json", fewrel_dir() / "val_wiki.json"])
    assert {path: path.read_bytes() for path in folder.rglob(SEEN)} == kept
    assert len(kept) == 4
    assert all(seen_by(TRAINED / name) == seen_by(folder) for name in SHIPPED), "all are of the same documents"


def test_a_document_that_was_trained_on_and_chosen_by_was_trained_on(documents: list[Document]) -> None:
    seen = Seen.of(documents[:1], documents[:2])
    assert [seen.role(one) for one in documents[:3]] == [Role.TRAINED_ON, Role.CHOSEN_BY, Role.NOT_SEEN]
    assert replace(seen, is_whole=False).role(documents[2]) == Role.UNKNOWN
    assert seen.trained_on == {content_hash(documents[0])}
