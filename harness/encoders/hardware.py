"""Where an encoder runs, on how many threads and in what precision: the options of ``-M``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.errors import InputError, ModelUnavailable
from runners.hardware import usable_cores

if TYPE_CHECKING:
    import torch

PRECISIONS = ("fp32", "bf16")
OPTIONS = ("batch", "device", "precision", "threads", "threshold")


def check_options(options: Mapping[str, str]) -> None:
    """Raise InputError for an option that no encoder has, or a value that is none of its."""
    if unknown := sorted(options.keys() - set(OPTIONS)):
        raise InputError(f"-M {unknown[0]}: an encoder has the options {', '.join(OPTIONS)}")
    if options.get("precision", "fp32") not in PRECISIONS:
        raise InputError(f"-M precision={options['precision']}: write fp32 or bf16")
    if options.get("batch", "1") != "1":
        raise InputError(f"-M batch={options['batch']}: write 1, for one document at a time, or leave it out")
    if not options.get("threads", "1").isdigit() or options.get("threads") == "0":
        raise InputError(f"-M threads={options['threads']}: write a number above 0")


def check_packages() -> None:
    """Raise ModelUnavailable, without loading a model, if a package is missing."""
    from importlib.util import find_spec

    for package in ("torch", "transformers", "safetensors"):
        if find_spec(package) is None:
            raise ModelUnavailable(f"encoders need {package}: pip install 'docre-harness[encoders]'")


def chosen_device(options: Mapping[str, str]) -> torch.device:
    """The device that the options name, or a GPU if there is one.

    Raises InputError for a device that cannot be used.
    """
    # Read when torch is loaded: threads that spin while they wait take the cores from those that work.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import torch

    name = options.get("device", "cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(f"-M device={name}: {str(error).splitlines()[0]}") from error
    return device


def use_threads(options: Mapping[str, str], device: torch.device) -> None:
    """Set torch to the threads that the options name, or to all usable cores, where it runs on a processor."""
    import torch

    if device.type == "cpu":
        torch.set_num_threads(int(options.get("threads", usable_cores())))


def chosen_precision(options: Mapping[str, str], device: str) -> str:
    """What matrix products are computed in, fp32 or bf16."""
    return options.get("precision") or default_precision(device)


def default_precision(device: str) -> str:
    """bf16 where ``device`` (``cpu``, ``cuda``, ...) has instructions for products of bfloat16 matrices, else fp32."""
    import torch

    # Earlier versions of torch do not tell.
    capabilities = getattr(torch.cpu, "get_capabilities", dict)
    return "fp32" if device == "cpu" and not has_bfloat16(capabilities()) else "bf16"


def has_bfloat16(processor: Mapping[str, object]) -> bool:
    """Whether a processor multiplies bfloat16 matrices, by torch's names of what it can do."""
    return bool(processor.get("avx512_bf16") or processor.get("amx_bf16"))
