"""The OpenAI-compatible services that have a short name, and what each of them honours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.types import GrammarForm, ThinkingBudget

ConstraintStyle = Literal["openai", "vllm", "llama.cpp", "fireworks"]
ThinkingStyle = Literal["vllm", "llama.cpp", "anthropic", "openrouter", "gemini"]


@dataclass(frozen=True, slots=True)
class Provider:
    """A service, or a kind of server, that speaks OpenAI's chat completions.

    ``key_env`` names the variable that holds its key (empty: none is needed). ``forms`` are the
    grammar forms it enforces, ``style`` the request fields that carry them. ``seed_field`` is empty
    where a seed is refused or ignored. ``fixed_sampling`` lists prefixes of model ids that refuse
    temperature, top_p and log-probabilities. ``template_options`` says that the server passes
    options on to the chat template. ``continues`` says that it goes on with a begun answer. ``samples`` says that it
    takes ``n``, the number of answers to draw. ``thinking`` says what it takes for a budget for thinking, in the field
    that ``chat_body`` knows its style by; None if there is none. Sources: each provider's API reference.
    """

    name: str
    base_url: str
    key_env: str = ""
    forms: tuple[GrammarForm, ...] = ("json_schema",)
    style: ConstraintStyle = "openai"
    max_top_logprobs: int = 0
    token_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    seed_field: Literal["seed", "random_seed", ""] = "seed"
    fixed_sampling: tuple[str, ...] = ()
    template_options: bool = False
    continues: bool = False
    samples: bool = False
    thinking: ThinkingBudget | None = None
    thinking_style: ThinkingStyle = "vllm"


# Anthropic's and DeepSeek's OpenAI-compatible endpoints ignore response_format schemas, so they get no form.
_ROWS = (
    Provider(
        "openai",
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
        max_top_logprobs=20,
        token_field="max_completion_tokens",
        fixed_sampling=("o1", "o3", "o4", "gpt-5"),
        samples=True,
    ),
    # The address of a resource and its deployment is the user's.
    Provider(
        "azure",
        "",
        "AZURE_OPENAI_API_KEY",
        max_top_logprobs=20,
        fixed_sampling=("o1", "o3", "o4", "gpt-5"),
        samples=True,
    ),
    Provider(
        "anthropic",
        "https://api.anthropic.com/v1",
        "ANTHROPIC_API_KEY",
        forms=(),
        seed_field="",
        thinking=ThinkingBudget(least=1024, temperature=1.0),
        thinking_style="anthropic",
    ),
    Provider("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY", seed_field="random_seed", samples=True),
    Provider("together", "https://api.together.xyz/v1", "TOGETHER_API_KEY", samples=True),
    Provider("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", token_field="max_completion_tokens"),
    Provider(
        "openrouter",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        max_top_logprobs=20,
        thinking=ThinkingBudget(),
        thinking_style="openrouter",
    ),
    Provider(
        "deepseek",
        "https://api.deepseek.com",
        "DEEPSEEK_API_KEY",
        forms=(),
        max_top_logprobs=20,
        seed_field="",
        fixed_sampling=("deepseek-reasoner",),
    ),
    Provider(
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
        seed_field="",
        thinking=ThinkingBudget(),
        thinking_style="gemini",
    ),
    Provider(
        "fireworks",
        "https://api.fireworks.ai/inference/v1",
        "FIREWORKS_API_KEY",
        forms=("gbnf", "json_schema"),
        style="fireworks",
        max_top_logprobs=5,
        samples=True,
    ),
    Provider("xai", "https://api.x.ai/v1", "XAI_API_KEY", max_top_logprobs=8, samples=True),
    Provider(
        "cerebras",
        "https://api.cerebras.ai/v1",
        "CEREBRAS_API_KEY",
        max_top_logprobs=20,
        token_field="max_completion_tokens",
    ),
    Provider("ollama", "http://127.0.0.1:11434/v1"),
    Provider("lmstudio", "http://127.0.0.1:1234/v1"),
    Provider(
        "llama-server",
        "http://127.0.0.1:8080/v1",
        forms=("gbnf", "json_schema"),
        style="llama.cpp",
        max_top_logprobs=100,
        template_options=True,
        continues=True,
        thinking=ThinkingBudget(),
        thinking_style="llama.cpp",
    ),
    Provider(
        "vllm-server",
        "http://127.0.0.1:8000/v1",
        forms=("lark", "regex", "json_schema"),
        style="vllm",
        max_top_logprobs=20,
        template_options=True,
        continues=True,
        samples=True,
        thinking=ThinkingBudget(),
    ),
    Provider("openai-compatible", "", max_top_logprobs=20, samples=True),
)

PROVIDERS: Mapping[str, Provider] = {provider.name: provider for provider in _ROWS}

KEY_VARIABLES = frozenset({provider.key_env for provider in _ROWS if provider.key_env} | {"WANDB_API_KEY"})
"""The variables that hold keys of services other than model hubs: what a model's own server has no use for."""
