"""What a server tells of its context is found in every server's answers, and odd answers are none."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from runners.server_context import server_context

VLLM = {"models": {"data": [{"id": "other", "max_model_len": 99999}, {"id": "m", "max_model_len": 4096}]}}
TOLD: Mapping[str, tuple[Mapping[str, object], int | None]] = {
    "vLLM": (VLLM, 4096),
    "an only model by another name": ({"models": {"data": [{"id": "served", "max_model_len": 4096}]}}, 4096),
    "OpenRouter": ({"models": {"data": [{"id": "m", "context_length": 131072}]}}, 131072),
    "Mistral": ({"models": {"data": [{"id": "m", "max_context_length": 32768}]}}, 32768),
    "Groq": ({"models": {"data": [{"id": "m", "context_window": 8192}]}}, 8192),
    "Together": ({"models": [{"id": "m", "context_length": 8192}, {"id": "other"}]}, 8192),
    "llama-server": (
        {
            "models": {"data": [{"id": "m.gguf", "meta": {"n_ctx_train": 131072}}]},
            "/props": {"default_generation_settings": {"n_ctx": 4096, "params": {}}, "total_slots": 4},
        },
        4096,
    ),
    "LM Studio": (
        {"/api/v0/models": {"data": [{"id": "m", "max_context_length": 131072, "loaded_context_length": 4096}]}},
        4096,
    ),
    "LM Studio, not loaded": ({"/api/v0/models": {"data": [{"id": "m", "max_context_length": 131072}]}}, 131072),
    "TGI": ({"/info": {"model_id": "m", "max_input_tokens": 4000, "max_total_tokens": 4096}}, 4096),
    "Ollama, loaded": ({"/api/ps": {"models": [{"name": "m:latest", "context_length": 4096}]}}, 4096),
    "Ollama, set": (
        {
            "/api/ps": {"models": []},
            "/api/show": {"parameters": "stop  x\nnum_ctx   8192", "model_info": {"qwen2.context_length": 32768}},
        },
        8192,
    ),
    "Ollama, not set": (
        {"/api/ps": {"models": []}, "/api/show": {"model_info": {"qwen2.context_length": 32768}}},
        32768,
    ),
    "nothing": ({}, None),
    "nothing of use": ({"models": {"data": [{"id": "m"}]}}, None),
    "odd": ({"models": {"data": [{"id": "m", "max_model_len": True}]}, "/props": [], "/info": "x", "/api/ps": 3}, None),
    "odder": ({"models": {"data": [{"id": "m", "max_model_len": "4096", "context_length": 10**30}, 7]}}, None),
    "too small": ({"models": {"data": [{"id": "m", "context_length": 0}]}}, None),
}


@pytest.mark.parametrize("server", TOLD)
async def test_the_context_is_read_from_what_each_server_tells(server: str) -> None:
    told, context = TOLD[server]
    asked = []

    async def ask(_method: str, path: str, _body: Mapping[str, object] | None) -> object:
        asked.append(path)
        return told.get(path)

    assert await server_context(ask, "m", at_home=True) == context
    assert ("/api/show" in asked) is (server in ("Ollama, set", "Ollama, not set"))


async def test_a_hosted_service_is_asked_for_its_list_of_models_only() -> None:
    asked = []

    async def ask(_method: str, path: str, _body: Mapping[str, object] | None) -> object:
        asked.append(path)

    assert await server_context(ask, "m", at_home=False) is None
    assert asked == ["models"]
