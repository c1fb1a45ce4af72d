"""The folder of an adapter: peft's two files, and what the adapter was trained for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.encoders.weights import storing
from harness.errors import InputError
from harness.json_files import json_text
from harness.training.llm.config import ALL_LINEAR, LlmTrainingConfig
from runners.adapters import FORMAT, RECORD, WEIGHTS
from runners.peft_adapters import without_future_warnings


def new_adapter(model: Any, config: LlmTrainingConfig) -> Any:
    """The model with a new adapter, whose weights alone are trained; the model's own layers are changed in place.

    Raises InputError where no layer has one of the names in ``targets``, or one that is not linear.
    """
    from peft import LoraConfig, get_peft_model
    from peft.tuners.lora import LoraLayer
    from torch.nn import Linear

    named = config.targets if config.targets == ALL_LINEAR else [one.strip() for one in config.targets.split(",")]
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=named,
        use_rslora=config.variant == "rslora",
        use_dora=config.variant == "dora",
    )
    try:
        with without_future_warnings():
            adapted = get_peft_model(model, lora)
    except ValueError as error:
        raise InputError(f"-O targets={config.targets}: {str(error).splitlines()[0]}") from error
    for name, module in adapted.named_modules():
        if isinstance(module, LoraLayer) and not isinstance(module.get_base_layer(), Linear):
            shown = name.removeprefix("base_model.model.")
            raise InputError(
                f"-O targets={config.targets}: {shown} is no linear layer, and adapters of others cannot be served"
            )
    return adapted


def checkpoint_activations(adapted: Any) -> None:
    """Have the model compute activations again in the backward pass instead of keeping them."""
    # The new name of it is not there in older versions of transformers.
    with without_future_warnings():
        adapted.enable_input_require_grads()
        # The other way of it cannot be used in several processes.
        adapted.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def save_adapter(folder: Path, model: Any, trained: Mapping[str, Any], base: str, facts: Mapping[str, Any]) -> None:
    """Store an adapter in half precision.

    ``trained`` are its tensors by the names of the model's parameters. ``base`` names the model that it is for,
    ``facts`` is the training's record.
    """
    import torch
    from peft import get_peft_model_state_dict
    from safetensors.torch import save

    # The vocabulary is the base model's: peft need not look for the base model's configuration to find that out.
    tensors = get_peft_model_state_dict(model, dict(trained), save_embedding_layers=False)
    weights = {name: value.detach().to("cpu", torch.float16).contiguous() for name, value in tensors.items()}
    settings = model.peft_config[model.active_adapter]
    settings.base_model_name_or_path = base
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{WEIGHTS}.partial"
        # What safetensors writes itself, only the user may read.
        partial.write_bytes(save(weights, metadata={"format": "pt"}))
        partial.replace(folder / WEIGHTS)
        settings.save_pretrained(str(folder))
        (folder / RECORD).write_text(json_text({"format": FORMAT, **facts}, indent=2) + "\n", encoding="utf-8")
