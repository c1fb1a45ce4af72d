"""The spaCy component: found by its name, between the Doc's entities or a finder's, and stored with the Doc."""

from __future__ import annotations

import tomllib
from importlib import import_module

import pytest

pytest.importorskip("spacy", reason="the component needs spaCy: pip install 'docre-harness[spacy]'")

import spacy
from spacy.tokens import Doc

from harness.extraction import spacy_component
from harness.extraction.pipeline import Extractor
from tests.extraction.rules import SCHEMA, EveryPair, KnownNames
from tests.paths import REPOSITORY

TEXT = "Ada  lived in London.\n\nAda joined Acme . "


@pytest.fixture
def _by_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        spacy_component,
        "extractor_of",
        lambda _config, known: Extractor(known or KnownNames(), EveryPair(), SCHEMA, "rule"),
    )


def shown(doc: Doc) -> list[tuple[str, str, str]]:
    return [(one.head.text, one.name, one.tail.text) for one in doc._.triplets]


def test_the_entry_point_is_the_component_of_that_name() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    module, _, function = project["entry-points"]["spacy_factories"]["docre"].partition(":")
    assert callable(getattr(import_module(module), function))
    assert spacy.blank("en").has_factory("docre")


@pytest.mark.usefixtures("_by_rule")
def test_a_finders_entities_become_those_of_the_doc_and_all_is_stored_with_it() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("docre")
    first, empty = nlp.pipe([TEXT, ""])
    assert [(one.text, one.label_) for one in first.ents] == [
        ("Ada", "PER"),
        ("London", "LOC"),
        ("Ada", "PER"),
        ("Acme", "ORG"),
    ]
    triplets = [("Ada", "place of birth", "London"), ("Ada", "works <b>for</b>", "Acme")]
    assert (shown(first), shown(empty)) == (triplets, [])
    # Sentences are found where no component has set them.
    assert [one["evidence"] for one in first._.docre["relations"]] == [[0], [1]]
    assert shown(Doc(nlp.vocab).from_bytes(first.to_bytes())) == triplets
    assert shown(Doc(nlp.vocab, words=["Ada"])) == []


@pytest.mark.usefixtures("_by_rule")
def test_entities_and_sentences_of_other_components_are_taken() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer", config={"punct_chars": ["!"]})
    names = {"PERSON": "Ada", "GPE": "London. Ada", "ORG": "Acme"}
    rules = [{"label": kind, "pattern": name} for kind, name in names.items()]
    nlp.add_pipe("entity_ruler").add_patterns(rules)
    nlp.add_pipe("docre", config={"entities": "doc"})
    doc = nlp("Ada lived in London. Ada left! Acme hired Ada!")
    assert [one.label_ for one in doc.ents] == ["PERSON", "GPE", "ORG", "PERSON"]
    assert shown(doc) == [("Ada", "place of birth", "London. Ada"), ("Ada", "works <b>for</b>", "Acme")]
    assert len(doc._.docre["sentences"]) == 2
