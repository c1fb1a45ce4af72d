"""What `harness data validate` says of a corpus that is valid and may still hold a mistake."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from harness.cli.main import app


def document(title: str, name: str = "Ada", **more: object) -> dict[str, object]:
    mentions = [[{"name": one, "type": "PER", "sent_id": 0, "pos": [place, place + 1]}] for place, one in
                enumerate((name, "Bob"))]  # fmt: skip
    return {"title": title, "sents": [["Ada", "Bob"]], "vertexSet": mentions, "labels": [], **more}


def validated(tmp_path: Path, documents: list[dict[str, object]], relations: dict[str, str]) -> str:
    (tmp_path / "rel_info.json").write_text(json.dumps(relations))
    (tmp_path / "corpus.json").write_text(json.dumps(documents))
    result = CliRunner().invoke(app, ["data", "validate", str(tmp_path / "corpus.json")])
    assert result.exit_code == 0, result.output
    return result.output


def test_each_kind_is_counted_and_its_first_document_named(tmp_path: Path) -> None:
    self_related = [{"h": 0, "t": 0, "r": "knows", "evidence": []}] * 2
    no_candidate = [{"h": 0, "t": 1, "r": "knows", "evidence": []}]
    said = validated(
        tmp_path,
        [
            document("A"),
            document("a "),
            document("B", name=" "),
            document("C", labels=self_related),
            document("D", labels=no_candidate, candidate_pairs=[]),
        ],
        {"knows": "knows", "P1": "country", "P2": "Country "},
    )
    assert "5 documents, all valid" in said
    assert "labels that join an entity with itself, which no answer can hold: 2, the first in 'C'" in said
    assert "labels of pairs that are no candidate pairs, which no prompt asks about: 1, the first in 'D'" in said
    assert "mentions with a blank name: 1, the first in 'B'" in said
    assert "titles that differ from another by case or spaces alone: 1, the first in 'a '" in said
    assert "relations 'country' and 'Country ' differ by case or spaces alone" in said


def test_a_sound_corpus_gets_no_remark(tmp_path: Path) -> None:
    assert len(validated(tmp_path, [document("A"), document("B")], {"knows": "knows"}).splitlines()) == 1
