"""What is a secret, by its value and by its place, and what stays as it is."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import redaction
from harness.redaction import (
    HIDDEN,
    address,
    has_login,
    redact,
    redact_answer,
    remember,
    remember_address,
    remember_options,
    shown,
)

KEY = "sk-Zq8rT2mXw5Lp9VbN/4+cJ"


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_pieces", {})
    monkeypatch.setattr(redaction, "_remembered", set())


def pieces_of(secret: str, text: str) -> list[str]:
    """The pieces of eight characters that a text holds of a secret."""
    return [secret[start : start + 8] for start in range(len(secret) - 7) if secret[start : start + 8] in text]


@pytest.mark.parametrize(
    "spelt",
    [
        KEY,
        KEY.upper(),
        f"{KEY[:12]}********{KEY[-9:]}",
        quote(KEY, safe=""),
        json.dumps({"said": KEY + '"'}),
        base64.b64encode(f"user:{KEY}".encode()).decode(),
        base64.urlsafe_b64encode(f"me:{KEY}:x".encode()).decode(),
        KEY.encode().hex(),
    ],
)
def test_a_known_secret_is_struck_however_it_is_spelt(spelt: str) -> None:
    said = redact(f"the server refused {spelt} today", KEY)
    assert said.startswith("the server refused ")
    assert said.endswith(" today")
    assert "[key]" in said
    assert len(said) < len(f"the server refused {spelt} today") - 8
    assert not pieces_of(KEY.lower(), said.lower())


VISIBLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=16, max_size=80)
SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "quoted": lambda key: quote(key, safe=""),
    "JSON": lambda key: json.dumps({key: [key]}),
    "page": html.escape,
    "front": lambda key: f"{key[:12]}...",
    "end": lambda key: f"...{key[-12:]}",
    "repr": repr,
    "address": lambda key: f"https://host/v1?key={quote(key)}&x=1",
    "percent": lambda key: "".join(f"%{ord(one):02X}" for one in key),
    "escaped": lambda key: "".join(f"\\u{ord(one):04X}" for one in key),
    "login": lambda key: f"proxy http://me:{key}@proxy:3128/",
}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=VISIBLE.filter(lambda key: not key.isalpha()), spelling=st.sampled_from(sorted(SPELLINGS)), noise=VISIBLE)
def test_no_piece_of_any_key_is_left_in_a_message(key: str, spelling: str, noise: str) -> None:
    left = redact(f"{noise} {SPELLINGS[spelling](key)} {noise}", key)
    assert not pieces_of(key, left.replace("[key]", "\0"))


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abcdef0123456789", "abcdef0123456789"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("Incorrect API key: sk-proj-abc***wxyz", "proj-abc"),
        ('{"api_key": "plainwords"}', "plainwords"),
        ("x-api-key=plainwords&a=1", "plainwords"),
        ("proxy http://user:pass@proxy:3128 refused", "user:pass"),
        ("proxy http://user:pa/ss@proxy:3128 refused", "pa/ss"),
        ("GET https://host/v1/chat?api-key=short&x=1 failed", "short"),
        ("GET https://host/a1B2c3D4e5F6/v1 failed", "a1B2c3D4e5F6"),
    ],
)
def test_what_stands_where_secrets_stand_is_struck(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert "[key]" in redact(text) or "[sha256:" in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "HTTP 500: unexpected token: <unk> at https://api.openai.com/v1/chat/completions.",
        "Incorrect API key provided: none. You can find yours at https://platform.openai.com/account/api-keys.",
        "the server knows no model 'Qwen/Qwen2.5-72B-Instruct' at this address",
        "this model's maximum context length is 4096 tokens, you requested 5120",
        "redocred-dev-smollm2_135m-tagged-closed-0dc3d0e0 is stopped",
        "connection to http://host/v1?sig=[key] failed: (http://host/[sha256:4e61594fdf3f])",
    ],
)
def test_a_message_without_secrets_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("dummy", ["none", "EMPTY", "anything", "ollama"])
def test_what_servers_without_keys_are_given_is_no_secret(dummy: str) -> None:
    assert redact(f"{dummy} is a word", dummy) == f"{dummy} is a word"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://127.0.0.1:8000/v1", None),
        ("https://generativelanguage.googleapis.com/v1beta/openai", None),
        ("https://x.openai.azure.com/openai/deployments/gpt-4o-mini-2024-07-18?api-version=2024-10-21", None),
        ("https://us-central1-aiplatform.googleapis.com/v1/projects/my-project/locations/us-central1", None),
        ("https://user:pa/ss@host/v1", "https://[key]@host/v1"),
        ("https://host/v1?code=abc&sig=%41%42&api-key=x&a=1", "https://host/v1?code=[key]&sig=[key]&api-key=[key]&a=1"),
    ],
)
def test_an_address_keeps_what_tells_its_server_from_others(url: str, kept: str | None) -> None:
    assert address(url) == (kept or url)
    assert address(address(url)) == address(url)


def test_a_key_in_a_path_becomes_a_digest_that_tells_deployments_apart() -> None:
    one, other = (address(f"https://host/{key}/v1") for key in ("a1B2c3D4e5F6", "a1B2c3D4e5F7"))
    assert one != other
    assert "a1B2" not in one
    assert address(one) == one


def test_a_login_is_seen_whatever_is_in_it() -> None:
    assert has_login("https://me:a/b@host/v1")
    assert not has_login("https://host/v1?user=me@home")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "x") for name in ("api_key", "body.api_key", "token", "body.token", "password", "Authorization")),
        ("body.extra_headers", '{"Authorization": "Bearer x"}'),
        ("body.user", "any-words-that-are-longer"),
        ("body.user", "q7Zp4Xw9"),
        ("body.pin", "123456789012"),
        ("body.nested", '[{"apiKey": "ab"}]'),
        ("header.X-Any", "Passw0rd!"),
        ("query.code", "abc"),
        ("-M body.model", KEY),
        ("anything", "Bearer abc123"),
    ],
)
def test_an_option_that_could_hold_a_secret_is_hidden(name: str, value: str) -> None:
    assert shown({name: value}) == {name: HIDDEN}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("body.reasoning_effort", "high"),
        ("body.provider", '{"order": ["DeepInfra/fp8"], "allow_fallbacks": false}'),
        ("body.min_p", "0.05"),
        ("body.user", "me"),
        ("-M flag.max-num-batched-tokens", "5"),
        ("-M model", "meta-llama/Llama-3.3-70B-Instruct"),
        ("key_env", "MY_KEY"),
    ],
)
def test_an_option_without_a_secret_is_shown(name: str, value: str) -> None:
    assert shown({name: value}) == {name: value}


def test_what_options_and_addresses_hide_is_struck_from_messages() -> None:
    remember_options({"body.user": "words-of-a-user", "body.token": "Bearer hidden-in-body-1"})
    remember_address("https://host/first1B2c3D4/v1?key=second9f8e7d")
    said = redact("no words-of-a-user hidden-in-body-1 first1B2c3D4 second9f8e7d here")
    assert said == "no [key] [key] [key] [key] here"


@pytest.mark.parametrize("part", ["r307loop", "llama3chat", "team42west", "keycloak", "my-tokenizer"])
def test_a_message_shows_where_an_address_leads(part: str) -> None:
    url = f"http://host/{part}/v1"
    shown_before = address(url)
    remember_address(url)
    assert redact(f"{url}/chat redirects again and again") == f"{url}/chat redirects again and again"
    assert address(url) == shown_before


@pytest.mark.parametrize(
    "part", ["a1B2c3D4e5F6", "k3xq9mzp", "550e8400e29b", "xkcdq77z", "my-secret-part", "user-key-1"]
)
def test_a_message_hides_what_looks_like_a_key_in_an_address(part: str) -> None:
    remember_address(f"http://host/{part}/v1")
    assert part not in redact(f"http://host/{part}/v1/chat redirects again and again")


def test_words_of_an_address_stay_in_an_answer() -> None:
    remember_address("http://host/fin_max_output_tokens/v1")
    assert redact_answer({"finish_reason": "max_output_tokens"}) == {"finish_reason": "max_output_tokens"}


def test_an_answer_loses_whole_keys_and_nothing_else() -> None:
    remember(KEY)
    remember("one-entity-of-the-text", sure=False)
    answer = {"choices": [{"message": {"content": f"(E1 | {KEY} | E2) {KEY[:9]} one-entity-of-the-text"}}], "n": [1.5]}
    content = f"(E1 | [key] | E2) {KEY[:9]} one-entity-of-the-text"
    assert redact_answer(answer) == {"choices": [{"message": {"content": content}}], "n": [1.5]}
