"""An adapter merged into the weights of its base: a folder that transformers, vLLM and others load as one model."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.encoders.seen import SEEN
from harness.encoders.weights import TRAINING, made_whole, refuse_existing, storing
from harness.errors import InputError
from harness.json_files import json_text
from harness.models import on_runner, resolve_model
from harness.runs.config import RunConfig
from harness.runs.sources.llm import runner_of
from harness.training.llm.fit import RUNNER
from harness.training.memory import within_memory
from harness.types import Adapter
from runners.adapters import FORMAT, RECORD, merged_into, read_adapter


@within_memory("use a machine with more, or add -M dtype=bfloat16")
def merge_adapter(run: RunConfig, adapter_folder: Path, out: Path) -> int:
    """Store the model of ``run`` with the adapter in its weights, and what the adapter saw; the bytes of the weights.

    Weights of a GGUF file are stored dequantised. Raises InputError for an adapter of another base, for a base that
    holds another adapter already, and where ``out`` is there.
    """
    refuse_existing(out)
    adapter = read_adapter(adapter_folder)
    spec = resolve_model(on_runner(run.model, RUNNER))
    if merged_into(spec.model_id) is not None:
        # The folder has one record of what was learned, which would then lack what the first adapter saw.
        raise InputError(f"{run.model} has an adapter in its weights already: merge into the model without it")
    runner: Any = runner_of(run, spec, (adapter,))
    record = {**adapter.record, "format": FORMAT, "merged": {"sha256": adapter.sha256, "rank": adapter.rank}}
    asyncio.run(_store(runner, adapter, record, out))
    return sum(file.stat().st_size for file in out.glob("*.safetensors"))


async def _store(runner: Any, adapter: Adapter, record: Mapping[str, Any], out: Path) -> None:
    async with runner:
        model, tokenizer = runner.merged()
        # All or nothing: weights without the record would run as those of a model that has seen nothing.
        with made_whole(out) as folder, storing(out):
            model.save_pretrained(folder)
            # What safetensors writes itself, only the user may read: as open to others as the configuration.
            for weights in folder.glob("*.safetensors"):
                shutil.copymode(folder / "config.json", weights)
            tokenizer.save_pretrained(folder)
            (folder / RECORD).write_text(json_text(record, indent=2) + "\n", encoding="utf-8")
            for name in (TRAINING, SEEN):
                if (adapter.folder / name).is_file():
                    shutil.copyfile(adapter.folder / name, folder / name)
