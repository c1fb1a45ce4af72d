"""Why servers say an answer ended: the names of each provider, and what a name that is in no list is taken for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from harness.types import FinishReason

Ending = FinishReason | Literal["failed"]
"""``failed`` says that the server gave up: the answer is no good, and may be asked for again."""

# In lower case, words joined by "_", without the name of the enumeration. Gemini's names and Cohere's are in capitals,
# Azure AI's and Vercel's are CamelCase, and some proxies send "FinishReason.MAX_TOKENS" or "content_filter: SAFETY".
_NAMES: Mapping[Ending, str] = {
    # OpenAI and all that speak its API; Anthropic, Bedrock; Titan; Cohere; TGI; llama.cpp; watsonx; AI21; xAI; ERNIE
    "stop": """
        stop stopped tool_call tool_calls tool_use function_call end_turn stop_sequence stop_criteria_met finish
        finished complete completed eos eos_token eos_token_id end_of_text endoftext end word done normal success
    """,
    # OpenAI; Anthropic, Gemini, Cohere; Responses API; Mistral; Zhipu and Anthropic; watsonx; llama.cpp; xAI; Cohere
    "length": """
        length max_tokens max_output_tokens max_new_tokens max_length max_len max_completion_tokens model_length
        model_context_window_exceeded context_length_exceeded token_limit limit limited incomplete truncated
        max_context error_limit too_many_tokens budget_exhausted
    """,
    # vLLM
    "repetition": "repetition repetition_detected",
    # OpenAI; Bedrock, Titan; Gemini; Cohere; Anthropic; Zhipu
    "content_filter": """
        content_filter content_filtered guardrail_intervened guardrail guardrails safety recitation blocklist
        prohibited_content spii image_safety model_armor error_toxic refusal refused sensitive blocked moderation
    """,
    # vLLM; DeepSeek; Cohere; Zhipu; Ollama; Responses API; watsonx; Gemini
    "failed": """
        error abort aborted insufficient_system_resource user_cancel cancel cancelled canceled timeout time_limit
        network_error failed failure load unload malformed_function_call malformed_model_output malformed_response
    """,
    # These say nothing of the end: Gemini, watsonx, Anthropic, DashScope while it streams
    "unknown": "null none unknown other unspecified not_finished pause_turn language",
}
_ENDINGS: Mapping[str, Ending] = {name: ending for ending, names in _NAMES.items() for name in names.split()}
# For names of providers to come, by the words in them; the first that fits.
_WORDS: tuple[tuple[Ending, re.Pattern[str]], ...] = (
    (
        "content_filter",
        re.compile(
            r"safe|filter|moderat|guard|refus|block|prohibit|forbid|denied|toxic|sensitive|polic|recit|violat|harm|pii"
            r"|copyright|banned|disallow|censor|hate|violen|jailbreak|inappropriate|denylist|illegal|abus|profan|offens"
        ),
    ),
    ("stop", re.compile(r"^(?!.*(max|limit|length|budget|trunc)).*(^|_)(stop\w*|eos|eot|end|complete|finish)(_|$)")),
    (
        "length",
        re.compile(r"length|_len\b|token|max|trunc|incomplete|context|budget|limit|exceed|cut_?off|too_long|_size"),
    ),
    (
        "failed",
        re.compile(
            r"error|fail|abort|cancel|time_?out|malformed|crash|interrupt|resource|overload|preempt|evict|shut_?down|disconnect|kill"
        ),
    ),
)
_ENUMERATION = re.compile(r"^(finish_?reason|stop_?reason|reason)_")


def ending_of(reason: object) -> Ending:
    """What a server's ``finish_reason`` says; ``unknown`` for none, and for words that say nothing of an end.

    SGLang's and vLLM's own formats hold the name under ``type``.
    """
    if isinstance(reason, dict):
        reason = reason.get("type") or reason.get("reason")
    if not isinstance(reason, str):
        return "unknown"
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", reason.strip())
    name = _ENUMERATION.sub("", re.sub(r"[^a-z0-9]+", "_", words.casefold()).strip("_"))
    if name in _ENDINGS:
        return _ENDINGS[name]
    return next((ending for ending, words_of in _WORDS if words_of.search(name)), "unknown")
