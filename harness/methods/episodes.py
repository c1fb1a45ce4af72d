"""Methods whose documents bring their relations: queries of few-shot episodes, and documents of several corpora.

A query is asked about its episode's relations, after its support documents; a document of joined corpora about the
relations that its own corpus annotates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.errors import InputError
from harness.methods.base import Demonstration, PromptMethod
from harness.methods.settings import MethodSettings
from harness.types import Ask, Document, Extraction


@dataclass(frozen=True)
class InEpisodes:
    """The method that ``create`` makes of ``settings``, for each query with its episode's relations and documents.

    Support documents are shown as ``--shots`` are.
    """

    settings: MethodSettings
    create: Callable[[MethodSettings], PromptMethod]

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        return await self._method(document).extract(document, ask)

    def demonstrate(self, document: Document) -> list[Demonstration]:
        return self._method(document).demonstrate(document)

    def _method(self, document: Document) -> PromptMethod:
        if (episode := document.episode) is None:
            raise InputError(f"document {document.title!r} is no query of an episode, as others are")
        schema = self.settings.schema.within(episode.relations)
        return self.create(replace(self.settings, schema=schema, shots=episode.support, in_episodes=False))


@dataclass(frozen=True)
class InCorpora:
    """The method that ``create`` makes of ``settings``, for each document with the relations of its corpus."""

    settings: MethodSettings
    create: Callable[[MethodSettings], PromptMethod]

    async def extract(self, document: Document, ask: Ask) -> Extraction:
        return await self._method(document).extract(document, ask)

    def demonstrate(self, document: Document) -> list[Demonstration]:
        return self._method(document).demonstrate(document)

    def _method(self, document: Document) -> PromptMethod:
        schema = self.settings.schema
        own = schema if document.annotated is None else schema.within(document.annotated)
        return self.create(replace(self.settings, schema=own, in_corpora=False))
