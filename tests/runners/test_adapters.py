"""LoRA adapters: read and refused, converted for llama.cpp, and answering alike on the engines that are here."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.engine.journal import request_key
from harness.errors import FatalError, InputError
from harness.models import resolve_model
from harness.types import Adapter, Completion, Constraint, Message, Request, Runner, RunnerOptions, Sampling
from runners.adapters import BaseModel, read_adapter
from runners.content import file_digest
from runners.registry import create_runner
from runners.vllm_flags import engine_flags
from runners.vllm_server import server_command
from tests.runners.tiny_gguf import LAYERS, WIDTH, tiny_model, write_adapter, write_tiny_gguf

for _package in ("torch", "transformers", "peft", "gguf", "safetensors"):
    pytest.importorskip(_package, reason="needs pip install 'docre-harness[adapters]'")


one_loop = pytest.mark.asyncio(loop_scope="module")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

ENGINES = {"llama_cpp": "", "transformers": "transformers/"}
# Of the tokens, which are bytes, those that are characters by themselves.
LETTERS = Constraint("gbnf", "root ::= [a-z]{8}")
ASKED = tuple(
    Request((Message("system", "Be brief."), Message("user", text)), Sampling(max_tokens=8), LETTERS, top_logprobs=3)
    for text in ("Name a colour.", "Tell me about the city of Paris.")
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny llama, ``tiny.gguf``, and the adapters ``plain``, ``scaled`` and ``queries``."""
    folder = tmp_path_factory.mktemp("adapters")
    model = tiny_model()
    file = write_tiny_gguf(folder / "tiny.gguf", model)
    base = {"name": "tiny", "file_sha256": file_digest(file), "architecture": "llama"}
    base |= {"hidden_size": WIDTH, "layers": LAYERS}
    write_adapter(folder / "plain", model, 1, {"base": base, "prompt": "tagged"})
    write_adapter(folder / "scaled", model, 2, use_rslora=True, rank_pattern={"q_proj": 2}, alpha_pattern={"v_proj": 3})
    write_adapter(folder / "queries", model, 3, target_modules=["q_proj", "k_proj"], lora_alpha=16)
    return folder


@pytest.fixture(scope="module")
def adapters(folder: Path) -> tuple[Adapter, ...]:
    return tuple(read_adapter(folder / name) for name in ("plain", "scaled", "queries"))


@pytest.fixture(scope="module")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
async def engines(folder: Path, adapters: tuple[Adapter, ...], _cache: None) -> AsyncIterator[dict[str, Runner]]:
    """Each engine with all adapters, started."""
    pytest.importorskip("xllamacpp")
    pytest.importorskip("outlines")
    async with AsyncExitStack() as stack:
        yield {
            engine: await stack.enter_async_context(new_runner(folder / "tiny.gguf", engine, adapters))
            for engine in ENGINES
        }


def new_runner(file: Path, engine: str, adapters: tuple[Adapter, ...] = ()) -> Runner:
    options = RunnerOptions(extra={"threads": "1"}, adapters=adapters)
    return create_runner(resolve_model(f"{ENGINES[engine]}{file}"), options)


async def answered(runner: Runner, request: Request, adapter: str) -> Completion:
    return await runner.generate(replace(request, adapter=adapter))


@one_loop
async def test_engines_agree_with_every_adapter_and_without(
    engines: dict[str, Runner], adapters: tuple[Adapter, ...]
) -> None:
    texts = set()
    for request in ASKED:
        for adapter in ("", *(one.sha256 for one in adapters)):
            first, second = [await answered(runner, request, adapter) for runner in engines.values()]
            assert first.text == second.text
            values = [one.logprob for one in first.logprobs]
            assert values == pytest.approx([one.logprob for one in second.logprobs], abs=0.05)
            texts.add(first.text)
    assert len(texts) == len(ASKED) * (1 + len(adapters)), "every adapter has answers of its own"


@one_loop
@pytest.mark.parametrize("engine", ENGINES)
async def test_what_one_adapter_computed_of_a_prompt_is_not_used_for_another(
    engines: dict[str, Runner], adapters: tuple[Adapter, ...], engine: str
) -> None:
    runner, order = engines[engine], ("", adapters[0].sha256, "", adapters[2].sha256, adapters[0].sha256, "")
    completions: dict[str, set[Any]] = {}
    for adapter in order:
        completion = await answered(runner, ASKED[0], adapter)
        completions.setdefault(adapter, set()).add((completion.text, completion.logprobs[0].logprob))
    assert [len(one) for one in completions.values()] == [1, 1, 1]


@one_loop
@pytest.mark.parametrize("engine", ENGINES)
async def test_an_adapter_that_was_not_given_is_no_adapter_of_the_runner(
    engines: dict[str, Runner], engine: str
) -> None:
    with pytest.raises(FatalError, match="not started with the adapter 0000"):
        await answered(engines[engine], ASKED[0], "0" * 64)


def test_the_adapter_is_part_of_the_journals_key_only_where_there_is_one() -> None:
    keys = {request_key({}, replace(ASKED[0], adapter=adapter)) for adapter in ("", "a", "b")}
    assert len(keys) == 3


def test_an_adapter_is_known_by_its_content_not_by_its_place(folder: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(folder / "plain", tmp_path / "moved")
    (moved / "README.md").write_text("a card")
    before = read_adapter(folder / "plain")
    assert read_adapter(moved).sha256 == before.sha256
    changed(moved, "adapter_config.json", lora_alpha=9)
    assert read_adapter(moved).sha256 != before.sha256


def changed(folder: Path, name: str, **fields: object) -> None:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def without(folder: Path, name: str) -> None:
    (folder / name).unlink()


def pickled(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def cut_off(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def empty_weights(folder: Path) -> None:
    (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")


def spoilt(folder: Path, value: float) -> None:
    def change(tensors: dict[str, Any]) -> None:
        tensors[min(tensors)][0, 0] = value

    rewritten(folder, change)


def rewritten(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def of_whole_numbers(tensors: dict[str, Any]) -> None:
    tensors.update({name: values.int() for name, values in tensors.items()})


def told_wrongly(folder: Path, **fields: object) -> None:
    """Change what the header says of the first tensor, all else as it is."""
    path = folder / "adapter_model.safetensors"
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header[min(header.keys() - {"__metadata__"})].update(fields)
    changed = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(changed)) + changed + content[8 + length :])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: spoilt(folder, float("nan")), r"lora_A\.weight holds values that are no numbers"),
        (lambda folder: spoilt(folder, float("-inf")), r"lora_A\.weight holds values that are no numbers"),
        (lambda folder: rewritten(folder, of_whole_numbers), "has the type I32; F16, BF16, F32, F64 can be read"),
        (lambda folder: told_wrongly(folder, data_offsets=[0, 8]), "and 8 bytes"),
        (lambda folder: told_wrongly(folder, shape=[-4, -96]), r"has the shape \[-4, -96\]"),
        (lambda folder: told_wrongly(folder, shape="x"), "has no shape or place"),
        (lambda folder: changed(folder, "adapter_config.json", lora_alpha=None), "damaged"),
        (lambda folder: changed(folder, "adapter_config.json", lora_alpha=float("nan")), "lora_alpha is nan"),
        (lambda folder: changed(folder, "adapter_config.json", alpha_pattern={"v_proj": 1e300}), "lora_alpha is 1e"),
        (lambda folder: changed(folder, "adapter_config.json", rank_pattern={"(": 4}), "which names no module"),
        (lambda folder: changed(folder, "adapter_config.json", alpha_pattern={"(.*)*" * 9: 4}), "names no module"),
        (
            lambda folder: changed(folder, "adapter_config.json", init_lora_weights="pissa"),
            "init_lora_weights is pissa",
        ),
        (lambda folder: changed(folder, "adapter_config.json", kasa_config={"a": 1}), "kasa_config is not"),
        (lambda folder: without(folder, "adapter_config.json"), "has no adapter_config.json"),
        (lambda folder: without(folder, "adapter_model.safetensors"), "has no adapter_model.safetensors"),
        (pickled, "is a pickle, which can run code"),
        (cut_off, "cut off or damaged"),
        (empty_weights, "holds no LoRA matrices"),
        (lambda folder: changed(folder, "adapter_config.json", r=8), "says rank 8"),
        (lambda folder: changed(folder, "adapter_config.json", r="x"), "damaged"),
        (lambda folder: changed(folder, "adapter_config.json", peft_type="IA3"), "type IA3"),
        (lambda folder: changed(folder, "adapter_config.json", megatron_config={"a": 1}), "megatron_config is not"),
        (lambda folder: changed(folder, "adapter.json", format=2), "format 2; this version reads 1"),
        (lambda folder: changed(folder, "adapter.json", base={"hidden_size": 65}), "hidden size is 65"),
    ],
)
def test_a_folder_that_holds_no_sound_adapter_is_refused_in_one_line(
    folder: Path, tmp_path: Path, damage: Any, says: str
) -> None:
    copy = shutil.copytree(folder / "plain", tmp_path / "copy")
    damage(copy)
    with pytest.raises(InputError, match=says) as raised:
        read_adapter(copy)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("base", "says"),
    [
        ({"architecture": "qwen2"}, "architecture qwen2, and .*tiny.* has llama"),
        ({"layers": 30}, "number of layers 30, and .*tiny.* has 2"),
        ({"file_sha256": "0" * 64}, r"another file of weights than tiny\.gguf"),
    ],
)
def test_an_adapter_of_another_base_is_refused_before_anything_is_loaded(
    folder: Path, tmp_path: Path, engine: str, base: dict[str, object], says: str
) -> None:
    copy = shutil.copytree(folder / "plain", tmp_path / "copy")
    changed(copy, "adapter.json", base=base)
    with pytest.raises(InputError, match=says):
        new_runner(folder / "tiny.gguf", engine, (read_adapter(copy),)).check()


def test_the_shapes_of_a_plain_adapter_tell_another_base(folder: Path) -> None:
    adapter = read_adapter(folder / "queries")
    BaseModel("tiny", "llama", WIDTH, LAYERS).check(adapter)
    with pytest.raises(InputError, match="hidden size 64, and other has 576"):
        BaseModel("other", "llama", 576, 30).check(adapter)
    with pytest.raises(InputError, match="it changes layer 1, and other has 1 layers"):
        BaseModel("other", "llama", WIDTH, 1).check(adapter)


@pytest.mark.parametrize("model", ["mock", "openai/gpt-4o"])
def test_a_runner_that_cannot_take_adapters_refuses_them(adapters: tuple[Adapter, ...], model: str) -> None:
    with pytest.raises(InputError, match="takes no --adapter"):
        create_runner(resolve_model(model), RunnerOptions(adapters=adapters))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: rewritten(folder, other_names), "has no place for .*strata.* and 7 more tensors"),
        (lambda folder: changed(folder, "adapter_config.json", layers_to_transform=[0]), "has no place for .*layers.1"),
        (lambda folder: changed(folder, "adapter_config.json", target_modules=["nothing"]), "peft cannot put"),
        (lambda folder: changed(folder, "adapter_config.json", target_modules="("), "peft cannot put"),
    ],
)
async def test_an_adapter_of_which_peft_would_leave_out_a_part_is_refused(
    folder: Path, tmp_path: Path, damage: Any, says: str
) -> None:
    pytest.importorskip("outlines")
    copy = shutil.copytree(folder / "queries", tmp_path / "copy")
    damage(copy)
    with pytest.raises((InputError, FatalError), match=says) as raised:
        async with new_runner(folder / "tiny.gguf", "transformers", (read_adapter(copy),)):
            pass
    assert "\n" not in str(raised.value)


def other_names(tensors: dict[str, Any]) -> None:
    for name in list(tensors):
        tensors[name.replace("model.layers", "model.strata")] = tensors.pop(name)


def test_what_llama_cpp_cannot_apply_is_told_with_what_can(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder / "plain", tmp_path / "copy")
    changed(copy, "adapter_config.json", use_dora=True)
    with pytest.raises(InputError, match="no DoRA: use transformers/MODEL"):
        new_runner(folder / "tiny.gguf", "llama_cpp", (read_adapter(copy),)).check()


def test_vllm_serves_each_adapter_under_its_checksum(adapters: tuple[Adapter, ...]) -> None:
    options = RunnerOptions(extra={"device": "cpu"}, adapters=adapters)
    spec = resolve_model("vllm/org/small")
    flags = engine_flags(spec, options)
    assert (flags["enable-lora"], flags["max-lora-rank"], flags["max-loras"]) == ("", "8", "3")
    words = server_command(spec, options, 8000)
    served = [json.loads(word) for word in words[words.index("--lora-modules") + 1 :]]
    assert [one["name"] for one in served] == [adapter.sha256 for adapter in adapters]
    assert all(Path(one["path"]).is_dir() and one["base_model_name"] == "org/small" for one in served)
