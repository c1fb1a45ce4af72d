"""Evidence from `harness annotate` to a training: asked for, written in every form, counted, learned, scored."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.datasets.registry import load_dataset
from harness.encoders.scorer import EncoderScorer
from harness.escaping import format_triplet
from harness.types import Document
from tests.annotation.gold import as_plain, entity_answer
from tests.annotation.test_method import UNAMBIGUOUS
from tests.chat_server import ChatServer, completion
from tests.commands import error_line, harness_here
from tests.encoders.small import OPTIONS

SCHEMA = load_dataset("sample").schema
# Without "&" and "|", which prompts spell otherwise.
GOLD = [one for one in UNAMBIGUOUS if len(one.entities) > 1 and not set("&|") & set(as_plain(one).text)][:12]
ENDINGS = (".json", ".jsonl", ".parquet")


def stated(document: Document) -> dict[tuple[int, str, int], tuple[int, ...]]:
    return {tuple(label.triplet): label.evidence for label in document.labels}


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """A perfect annotator: entities, then triplets with the sentences that the labels name."""
    asked = body["messages"][-1]["content"]
    plain = re.sub(r"</?E\d+>", "", asked)
    gold = max(GOLD, key=lambda one: sum(" ".join(sentence) in plain for sentence in one.sentences))
    if "Entities:" not in asked:
        return completion(entity_answer(gold))
    assert re.search(r"^\[0\] ", asked, re.MULTILINE), "sentences are numbered where evidence is asked for"
    lines = []
    for (head, relation, tail), evidence in stated(gold).items():
        line = format_triplet(f"E{head + 1}", SCHEMA.by_id[relation].name, f"E{tail + 1}")
        lines.append(line.removesuffix(")") + f" | {', '.join(map(str, evidence)) or '-'})\n")
    return completion("".join(lines) + "END")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what a server annotated, in three forms."""
    folder = tmp_path_factory.mktemp("annotated")
    texts = [{"title": document.title, "text": as_plain(document).text} for document in GOLD]
    (folder / "texts.jsonl").write_text("".join(json.dumps(one) + "\n" for one in texts), encoding="utf-8")
    outs = [word for ending in ENDINGS for word in ("--out", folder / "corpus" / f"silver{ending}")]
    with ChatServer(answer) as server:
        done = harness_here(
            "annotate", folder / "texts.jsonl", "--model", "annotator", "--base-url", server.base_url, "-P",
            "evidence=sentences", "--constrain", "none", "-M", "probe=false", *outs, "--results-dir",
            folder / "results",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "corpus"


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_form_holds_the_evidence_and_says_who_wrote_it(corpus: Path, ending: str) -> None:
    written = load_dataset(str(corpus / f"silver{ending}"))
    assert [one.title for one in written.documents] == [one.title for one in GOLD]
    assert [stated(one) for one in written.documents] == [stated(one) for one in GOLD]
    assert {(one.kind, one.name) for one in written.label_sources} == {("model", "annotator")}
    if ending == ".jsonl":
        lines = (corpus / "silver.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["title"] for line in lines] == [one.title for one in GOLD]
    counted = json.loads(harness_here("data", "stats", corpus / f"silver{ending}", "--json").stdout)
    evidence = [one for document in GOLD for one in stated(document).values()]
    assert counted["labels_with_evidence"] == sum(map(bool, evidence)) > 20
    assert counted["evidence_sentences"] == sum(map(len, evidence))
    shown = harness_here("data", "stats", corpus / f"silver{ending}").stdout
    assert re.search(rf"^evidence +{counted['labels_with_evidence']} of {counted['stated_labels']} labels", shown, re.M)
    assert "silver: labels written by a model (annotator)" in shown


def test_atlop_learns_the_evidence_that_a_model_named(
    corpus: Path, tiny_encoder: Callable[[str], str], tmp_path: Path
) -> None:
    options = {
        **OPTIONS,
        "encoder": tiny_encoder("bert"),
        "epochs": "8",
        "average_decay": "0",
        "rest_lr": "0.01",
        "encoder_lr": "0.01",
    }
    options |= {"masked_subwords": "0", "swapped_entities": "0"}

    def trained(name: str, weight: str, *more: str | Path) -> Path:
        given = [
            word for key, value in {**options, "evidence_weight": weight}.items() for word in ("-O", f"{key}={value}")
        ]
        place = ("--choose", 0, "--report", 0, "--out", tmp_path / name, *given, *more)
        done = harness_here("train", "atlop", "--train", corpus / "silver.parquet", *map(str, place))
        assert done.returncode == 0, done.stderr
        assert re.search(
            r"^silver: labels written by a model \(annotator\)\nlearned: \d+ labels, \d+ with evidence$",
            done.stdout,
            re.M,
        )
        return tmp_path / name / "seed-0"

    with_evidence = trained("with", "5")
    record = json.loads((with_evidence / "training.json").read_text(encoding="utf-8"))
    assert record["learned"]["label_source"] == {"kind": "model", "name": "annotator"}
    assert 0 < record["learned"]["with_evidence"] <= record["learned"]["labels"]
    without = trained("without", "0")

    losses = [
        [one["loss"] for one in json.loads((folder / "training.json").read_text(encoding="utf-8"))["curve"]]
        for folder in (with_evidence, without)
    ]
    assert losses[0][0] > losses[1][0], "the evidence is a part of what is minimised"
    assert attention_on_evidence(with_evidence, corpus) > attention_on_evidence(without, corpus) + 0.05
    done = harness_here(
        "run", "--model", with_evidence, "--dataset", corpus / "silver.json", "--results-dir", tmp_path / "results"
    )  # fmt: skip
    assert "silver: labels written by a model (annotator)" in done.stdout


def attention_on_evidence(encoder: Path, corpus: Path) -> float:
    """The mean share of the attention of a labelled pair that lies on the sentences which its labels name."""
    documents = [one for one in load_dataset(str(corpus / "silver.json")).documents if one.labels]
    shares = []
    for document, scores in zip(documents, EncoderScorer(encoder).score(documents), strict=True):
        assert scores.sentences is not None
        rows = {(head, tail): row for row, (head, tail) in enumerate(scores.pairs.tolist())}
        for (head, _, tail), evidence in stated(document).items():
            if evidence:
                shares.append(scores.sentences[rows[head, tail], list(evidence)].sum())
    return float(np.mean(shares))


def test_a_weight_of_evidence_that_no_label_has_is_told(
    corpus: Path, tiny_encoder: Callable[[str], str], tmp_path: Path
) -> None:
    documents = json.loads((corpus / "silver.json").read_text(encoding="utf-8"))
    for document in documents:
        for label in document["labels"]:
            label["evidence"] = []
    (tmp_path / "bare.json").write_text(json.dumps(documents), encoding="utf-8")
    given = [
        word for key, value in {**OPTIONS, "encoder": tiny_encoder("bert")}.items() for word in ("-O", f"{key}={value}")
    ]
    place = ("--choose", "2", "--report", "2", "--out", str(tmp_path / "out"), *given)
    done = harness_here("train", "atlop", "--train", tmp_path / "bare.json", *place)
    assert done.returncode == 2
    assert "no label of --train" in error_line(done)
    assert "annotate with -P evidence=sentences" in error_line(done)
