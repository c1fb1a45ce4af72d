"""Runs llama.cpp's server for a parent process: ``python llama_server.py SETTINGS``, with the settings as JSON.

Used as a script, in a process of its own: while llama.cpp loads a model it lets no other Python code run, not even the
handling of Ctrl-C, and a model that it cannot cope with may end its process. It imports nothing of the project.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from typing import Any

# llama.cpp keeps finished prompts in memory for reuse; its own default of 8 GB is not for a library.
PROMPT_CACHE_MIB = 256
# What is worked on in one step, and so how often there is a sign of progress.
BATCH_TOKENS = 512
ERRORS_ONLY = 1


def parameters(settings: Mapping[str, Any]) -> Any:
    """llama.cpp's parameters from ``path``, ``port``, ``slots``, ``context`` (tokens of each slot) and ``threads``.

    ``adapters`` are GGUF files, none of which acts on a request that does not name it.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["path"]
    params.port = settings["port"]
    params.n_ctx = settings["context"] * settings["slots"]
    params.n_parallel = settings["slots"]
    params.n_batch = BATCH_TOKENS
    params.cpuparams.n_threads = settings["threads"]
    params.cpuparams_batch.n_threads = settings["threads"]
    params.cache_prompt = True
    # One cache a slot: in a unified one, every slot attends over the cells of all (a fifth slower).
    params.kv_unified = False
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, 0.0) for path in settings["adapters"]]
    if len(settings["adapters"]) > 0:
        # A stored prompt does not say which adapter computed it.
        params.cache_ram_mib = 0
    # Otherwise less context than asked for is taken where memory is short.
    params.fit_params = False
    params.ui = False
    params.endpoint_slots = False
    params.endpoint_metrics = True
    params.verbosity = ERRORS_ONLY
    return params


def main(settings: str) -> int:
    """Serve until the process is ended."""
    import xllamacpp

    try:
        server = xllamacpp.Server(parameters(json.loads(settings)))
    except RuntimeError:
        # llama.cpp has told why on standard error.
        return 1
    print(server.listening_address, flush=True)
    threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
