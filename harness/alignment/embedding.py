"""Sentence embeddings for alignment: SBERT models from a package, a folder or the hub (Reimers and Gurevych, 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from harness.alignment.embedder_files import find_embedder, fingerprint
from harness.alignment.vector_cache import VectorCache
from harness.errors import InputError
from harness.paths import cache_dir

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from harness.alignment.vector_cache import Vectors

BATCH_SIZE = 64
CACHE_FILE = "vectors.sqlite"


class Embedder(Protocol):
    """Turns texts into vectors of length 1, so that a dot product is a cosine.

    ``fingerprint`` tells this model's vectors from any other's, whatever ``name`` it goes by.
    """

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """A float32 array [texts, dimensions], one row per text in their order."""
        ...


@dataclass(frozen=True)
class SentenceEmbedder:
    """An SBERT model from a folder of safetensors; loaded at the first text, on a GPU if there is one.

    No code that comes with a model is run.
    """

    name: str
    folder: Path

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint(self.folder)

    def embed(self, texts: Sequence[str]) -> Vectors:
        return self._model.encode(
            list(texts),
            batch_size=BATCH_SIZE,
            show_progress_bar=False,
            convert_to_numpy=True,
            normalize_embeddings=True,
        )

    @cached_property
    def _model(self) -> SentenceTransformer:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        # A run shows its own progress.
        showed_progress = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            return SentenceTransformer(
                str(self.folder),
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"use_safetensors": True},
            )
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).partition("\n")[0]
            raise InputError(f"--align {self.name}: {self.folder} is no SBERT model ({reason})") from error
        finally:
            if showed_progress:
                logging.enable_progress_bar()


@dataclass(frozen=True)
class CachedEmbedder:
    """Another embedder's vectors, each distinct text embedded once and kept on disk."""

    embedder: Embedder
    cache: VectorCache

    @property
    def name(self) -> str:
        return self.embedder.name

    @property
    def fingerprint(self) -> str:
        return self.embedder.fingerprint

    def embed(self, texts: Sequence[str]) -> Vectors:
        import numpy as np

        distinct = list(dict.fromkeys(texts))
        known = self.cache.load(self.fingerprint, distinct)
        missing = [text for text in distinct if text not in known]
        if missing:
            new = dict(zip(missing, self.embedder.embed(missing), strict=True))
            self.cache.store(self.fingerprint, new)
            known |= new
        return np.stack([known[text] for text in texts])


def load_embedder(name: str, language: str = "en") -> Embedder:
    """The SBERT model that ``--align`` names, its vectors cached in the user's cache folder.

    Raises InputError where the model or the packages that run it are not to be had, and where it does not know the
    ``language`` of the texts.
    """
    folder = find_embedder(name, language)
    shown = folder.name if Path(name).is_dir() else name
    return CachedEmbedder(SentenceEmbedder(shown, folder), VectorCache(cache_dir() / CACHE_FILE))
