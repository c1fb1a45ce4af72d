"""An adapter trained on a Qwen2 GGUF file answers alike on llama.cpp and on transformers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.runs.config import RunConfig
from harness.training.llm.fit import AdapterJob, train_adapter
from runners.adapters import read_adapter
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
