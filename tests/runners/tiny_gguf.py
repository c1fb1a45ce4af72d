"""A random llama or Qwen2 of two layers as a GGUF file with a tokenizer of bytes, and random LoRA adapters for it.

Its weights are in single precision, so that llama.cpp and transformers differ by rounding alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WIDTH, LAYERS, HEADS, KEY_HEADS, INNER = 64, 2, 4, 2, 96
CONTEXT = 16384
ROTATION = 1e6  # the base of positions: Qwen2.5's, and not what either engine takes where a file has none
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def tiny_model(architecture: str = "llama", seed: int = 0) -> Any:
    """The model in transformers, its random weights large enough that answers are far from uniform."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(seed)
    config = AutoConfig.for_model(
        architecture,
        vocab_size=len(_vocabulary()),
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_HEADS,
        max_position_embeddings=CONTEXT,
        initializer_range=0.25,
        tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": ROTATION},
    )
    model = AutoModelForCausalLM.from_config(config).eval()
    for name, values in model.named_parameters():
        if name.endswith(".bias"):  # of Qwen2's attention; they begin at zero
            torch.nn.init.normal_(values, std=0.5)
    return model


def write_tiny_gguf(path: Path, model: Any) -> Path:
    """Write the model as GGUF, the rows of a llama's queries and keys in its order."""
    import gguf

    architecture = model.config.model_type
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(LAYERS)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(model.config.rms_norm_eps)
    if architecture == "llama":
        writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(ROTATION)
    words = _vocabulary()
    writer.add_vocab_size(len(words))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(words)
    writer.add_token_types([gguf.TokenType.CONTROL if word in SPECIAL else gguf.TokenType.NORMAL for word in words])
    writer.add_token_merges(["Ġ t"])
    for add in (writer.add_bos_token_id, writer.add_pad_token_id):
        add(words.index(SPECIAL[0]))
    writer.add_eos_token_id(words.index(SPECIAL[2]))
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    (kind,) = (kind for kind, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    names = gguf.get_tensor_name_map(kind, LAYERS)
    for name, weights in model.state_dict().items():
        values = weights.float().numpy()
        if architecture == "llama" and (".q_proj." in name or ".k_proj." in name):
            heads = HEADS if ".q_proj." in name else KEY_HEADS
            values = values.reshape(heads, 2, -1, WIDTH).swapaxes(1, 2).reshape(values.shape).copy()
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight", ".bias")), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_adapter(
    folder: Path, model: Any, seed: int = 0, record: dict[str, object] | None = None, **more: Any
) -> Path:
    """A random adapter of rank 4 for all projections of the model, strong enough that answers differ."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    settings = {"r": 4, "lora_alpha": 8, "target_modules": list(PROJECTIONS), **more}
    adapted = get_peft_model(model, LoraConfig(**settings))
    for name, weights in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.3)
    adapted.save_pretrained(folder)
    adapted.unload()
    if record is not None:
        (folder / "adapter.json").write_text(json.dumps({"format": 1, **record}))
    return folder


def _vocabulary() -> list[str]:
    """The characters that stand for the 256 bytes in GPT-2's tokenizer, one merged token, and the special tokens."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    characters = {byte: chr(byte) for byte in plain} | {byte: chr(256 + at) for at, byte in enumerate(others)}
    return [*(characters[byte] for byte in range(256)), "Ġt", *SPECIAL]
