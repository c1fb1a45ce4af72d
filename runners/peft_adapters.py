"""LoRA adapters on a model of transformers in this process, by peft: all loaded, one or none of them in use."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from harness.errors import FatalError, InputError
from harness.types import Adapter
from runners.adapters import WEIGHTS, BaseModel
from runners.safetensors_header import stored_tensors


@contextmanager
def without_future_warnings() -> Iterator[None]:
    """While in the block, no library warns of what will change: peft asks transformers for names deprecated there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


class AdaptedModel:
    """Puts adapters into the layers of ``model``, which then answers with the one that is in use.

    Raises InputError for an adapter of another base, FatalError for one that peft cannot put on the model.
    """

    def __init__(self, name: str, model: Any, adapters: Sequence[Adapter]) -> None:
        from peft import PeftModel

        base = BaseModel.of_config(name, model.config.to_dict())
        self._peft: Any = None
        for adapter in adapters:
            base.check(adapter)
            folder, where = str(adapter.folder), str(model.device)
            try:
                with without_future_warnings():
                    if self._peft is None:
                        self._peft = PeftModel.from_pretrained(
                            model, folder, adapter_name=adapter.sha256, torch_device=where, local_files_only=True
                        )
                    else:
                        self._peft.load_adapter(folder, adapter.sha256, torch_device=where, local_files_only=True)
            except Exception as error:  # what the configuration says is handed on to many modules of peft
                # peft's message of sizes that differ has a line for each tensor, the first of which says little.
                lines = str(error).strip().splitlines() or [type(error).__name__]
                raise FatalError(
                    f"{name}: peft cannot put the adapter {folder} on this model: {' '.join(lines[:2]).strip()}"
                ) from error
            self._check_whole(name, adapter)
        self._peft.eval()

    def _check_whole(self, name: str, adapter: Adapter) -> None:
        """Raise InputError where the adapter's file has a tensor that the model has no place for: peft drops it."""
        from peft import get_peft_model_state_dict

        taken = get_peft_model_state_dict(self._peft, adapter_name=adapter.sha256, save_embedding_layers=False)
        lost = sorted(stored_tensors(adapter.folder / WEIGHTS).keys() - taken.keys())
        if lost:
            raise InputError(
                f"--adapter {adapter.folder}: {name} has no place for {lost[0]}"
                + (f" and {len(lost) - 1} more tensors" if lost[1:] else "")
                + ": use the --model that it was trained on"
            )

    def merged(self) -> Any:
        """The model with the first adapter added to its weights."""
        with without_future_warnings():
            return self._peft.merge_and_unload()

    @contextmanager
    def using(self, adapter: str) -> Iterator[None]:
        """While in the block, the model answers with the adapter of this checksum; with none if it is empty."""
        if not adapter:
            with self._peft.disable_adapter():
                yield
            return
        self._peft.set_adapter(adapter)
        yield
