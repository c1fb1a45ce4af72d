"""The chat-completions format: a request becomes a JSON body, a JSON answer becomes a completion."""

from __future__ import annotations

import json
from collections.abc import Mapping

from harness.errors import RequestError, RetryableError
from harness.types import (
    Completion,
    Constraint,
    FinishReason,
    Message,
    ModelSpec,
    Request,
    TokenLogprob,
    Usage,
)
from runners.providers import ConstraintStyle, Provider

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"
# vLLM's own value for a masked token; a probability of zero has no finite logarithm and no JSON number.
IMPOSSIBLE_LOGPROB = -9999.0


def chat_body(request: Request, model: str, spec: ModelSpec, provider: Provider) -> dict[str, object]:
    """The body of ``POST /chat/completions``, with only the fields that ``provider`` accepts for ``model``.

    Source: OpenAI's API reference, and each provider's list of deviations from it.
    """
    sampling = request.sampling
    body: dict[str, object] = {
        "model": model,
        "messages": chat_messages(request.messages, spec),
        provider.token_field: sampling.max_tokens,
    }
    if not model.startswith(provider.fixed_sampling):
        body["temperature"] = sampling.temperature
        # Some services refuse temperature and top_p together, and 1.0 is everyone's default.
        if sampling.top_p != 1.0:
            body["top_p"] = sampling.top_p
        if request.top_logprobs:
            body["logprobs"] = True
            body["top_logprobs"] = request.top_logprobs
    if provider.seed_field:
        body[provider.seed_field] = sampling.seed + request.repeat
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if spec.chat and provider.template_options:
        body["chat_template_kwargs"] = dict(spec.chat)
    if request.constraint is not None:
        body |= constraint_fields(request.constraint, provider.style)
        if provider.name == "openrouter":
            # Otherwise a request may be routed to a host that drops response_format.
            body["provider"] = {"require_parameters": True}
    return body


def chat_messages(messages: tuple[Message, ...], spec: ModelSpec) -> list[dict[str, str]]:
    """The messages as JSON; where a row says ``system_role = false``, the system message opens the user's.

    The chat templates of Gemma 2 and of Mistral's first models raise an error for a system role.
    """
    if spec.extra.get("system_role") is False and len(messages) > 1 and messages[0].role == "system":
        merged = Message("user", f"{messages[0].content}\n\n{messages[1].content}")
        messages = (merged, *messages[2:])
    return [{"role": message.role, "content": message.content} for message in messages]


def constraint_fields(constraint: Constraint, style: ConstraintStyle) -> dict[str, object]:
    """The body fields that carry a grammar to a server of the given style."""
    if constraint.form == "json_schema":
        schema = {"name": "triplets", "strict": True, "schema": json.loads(constraint.text)}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    if style == "vllm":
        kind = "regex" if constraint.form == "regex" else "grammar"
        return {"structured_outputs": {kind: constraint.text}}
    if style == "fireworks":
        return {"response_format": {"type": "grammar", "grammar": constraint.text}}
    return {"grammar": constraint.text}


def read_completion(body: object, request: Request, latency_s: float) -> Completion:
    """Read the answer to ``request``, or raise RetryableError for a body that holds none.

    A grammar that the server lost on the way shows as empty text; that is no answer either.
    """
    choice = _first_choice(body)
    message = _mapping(choice.get("message"))
    finish_reason = _finish_reason(choice.get("finish_reason"))
    text, reasoning = _content(message)
    constrained = request.constraint is not None
    if not reasoning:
        text, reasoning = split_thinking(text, constrained=constrained)
    refusal = _string(message.get("refusal"))
    if finish_reason == "stop" and not refusal and not text and (constrained or message.get("content") is None):
        raise RetryableError("the server answered with an empty message")
    logprobs = _logprobs(choice.get("logprobs"))
    if request.top_logprobs and not logprobs and text:
        raise RequestError(
            "the server sent no log-probabilities although they were asked for; "
            "this model or server does not offer them"
        )
    return Completion(
        text=text,
        finish_reason=finish_reason,
        usage=_usage(_mapping(body)),
        reasoning=reasoning,
        refusal=refusal,
        logprobs=logprobs,
        latency_s=latency_s,
    )


def split_thinking(text: str, *, constrained: bool = False) -> tuple[str, str]:
    """Split ``(answer, thinking)`` where a model wrote its thinking inline.

    Some chat templates put the opening tag into the prompt, so a closing tag alone ends the thinking,
    unless the text was ``constrained``: then the tag can only be part of the answer.
    """
    stripped = text.lstrip()
    if stripped.startswith(THINK_OPEN):
        thinking, _, answer = stripped.removeprefix(THINK_OPEN).partition(THINK_CLOSE)
        return answer.lstrip(), thinking.strip()
    if not constrained and THINK_CLOSE in text:
        thinking, _, answer = text.partition(THINK_CLOSE)
        return answer.lstrip(), thinking.strip()
    return text, ""


def _first_choice(body: object) -> Mapping[str, object]:
    choices = _mapping(body).get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise RetryableError("the server's answer holds no choice")
    return choices[0]


def _finish_reason(reason: object) -> FinishReason:
    match reason:
        case "length" | "max_tokens" | "model_length":
            return "length"
        case "content_filter" | "safety":
            return "content_filter"
        case "error" | "abort" | "insufficient_system_resource":
            raise RetryableError(f"the server gave up on its answer (finish_reason {reason!r})")
        case _:
            return "stop"


def _content(message: Mapping[str, object]) -> tuple[str, str]:
    reasoning = _string(message.get("reasoning_content")) or _string(message.get("reasoning"))
    content = message.get("content")
    if not isinstance(content, list):
        return _string(content), reasoning
    # Mistral's reasoning models answer with a list of typed parts.
    parts = [_mapping(part) for part in content]
    text = "".join(_string(part.get("text")) for part in parts)
    for part in parts:
        thinking = part.get("thinking")
        if isinstance(thinking, list):
            reasoning += "".join(_string(_mapping(piece).get("text")) for piece in thinking)
        else:
            reasoning += _string(thinking)
    return text, reasoning


def _usage(body: Mapping[str, object]) -> Usage:
    usage = _mapping(body.get("usage"))
    for cached in (
        _mapping(usage.get("prompt_tokens_details")).get("cached_tokens"),
        usage.get("prompt_cache_hit_tokens"),
        _mapping(body.get("timings")).get("cache_n"),
    ):
        if isinstance(cached, int):
            break
    return Usage(
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        cached_tokens=cached if isinstance(cached, int) else None,
    )


def _logprobs(logprobs: object) -> tuple[TokenLogprob, ...]:
    content = _mapping(logprobs).get("content")
    if not isinstance(content, list):
        return ()
    return tuple(
        TokenLogprob(token, logprob, tuple(map(_token, _list(entry.get("top_logprobs")))))
        for entry in map(_mapping, content)
        for token, logprob in [_token(entry)]
    )


def _token(entry: object) -> tuple[str, float]:
    fields = _mapping(entry)
    logprob = fields.get("logprob")
    number = float(logprob) if isinstance(logprob, int | float) else IMPOSSIBLE_LOGPROB
    return _string(fields.get("token")), number


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
