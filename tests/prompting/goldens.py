"""The rendered prompts that golden files pin. ``python -m tests.prompting.goldens`` writes them anew.

A variant that has produced a published result is not edited but succeeded by a new one; so a changed
golden file is either a new variant, or a mistake.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.datasets.fewrel import read_fewrel
from harness.datasets.hacred import read_hacred
from harness.datasets.plain import PlainDocument
from harness.datasets.registry import load_dataset
from harness.methods.annotate import Annotate
from harness.methods.base import PromptMethod
from harness.methods.candidates import GoldPairs
from harness.methods.settings import MethodSettings
from harness.methods.table import create_method, method_kind
from harness.prompting.relations import load_relation_texts, relation_texts_for
from harness.prompting.variant import load_variant
from harness.spacing import text_of
from harness.types import ConstraintLevel, Document, GrammarForm, Relation, RelationSchema, Request, Sampling
from tests.annotation.gold import as_plain, entity_answer, relation_answer, scripted

FOLDER = Path(__file__).parent / "golden"
CORPORA = FOLDER.parents[1] / "datasets" / "corpora"
TITLES = ("Ingrid Solheim", "A | B (album)")
_DESCRIBED: Mapping[str, tuple[dict[str, str], GrammarForm]] = {
    "described": ({"descriptions": "short"}, "gbnf"),
    "described_in_full": ({"descriptions": "full"}, "gbnf"),
}
_PAIR_CASES: Mapping[str, tuple[dict[str, str], GrammarForm]] = {
    "default": ({"k": "8"}, "gbnf"),
    "names_without_types": ({"refs": "name", "types": "hidden", "k": "8"}, "regex"),
    "json": ({"k": "8"}, "json_schema"),
    "described": ({"k": "8", "descriptions": "short"}, "gbnf"),
    "described_in_full": ({"k": "8", "descriptions": "full"}, "gbnf"),
}
_OPTION_CASES: Mapping[str, tuple[dict[str, str], GrammarForm]] = {
    "default": ({}, "gbnf"),
    "names_without_types": ({"refs": "name", "types": "hidden"}, "regex"),
    "json": ({}, "json_schema"),
}
_STEP_CASES: Mapping[str, tuple[dict[str, str], GrammarForm]] = {
    "default": ({}, "gbnf"),
    "names_described": ({"refs": "name", "descriptions": "full"}, "regex"),
    "json_open_without_types": ({"schema": "open", "types": "hidden"}, "json_schema"),
    "described": ({"descriptions": "short"}, "gbnf"),
}
_GIVEN: tuple[dict[str, str], GrammarForm] = ({"given": "relations"}, "gbnf")
CASES: Mapping[str, Mapping[str, tuple[dict[str, str], GrammarForm]]] = {
    "tagged": {
        "default": ({}, "gbnf"),
        "names": ({"refs": "name"}, "gbnf"),
        "document_first_without_types": ({"order": "document-first", "types": "hidden"}, "regex"),
        "json": ({}, "json_schema"),
        "reasoning": ({"reasoning": "brief"}, "gbnf"),
        "reasoning_json": ({"reasoning": "brief"}, "json_schema"),
        "evidence": ({"evidence": "sentences"}, "gbnf"),
        "evidence_json": ({"evidence": "sentences", "reasoning": "brief", "refs": "name"}, "json_schema"),
        "open": ({"schema": "open"}, "gbnf"),
        **_DESCRIBED,
    },
    "grouped": {
        "default": ({}, "gbnf"),
        "names": ({"refs": "name"}, "lark"),
        "json": ({}, "json_schema"),
        "evidence": ({"evidence": "sentences"}, "gbnf"),
        "evidence_json": ({"evidence": "sentences"}, "json_schema"),
        "document_first_without_types": ({"order": "document-first", "types": "hidden"}, "gbnf"),
        **_DESCRIBED,
    },
    "compact": {
        "default": ({}, "gbnf"),
        "json_without_types": ({"types": "hidden"}, "json_schema"),
        "evidence": ({"evidence": "sentences"}, "gbnf"),
    },
    "pairwise": {**_PAIR_CASES, "evidence": ({"k": "8", "evidence": "sentences"}, "gbnf")},
    "classify": {**_PAIR_CASES, "evidence": ({"k": "8", "evidence": "sentences"}, "gbnf")},
    "choice": {**_OPTION_CASES, "several": ({"labels": "several"}, "gbnf")},
    "judge": _OPTION_CASES,
    "statements": {**_OPTION_CASES, "several": ({"labels": "several"}, "gbnf")},
    "single-choice": {
        "json_without_types": ({"types": "hidden"}, "json_schema"),
        "names": ({"refs": "name"}, "gbnf"),
    },
    "facts": _STEP_CASES,
    "relations-facts": {**_STEP_CASES, "given": _GIVEN},
    "relation-facts": {**_STEP_CASES, "given": _GIVEN},
    "rhf": {
        **_STEP_CASES,
        "evidence": ({"evidence": "sentences"}, "gbnf"),
        "given": _GIVEN,
        "given_heads": ({"given": "heads"}, "gbnf"),
    },
    "hrt": {
        "default": ({}, "gbnf"),
        "described_with_types": ({"descriptions": "short", "types": "shown", "examples": "none"}, "gbnf"),
        "one_example": ({"examples": "one"}, "gbnf"),
    },
    "related": {
        "default": ({}, "gbnf"),
        "pairs": ({"by": "pair", "types": "shown"}, "lark"),
        "pairs_json": ({"by": "pair", "examples": "none"}, "json_schema"),
    },
    "relation-pairs": {
        "default": ({}, "gbnf"),
        "names_in_answer": ({"refs": "name", "relation_in": "answer", "types": "hidden"}, "lark"),
        "json_without_examples": ({"descriptions": "full", "examples": "none"}, "json_schema"),
        "without_descriptions": ({"descriptions": "none"}, "gbnf"),
    },
}
_SHORT: tuple[dict[str, str], GrammarForm] = ({}, "gbnf")
CHINESE_CASES: Mapping[str, Mapping[str, tuple[dict[str, str], GrammarForm]]] = {
    "tagged": {
        "default": _SHORT,
        "names_reasoning": ({"refs": "name", "reasoning": "brief", "order": "document-first"}, "gbnf"),
        "json_reasoning": ({"reasoning": "brief"}, "json_schema"),
        "evidence": ({"evidence": "sentences"}, "gbnf"),
        "json_evidence": ({"evidence": "sentences"}, "json_schema"),
    },
    "pairwise": {"default": _SHORT, "json": ({"refs": "name"}, "json_schema")},
    "classify": {"default": _SHORT, "json": ({"types": "hidden"}, "json_schema")},
    "facts": {"default": _SHORT, "json_described": ({"descriptions": "full"}, "json_schema")},
    "choice": {"default": _SHORT, "json": ({"refs": "name"}, "json_schema")},
    "judge": {"default": _SHORT, "json": ({"types": "hidden"}, "json_schema")},
    "hrt": {"default": _SHORT},
    "grouped": {
        "default": _SHORT,
        "json": ({"refs": "name"}, "json_schema"),
        "evidence": ({"evidence": "sentences"}, "gbnf"),
        "json_evidence": ({"evidence": "sentences"}, "json_schema"),
    },
    "relation-pairs": {
        "default": _SHORT,
        "json": ({"refs": "name"}, "json_schema"),
        "in_answer": ({"relation_in": "answer"}, "gbnf"),
    },
    "statements": {"default": _SHORT},
    "single-choice": {"json": ({}, "json_schema")},
    "relations-facts": {"default": _SHORT, "json": ({"schema": "open"}, "json_schema")},
    "relation-facts": {"default": _SHORT},
    "rhf": {"default": ({"descriptions": "short"}, "gbnf"), "json": ({"refs": "name"}, "json_schema")},
    "related": {
        "default": _SHORT,
        "pairs": ({"by": "pair", "types": "shown"}, "lark"),
        "pairs_json": ({"by": "pair", "examples": "none"}, "json_schema"),
    },
    "compact": {"default": _SHORT, "json": ({"types": "hidden"}, "json_schema")},
}
FEWREL_DEV: Mapping[str, str] = {
    "P177": "crosses",
    "P364": "original language of film or TV show",
    "P2094": "competition class",
    "P361": "part of",
    "P641": "sport",
    "P59": "constellation",
    "P413": "position played on team / speciality",
    "P206": "located in or next to body of water",
    "P412": "voice type",
    "P155": "follows",
    "P26": "spouse",
    "P410": "military rank",
    "P25": "mother",
    "P463": "member of",
    "P40": "child",
    "P921": "main subject",
}
"""The relations of FewRel's validation sentences, as its files name them."""
FEWREL_CASES: Mapping[str, Mapping[str, str]] = {
    "single-choice": {},
    "tagged": {"descriptions": "full"},
    "hrt": {"descriptions": "short"},
}
ANNOTATION_CASES: Mapping[str, tuple[dict[str, str], GrammarForm]] = {
    "default": ({}, "gbnf"),
    "open_json": ({"schema": "open"}, "json_schema"),
}


def rendered() -> Iterator[tuple[str, str]]:
    """File name and text of every golden prompt: the first request of a variant's every step, options and document."""
    dataset = load_dataset("sample")
    documents = {document.title: document for document in dataset.documents}
    texts = relation_texts_for(dataset.schema).by_id
    for prompt, cases in CASES.items():
        variant = load_variant(prompt)
        candidates = GoldPairs() if method_kind(variant).takes_candidates else None
        for case, (options, form) in cases.items():
            level: ConstraintLevel = "format" if options.get("schema") == "open" else "closed"
            settings = MethodSettings(
                variant,
                variant.choose(options),
                dataset.schema,
                level,
                form,
                20,
                Sampling(),
                candidates=candidates,
                relation_texts=texts,
            )
            for number, title in enumerate(TITLES, 1):
                yield f"{prompt}_{case}_{number}.txt", as_text(create_method(settings), documents[title])
    yield from rendered_in_chinese()
    yield from rendered_of_fewrel()
    yield from rendered_annotation()


def chinese_sample() -> tuple[RelationSchema, Document]:
    """All relations of HacRED, and a document in its form."""
    schema = RelationSchema(tuple(Relation(id, id) for id in load_relation_texts("hacred")))
    return schema, next(read_hacred(CORPORA / "hacred_dev.json", schema))


def rendered_in_chinese() -> Iterator[tuple[str, str]]:
    """The same in Chinese about a document in HacRED's form, with all of its relations."""
    texts = load_relation_texts("hacred")
    schema, document = chinese_sample()
    for prompt, cases in CHINESE_CASES.items():
        variant = load_variant(prompt).in_language("zh")
        candidates = GoldPairs() if method_kind(variant).takes_candidates else None
        for case, (options, form) in cases.items():
            chosen = variant.choose({**options, "language": "zh"})
            level: ConstraintLevel = "format" if options.get("schema") == "open" else "closed"
            settings = MethodSettings(
                *(variant, chosen, schema, level, form, 20, Sampling()), candidates=candidates, relation_texts=texts
            )
            yield f"{prompt}_zh_{case}.txt", as_text(create_method(settings), document)


def rendered_of_fewrel() -> Iterator[tuple[str, str]]:
    """The same about a sentence in FewRel's form, with the relations of its validation sentences."""
    _, (document, *_) = read_fewrel(CORPORA / "fewrel" / "val_wiki.json", CORPORA / "fewrel" / "pid2name.json")
    schema = RelationSchema(tuple(Relation(id, name) for id, name in FEWREL_DEV.items()))
    texts = relation_texts_for(schema).by_id
    for prompt, options in FEWREL_CASES.items():
        variant = load_variant(prompt)
        candidates = GoldPairs() if method_kind(variant).takes_candidates else None
        settings = MethodSettings(
            *(variant, variant.choose(options), schema, "closed", "gbnf", 20, Sampling()),
            candidates=candidates,
            relation_texts=texts,
        )
        yield f"{prompt}_fewrel.txt", as_text(create_method(settings), document)


def rendered_annotation() -> Iterator[tuple[str, str]]:
    """The same for the two questions about plain text; the second is asked about the gold entities."""
    dataset = load_dataset("sample")
    documents = {document.title: document for document in dataset.documents}
    schema, document = chinese_sample()
    for case, (options, form) in ANNOTATION_CASES.items():
        for number, title in enumerate(TITLES, 1):
            plain = as_plain(documents[title])
            yield from _annotated(f"{case}_{number}", options, form, dataset.schema, documents[title], plain)
        plain = PlainDocument(document.title, document.sentences, (), text=text_of(document.sentences))
        yield from _annotated(f"zh_{case}", {**options, "language": "zh"}, form, schema, document, plain)


def _annotated(
    case: str,
    options: Mapping[str, str],
    form: GrammarForm,
    schema: RelationSchema,
    document: Document,
    plain: PlainDocument,
) -> Iterator[tuple[str, str]]:
    variant = load_variant("annotate").in_language(options.get("language", "en"))
    level: ConstraintLevel = "format" if options.get("schema") == "open" else "closed"
    settings = MethodSettings(variant, variant.choose(options), schema, level, form, 20, Sampling())
    ask, requests = scripted(entity_answer(document), relation_answer(document, schema))
    asyncio.run(Annotate(settings).extract(plain, ask))
    for step, request in zip(("entities", "relations"), requests, strict=True):
        yield f"annotate_{case}_{step}.txt", _messages(request)


def as_text(method: PromptMethod, document: Document) -> str:
    """All messages of the first request of every step, each under its role; a second step is headed by its name."""
    firsts = {one.step: one.request for one in reversed(method.demonstrate(document))}
    return "".join(
        (f"====== {step}\n" if number else "") + _messages(firsts[step]) for number, step in enumerate(reversed(firsts))
    )


def _messages(request: Request) -> str:
    return "".join(f"=== {message.role}\n{message.content}\n" for message in request.messages)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in rendered():
        (FOLDER / name).write_bytes(text.encode())
