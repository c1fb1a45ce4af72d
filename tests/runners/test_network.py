"""Proxies, certificates and redirects: what cannot be used is one line, and prompts go to no other server."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from harness.errors import FatalError, HarnessError, InputError, RetryableError
from harness.types import Message, ModelSpec, Request, RunnerOptions
from runners.addresses import read_address
from runners.network import proxy_for
from runners.openai_api import OpenAIApiRunner
from tests.runners.scripted_server import Asked, ScriptedServer, chat, http

ASKED = Request((Message("user", "A secret prompt."),))
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
Certify = Callable[..., Path]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, *CERTIFICATES, "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def runner_at(url: str, **extra: str) -> OpenAIApiRunner:
    return OpenAIApiRunner(ModelSpec("m", "openai_api", "m"), RunnerOptions(url, extra=extra))


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("socks5://127.0.0.1:9", "pip install 'httpx2[socks]'"),
        ("socks5h://127.0.0.1:9", "pip install 'httpx2[socks]'"),
        ("socks://127.0.0.1:9", "socks5://"),
        ("socks4://127.0.0.1:9", "socks5://"),
        ("ftp://127.0.0.1:9", "not supported"),
        ("http://user:secret@", "http://proxy:3128"),
        ("http://proxy:port", "http://proxy:3128"),
        ("://proxy", "not supported"),
    ],
)
@pytest.mark.parametrize("variable", ["ALL_PROXY", "HTTP_PROXY"])
def test_a_proxy_that_cannot_be_used_is_one_line_before_the_run(
    variable: str, setting: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runners.network.find_spec", lambda _name: None)
    monkeypatch.setenv(variable, setting)
    with pytest.raises(InputError) as raised:
        runner_at("http://model.test:8000/v1").check()
    message = str(raised.value)
    assert message.startswith(f"${variable} ")
    assert says in message
    assert "NO_PROXY=model.test" in message
    assert "unset" in message
    assert "secret" not in message
    assert "\n" not in message


@pytest.mark.parametrize("exempt", ["model.test", ".test", "*", "other, model.test:8000", "10.0.0.0/8"])
def test_servers_that_no_proxy_names_and_those_of_this_machine_are_asked_themselves(
    exempt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:9")
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
        runner_at(f"http://{host}/v1").check()
    monkeypatch.setenv("NO_PROXY", exempt)
    runner_at(f"http://{'10.1.2.3' if '/' in exempt else 'model.test'}:8000/v1").check()


@pytest.mark.parametrize("setting", ["proxy.test:3128", "http://proxy.test:3128", "http://user:secret@proxy.test:3128"])
def test_a_proxy_may_be_named_without_its_scheme(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", setting)
    proxy = proxy_for(read_address("http://model.test/v1"))
    assert proxy is not None
    assert (proxy.url.host, proxy.url.port) == ("proxy.test", 3128)
    assert proxy_for(read_address("https://model.test/v1")) is None


async def test_requests_go_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedServer(lambda _asked: http(chat("through"))) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1"))
        async with runner_at("http://model.test:8000/v1") as runner:
            assert (await runner.generate(ASKED)).text == "through"
    assert proxy.asked[0].path == "http://model.test:8000/v1/chat/completions"


async def test_a_proxy_that_asks_for_a_login_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedServer(lambda _asked: http("who are you?", 407)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1"))
        async with runner_at("http://model.test:8000/v1") as runner:
            with pytest.raises(FatalError, match="proxy asks for a login"):
                await runner.generate(ASKED)


@pytest.fixture(scope="module")
def certify(tmp_path_factory: pytest.TempPathFactory) -> Certify:
    """Writes a self-signed certificate with its key into one file."""

    def certify(address: str = "127.0.0.1", days: int = 2) -> Path:
        now = datetime.datetime.now(datetime.UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=9))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        file = tmp_path_factory.mktemp("certificates") / "server.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
        return file

    return certify


def encrypted(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def answer_of(certificate: Path, **extra: str) -> str:
    async with (
        ScriptedServer(lambda _asked: http(chat("trusted")), encrypted=encrypted(certificate)) as server,
        runner_at(server.url, **extra) as runner,
    ):
        return (await runner.generate(ASKED)).text


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "-M ca"])
async def test_a_certificate_that_the_user_names_is_trusted_also_on_loopback(
    variable: str, certify: Certify, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certify()
    if variable == "-M ca":
        monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
        assert await answer_of(certificate, ca=str(certificate)) == "trusted"
    else:
        monkeypatch.setenv(variable, str(certificate))
        assert await answer_of(certificate) == "trusted"


@pytest.mark.parametrize(
    ("address", "days", "is_named", "says"),
    [
        ("127.0.0.1", 2, False, ("self-signed", "-M ca=FILE")),
        ("127.0.0.1", -1, True, ("expired", "clock")),
        ("10.0.0.1", 2, True, ("mismatch", "--base-url")),
    ],
    ids=["self-signed", "expired", "another name"],
)
async def test_a_certificate_that_is_not_accepted_ends_the_run_at_once_with_the_remedy(
    address: str, days: int, is_named: bool, says: tuple[str, ...], certify: Certify
) -> None:
    certificate = certify(address, days)
    with pytest.raises(FatalError) as raised:
        await answer_of(certificate, **({"ca": str(certificate)} if is_named else {}))
    assert all(words in str(raised.value) for words in says)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_that_holds_no_certificates_is_named_before_the_run(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    for extra in ({"ca": str(file)}, {}):
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        with pytest.raises(InputError, match=r"ca\.pem"):
            runner_at("https://127.0.0.1:9/v1", **extra).check()
        runner_at("http://127.0.0.1:9/v1", **extra).check()


async def test_a_server_without_encryption_is_not_asked_again_and_again() -> None:
    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(http("Bad request", 400))
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with runner_at(f"https://127.0.0.1:{port}/v1") as runner:
            with pytest.raises(FatalError, match="write http:// in --base-url"):
                await runner.generate(ASKED)


async def test_a_name_that_is_none_is_a_lost_connection() -> None:
    async with runner_at("http://model.invalid/v1") as runner:
        with pytest.raises(RetryableError, match=r"model\.invalid") as raised:
            await runner.generate(ASKED)
    assert raised.value.outage == "connection"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_prompt_and_key_follow_no_redirect_to_another_server(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-0123456789")
    async with ScriptedServer(lambda _asked: http(chat("stolen"))) as other:
        places = [f"{other.url}/chat/completions?token=secret", "http://elsewhere.invalid/x", "//elsewhere.invalid/x"]
        for place in places:
            moved = http("", status, {"Location": place})
            async with ScriptedServer(lambda _asked, moved=moved: moved) as server, runner_at(server.url) as runner:  # type: ignore[misc]
                with pytest.raises(FatalError) as raised:
                    await runner.generate(ASKED)
            assert "to another server" in str(raised.value)
            assert place.split("/")[2] in str(raised.value)
            assert "secret" not in str(raised.value)
            assert len(server.asked) == 1
    assert other.asked == []


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "is not valid HTTP"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", "is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", "cannot be decompressed"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "an empty body"),
        (b"", "disconnected"),
    ],
)
async def test_what_is_no_answer_is_told_without_the_words_of_a_library(sent: bytes, says: str) -> None:
    async with ScriptedServer(lambda _asked: sent) as server, runner_at(server.url) as runner:
        with pytest.raises(RetryableError, match=says) as raised:
            await runner.generate(ASKED)
    assert "bytearray" not in str(raised.value)
    assert "_SWITCH" not in str(raised.value)


@pytest.mark.parametrize("status", [307, 308])
async def test_a_redirect_within_the_server_is_followed_with_the_request(status: int) -> None:
    def reply(asked: Asked) -> bytes:
        if asked.path == "/v1/chat/completions":
            return http("", status, {"Location": "/v2/chat"})
        return http(chat(str(asked.body["messages"])))

    async with ScriptedServer(reply) as server, runner_at(server.url) as runner:
        assert "A secret prompt." in (await runner.generate(ASKED)).text
    assert [asked.path for asked in server.asked] == ["/v1/chat/completions", "/v2/chat"]


@pytest.mark.parametrize(
    ("status", "place", "says"),
    [
        (302, "/login", "without the request"),
        (301, "/v2", "without the request"),
        (307, "/v1/chat/completions", "again and again"),
        (307, "http://host:port/", "an address that is none"),
        (307, None, "names no address"),
        (304, None, "names no address"),
    ],
)
async def test_a_redirect_that_leads_nowhere_ends_the_run(status: int, place: str | None, says: str) -> None:
    moved = http("", status, {"Location": place} if place else {})
    async with ScriptedServer(lambda _asked: moved) as server, runner_at(server.url) as runner:
        with pytest.raises(HarnessError, match=says):
            await runner.generate(ASKED)
    assert len(server.asked) <= 4
