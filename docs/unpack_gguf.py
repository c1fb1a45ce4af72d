"""Unpack a GGUF file into a folder of bf16 safetensors that vLLM can serve: FILE.gguf FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

source, target = Path(sys.argv[1]), Path(sys.argv[2])
tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
packed = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.bfloat16)
configuration = packed.config
if hasattr(configuration, "quantization_config"):
    # A model that was read from GGUF refuses to be saved as it is; a fresh one with its weights does not.
    del configuration.quantization_config
unpacked = type(packed)(configuration).to(torch.bfloat16)
unpacked.load_state_dict(packed.state_dict())
unpacked.generation_config = packed.generation_config
tokenizer.save_pretrained(target)
unpacked.save_pretrained(target)
print(target)
