"""The chat-completions format: a JSON answer becomes a completion, whatever the server put into it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from harness.errors import ContextOverflow, RequestError, RetryableError
from harness.types import Completion, FinishReason, Request, TokenLogprob, Usage
from runners.prompt_length import is_cut

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"


class UnusableAnswer(RequestError):
    """The server answers requests like this one in a way that holds no answer; asking again changes nothing."""


def read_completion(body: object, request: Request, latency_s: float, *, logprobs_sent_for: bool = True) -> Completion:
    """Read the answer to ``request``, or raise RetryableError for a body that holds none.

    A grammar that the server lost on the way shows as empty text; that is no answer either. Raises ContextOverflow
    for an answer to a part of the prompt, and UnusableAnswer where all of the answer came as reasoning, or without the
    log-probabilities that were asked for (``logprobs_sent_for`` is False if the server refuses to be asked).
    """
    choice = _first_choice(body)
    message = _mapping(choice.get("message"))
    finish_reason = _finish_reason(choice.get("finish_reason"))
    text, reasoning = _content(message)
    constrained = request.constraint is not None
    if not reasoning:
        text, reasoning = split_thinking(text, constrained=constrained)
    refusal = _string(message.get("refusal"))
    usage = _usage(_mapping(body))
    if is_cut(request.messages, usage):
        raise ContextOverflow(
            f"the server read {usage.prompt_tokens:,} tokens of a prompt of "
            f"{sum(len(message.content) for message in request.messages):,} characters and dropped the rest: "
            "raise the context that it loads the model with (num_ctx at Ollama)"
        )
    if finish_reason == "stop" and not refusal and not text and (constrained or message.get("content") is None):
        if reasoning:
            shown = " ".join(reasoning.split())[:60]
            raise UnusableAnswer(
                f"the server sent the whole answer as reasoning and left the message empty ({shown!r}): its reasoning "
                "parser takes all that the model writes for thinking. Start the server without the parser, or turn "
                """thinking off: -M body.chat_template_kwargs='{"enable_thinking":false}'"""
            )
        raise RetryableError("the server answered with an empty message")
    logprobs = _logprobs(choice.get("logprobs"))
    if request.top_logprobs and logprobs_sent_for and not logprobs and text:
        raise UnusableAnswer(
            "the server sent no log-probabilities although they were asked for; "
            "this model or server does not offer them: -P logprobs=0 asks for none"
        )
    return Completion(
        text=text,
        finish_reason=finish_reason,
        usage=usage,
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
        case "length" | "max_tokens" | "model_length" | "model_context_window_exceeded":
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
    cached = (
        _mapping(usage.get("prompt_tokens_details")).get("cached_tokens"),
        usage.get("prompt_cache_hit_tokens"),
        usage.get("cache_read_input_tokens"),
        _mapping(body.get("timings")).get("cache_n"),
    )
    return Usage(
        prompt_tokens=_count(usage.get("prompt_tokens")) or 0,
        completion_tokens=_count(usage.get("completion_tokens")) or 0,
        cached_tokens=next((count for one in cached if (count := _count(one)) is not None), None),
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
    number = _number(fields.get("logprob"))
    return _string(fields.get("token")), -math.inf if number is None else number


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        return None


def _count(value: object) -> int | None:
    """A count of tokens, also one written as a float or as text; None for what can be none."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16:
        return int(value)
    number = _number(value)
    return int(number) if number is not None and 0 <= number < 1e15 else None
