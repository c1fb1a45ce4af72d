"""A trained entity finder: a folder or a short name becomes the entities of documents."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.datasets.docred import sha256_of
from harness.encoders.config import EnsembleConfig, read_record
from harness.encoders.entities import FINDER
from harness.encoders.entities.config import EntityConfig
from harness.encoders.hardware import check_options, check_packages, chosen_device, chosen_precision, use_threads
from harness.encoders.weights import CONFIG, WEIGHTS, fields_of
from harness.errors import InputError
from harness.types import Document

if TYPE_CHECKING:
    from harness.encoders.entities.inference import EntityInference, Found

ALIKE = ("encoder", "entity_types", "window", "overlap")
"""What the members of an ensemble have in common, so that they read the same tokens and give the same tags."""


def entity_finder(name: str, options: Mapping[str, str] | None = None) -> EntityFinder:
    """The finder of that name: a packaged one, a folder, or one at the hub; ``options`` as of an encoder's ``-M``.

    GLiDRE's ``threshold`` among them is left to GLiDRE. Raises InputError for what is no finder, ModelUnavailable for
    a missing package.
    """
    from harness.encoders.scorer import encoder_folder

    folder = encoder_folder(name)
    if fields_of(folder).get("task") != "entities":
        raise InputError(f"{name}: finds no entities: give {FINDER}, or a folder of `harness train entities`")
    finder = EntityFinder(folder, {key: value for key, value in (options or {}).items() if key != "threshold"})
    finder.check()
    return finder


class EntityFinder:
    """Finds the entities of documents; the model is loaded with the first one.

    ``options`` are those of any encoder (``hardware.OPTIONS``); ``threshold`` is the probability of coreference from
    which mentions are joined. The folder is that of one trained finder, or of an ensemble of them.
    """

    def __init__(self, folder: Path, options: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._options = dict(options or {})
        check_options(self._options)
        self._members, chosen = [folder], None
        if "members" in fields_of(folder):
            ensemble = read_record(EnsembleConfig, folder / CONFIG)
            self._members, chosen = [folder / name for name in ensemble.members], ensemble.threshold
        configs = [read_record(EntityConfig, member / CONFIG) for member in self._members]
        self.config = configs[0]
        for member, config in zip(self._members, configs, strict=True):
            if any(getattr(config, name) != getattr(self.config, name) for name in ALIKE):
                raise InputError(f"{member} and {self._members[0]} differ in {', '.join(ALIKE)}: they cannot be one")
        self.threshold = float(self._options.get("threshold", self.config.threshold if chosen is None else chosen))

    @cached_property
    def identity(self) -> Mapping[str, str]:
        """What tells its entities from those of another finder."""
        weights = [sha256_of(member / WEIGHTS) for member in self._members]
        if len(weights) > 1:
            weights = [hashlib.sha256(json.dumps(weights).encode()).hexdigest()]
        return {"encoder": self.config.encoder, "weights": weights[0]}

    def check(self) -> None:
        """Raise ModelUnavailable, without loading the model, if a package is missing."""
        check_packages()

    def load(self) -> None:
        """Load the model now, rather than with the first document."""
        _ = self._inference

    def find(self, documents: Iterable[Document]) -> Iterator[Document]:
        """Each document in turn with the entities that were found; labels, which name others, are left out."""
        return self._found(documents, given=False)

    def join(self, documents: Iterable[Document]) -> Iterator[Document]:
        """Each document in turn with its own mentions joined to entities anew."""
        return self._found(documents, given=True)

    def found(self, documents: Iterable[Document]) -> Iterator[tuple[Document, Found]]:
        """Each document in turn with its mentions and how they join, before a threshold."""
        return self._inference.find(documents)

    def _found(self, documents: Iterable[Document], *, given: bool) -> Iterator[Document]:
        for document, found in self._inference.find(documents, given=given):
            entities = found.entities(document, self.threshold)
            yield replace(document, entities=entities, labels=(), unrelated=())

    @cached_property
    def _inference(self) -> EntityInference:
        device = chosen_device(self._options)
        from harness.encoders.backbone import load_tokenizer
        from harness.encoders.batching import Collator
        from harness.encoders.checkpoint import load_entity_model
        from harness.encoders.entities.batching import EntityCollator
        from harness.encoders.entities.inference import EntityInference
        from harness.encoders.entities.text import TextEncoder

        use_threads(self._options, device)
        config = self.config
        tokenizer = load_tokenizer(config.encoder)
        collator = EntityCollator(Collator(tokenizer, config.window, config.overlap, 0))
        models = tuple(load_entity_model(member).to(device) for member in self._members)
        bf16 = chosen_precision(self._options, device.type) == "bf16"
        return EntityInference(models, TextEncoder(tokenizer, config), collator, device, bf16)
