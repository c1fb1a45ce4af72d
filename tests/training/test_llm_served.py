"""An adapter trained on a Qwen2 GGUF file answers alike on llama.cpp and on transformers."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import InputError, StorageError
from harness.runs.config import RunConfig
from harness.runs.plan import prepare
from harness.training.llm.fit import AdapterJob, train_adapter
from harness.training.llm.merging import merge_adapter
from runners.adapters import read_adapter
from tests.commands import error_line, harness_here
from tests.encoders.small import Recorder
from tests.runners.test_adapters import ASKED, answered, new_runner
from tests.runners.tiny_gguf import tiny_model, write_tiny_gguf

for _package in ("torch", "transformers", "peft", "gguf", "xllamacpp", "outlines"):
    pytest.importorskip(_package, reason="needs pip install 'docre-harness[adapters,local]'")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
OPTIONS = {"epochs": "1", "batch_size": "1", "lr": "0.05", "rank": "4", "choose_documents": "0", "max_length": "4096"}


@pytest.fixture
def trained(tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The GGUF file of a tiny Qwen2, and the folder of an adapter for it."""
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path / "cache"))
    file = write_tiny_gguf(tmp_path / "tiny.gguf", tiny_model("qwen2"))
    job = AdapterJob(RunConfig(str(file), "compact"), str(corpus), choose=1, report=0, few_shot=3, options=OPTIONS)
    train_adapter(job, tmp_path / "adapter", Recorder())
    return file, tmp_path / "adapter"


async def test_a_qwen2_files_adapter_answers_alike_where_it_was_trained_and_in_llama_cpp(
    trained: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    file, folder = trained
    adapter = read_adapter(folder)
    assert (adapter.base.architecture, bool(adapter.base.file_sha256)) == ("qwen2", True)
    found = {}
    for engine in ("llama_cpp", "transformers"):
        async with new_runner(file, engine, (adapter,)) as runner:
            found[engine] = [
                await answered(runner, replace(request, top_logprobs=1), name)
                for request in ASKED
                for name in ("", adapter.sha256)
            ]
    assert "GGUF" not in capfd.readouterr().err, "no progress bar of a library"
    for first, second in zip(*found.values(), strict=True):
        assert first.text == second.text
        values = [one.logprob for one in first.logprobs]
        assert values == pytest.approx([one.logprob for one in second.logprobs], abs=0.05)
    assert len({completion.text for completion in found["llama_cpp"]}) == 4, "the adapter changes both answers"


async def test_merged_weights_are_there_whole_with_what_they_saw_or_not_at_all(
    trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    file, folder = trained
    monkeypatch.setattr("harness.training.llm.merging.shutil.copyfile", fails)
    with pytest.raises(StorageError, match="No space left on device"):
        await asyncio.to_thread(merge_adapter, RunConfig(str(file)), folder, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


async def test_merged_weights_answer_as_the_adapter_does(
    trained: tuple[Path, Path], tmp_path: Path, corpus: Path
) -> None:
    file, folder = trained
    out = tmp_path / "merged"
    assert await asyncio.to_thread(merge_adapter, RunConfig(str(file)), folder, out) > 0
    adapter, texts = read_adapter(folder), []
    for model, adapters in ((str(file), (adapter,)), (str(out), ())):
        async with new_runner(Path(model), "transformers", adapters) as runner:
            name = adapter.sha256 if adapters else ""
            texts.append([(await answered(runner, request, name)).text for request in ASKED])
    assert texts[0] == texts[1]
    again = harness_here("train", "merge", "--model", file, "--adapter", folder, "--out", out)
    assert "is there: name another folder" in error_line(again)
    twice = harness_here("train", "merge", "--model", out, "--adapter", folder, "--out", tmp_path / "twice")
    assert "has an adapter in its weights already" in error_line(twice)
    # Of the documents of that base, those that it saw are not to be reported on.
    on_it = AdapterJob(RunConfig(str(out), "compact"), str(corpus), choose=1, report=9, few_shot=3, options=OPTIONS)
    with pytest.raises(InputError, match="an earlier training, which this one builds on, saw"):
        await asyncio.to_thread(train_adapter, on_it, tmp_path / "on-it", Recorder())
    run = RunConfig(f"transformers/{out}", "tagged", str(corpus))
    (told,) = prepare(run, model_needed=False).asked().adapters
    assert (told.sha256, told.rank) == (adapter.sha256, adapter.rank)
    assert told.seen_documents.trained_on == 3
    assert told.asked_otherwise == "it was trained for the prompt compact, not tagged"
