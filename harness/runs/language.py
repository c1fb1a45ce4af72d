"""The language of a run's corpus, which its prompt and its SBERT model have unless the user says otherwise."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from harness.datasets.registry import CORPORA
from harness.errors import InputError
from harness.prompting.languages import ENGLISH, WORDS
from harness.prompting.variant import LANGUAGE, PromptVariant
from harness.runs.config import RunConfig
from harness.types import RelationSchema

OTHER_SCRIPT = "another script"
"""In place of a language where only the letters tell that it is not English."""


def language_of(config: RunConfig) -> str:
    """The ISO 639-1 code of the corpus' language; English for a file."""
    corpus = CORPORA.get(config.dataset)
    return corpus.language if corpus else ENGLISH


def language_of_relations(config: RunConfig, schema: RelationSchema) -> str:
    """The language of the corpus; of an English one or a file whose relations have no Latin names, another script.

    An SBERT model for English takes such names for one and the same word.
    """
    language = language_of(config)
    letters = [one for relation in schema.relations for one in relation.name if one.isalpha()]
    latin = sum(unicodedata.name(one, "").startswith("LATIN") for one in letters)
    return OTHER_SCRIPT if language == ENGLISH and 2 * latin < len(letters) else language


def with_language(config: RunConfig, variant: PromptVariant) -> RunConfig:
    """The configuration with the corpus' language as an option of the prompt, where that is left open.

    A prompt of the user's own without templates in that language stays as it is: it may be written in it. Raises
    InputError for a shipped one.
    """
    language = language_of(config)
    if LANGUAGE in config.prompt_options or language == ENGLISH or language not in WORDS:
        return config
    if language not in variant.languages and not variant.is_shipped:
        return config
    try:
        variant.in_language(language)
    except InputError as error:
        raise InputError(f"{config.dataset} is in {language}; {error}") from None
    return replace(config, prompt_options={**config.prompt_options, LANGUAGE: language})
