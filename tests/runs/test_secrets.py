"""Secrets stand in every option that takes one, a server echoes them in every way, and no file holds a piece."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from harness.runs.results import RunResult
from harness.store import RunFolder
from harness.tracking.content import tracked
from tests.chat_server import ChatServer, Fault, answer_by_rule
from tests.commands import error_line, harness_here

Arguments = Callable[..., list[str]]

SECRETS = {
    "key": "sk-Zq8rT2mXw5Lp9VbN+4/cJ",
    "path": "Hk7Yd3Qs9Wn2Ex5U",
    "query": "Rb6Mf1Tg8Vc4Zj0P",
    "login": "pA5s/Wo3rD8xK2vQ",
    "body": "Nu4Lo9Ik3Jh7Gy2B",
    "nested": "Fd8Sa5Ty1Xe6Cw3O",
    "words": "a-user-named-in-words",
}


def leaked(text: str) -> list[str]:
    """The pieces of eight characters of the secrets that a text holds, also in other cases, and whole encodings."""
    folded = text.lower()
    found = [name for name in (base64.b64encode(f":{SECRETS['key']}".encode()).decode()[4:-4],) if name in text]
    for secret in SECRETS.values():
        pieces = (secret[start : start + 8].lower() for start in range(len(secret) - 7))
        found += [piece for piece in pieces if piece in folded]
    return found


def leaked_in(folder: Path) -> dict[str, list[str]]:
    """By file, names included."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file): found for file in files if (found := leaked(f"{file}\n{file.read_bytes().decode('latin-1')}"))}


def echoing(server: ChatServer) -> tuple[Callable[[dict[str, Any]], dict[str, Any]], Callable[..., Fault | None]]:
    """How a server can give back what it was sent: in errors of all kinds, in headers, in answers."""
    key = SECRETS["key"]
    escaped = "".join(f"\\u{ord(character):04x}" for character in key)

    def everything(body: dict[str, Any]) -> str:
        return f"{server.last_head} {json.dumps(body)}"

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        content = answer_by_rule(body)
        content["choices"][0]["message"] |= {"content": f"{key} (E1 | {server.last_head} | E2)", "reasoning": key}
        return content

    def misbehave(number: int, body: dict[str, Any]) -> Fault | None:
        said = everything(body)
        return [
            None,
            Fault("status", 400, (("x-echo", key),), json.dumps({"error": {"message": said}})),
            Fault("status", 400, (), json.dumps({"error": {"message": f"{'x' * 280} {key}"}})),
            Fault("status", 400, (), f'{{"error": {{"message": "bad key {escaped}"}}}}'),
            Fault("status", 422, (), quote(said)),
            Fault("status", 400, (), base64.b64encode(f"user:{key}".encode()).decode()),
            Fault("status", 400, (), f"Cannot read {key[:11]}******{key[-9:]}"),
            Fault("status", 500, (("Retry-After", "0"),), said),
            Fault("status", 200, (), said),
            Fault("status", 200, (), json.dumps({"error": {"code": 400, "message": said}})),
            Fault("status", 200, (), json.dumps({"choices": [{"finish_reason": "error", "message": said}]})),
            Fault("close"),
        ][number % 12]

    return answer, misbehave


def given(address: str) -> list[str]:
    """A secret in every option that can hold one."""
    body = {"metadata": {"note": SECRETS["nested"]}, "user": SECRETS["words"]}
    return [
        *("--base-url", f"{address}/{SECRETS['path']}/v1?api-key={SECRETS['query']}&sig={SECRETS['query']}"),
        *("-M", f"body.access_token={SECRETS['body']}", "-M", f"body.extra={json.dumps(body)}"),
    ]


def test_no_file_message_or_table_of_a_run_holds_a_piece_of_a_secret(
    run_arguments: Arguments, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f" {SECRETS['key']}\n")
    with ChatServer() as server:
        server.rule, server.misbehave = echoing(server)
        arguments = run_arguments(server.base_url, 14, *given(f"http://127.0.0.1:{server.port}"))
        done = harness_here(*arguments, "--max-retries", "1", "--display", "plain", "--max-connections", "1")
        assert done.returncode == 1, done.stderr
        assert SECRETS["key"].lower() in server.last_head.lower(), "it is sent, without the white space around it"
    (run,) = (results / "runs").iterdir()
    said = [done.stdout, done.stderr]
    for command in (["leaderboard"], ["retry", run.name], ["score", run.name], ["card", run.name]):
        again = harness_here(*command, "--results-dir", results)
        said += [again.stdout, again.stderr]
    told = tracked(RunResult.load(RunFolder(run)))
    assert not any("127.0.0.1" in str(value) for value in told.parameters.values()), "no tracker is told the address"
    said.append(json.dumps(dict(told.parameters)))
    assert leaked("\n".join(said)) == []
    assert leaked_in(results) == {}
    errors = [json.loads(line)["error"] for line in (run / "documents.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sum("[key]" in error for error in errors) >= 5, "what is left of the messages still tells what happened"


@pytest.mark.parametrize(
    ("more", "environment", "expected"),
    [
        (["--base-url", f"http://127.0.0.1:9/{SECRETS['path']}/v1?key={SECRETS['query']}"], {}, ""),
        (["--base-url", f"http://me:{SECRETS['login']}@127.0.0.1:9/v1"], {}, "must not hold a login"),
        (["--base-url", f"ftp://127.0.0.1:9/{SECRETS['path']}"], {}, "an address such as"),
        (["-M", f"apikey={SECRETS['body']}"], {}, "unknown option -M apikey"),
        (["-M", f"key_env={SECRETS['key']}"], {}, "name of the environment variable"),
        (["-M", f"key_env={SECRETS['body']}"], {}, "name of the environment variable"),
        (["-M", SECRETS["key"]], {}, "-M key=value"),
        ([], {"OPENAI_API_KEY": SECRETS["key"][:12] + "\n" + SECRETS["key"][12:]}, "$OPENAI_API_KEY holds white space"),
        ([], {"OPENAI_API_KEY": SECRETS["key"] + "é"}, "not ASCII"),
        (["-M", "key_env=MINE"], {"MINE": "\ufeff" + SECRETS["key"]}, "$MINE holds"),
        ([], {"OPENAI_API_KEY": SECRETS["key"], "HTTP_PROXY": f"http://me:{SECRETS['login']}@127.0.0.1:9"}, ""),
    ],
)
def test_no_mistake_with_a_secret_repeats_it(
    more: list[str],
    environment: dict[str, str],
    expected: str,
    run_arguments: Arguments,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in ({"OPENAI_API_KEY": SECRETS["key"]} | environment).items():
        monkeypatch.setenv(name, value)
    done = harness_here(
        *run_arguments("http://127.0.0.1:9/v1", 1, "--max-retries", "0", "--max-connections", "1", *more)
    )
    assert done.returncode in (1, 2)
    if expected:
        assert expected in error_line(done)
    assert "Traceback" not in done.stderr
    assert leaked(done.stdout + done.stderr) == []
    assert leaked_in(tmp_path) == {}


def test_a_refused_key_is_told_by_its_variable_only(
    run_arguments: Arguments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", SECRETS["key"])
    with ChatServer() as server:
        server.misbehave = lambda _number, body: Fault("status", 401, (), f"{server.last_head}{json.dumps(body)}")
        address = f"http://127.0.0.1:{server.port}"
        done = harness_here(
            *run_arguments(server.base_url, 2, *given(address), "-M", "key_env=MINE", "--max-connections", "1")
        )
    assert "the server refused the API key in $MINE" in error_line(done)
    assert leaked(done.stdout + done.stderr) == []
    assert leaked_in(tmp_path) == {}
