"""Models that run inside this process on the CPU or one GPU, by Hugging Face transformers and Outlines."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harness.errors import FatalError, HarnessError, InputError, ModelUnavailable, RequestError
from harness.types import Completion, GrammarForm, ModelSpec, Request, RunnerOptions, Supports, Usage
from runners.adapters import BaseModel
from runners.batching import Batcher
from runners.chat_answer import split_thinking
from runners.contract import Declaration, adapter_ids, not_started
from runners.decoding import Row, constraint_mask, decode_rows
from runners.gguf_header import shards
from runners.hardware import has_gpu, passive_threads, usable_cores
from runners.hub_file import is_hub_row, must_fetch
from runners.in_process import InProcessRunner
from runners.model_file import fetch_model, is_gguf, is_path, model_file
from runners.options import LOCAL_OPTIONS, Option, choice, integer, with_given_context
from runners.peft_adapters import AdaptedModel
from runners.repetition import REPETITION_OPTION, copies_allowed
from runners.vllm_flags import row_flags

# In order of preference: only the context-free form excludes self-pairs.
FORMS: tuple[GrammarForm, ...] = ("gbnf", "regex", "json_schema")
PACKAGES = ("torch", "transformers", "outlines", "xgrammar", "accelerate")
DTYPES = ("float32", "bfloat16", "float16")
DEFAULT_BATCH = 8
MAX_TOP_LOGPROBS = 20
# Each document has a grammar of its own, and a compiled one takes megabytes.
GRAMMAR_CACHE_BYTES = 256 * 1024 * 1024


class TransformersRunner(InProcessRunner):
    """A model from the hub, a local folder or a GGUF file (dequantised), decoded in padded batches.

    Log-probabilities are the model's own, before grammar and temperature. No code of a model's repository is run.
    """

    PROVIDER = "transformers"
    OPTIONS = MappingProxyType(
        {
            **LOCAL_OPTIONS,
            **REPETITION_OPTION,
            "batch": Option(f"requests decoded together (default: {DEFAULT_BATCH})", changes_answers=False),
            "device": Option("cpu or gpu (default: the GPU if there is one)"),
            "dtype": Option(f"{', '.join(DTYPES)} (default: float32 on the CPU, bfloat16 on a GPU)"),
            "threads": Option("cores that PyTorch takes (default: those it may use)", changes_answers=False),
        }
    )

    def __init__(self, spec: ModelSpec, options: RunnerOptions) -> None:
        extra = options.extra
        self._device = choice(extra, "device", ("cpu", "gpu"), "gpu" if has_gpu() else "cpu")
        self._dtype = choice(extra, "dtype", DTYPES, "float32" if self._device == "cpu" else "bfloat16")
        self._threads = integer(extra, "threads", usable_cores())
        batch = integer(extra, "batch", DEFAULT_BATCH)
        self._copies = copies_allowed(extra)
        spec = with_given_context(spec, extra)
        super().__init__(
            spec,
            options,
            Supports(
                FORMS,
                MAX_TOP_LOGPROBS,
                context=spec.context,
                max_connections=batch,
                continues=True,
                timeout_s=None,
                adapters=adapter_ids(options),
            ),
        )
        self._model: Any = None
        self._adapted: AdaptedModel | None = None
        self._grammars: Any = None
        self._end_tokens: frozenset[int] = frozenset()
        self._rows: set[Row] = set()
        self._batcher = Batcher(self._work, batch)
        self._quantize = self._shard = False
        self._worker: int | None = None

    @cached_property
    def identity(self) -> Mapping[str, str]:
        """What tells this model's answers from another's; the precision belongs to it."""
        return {**super().identity, "dtype": self._dtype}

    def check(self) -> None:
        packages = (*PACKAGES, "gguf") if self._is_gguf() else PACKAGES
        missing = [package for package in packages if find_spec(package) is None]
        if missing:
            raise ModelUnavailable(
                f"{self.name} runs through {missing[0]}, which is not installed: "
                "pip install 'docre-harness[transformers]'"
            )
        if self.spec.gpus > 1 or (self.spec.gpus and self._device == "cpu" and "device" not in self.options.extra):
            raise ModelUnavailable(
                f"{self.name} needs {self.spec.gpus} GPU{'s' if self.spec.gpus > 1 else ''}, and transformers has "
                f"{'one' if has_gpu() else 'none'} here: point --base-url at a vLLM server, or use "
                "--model smollm2-135m; -M device=cpu runs a small model on the CPU, slowly"
            )
        if self._device == "gpu" and not has_gpu():
            raise ModelUnavailable(
                f"-M device=gpu: this machine has no GPU; leave it out to run {self.name} on the CPU"
            )
        if is_hub_row(self.spec):
            raise must_fetch(self.spec)
        self._check_adapters()
        path = Path(self.spec.model_id).expanduser()
        if "package" not in self.spec.extra and is_path(self.spec.model_id) and not path.exists():
            raise InputError(f"model {self.name}: no such file or folder: {path}")
        if self._is_gguf() and len(shards(path)) > 1:
            raise ModelUnavailable(
                f"{self.name}: transformers reads a GGUF model from one file only; --model {self.spec.model_id} runs "
                "it on llama.cpp"
            )

    @property
    def is_on_cpu(self) -> bool:
        """Whether the model runs on the CPU."""
        return self._device == "cpu"

    def load_for_training(self, *, quantize: bool, shard: bool = False) -> None:
        """Before the start: the model is to be trained, with its weights in four bits where ``quantize`` is set.

        To ``shard`` it over processes, it is loaded into memory, whole, and no GPU. It then answers nothing.

        Raises ModelUnavailable for four bits where no GPU is, or bitsandbytes is missing.
        """
        if quantize and (self._device != "gpu" or find_spec("bitsandbytes") is None):
            raise ModelUnavailable(
                f"{self.name}: weights in four bits take a GPU and bitsandbytes (pip install bitsandbytes): "
                "leave out -O quantize=4bit"
            )
        self._quantize, self._shard = quantize, shard

    @property
    def loaded(self) -> tuple[Any, Any]:
        """The started model and its tokenizer, which a training changes in place."""
        return self._model, self._tokenizer

    def merged(self) -> tuple[Any, Any]:
        """The started model with its one adapter in its weights, and its tokenizer; it then answers no more."""
        if self._adapted is None:
            raise not_started(self.name)
        model = self._adapted.merged()
        model.generation_config.eos_token_id = sorted(self._end_tokens)
        if self._is_gguf():  # its weights are dequantised, and transformers would refuse to store them
            model.hf_quantizer = None
            del model.config.quantization_config
        return model, self._tokenizer

    @property
    def end_of_turn(self) -> int:
        """The token that ends an answer."""
        return int(self._tokenizer.eos_token_id)

    def _check_adapters(self) -> None:
        if not self.options.adapters:
            return
        if find_spec("peft") is None:
            raise ModelUnavailable(
                "--adapter needs peft, which is not installed: pip install 'docre-harness[adapters]'"
            )
        base = BaseModel.of_folder(self.spec)
        if self._is_gguf() and (file := model_file(self.spec)).is_file():
            base = BaseModel.of_gguf(self.spec, file)
        for adapter in self.options.adapters:
            base.check(adapter)

    def _load(self) -> None:
        # Read when the library is loaded.
        os.environ.update(passive_threads(os.environ))
        import outlines
        import torch
        import xgrammar
        from outlines.backends.xgrammar import XGrammarBackend
        from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
        from transformers.utils.logging import disable_progress_bar

        torch.set_num_threads(self._threads)
        disable_progress_bar()
        where: dict[str, Any] = {"pretrained_model_name_or_path": str(Path(self.spec.model_id).expanduser())}
        if self._is_gguf():
            file = fetch_model(self.spec)
            _without_bar()
            where = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
        elif self.spec.revision:
            where["revision"] = self.spec.revision
        if self._shard:
            # Otherwise transformers leaves all processes but one without weights.
            os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"
        weights: dict[str, Any] = {"dtype": getattr(torch, self._dtype)}
        if self._quantize:
            from transformers import BitsAndBytesConfig

            weights["quantization_config"] = BitsAndBytesConfig(
                load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
            )
        try:
            tokenizer: Any = AutoTokenizer.from_pretrained(**where, trust_remote_code=False)
            model: Any = AutoModelForCausalLM.from_pretrained(**where, **weights, trust_remote_code=False)
            if not (self._quantize or self._shard):
                model.to("cpu" if self._device == "cpu" else "cuda")
            model.eval()
        # An AssertionError: of a PyTorch that was built without GPUs.
        except (OSError, ValueError, RuntimeError, AssertionError) as error:
            raise FatalError(
                f"{self.name}: transformers cannot load {self.spec.model_id}: {_first_line(error)}"
            ) from error
        if self.options.adapters:
            self._check_adapters()  # of a file that was only now fetched
            self._adapted = AdaptedModel(self.name, model, self.options.adapters)
        ends = model.generation_config.eos_token_id
        self._end_tokens = frozenset({*(ends if isinstance(ends, list) else [ends]), tokenizer.eos_token_id} - {None})
        # A model's own defaults, such as a repetition penalty, would change what greedy decoding means.
        model.generation_config = GenerationConfig()
        # Outlines chooses a padding token where there is none.
        outlined = outlines.from_transformers(model, tokenizer)
        model.generation_config.pad_token_id = tokenizer.pad_token_id
        self._grammars = XGrammarBackend(outlined)
        vocabulary = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=len(tokenizer))
        self._grammars.grammar_compiler = xgrammar.GrammarCompiler(vocabulary, cache_limit_bytes=GRAMMAR_CACHE_BYTES)
        self._limit = min(
            self.spec.context or model.config.max_position_embeddings, model.config.max_position_embeddings
        )
        self._template = row_flags(self.spec).get("chat-template")
        self._model, self._tokenizer = model, tokenizer

    async def _unload(self) -> None:
        for row in self._rows:
            row.abandoned.set()
        await self._batcher.close(not_started(self.name))
        if self._model is not None:
            self._model = self._tokenizer = self._grammars = self._adapted = None
            gc.collect()
            if self._device == "gpu":
                import torch

                torch.cuda.empty_cache()

    async def _decode(self, prompt: list[int], request: Request) -> Completion:
        row = Row(prompt, request, copies=self._copies, labels=self._label_tokens(request))
        self._rows.add(row)
        try:
            return await self._batcher.submit(row)
        finally:
            row.abandoned.set()
            self._rows.discard(row)

    def _work(self, rows: Sequence[Row]) -> list[Completion | HarnessError]:
        """Decode a batch; runs in the batcher's thread."""
        self._worker = threading.get_ident()
        refused = {id(row): error for row in rows if (error := self._compile(row)) is not None}
        ready = [row for row in rows if id(row) not in refused]
        try:
            for adapter in dict.fromkeys(row.request.adapter for row in ready):
                same = [row for row in ready if row.request.adapter == adapter]
                with self._adapted.using(adapter) if self._adapted else nullcontext():
                    decode_rows(self._model, self._tokenizer, same, self._end_tokens)
        except (RuntimeError, MemoryError) as error:
            raise FatalError(
                f"{self.name}: decoding {len(ready)} requests together failed ({_first_line(error)}); "
                "if memory ran out, -M batch=N decodes fewer at once"
            ) from error
        return [refused.get(id(row)) or self._completion(row) for row in rows]

    async def _progress(self) -> object:
        # Not tokens: while a batch of long prompts is read, there are none for minutes.
        if self._worker is None or not hasattr(time, "pthread_getcpuclockid"):
            return None
        return int(time.clock_gettime(time.pthread_getcpuclockid(self._worker)))

    def _compile(self, row: Row) -> RequestError | None:
        if row.request.constraint is None:
            return None
        try:
            row.mask = constraint_mask(self._grammars, row.request.constraint)
        except (RuntimeError, ValueError) as error:
            return RequestError(f"{self.name}: xgrammar cannot read the grammar ({_first_line(error)})")
        return None

    def _completion(self, row: Row) -> Completion | HarnessError:
        if row.finish_reason is None:
            return not_started(self.name)
        text, reasoning = split_thinking(row.text, constrained=row.request.constraint is not None)
        return Completion(
            text=text,
            finish_reason=row.finish_reason,
            usage=Usage(len(row.prompt), len(row.tokens)),
            reasoning=reasoning,
            logprobs=tuple(row.logprobs),
        )

    def _is_gguf(self) -> bool:
        return "package" in self.spec.extra or is_gguf(self.spec.model_id)


def _without_bar() -> None:
    """Dequantising a GGUF file shows no progress bar; transformers' own switch leaves this one out."""
    from tqdm import tqdm  # type: ignore[import-untyped]
    from transformers import modeling_gguf_pytorch_utils as reading

    reading.tqdm = partial(tqdm, disable=True)  # type: ignore[attr-defined]


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


RUNNER = Declaration(
    "transformers",
    TransformersRunner,
    TransformersRunner.OPTIONS,
    prefix="transformers",
    package="outlines",
    extra="transformers",
    purpose="Hugging Face models in this process",
    loads_rows=True,
    reads_gguf=True,
    takes_adapters=True,
)
