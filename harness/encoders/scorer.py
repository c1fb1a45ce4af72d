"""A trained encoder as a scorer of documents: a folder, a short name or a hub id becomes pair scores."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.datasets.docred import sha256_of
from harness.encoders.checkpoint import read_config
from harness.encoders.config import ModelConfig
from harness.encoders.glidre_config import GlidreConfig
from harness.encoders.hardware import check_options, check_packages, chosen_device, chosen_precision, use_threads
from harness.encoders.published_glidre import (
    PUBLISHED_CONFIG,
    PUBLISHED_WEIGHTS,
    TOKENIZER_FILES,
    PublishedGlidre,
)
from harness.encoders.seen import SEEN
from harness.encoders.text import pair_rows
from harness.encoders.weights import CONFIG, TRAINED, TRAINING, WEIGHTS, pretrained_kind
from harness.errors import InputError
from harness.types import Document, PairScores, RelationSchema

if TYPE_CHECKING:
    import numpy as np
    import torch

    from harness.encoders.inference import Inference
    from harness.encoders.pair_model import PairModel


def encoder_folder(name: str) -> Path:
    """The folder of a trained encoder: one that ships with the package, a path, or a download from the hub.

    Raises InputError where there is none of that name.
    """
    for folder in (TRAINED / name, Path(name)):
        if (folder / PUBLISHED_CONFIG).is_file():
            return folder
        if (folder / CONFIG).is_file():
            if kind := pretrained_kind(folder):
                raise InputError(
                    f"{name}: a pretrained {kind}, no trained encoder: `harness train atlop --encoder {name}` makes "
                    f"one; an LLM is run as transformers/{name}"
                )
            return folder
    # A path below a folder that is here names no model of the hub.
    is_path = name.startswith((".", "/", "~")) or Path(name).exists() or Path(name).parent.is_dir()
    if is_path or name.count("/") != 1:
        raise InputError(
            f"{name}: no trained encoder here (a folder with {CONFIG} and {WEIGHTS}); `harness train` makes one"
        )
    import httpx2
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        ours = (CONFIG, WEIGHTS, TRAINING, SEEN)
        wanted = [PUBLISHED_CONFIG, *TOKENIZER_FILES, *ours, *(f"*/{name}" for name in ours)]
        folder = Path(snapshot_download(name, allow_patterns=wanted))
        if not (folder / WEIGHTS).is_file():
            snapshot_download(name, allow_patterns=[*PUBLISHED_WEIGHTS])
        return folder
    except (httpx2.HTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise InputError(f"{name}: cannot be fetched from the hub ({str(error).splitlines()[0]})") from error


class EncoderScorer:
    """A PairScorer; the model is loaded when the first document is scored.

    ``options``: ``device`` (default: a GPU if there is one), ``precision`` (fp32 or bf16, default bf16 on a GPU and on
    a processor with instructions for it), ``threads`` of the processor (default: all cores that this process may use)
    and ``threshold``: GLiDRE predicts a relation above this probability (default: the trained one, or 0.5). GLiDRE
    scores the relations of ``schema`` if there is one; a published model needs it. Others leave out those of their
    relations that it lacks.
    """

    def __init__(
        self, folder: Path, options: Mapping[str, str] | None = None, schema: RelationSchema | None = None
    ) -> None:
        self.folder = folder
        # A file without rel_info.json and labels names no relation: the model's own are scored.
        schema = schema if schema and schema.relations else None
        self._options = dict(options or {})
        self._published = PublishedGlidre.read(folder) if (folder / PUBLISHED_CONFIG).is_file() else None
        config = _config(folder, self._published, schema)
        if "threshold" in self._options:
            config = _with_threshold(config, self._options["threshold"])
        self.config = config
        self._columns = _columns(folder, config, schema)
        self.relations = tuple(config.relations[column] for column in self._columns)
        weights = self._published.weights if self._published else folder / WEIGHTS
        self.identity: Mapping[str, str] = {
            "encoder": config.encoder,
            "weights": sha256_of(weights),
            "config": hashlib.sha256(config.model_dump_json().encode()).hexdigest(),
        }
        check_options(self._options)

    def check(self) -> None:
        """Raise ModelUnavailable, without loading the model, if a package is missing."""
        check_packages()

    def load(self) -> None:
        """Load the model now, rather than with the first document."""
        self._inference.model.eval()

    def score(self, documents: Iterable[Document]) -> Iterator[PairScores]:
        """The scores of each document in turn; a document of fewer than two entities has no pairs.

        With them is where a pair's attention lies, its evidence, if the model has such attention and scores relations.
        """
        import numpy as np

        from harness.encoders.plain_text import document_encoder

        encoder = document_encoder(self._inference.collator.tokenizer, self.config)
        named, read = itertools.tee(documents)
        encoded = (encoder.encode(document) for document in read)
        # That a pair is related is no triplet, whose evidence could be right or wrong.
        found = self._inference.scored(encoded, with_sentences=self.config.task != "rcp")
        for document, (scores, sentences) in zip(named, found, strict=True):
            scores = scores[:, [*self._columns, -1]]
            pairs = all_pairs(len(document.entities))
            if document.candidates is not None:
                pairs, everywhere = np.array(document.candidates, dtype=np.int32).reshape(-1, 2), len(pairs)
                if len(scores) == everywhere != len(pairs):
                    rows = pair_rows(len(document.entities), *pairs.T.astype(np.int64))
                    scores, sentences = scores[rows], None if sentences is None else sentences[rows]
            if sentences is not None:
                sentences = rounded(sentences[:, : len(document.sentences)])
            yield PairScores(document.title, self.relations, pairs, rounded(scores), sentences)

    @cached_property
    def precision(self) -> str:
        """What matrix products are computed in, fp32 or bf16."""
        return chosen_precision(self._options, self._device.type)

    @cached_property
    def _inference(self) -> Inference:
        device = self._device
        from harness.encoders.backbone import load_tokenizer
        from harness.encoders.batching import Collator
        from harness.encoders.checkpoint import load_model
        from harness.encoders.inference import Inference

        use_threads(self._options, device)
        config, published = self.config, self._published
        tokenizer = load_tokenizer(published.tokenizer if published else config.encoder)
        collator = Collator(tokenizer, config.window, config.overlap, len(config.relations))
        if published and isinstance(config, GlidreConfig):
            model: PairModel = published.model(config)
        else:
            model = load_model(self.folder, config)
        one_by_one = "batch" in self._options
        return Inference(model.to(device), collator, device, self.precision == "bf16", one_by_one)

    @cached_property
    def _device(self) -> torch.device:
        return chosen_device(self._options)


def _config(
    folder: Path, published: PublishedGlidre | None, schema: RelationSchema | None
) -> ModelConfig | GlidreConfig:
    if published is not None:
        if schema is None:
            raise InputError(f"{folder}: a published GLiDRE model has no label set of its own: give it one to score")
        return published.config(schema)
    config = read_config(folder)
    return config.for_schema(schema) if schema is not None and isinstance(config, GlidreConfig) else config


def _columns(folder: Path, config: ModelConfig | GlidreConfig, schema: RelationSchema | None) -> list[int]:
    """The model's relations that the schema has; InputError if it has none of them."""
    if schema is None or config.task == "rcp":
        return list(range(len(config.relations)))
    columns = [column for column, relation in enumerate(config.relations) if relation in schema.by_id]
    if not columns:
        # A member of an ensemble stands in the ensemble's folder.
        name = folder.parent.name if (folder.parent / CONFIG).is_file() else folder.name
        raise InputError(
            f"{name} knows no relation of this corpus, such as {schema.relations[0].id!r}: train one on it, or "
            "take glidre-minilm, which takes any relations"
        )
    return columns


def _with_threshold(config: ModelConfig | GlidreConfig, text: str) -> GlidreConfig:
    """The configuration with NA scoring as a probability does."""
    if not isinstance(config, GlidreConfig) or config.adaptive:
        raise InputError(f"-M threshold={text}: only GLiDRE with a fixed threshold has one; leave it out")
    try:
        probability = float(text)
    except ValueError:
        probability = math.nan
    if not 0 < probability < 1:
        raise InputError(f"-M threshold={text}: write a probability between 0 and 1, such as 0.3")
    return config.model_copy(update={"threshold": math.log(probability / (1 - probability))})


def rounded(scores: np.ndarray) -> np.ndarray:
    """Numbers as float32, rounded as they are stored, so that a file of scores holds the same predictions."""
    return scores.astype("float16").astype("float32")


def all_pairs(entities: int) -> np.ndarray:
    """The ordered pairs h != t of so many entities, [n * (n - 1), 2], in row-major order."""
    import numpy as np

    return np.argwhere(~np.eye(entities, dtype=bool)).astype(np.int32)
