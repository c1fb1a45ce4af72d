"""The chat-completions format: a request becomes a JSON body (``chat_answer`` reads the answer).

The openai package says what the format is, to the type checker and in the tests; it is not imported in a run.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from harness.types import Constraint, Message, ModelSpec, Request
from runners.label_tokens import LLAMA_ALTERNATIVES
from runners.providers import ConstraintStyle, Provider, ThinkingStyle

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam
    from openai.types.shared_params import ResponseFormatJSONSchema


def chat_body(
    request: Request, model: str, spec: ModelSpec, provider: Provider, *, system_role: bool = True
) -> dict[str, object]:
    """The body of ``POST /chat/completions``, with only the fields that ``provider`` accepts for ``model``.

    ``system_role`` is False for a server that refuses system messages. Source: OpenAI's API reference, and
    each provider's list of deviations from it.
    """
    sampling = request.sampling
    body: dict[str, object] = {
        "model": model,
        "messages": chat_messages(request.messages, spec, system_role=system_role),
        provider.token_field: sampling.max_tokens,
    }
    if not model.startswith(provider.fixed_sampling):
        body["temperature"] = sampling.temperature
        # Some services refuse temperature and top_p together, and 1.0 is everyone's default.
        if sampling.top_p != 1.0:
            body["top_p"] = sampling.top_p
        if request.top_logprobs:
            body["logprobs"] = True
            body["top_logprobs"] = asked_alternatives(request, provider)
    if provider.seed_field:
        body[provider.seed_field] = request.seed
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    template = dict(spec.chat) if provider.template_options else {}
    if (effort := sampling.reasoning_effort) is not None:
        if provider.style == "llama.cpp":  # it passes nothing on to the template but what stands among its options
            template["reasoning_effort"] = effort
        else:
            body["reasoning_effort"] = effort
    if (budget := sampling.thinking_tokens) is not None:
        body |= thinking_fields(budget, provider.thinking_style)
        if "enable_thinking" in template:  # of Qwen3's template; a row may have switched it off
            template["enable_thinking"] = budget > 0
    if template:
        body["chat_template_kwargs"] = template
    body |= continuation_fields(request.messages, provider.style)
    if request.constraint is not None:
        body |= constraint_fields(request.constraint, provider.style)
        if provider.name == "openrouter":
            # Otherwise a request may be routed to a host that drops response_format.
            body["provider"] = {"require_parameters": True}
    return body


def asked_alternatives(request: Request, provider: Provider) -> int:
    """How many alternatives a token a server is asked for: more where labels are read and it gives any number.

    Of the first tokens of labels, many to a question, the alternatives asked for anyway hold nearly all.
    """
    exact = request.labels and not request.first_tokens and provider.style == "llama.cpp"
    return max(request.top_logprobs, LLAMA_ALTERNATIVES) if exact else request.top_logprobs


def chat_messages(
    messages: tuple[Message, ...], spec: ModelSpec, *, system_role: bool = True
) -> list[ChatCompletionMessageParam]:
    """The messages as JSON; without a system role, the system message opens the first user message.

    The chat templates of Gemma 2 and of Mistral's first models raise an error for a system role: their rows say
    ``system_role = false``.
    """
    if messages[0].role == "system" and not (system_role and spec.extra.get("system_role", True)):
        system, *others = messages
        texts = [system.content]
        if others and others[0].role == "user":
            texts.append(others.pop(0).content)
        messages = (Message("user", "\n\n".join(texts)), *others)
    return [
        cast("ChatCompletionMessageParam", {"role": message.role, "content": message.content}) for message in messages
    ]


def continuation_fields(messages: tuple[Message, ...], style: ConstraintStyle) -> dict[str, object]:
    """The body fields that let vLLM go on with a begun answer; llama.cpp does so wherever the last message is one."""
    if style == "vllm" and messages[-1].role == "assistant":
        return {"add_generation_prompt": False, "continue_final_message": True}
    return {}


def thinking_fields(tokens: int, style: ThinkingStyle) -> dict[str, object]:
    """The body fields that hold thinking to so many tokens, 0 for none.

    Sources: the API references of vLLM (sampling parameters), llama.cpp's server, Anthropic (extended thinking, OpenAI
    SDK compatibility), OpenRouter (reasoning tokens) and Gemini (OpenAI compatibility).
    """
    match style:
        case "vllm":
            return {"thinking_token_budget": tokens}
        case "llama.cpp":
            return {"thinking_budget_tokens": tokens}
        case "anthropic":
            return {"thinking": {"type": "enabled", "budget_tokens": tokens} if tokens else {"type": "disabled"}}
        case "openrouter":
            return {"reasoning": {"max_tokens": tokens} if tokens else {"enabled": False}}
        case "gemini":
            return {"extra_body": {"google": {"thinking_config": {"thinking_budget": tokens}}}}


def constraint_fields(constraint: Constraint, style: ConstraintStyle) -> dict[str, object]:
    """The body fields that carry a grammar to a server of the given style."""
    if constraint.form == "json_schema":
        response_format: ResponseFormatJSONSchema = {
            "type": "json_schema",
            "json_schema": {"name": "triplets", "strict": True, "schema": json.loads(constraint.text)},
        }
        return {"response_format": response_format}
    if style == "vllm":
        kind = "regex" if constraint.form == "regex" else "grammar"
        return {"structured_outputs": {kind: constraint.text}}
    if style == "fireworks":
        return {"response_format": {"type": "grammar", "grammar": constraint.text}}
    return {"grammar": constraint.text}
