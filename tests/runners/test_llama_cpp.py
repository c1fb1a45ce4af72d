from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from harness.errors import ContextOverflow, FatalError, InputError, ModelUnavailable, RunnerError
from harness.models import resolve_model
from harness.types import Constraint, CountsTokens, Message, ModelSpec, Request, Runner, RunnerOptions, Sampling
from runners import llama_cpp
from runners.llama_cpp import LlamaCppRunner
from tests.commands import start
from tests.embedded import embedded_model_file
from tests.runners.gguf_files import BYTES_PER_TOKEN, LLAMA, write_gguf

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
async def test_an_answer_that_repeats_itself_is_ended_and_others_are_as_without(
    model: ModelSpec, runner: LlamaCppRunner
) -> None:
    """Grammars decide that one answer repeats a line and the other does not."""
    endless = Constraint("gbnf", r'root ::= ("the red house on the hill is old\n")+')
    ending = Constraint("gbnf", r'root ::= "the red house on the hill is old\nthe blue one is new\nEND"')
    async with LlamaCppRunner(model, RunnerOptions(extra={"slots": "1", "repetition": "3"})) as limited:
        cut = await limited.generate(Request(GREETING, Sampling(max_tokens=200), endless))
        whole = await limited.generate(Request(GREETING, Sampling(max_tokens=60), ending, top_logprobs=3))
        with pytest.raises(RunnerError):
            await limited.generate(Request(GREETING, Sampling(max_tokens=5), Constraint("gbnf", "root ::=")))
    assert (cut.finish_reason, cut.text.count("old\n")) == ("repetition", 3)
    assert 3 * 6 < cut.usage.completion_tokens < 100
    assert cut.usage.prompt_tokens == whole.usage.prompt_tokens
    unlimited = await runner.generate(Request(GREETING, Sampling(max_tokens=60), ending, top_logprobs=3))
    assert (whole.text, whole.finish_reason) == (unlimited.text, "stop")
    # The token that ends an answer, which has no text, is not streamed.
    assert [one.token for one in whole.logprobs] == [one.token for one in unlimited.logprobs if one.token]
    assert whole.usage.completion_tokens == unlimited.usage.completion_tokens


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


def test_ctrl_c_while_the_model_loads_ends_the_command_and_its_process(model: ModelSpec, tmp_path: Path) -> None:
    run = ["run", "--model", model.name, "--prompt", "tagged", "--dataset", "sample", "--limit", "1"]
    command = start(*run, "--results-dir", tmp_path)
    parent = psutil.Process(command.pid)
    deadline = time.monotonic() + 60
    while not any("llama_server" in _command_line(child) for child in parent.children(recursive=True)):
        assert time.monotonic() < deadline
        assert command.poll() is None
        time.sleep(0.005)
    children = parent.children(recursive=True)
    command.send_signal(signal.SIGINT)
    _, said = command.communicate(timeout=120)
    assert command.returncode == 3
    assert "Traceback" not in said
    assert psutil.wait_procs(children, timeout=30)[1] == []


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_a_missing_package_names_its_extra(model: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama_cpp, "find_spec", lambda _name: None)
    with pytest.raises(ModelUnavailable, match=r"docre-harness\[local\]"):
        LlamaCppRunner(model, RunnerOptions()).check()


def runner_of(path: Path, **extra: str) -> LlamaCppRunner:
    return LlamaCppRunner(resolve_model(str(path)), RunnerOptions(extra=extra))


async def test_a_download_that_broke_off_is_told_in_one_line(model: ModelSpec, tmp_path: Path) -> None:
    path = tmp_path / "half.gguf"
    with embedded_model_file().open("rb") as file:
        path.write_bytes(file.read(20_000_000))
    with pytest.raises(FatalError, match=r"half\.gguf .*model is corrupted or incomplete") as raised:
        await runner_of(path).__aenter__()
    assert "\n" not in str(raised.value)
    assert model.name


@pytest.mark.parametrize("name", ["m.gguf", "M.GGUF", "m-q4.Gguf"])
def test_the_context_is_what_the_model_was_trained_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama_cpp, "usable_cores", lambda: 16)
    runner = runner_of(write_gguf(tmp_path / name, {**LLAMA, "llama.context_length": 32768}))
    runner.check()
    assert (runner.supports.context, runner.supports.max_connections) == (32768, 4)
    assert runner.supports.timeout_s is None


@pytest.mark.parametrize(
    ("memory", "free", "extra", "context", "slots"),
    [
        pytest.param(4 * 16384, None, {}, 8192, 2, id="a quarter holds two slots of the usual context"),
        pytest.param(4 * 4 * 8192, None, {}, 8192, 4, id="four slots of the usual context come before a longer one"),
        pytest.param(4 * 5000, None, {}, 4864, 1, id="less than the usual context"),
        pytest.param(4 * 65536, 20000, {}, 16384, 1, id="memory that others use costs slots only"),
        pytest.param(4 * 65536, None, {"slots": "1"}, 32768, 1, id="slots as given"),
        pytest.param(4 * 65536, None, {"context": "1000"}, 1000, 4, id="context as given"),
    ],
)
def test_context_and_slots_follow_the_memory(
    memory: int, free: int | None, extra: dict[str, str], context: int, slots: int,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(llama_cpp, "usable_cores", lambda: 16)
    monkeypatch.setattr(llama_cpp, "total_memory", lambda: memory * BYTES_PER_TOKEN)
    monkeypatch.setattr(llama_cpp, "free_memory", lambda: (memory if free is None else free) * BYTES_PER_TOKEN)
    runner = runner_of(write_gguf(tmp_path / "m.gguf", {**LLAMA, "llama.context_length": 32768}), **extra)
    assert (runner.supports.context, runner.supports.max_connections) == (context, slots)
    runner.check()


@pytest.mark.parametrize(("cores", "slots"), [(1, 1), (2, 1), (7, 1), (8, 2), (64, 4)])
def test_there_is_a_slot_for_every_four_cores(
    cores: int, slots: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama_cpp, "usable_cores", lambda: cores)
    runner = runner_of(write_gguf(tmp_path / "m.gguf", LLAMA))
    assert runner.supports.max_connections == slots


def test_more_than_fits_is_refused_with_the_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    with pytest.raises(InputError, match=r"-M context=9000: m was trained for 8192"):
        runner_of(path, context="9000").check()
    monkeypatch.setattr(llama_cpp, "free_memory", lambda: 1000)
    with pytest.raises(ModelUnavailable, match=r"2 slots with a context of 8192 .* -M slots=N or -M context=N"):
        runner_of(path, slots="2").check()


def test_the_context_is_no_part_of_the_model(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    assert runner_of(path, context="1000", slots="1").identity == runner_of(path).identity


def test_another_file_is_another_model(model: ModelSpec, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "other.gguf")
    options = RunnerOptions(extra={"path": str(path)})
    first = LlamaCppRunner(model, options).identity
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert first != LlamaCppRunner(model, options).identity
    assert "revision" not in first
    assert first["model"] == "other.gguf"


def test_every_part_of_a_model_in_several_files_names_the_model(tmp_path: Path) -> None:
    files = [write_gguf(tmp_path / f"m-0000{number}-of-00003.gguf") for number in (1, 2, 3)]
    first, last = runner_of(files[0]), runner_of(files[2])
    last.check()
    assert first.identity == last.identity
    files[1].write_bytes(b"GGUF, another part")
    assert runner_of(files[0]).identity != first.identity
    files[1].unlink()
    with pytest.raises(InputError, match=r"no such file: .*m-00002-of-00003\.gguf$"):
        runner_of(files[0]).check()


def test_a_missing_file_is_refused_at_once() -> None:
    with pytest.raises(InputError, match=r"no such file: absent\.gguf"):
        LlamaCppRunner(resolve_model("absent.gguf"), RunnerOptions()).check()


def test_a_file_that_is_no_model_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"nonsense" * 100)
    with pytest.raises(InputError, match=r"broken\.gguf is not a GGUF file"):
        runner_of(path).check()
