"""Small generated corpora in DocRED format, for tests that need many documents rather than real ones."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

RELATIONS = {"P17": "country", "P36": "capital", "P1376": "capital of", "P131": "located in the administrative unit"}


def write_corpus(folder: Path, documents: int, seed: int = 0) -> Path:
    """A file of ``documents`` distinct documents with four entities and a few labels each; returns its path."""
    generator = random.Random(seed)
    content = []
    for number in range(documents):
        names = [f"Town{number}", f"River{number}", f"Land{number}", f"Hill{number}"]
        sentence = f"{names[0]} lies on the {names[1]} in {names[2]} below the {names[3]} .".split()
        vertices = [
            [{"name": name, "pos": [sentence.index(name), sentence.index(name) + 1], "sent_id": 0, "type": "LOC"}]
            for name in names
        ]
        pairs = generator.sample([(h, t) for h in range(4) for t in range(4) if h != t], 3)
        labels = [{"h": h, "t": t, "r": generator.choice(list(RELATIONS)), "evidence": [0]} for h, t in pairs]
        content.append({"title": f"Document {number}", "sents": [sentence], "vertexSet": vertices, "labels": labels})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rel_info.json").write_text(json.dumps(RELATIONS), encoding="utf-8")
    path = folder / "corpus.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def without_gold(corpus: Path) -> Path:
    """The corpus as DocRED's test split is: its documents have no key ``labels``."""
    return _rewritten(corpus, lambda document: {key: value for key, value in document.items() if key != "labels"})


def labelled_by(corpus: Path, kind: str, name: str = "") -> Path:
    """The corpus with a mark that no human wrote its labels."""
    return _rewritten(corpus, lambda document: {**document, "label_source": {"kind": kind, "name": name}})


def _rewritten(corpus: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Path:
    documents = [change(document) for document in json.loads(corpus.read_text(encoding="utf-8"))]
    corpus.write_text(json.dumps(documents), encoding="utf-8")
    return corpus
