"""Where requests go, and what goes with them."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from harness.errors import HarnessError, InputError, RequestError
from harness.runs.config import RunConfig
from harness.types import Message, ModelSpec, Request, RunnerOptions
from runners.addresses import read_address
from runners.openai_api import OpenAIApiRunner
from tests.runners.scripted_server import Asked, ScriptedServer, chat, http

ASKED = Request((Message("user", "A text."),))
KEY = "sk-secret-0123456789abcdef"


def runner_at(url: str, provider: str = "", **extra: str) -> OpenAIApiRunner:
    return OpenAIApiRunner(ModelSpec("m", "openai_api", "m", provider=provider), RunnerOptions(url, extra=extra))


async def asked_at(suffix: str, provider: str = "", **extra: str) -> Asked:
    """What a server receives whose base URL ends in ``suffix``."""
    async with (
        ScriptedServer(lambda _asked: http(chat())) as server,
        runner_at(server.url.removesuffix("/v1") + suffix, provider, **extra) as runner,
    ):
        await runner.generate(ASKED)
    return server.asked[0]


@pytest.mark.parametrize(
    ("suffix", "path", "query"),
    [
        ("", "/chat/completions", ""),
        ("/v1", "/v1/chat/completions", ""),
        ("/v1/", "/v1/chat/completions", ""),
        ("/v1//", "/v1/chat/completions", ""),
        ("/v1/chat/completions", "/v1/chat/completions", ""),
        ("/v1/chat/completions/?a=1", "/v1/chat/completions", "a=1"),
        ("/v1?a=1&a=2&b=%20", "/v1/chat/completions", "a=1&a=2&b=%20"),
        (
            "/openai/deployments/gpt4?api-version=2024-10-21",
            "/openai/deployments/gpt4/chat/completions",
            "api-version=2024-10-21",
        ),
    ],
)
async def test_the_path_is_put_before_the_query(suffix: str, path: str, query: str) -> None:
    sent = urlsplit((await asked_at(suffix)).path)
    assert (sent.path, parse_qsl(sent.query)) == (path, parse_qsl(query))


def test_white_space_around_an_address_is_left_out() -> None:
    assert read_address(" http://host/v1 \n").url == "http://host/v1"
    assert RunConfig("m", "tagged", base_url=" http://host/v1 ").base_url == "http://host/v1"


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("localhost:8000/v1", "http://127.0.0.1:8000/v1"),
        ("gpu-server", "http://127.0.0.1:8000/v1"),
        ("ftp://host/v1", "http://127.0.0.1:8000/v1"),
        ("http://", "http://127.0.0.1:8000/v1"),
        ("http://host:port/v1", "http://127.0.0.1:8000/v1"),
        ("http://host:99999/v1", "http://127.0.0.1:8000/v1"),
        ("http://a host/v1", "http://127.0.0.1:8000/v1"),
        ("http://[::1/v1", "http://127.0.0.1:8000/v1"),
        ("http://::1:8000/v1", "http://[::1]:8000/v1"),
        ("http://fe80::1/v1", "http://[::1]:8000/v1"),
        ("http://host/v1#part", "#"),
        ("unix:///run/server.sock", "sockets"),
        ("http+unix://%2Frun%2Fserver.sock/v1", "sockets"),
        ("/run/server.sock", "sockets"),
    ],
)
def test_an_address_that_is_none_is_one_line_before_anything_is_sent(address: str, says: str) -> None:
    with pytest.raises(InputError) as raised:
        runner_at(address).check()
    assert says in str(raised.value)
    assert address in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        *[(host, True) for host in ("localhost", "127.0.0.1", "127.8.8.8", "[::1]", "0.0.0.0", "llm.localhost")],
        *[(host, False) for host in ("10.0.0.1", "gpu-server", "localhost.example.org", "[2001:db8::1]")],
    ],
)
def test_this_machines_own_servers_are_known(host: str, is_local: bool) -> None:
    assert read_address(f"http://{host}:8000/v1").is_local is is_local


async def test_headers_and_parameters_are_added_also_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_KEY", f"{KEY}\n")
    options = {"header.X-Gateway-Key": "env:GATEWAY_KEY", "header.X-Team": "re", "query.tier": "batch"}
    runner = runner_at("http://127.0.0.1:9/v1", **options)
    assert KEY not in str(runner.identity)
    sent = await asked_at("/v1?tier=flex&a=1", **options)
    assert (sent.headers["x-gateway-key"], sent.headers["x-team"]) == (KEY, "re")
    assert dict(parse_qsl(urlsplit(sent.path).query)) == {"tier": "batch", "a": "1"}


async def test_a_value_of_the_environment_that_a_server_repeats_stays_out_of_its_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GATEWAY_KEY", KEY)
    async with (
        ScriptedServer(lambda asked: http({"error": f"bad {asked.headers['x-key']}"}, 400)) as server,
        runner_at(server.url, **{"header.X-Key": "env:GATEWAY_KEY"}) as runner,
    ):
        with pytest.raises(RequestError) as raised:
            await runner.generate(ASKED)
    assert "bad [key]" in str(raised.value)
    assert "secret" not in f"{raised.value!r} {raised.value.answer}"


@pytest.mark.parametrize(
    ("option", "value"),
    [("header.X-Key", "env:NOT_SET_ANYWHERE"), ("header.X Key", "1"), ("header.X-Key", "a\nb"), ("query.a", "env:")],
)
def test_what_cannot_be_sent_is_refused_before_the_run(option: str, value: str) -> None:
    with pytest.raises(InputError, match=f"-M {option}"):
        runner_at("http://127.0.0.1:9/v1", **{option: value}).check()


@pytest.mark.parametrize("provider", ["", "openai", "azure"])
async def test_azure_is_sent_the_key_in_its_own_header_too(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY" if provider == "openai" else "AZURE_OPENAI_API_KEY", KEY)
    sent = await asked_at("/openai/deployments/gpt4?api-version=2024-10-21", provider)
    assert sent.headers["api-key"] == KEY
    assert sent.headers["authorization"] == f"bearer {KEY}"
    assert "api-key" not in (await asked_at("/v1", provider)).headers


async def test_a_key_of_the_users_own_header_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("TOKEN", f"Bearer {KEY}")
    assert (await asked_at("/v1", **{"header.Authorization": "env:TOKEN"})).headers["authorization"] == f"bearer {KEY}"
    assert "authorization" not in (await asked_at("/v1")).headers


@pytest.mark.parametrize("host", ["r.openai.azure.com", "r.services.ai.azure.com", "r.openai.azure.us"])
def test_azures_hosts_are_known(host: str) -> None:
    assert read_address(f"https://{host}/openai/v1").is_azure
    assert "/openai/deployments/" in read_address(f"https://{host}").remedy
    assert not read_address(f"https://{host}.example.org/v1").is_azure


@pytest.mark.parametrize("status", [404, 405])
async def test_an_address_without_its_v1_is_told_where_nothing_is_found(status: int) -> None:
    async with (
        ScriptedServer(lambda _asked: http({"detail": "Not Found"}, status)) as server,
        runner_at(server.url.removesuffix("/v1")) as bare,
        runner_at(server.url) as whole,
    ):
        for runner, is_told in ((bare, True), (whole, False)):
            with pytest.raises(HarnessError) as raised:
                await runner.generate(ASKED)
            assert (f"ends in /v1: {server.url}" in str(raised.value)) is is_told
