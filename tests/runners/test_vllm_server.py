from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from harness import run
from harness.engine import endpoints
from harness.engine.retry import RetryPolicy, call_with_retries
from harness.errors import FatalError, InputError, ModelUnavailable, RequestError, StorageError
from harness.models import load_models, resolve_model
from harness.types import Adapter, AdapterBase, Constraint, Message, ModelSpec, Request, Runner, RunnerOptions, Sampling
from runners import vllm_flags
from runners.registry import create_runner
from runners.server_process import last_meaningful_line
from runners.several_servers import SeveralServersRunner
from runners.vllm_flags import server_environment
from runners.vllm_server import VllmServerRunner, server_command
from tests.commands import start
from tests.corpora import write_corpus
from tests.runners.scripted_server import Asked, ScriptedServer, chat, http

HERE = Path(__file__).resolve().parent
SPEC = ModelSpec("small", "vllm_server", "org/small")
ASKED = Request((Message("user", "Who are you?"),), Sampling(max_tokens=12))


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An interpreter in which the fake server plays vLLM."""
    python = tmp_path / "python"
    command = shlex.join([sys.executable, str(HERE / "fake_vllm.py")])
    python.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("FAKE_VLLM_PIDS", str(tmp_path / "pids"))
    monkeypatch.setenv("FAKE_VLLM", "healthy")
    return python


def runner_with(python: Path, log_dir: Path | None = None, **extra: str) -> VllmServerRunner:
    options = RunnerOptions(log_dir=log_dir, extra={"python": str(python), "device": "cpu", **extra})
    return VllmServerRunner(SPEC, options)


async def test_a_system_message_that_a_served_template_leaves_out_opens_the_users() -> None:
    def reply(asked: Asked) -> bytes:
        messages = asked.body["messages"]
        assert isinstance(messages, list)
        seen = [message["content"] for message in messages if message["role"] != "system"]
        return http({"count": len("".join(seen))} if asked.path == "/tokenize" else chat(seen[0]))

    messages = (Message("system", "Be brief."), Message("user", "Name a colour."))
    async with (
        ScriptedServer(reply) as server,
        VllmServerRunner(SPEC, RunnerOptions(base_url=server.url)) as runner,
    ):
        await runner.probe(Request(messages))
        completion = await runner.generate(Request(messages))
    assert completion.text == "Be brief.\n\nName a colour."
    assert completion.adjusted == ("system message put into the first user message",)


async def test_a_grammar_that_an_older_vllm_cannot_translate_is_sent_in_its_own_notation() -> None:
    def reply(asked: Asked) -> bytes:
        grammar = asked.body["structured_outputs"]
        assert isinstance(grammar, dict)
        if str(grammar["grammar"]).startswith("start:"):
            told = "Failed to convert the grammar from Lark to EBNF."
            return http({"error": {"message": told, "code": 400}}, status=400)
        return http(chat("yes"))

    answers = []
    async with ScriptedServer(reply) as server:
        for form, text in ("lark", 'start: "yes"'), ("gbnf", 'root ::= "yes"'):
            options = RunnerOptions(base_url=server.url, extra={"probe": "false", "constrain_with": form})
            async with VllmServerRunner(SPEC, options) as runner:
                assert runner.supports.forms == (form,)
                try:
                    answers.append((await runner.generate(replace(ASKED, constraint=Constraint(form, text)))).text)
                except RequestError as error:
                    answers.append(str(error))
    assert "add -M constrain_with=gbnf" in answers[0]
    assert answers[1] == "yes"
    with pytest.raises(InputError, match="constrain_with=xml: lark or gbnf"):
        VllmServerRunner(SPEC, RunnerOptions(base_url="http://127.0.0.1:9/v1", extra={"constrain_with": "xml"}))


def server_pids(fake: Path) -> list[int]:
    return [int(pid) for pid in (fake.parent / "pids").read_text().split()]


def wait_for_pids(fake: Path) -> list[int]:
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline:
        if (fake.parent / "pids").exists() and (fake.parent / "pids").read_text():
            return server_pids(fake)
        time.sleep(0.05)
    pytest.fail("the server was not started")


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until_gone(pids: list[int], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        alive = [pid for pid in pids if is_alive(pid)]
        if not alive:
            return
        time.sleep(0.05)
    pytest.fail(f"still running: {alive}")


async def test_the_server_starts_with_the_runner_and_stops_with_its_workers(fake: Path) -> None:
    runner = runner_with(fake, fake.parent / "logs")
    assert not (fake.parent / "pids").exists()
    async with runner:
        first, second = await asyncio.gather(runner.generate(ASKED), runner.generate(ASKED))
        assert first.text == second.text == "I am org/small"
        assert await runner.count_tokens(ASKED.messages) == len(ASKED.messages[0].content.split())
        (log,) = (fake.parent / "logs").iterdir()
        assert "command:" in log.read_text()
        pids = server_pids(fake)
        assert all(psutil.pid_exists(pid) for pid in pids)
    wait_until_gone(pids)


async def test_every_request_asks_for_the_adapter_that_it_names(fake: Path) -> None:
    adapters = tuple(Adapter(fake.parent, letter * 64, 20, AdapterBase()) for letter in "ab")
    options = RunnerOptions(
        log_dir=fake.parent / "logs", extra={"python": str(fake), "device": "cpu"}, adapters=adapters
    )
    async with VllmServerRunner(SPEC, options) as runner:
        texts = [(await runner.generate(replace(ASKED, adapter=one))).text for one in ("", "a" * 64, "b" * 64)]
        assert await runner.count_tokens(ASKED.messages) > 0
    assert texts == ["I am org/small", f"I am {'a' * 64}", f"I am {'b' * 64}"]
    (log,) = (fake.parent / "logs").iterdir()
    assert '"--max-lora-rank", "32", "--max-loras", "2"' in log.read_text()


def test_a_rank_that_vllm_has_no_room_for_is_refused(fake: Path) -> None:
    options = RunnerOptions(extra={"python": str(fake)}, adapters=(Adapter(fake.parent, "a" * 64, 513, AdapterBase()),))
    with pytest.raises(InputError, match="rank 513, and vLLM takes 512 at most"):
        VllmServerRunner(SPEC, options).check()


async def test_a_server_that_stands_still_ends_the_run(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_VLLM", "stuck")
    async with runner_with(fake, stall_timeout_s="0.4") as runner:
        assert runner.supports.timeout_s is None
        with pytest.raises(FatalError, match=r"no progress for 0\.4 s"):
            await runner.generate(ASKED)


async def test_a_server_that_dies_at_work_is_told_by_its_last_words(
    fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_VLLM", "crashes")
    async with runner_with(fake) as runner:
        policy = RetryPolicy(retries=100, base_s=0.02, cap_s=0.02)
        with pytest.raises(FatalError, match=r"the model server stopped: torch\.OutOfMemoryError: too long"):
            await call_with_retries(partial(runner.generate, ASKED), policy, lambda *_: None, asyncio.sleep)


def test_a_running_server_s_answers_are_limited_as_any_server_s() -> None:
    assert VllmServerRunner(SPEC, RunnerOptions(base_url="http://127.0.0.1:1/v1")).supports.timeout_s == 600


async def test_a_server_that_dies_at_start_is_told_by_its_own_last_words(
    fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_VLLM", "dies")
    runner = runner_with(fake, fake.parent / "logs")
    with pytest.raises(FatalError, match="No available memory for the cache blocks") as raised:
        await runner.__aenter__()
    assert str(fake.parent / "logs") in str(raised.value)
    wait_until_gone(server_pids(fake))


async def test_a_server_that_never_gets_ready_is_stopped_at_the_time_limit(
    fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_VLLM", "silent")
    runner = runner_with(fake, start_timeout_s="1")
    with pytest.raises(FatalError, match="not ready after 1 s: loading weights"):
        await runner.__aenter__()
    wait_until_gone(server_pids(fake))


async def test_cancelling_the_start_stops_the_server(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_VLLM", "silent")
    runner = runner_with(fake)
    task = asyncio.create_task(runner.__aenter__())
    pids = await asyncio.to_thread(wait_for_pids, fake)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    wait_until_gone(pids)


def test_ctrl_c_while_the_server_starts_ends_the_command_and_the_server(fake: Path) -> None:
    process = start(
        "run", "--model", "vllm/org/small", "--prompt", "tagged", "--dataset", "sample", "-M", f"python={fake}",
        "-M", "device=cpu", "--results-dir", fake.parent / "results", FAKE_VLLM="silent",
    )  # fmt: skip
    pids = wait_for_pids(fake)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 3, err
    assert "stopped by SIGINT. Resume with the same command" in err
    wait_until_gone(pids)


START_AND_STAY = """
import asyncio, signal, sys
from pathlib import Path
# A test suite started in the background hands down an ignored SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
from harness.types import Message, ModelSpec, Request, RunnerOptions
from runners.vllm_server import VllmServerRunner

async def main():
    options = RunnerOptions(log_dir=Path(sys.argv[2]), extra={"python": sys.argv[1], "device": "cpu"})
    runner = VllmServerRunner(ModelSpec("small", "vllm_server", "org/small"), options)
    async with runner:
        await runner.generate(Request((Message("user", "hi"),)))
        print("started", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_server_outlives_its_parent(fake: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", START_AND_STAY, str(fake), str(fake.parent / "logs")],
        cwd=HERE.parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        parent.send_signal(number)
    wait_until_gone(server_pids(fake))


async def test_a_log_that_cannot_be_written_is_told(fake: Path) -> None:
    (fake.parent / "file").write_text("")
    with pytest.raises(StorageError, match="log"):
        await runner_with(fake, fake.parent / "file" / "logs").__aenter__()


def command(spec: ModelSpec, **extra: str) -> list[str]:
    return server_command(spec, RunnerOptions(extra=extra), 8123)


def flag(spec: ModelSpec, name: str, **extra: str) -> str:
    words = command(spec, **extra)
    return words[words.index(f"--{name}") + 1]


def test_a_large_model_is_spread_over_its_gpus() -> None:
    spec = load_models()["qwen2.5-72b"]
    assert flag(spec, "model") == flag(spec, "served-model-name") == "Qwen/Qwen2.5-72B-Instruct"
    assert flag(spec, "tensor-parallel-size") == "4"
    assert flag(spec, "max-model-len") == "32768"
    assert flag(spec, "port") == "8123"
    assert "--enforce-eager" not in command(spec)


def test_the_structured_output_backend_is_pinned() -> None:
    assert '"backend":"xgrammar"' in flag(SPEC, "structured-outputs-config")


def test_flags_of_the_row_and_of_the_user_are_added_and_the_users_win() -> None:
    spec = load_models()["qwen3-8b-thinking"]
    assert flag(spec, "reasoning-parser") == "qwen3"
    given = {"flag.reasoning-parser": "other", "flag.enable-lora": "", "flag.dtype": "float16"}
    assert flag(spec, "reasoning-parser", **given) == "other"
    assert flag(spec, "dtype", **given) == "float16"
    assert command(spec, **given).count("--dtype") == 1
    assert "--enable-lora" in command(spec, **given)


def test_a_revision_is_pinned() -> None:
    assert flag(ModelSpec("m", "vllm_server", "org/m", revision="abc"), "revision") == "abc"


def test_on_the_cpu_the_cache_is_bounded_unless_the_user_chose() -> None:
    options = RunnerOptions(extra={"device": "cpu"})
    assert server_environment(SPEC, options, {})["VLLM_CPU_KVCACHE_SPACE"] == "4"
    assert server_environment(SPEC, options, {"VLLM_CPU_KVCACHE_SPACE": "9"})["VLLM_CPU_KVCACHE_SPACE"] == "9"
    assert "--enforce-eager" in command(SPEC, device="cpu")


def test_another_servers_key_does_not_lock_this_one() -> None:
    keys = {"VLLM_API_KEY": "x", "OPENAI_API_KEY": "x", "MISTRAL_API_KEY": "x"}
    child = server_environment(SPEC, RunnerOptions(), {**keys, "HF_TOKEN": "needed"})
    assert not keys.keys() & child.keys()
    assert child["HF_TOKEN"] == "needed"


@pytest.mark.parametrize("flag", ["api-key", "hf-token"])
def test_a_secret_as_a_flag_is_refused_before_it_is_in_a_log(flag: str) -> None:
    with pytest.raises(InputError, match=f"-M flag.{flag}") as raised:
        VllmServerRunner(SPEC, RunnerOptions(extra={f"flag.{flag}": "hidden-1"}))
    assert "hidden-1" not in str(raised.value)


def test_a_folder_cannot_stand_in_for_an_installed_vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "python").symlink_to(Path(sys.executable).resolve())
    (tmp_path / "vllm.py").touch()
    monkeypatch.chdir(tmp_path)
    assert not vllm_flags.has_vllm("./python")
    assert server_environment(SPEC, RunnerOptions(), {})["PYTHONSAFEPATH"]


def test_the_users_context_is_what_the_runner_reports() -> None:
    runner = VllmServerRunner(SPEC, RunnerOptions(extra={"flag.max-model-len": "2048"}))
    assert runner.supports.context == 2048


def test_without_a_gpu_a_large_model_says_what_it_needs_and_what_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_flags, "has_gpu", lambda: False)
    runner = VllmServerRunner(load_models()["qwen2.5-72b"], RunnerOptions())
    with pytest.raises(ModelUnavailable) as raised:
        runner.check()
    message = str(raised.value)
    assert "4 GPUs of 80 GB (180 GB in all)" in message
    assert "--base-url" in message
    assert "smollm2-135m" in message
    assert "\n" not in message


def test_without_vllm_the_package_is_named(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner_with(fake).check()
    monkeypatch.setenv("FAKE_VLLM", "absent")
    with pytest.raises(ModelUnavailable, match=r"docre-harness\[vllm\]"):
        runner_with(fake).check()
    with pytest.raises(ModelUnavailable, match="/no/python"):
        runner_with(Path("/no/python")).check()


def test_a_running_server_needs_nothing_here() -> None:
    VllmServerRunner(load_models()["qwen2.5-72b"], RunnerOptions(base_url="http://127.0.0.1:1/v1")).check()


def test_a_device_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="device=tpu"):
        VllmServerRunner(SPEC, RunnerOptions(extra={"device": "tpu"}))


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("", "its log is empty"),
        ("one\ntwo\n\n", "two"),
        ("OSError: no disk\nbye", "OSError: no disk"),
        ("\x1b[31m(APIServer pid=4) torch.OutOfMemoryError: CUDA\x1b[0m\nbye", "torch.OutOfMemoryError: CUDA"),
        ("ValueError: first\nRuntimeError: Failed. See root cause above.", "ValueError: first"),
    ],
)
def test_the_line_of_a_log_that_matters_is_found(log: str, line: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(log)
    assert last_meaningful_line(path) == line


@pytest.mark.skipif(
    not (os.environ.get("HARNESS_VLLM_PYTHON") and os.environ.get("HARNESS_VLLM_MODEL")),
    reason="set HARNESS_VLLM_PYTHON and HARNESS_VLLM_MODEL (a folder or hub id) to test a real vLLM",
)
async def test_a_real_vllm_obeys_each_form_of_grammar(tmp_path: Path) -> None:
    spec = resolve_model(f"vllm/{os.environ['HARNESS_VLLM_MODEL']}")
    runner = VllmServerRunner(spec, RunnerOptions(log_dir=tmp_path, extra={"flag.max-model-len": "2048"}))
    forms = (
        Constraint("regex", r"\([a-z]{1,9}\)\nEND"),
        Constraint("lark", 'start: "(" /[a-z]{1,9}/ ")\\nEND"'),
        Constraint("gbnf", 'root ::= "(" [a-z]{1,9} ")\\nEND"'),
    )
    async with runner:
        for constraint in forms:
            completion = await runner.generate(
                Request(ASKED.messages, Sampling(max_tokens=40), constraint, top_logprobs=2)
            )
            assert completion.text.startswith("(")
            assert completion.text.endswith(")\nEND")
            assert completion.logprobs[0].token == "("
            assert completion.usage.prompt_tokens == await runner.count_tokens(ASKED.messages)


def several(fake: Path, monkeypatch: pytest.MonkeyPatch, gpus: str, spec: ModelSpec = SPEC, **extra: str) -> Runner:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    options = RunnerOptions(extra={"python": str(fake), "device": "gpu", **extra})
    return create_runner(spec, options)


def test_a_model_of_one_gpu_gets_a_server_for_each(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = several(fake, monkeypatch, "3,5", servers="auto")
    assert isinstance(runner, SeveralServersRunner)
    assert [server.name for server in runner.servers()] == ["GPU 3", "GPU 5"]
    assert runner.identity == several(fake, monkeypatch, "3").identity
    assert isinstance(several(fake, monkeypatch, "3", servers="auto"), VllmServerRunner)


def test_a_larger_model_gets_one_server_of_several_copies(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ModelSpec("large", "vllm_server", "org/large", gpus=2)
    runner = several(fake, monkeypatch, "0,1,2,3,4", spec, servers="auto")
    assert isinstance(runner, VllmServerRunner)
    command = server_command(spec, runner.options, 1)
    assert command[command.index("--data-parallel-size") + 1] == "2"
    assert command[command.index("--tensor-parallel-size") + 1] == "2"
    with pytest.raises(InputError, match="large needs 2 GPUs for each, and 2 are visible"):
        several(fake, monkeypatch, "0,1", spec, servers="2")


@pytest.mark.parametrize("wish", ["0", "many"])
def test_a_number_of_servers_that_is_none_is_bad_input(fake: Path, monkeypatch: pytest.MonkeyPatch, wish: str) -> None:
    with pytest.raises(InputError, match="auto or a whole number"):
        several(fake, monkeypatch, "0", servers=wish)


def test_a_run_starts_its_servers_and_goes_on_without_one_that_dies(
    fake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_VLLM", "crashes once")
    monkeypatch.setattr(vllm_flags, "has_gpu", lambda: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(endpoints, "TICK_S", 0.01)
    monkeypatch.setattr(endpoints, "FIRST_WAIT_S", 0.01)
    done = run(
        "vllm/org/small", "tagged", dataset=str(write_corpus(tmp_path / "corpus", 24)), results=tmp_path / "results",
        model_options={"python": str(fake), "device": "gpu", "servers": "auto", "probe": "false"}, max_connections=2,
        constrain="none",
    )  # fmt: skip
    steps = [step for record in done.folder.documents() for step in record.steps]
    assert len(steps) == 24
    logs = "".join(log.read_text() for log in (tmp_path / "results" / "logs").iterdir())
    assert sorted(set(re.findall("GPU ([01]) of", logs))) == ["0", "1"]
    assert logs.count("out of memory") == 1


async def test_a_server_that_stopped_is_started_again(fake: Path, tmp_path: Path) -> None:
    async with runner_with(fake, tmp_path) as runner:
        assert await runner.answers()
        for pid in server_pids(fake):
            os.kill(pid, signal.SIGKILL)
        while not (await runner.answers() and runner._restarts):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # a process ends at its own time
        assert (await runner.generate(ASKED)).text == "I am org/small"
