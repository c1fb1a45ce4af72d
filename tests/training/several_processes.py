"""Trains in each of several processes: ``python several_processes.py SETTINGS``, whose main one writes what came of it.

SETTINGS are JSON: ``model``, ``corpus``, ``out``, ``options``, ``killed_in`` (an epoch), ``told`` (a file), and
``shard``: whether weights are divided over the processes (FSDP), for which accelerate otherwise wants GPUs.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.runs.config import RunConfig
from harness.training import folder
from harness.training.llm import fit
from harness.training.processes import among_others, is_main
from tests.encoders.small import Killed, Recorder


def main(settings: str) -> None:
    given = json.loads(settings)
    folder.STORED_EVERY = 0.0
    if given["shard"]:
        fit.begun = sharded
    run = RunConfig(model=given["model"], prompt="compact")
    job = fit.AdapterJob(run, given["corpus"], choose=3, report=0, few_shot=7, options=given["options"])
    seen = Recorder(killed_in=given["killed_in"])
    with among_others(), suppress(Killed):
        fit.train_adapter(job, Path(given["out"]), seen)
    if is_main():
        lines = [[line.epoch, line.loss, line.held_out_loss] for line in seen.lines]
        Path(given["told"]).write_text(json.dumps({"lines": lines, "steps": len(seen.losses)}), encoding="utf-8")


def sharded(training: Any, *, on_cpu: bool = False) -> Any:
    """What accelerate makes of ``accelerate launch --use_fsdp --fsdp_version 2`` on GPUs, here on the CPU."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, PartialState
    from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin, set_seed

    assert on_cpu
    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2,
        auto_wrap_policy="transformer_based_wrap",
        transformer_cls_names_to_wrap=["LlamaDecoderLayer"],
        cpu_ram_efficient_loading=False,
    )
    AcceleratorState._reset_state()
    accelerator = Accelerator(cpu=True, fsdp_plugin=plugin)
    accelerator.state.distributed_type = DistributedType.FSDP
    accelerator.state.fsdp_plugin = plugin
    PartialState._shared_state["distributed_type"] = DistributedType.FSDP
    set_seed(training.seed)
    return accelerator


if __name__ == "__main__":
    main(sys.argv[1])
