"""Settings of every shipped variant, for tests that go over all of them."""

from __future__ import annotations

from collections.abc import Callable

from harness.methods.candidates import GoldPairs
from harness.methods.settings import MethodSettings
from harness.methods.table import METHODS, MethodKind, method_kind
from harness.prompting.relations import relation_texts_for
from harness.prompting.variant import load_variant, shipped_variants
from harness.types import Completion, Document, Extraction, GrammarForm, Method, RelationSchema, Request, Sampling

VARIANTS = tuple(variant.name for variant in shipped_variants() if variant.description.method in METHODS)


def kind_of(prompt: str) -> MethodKind:
    """The method of a shipped variant, and what it needs."""
    return method_kind(load_variant(prompt))


def settings_of(prompt: str, schema: RelationSchema, form: GrammarForm | None = None, **options: str) -> MethodSettings:
    """Constrained to the closed grammar in ``form``, or not at all; candidate pairs are the gold ones."""
    variant = load_variant(prompt)
    return MethodSettings(
        variant=variant,
        options=variant.choose(options),
        schema=schema,
        level="none" if form is None else "closed",
        form=form,
        max_triplets=variant.description.max_triplets,
        sampling=Sampling(),
        candidates=GoldPairs() if method_kind(variant).takes_candidates else None,
        relation_texts=relation_texts_for(schema).by_id,
    )


async def extract(
    one: Method, document: Document, answer: Callable[[Request], Completion]
) -> tuple[Extraction, list[Request]]:
    """What a method makes of a document under scripted answers, and what it asked."""
    requests: list[Request] = []

    async def ask(request: Request) -> Completion:
        requests.append(request)
        return answer(request)

    return await one.extract(document, ask), requests
