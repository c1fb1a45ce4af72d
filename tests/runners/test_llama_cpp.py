from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.errors import ContextOverflow, FatalError, InputError, ModelUnavailable, RunnerError
from harness.models import resolve_model
from harness.types import Constraint, CountsTokens, Message, ModelSpec, Request, Runner, RunnerOptions, Sampling
from runners import llama_cpp
from runners.llama_cpp import LlamaCppRunner
from tests.embedded import embedded_model_file

one_loop = pytest.mark.asyncio(loop_scope="module")

GREETING = (Message("user", "Name a colour."),)


@pytest.fixture(scope="module")
def model() -> ModelSpec:
    """SmolLM2's row, its file at hand."""
    embedded_model_file()
    return resolve_model("smollm2-135m")


@pytest.fixture(scope="module")
async def runner(model: ModelSpec) -> AsyncIterator[LlamaCppRunner]:
    async with LlamaCppRunner(model, RunnerOptions(extra={"slots": "2"})) as runner:
        yield runner


@one_loop
async def test_the_runner_keeps_its_contract(runner: LlamaCppRunner) -> None:
    assert isinstance(runner, Runner)
    assert isinstance(runner, CountsTokens)
    assert (runner.supports.context, runner.supports.max_connections) == (4096, 2)
    runner.check()


@one_loop
async def test_an_answer_obeys_its_grammar(runner: LlamaCppRunner) -> None:
    constraint = Constraint("gbnf", r'root ::= "(" ("red" | "blue") "| is| " [a-z]+ ")\nEND"')
    completion = await runner.generate(Request(GREETING, Sampling(max_tokens=30), constraint))
    assert completion.text.startswith(("(red| is| ", "(blue| is| "))
    assert completion.text.endswith(")\nEND")
    assert completion.finish_reason == "stop"


@one_loop
async def test_an_answer_obeys_a_json_schema(runner: LlamaCppRunner) -> None:
    schema = (
        '{"type": "object", "properties": {"c": {"enum": ["red"]}}, "required": ["c"], "additionalProperties": false}'
    )
    completion = await runner.generate(Request(GREETING, Sampling(max_tokens=30), Constraint("json_schema", schema)))
    assert "".join(completion.text.split()) == '{"c":"red"}'


@one_loop
async def test_the_token_limit_cuts_and_says_so(runner: LlamaCppRunner) -> None:
    completion = await runner.generate(Request((Message("user", "Count to 900."),), Sampling(max_tokens=5)))
    assert (completion.finish_reason, completion.usage.completion_tokens) == ("length", 5)


@one_loop
async def test_greedy_answers_repeat_themselves(runner: LlamaCppRunner) -> None:
    request = Request(GREETING, Sampling(max_tokens=12))
    first, second = await runner.generate(request), await runner.generate(request)
    assert first.text == second.text
    assert second.usage.cached_tokens


@one_loop
async def test_log_probabilities_come_with_alternatives(runner: LlamaCppRunner) -> None:
    completion = await runner.generate(Request(GREETING, Sampling(max_tokens=1), top_logprobs=20))
    (token,) = completion.logprobs[:1]
    assert len(token.top) == 20
    assert token.top[0] == (token.token, token.logprob)
    assert token.logprob < 0


@one_loop
async def test_tokens_are_counted_as_the_server_counts_them(runner: LlamaCppRunner) -> None:
    messages = (Message("system", "Extract é <|im_end|>."), Message("user", "Some text."))
    completion = await runner.generate(Request(messages, Sampling(max_tokens=1)))
    assert await runner.count_tokens(messages) == completion.usage.prompt_tokens


@one_loop
async def test_a_prompt_that_is_too_long_is_an_overflow(runner: LlamaCppRunner) -> None:
    with pytest.raises(ContextOverflow, match="4096"):
        await runner.generate(Request((Message("user", "word " * 5000),), Sampling(max_tokens=5)))


@one_loop
async def test_a_grammar_that_cannot_be_read_is_an_error_not_an_answer(runner: LlamaCppRunner) -> None:
    for text in ("root ::= nothing", "root ::= "):
        with pytest.raises(RunnerError):
            await runner.generate(Request(GREETING, Sampling(max_tokens=5), Constraint("gbnf", text)))


async def test_stopping_does_not_wait_for_answers_under_way(model: ModelSpec) -> None:
    async with LlamaCppRunner(model, RunnerOptions(extra={"slots": "1"})) as runner:
        await runner.generate(Request(GREETING, Sampling(max_tokens=1)))
        long = asyncio.create_task(runner.generate(Request((Message("user", "A story."),), Sampling(max_tokens=3000))))
        await asyncio.sleep(0.3)
        long.cancel()
        started = time.monotonic()
    assert time.monotonic() - started < 5


UNSTOPPED = """
import asyncio
from harness.models import resolve_model
from harness.types import Message, Request, RunnerOptions, Sampling
from runners.llama_cpp import LlamaCppRunner

async def main():
    runner = LlamaCppRunner(resolve_model("smollm2-135m"), RunnerOptions(extra={"slots": "1"}))
    await runner.__aenter__()
    await runner.generate(Request((Message("user", "hi"),), Sampling(max_tokens=1)))

asyncio.run(main())
print("done")
"""


def test_a_process_that_stops_no_model_ends_cleanly_and_says_nothing(model: ModelSpec) -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNSTOPPED],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert model.model_id not in done.stderr


def test_a_missing_package_names_its_extra(model: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama_cpp, "find_spec", lambda _name: None)
    with pytest.raises(ModelUnavailable, match=r"docre-harness\[local\]"):
        LlamaCppRunner(model, RunnerOptions()).check()


async def test_a_file_that_is_no_model_is_told(model: ModelSpec, tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"nonsense" * 100)
    broken = LlamaCppRunner(model, RunnerOptions(extra={"path": str(path)}))
    with pytest.raises(FatalError, match=r"broken\.gguf"):
        await broken.__aenter__()


def test_another_file_is_another_model(model: ModelSpec, tmp_path: Path) -> None:
    path = tmp_path / "other.gguf"
    path.write_bytes(b"a")
    options = RunnerOptions(extra={"path": str(path)})
    first = LlamaCppRunner(model, options).identity
    path.write_bytes(b"ab")
    assert first != LlamaCppRunner(model, options).identity
    assert "revision" not in first


def test_a_missing_file_is_refused_at_once() -> None:
    with pytest.raises(InputError, match=r"no such file: absent\.gguf"):
        LlamaCppRunner(resolve_model("absent.gguf"), RunnerOptions()).check()
