"""The chat-completions format: a JSON answer becomes a completion, whatever the server put into it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from harness.errors import ContextOverflow, RequestError, RetryableError, RunnerError
from harness.types import Completion, FinishReason, Request, TokenLogprob, Usage
from runners.error_text import excerpt
from runners.finish_reasons import ending_of
from runners.label_tokens import labels_alone
from runners.prompt_length import is_cut

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"
_OTHER_TAGS = {"<thinking>": "</thinking>", "<thought>": "</thought>", "[THINK]": "[/THINK]"}
_CLOSE_ALONE = re.compile(rf"^[ \t]*{THINK_CLOSE}[ \t]*$", re.MULTILINE)
_OF_A_MESSAGE = frozenset({"role", "content", "refusal", "reasoning", "reasoning_content", "name"})
_OF_A_CHOICE = frozenset({
    "index", "finish_reason", "native_finish_reason", "stop_reason", "message", "logprobs", "text", "delta",
    "content_filter_results", "matched_stop",
})  # fmt: skip
_CALLS = frozenset({"tool_calls", "function_call"})


class UnusableAnswer(RequestError):
    """The server answers requests like this one in a way that holds no answer; asking again changes nothing."""


def completion_of(
    answer: object, request: Request, body: Mapping[str, object], notes: tuple[str, ...], seconds: float
) -> Completion:
    """The answer to ``request`` in the JSON that a server sent for ``body``; raises as ``read_completion``."""
    completion = read_completion(answer, request, seconds, logprobs_sent_for="logprobs" in body)
    if isinstance(asked := body.get("top_logprobs"), int) and asked > request.top_logprobs:
        known = labels_alone(completion.logprobs, request.labels, request.top_logprobs)
        completion = replace(completion, logprobs=known)
    if request.messages[-1].role == "assistant":  # llama.cpp repeats the beginning that it went on with
        completion = replace(completion, text=completion.text.removeprefix(request.messages[-1].content))
    return replace(completion, adjusted=notes) if notes else completion


def read_completion(body: object, request: Request, latency_s: float, *, logprobs_sent_for: bool = True) -> Completion:
    """Read the answer to ``request``, or raise RetryableError for a body that holds none.

    A grammar that the server lost on the way shows as empty text; that is no answer either. Raises ContextOverflow
    for an answer to a part of the prompt, and UnusableAnswer where all of the answer came as reasoning, or without the
    log-probabilities that were asked for (``logprobs_sent_for`` is False if the server refuses to be asked).
    """
    choice = _first_choice(body)
    message = _mapping(choice.get("message"))
    finish_reason = _finish_reason(choice)
    # Servers of plain completions have the text beside the message, or in its place.
    content = message["content"] if message.get("content") is not None else choice.get("text")
    answer = _parts(content)
    refused = message.get("refusal")
    refusal = _string(refused) or answer.refusal or (json.dumps(refused) if refused else "")
    text = answer.text
    reasoning = _string(message.get("reasoning_content")) or _string(message.get("reasoning")) or answer.reasoning
    constrained = request.constraint is not None
    is_inline = not reasoning
    if is_inline:
        text, reasoning = split_thinking(text, constrained=constrained)
    usage = _usage(_mapping(body))
    if is_cut(request.messages, usage):
        raise ContextOverflow(
            f"the server read {usage.prompt_tokens:,} tokens of a prompt of "
            f"{sum(len(message.content) for message in request.messages):,} characters and dropped the rest: "
            "raise the context that it loads the model with (num_ctx at Ollama)"
        )
    is_ended = finish_reason in ("stop", "unknown")
    if is_ended and not refusal and not text and (constrained or not isinstance(content, str)):
        if reasoning and finish_reason == "stop":
            shown = " ".join(reasoning.split())[:60]
            if is_inline:
                raise UnusableAnswer(
                    f"the message holds the model's thinking and no answer after it ({shown!r}): turn thinking off, "
                    """such as with -M body.chat_template_kwargs='{"enable_thinking":false}'"""
                )
            raise UnusableAnswer(
                f"the server sent the whole answer as reasoning and left the message empty ({shown!r}): its reasoning "
                "parser takes all that the model writes for thinking. Start the server without the parser, or turn "
                """thinking off: -M body.chat_template_kwargs='{"enable_thinking":false}'"""
            )
        if not reasoning:
            raise _nothing_in(choice, message, content)
    logprobs = _logprobs(choice.get("logprobs"))
    # The chosen token alone would have all of the probability, whatever the model thought of the others.
    if request.top_logprobs and logprobs_sent_for and text and not any(one.top for one in logprobs):
        raise UnusableAnswer(
            "the server sent no log-probabilities of alternatives although they were asked for; "
            "this model or server does not offer them: leave out -P scores=tokens, and give prompts that have such an "
            f"option -P logprobs=0{_of_part_of_a_character(request)}"
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


def _of_part_of_a_character(request: Request) -> str:
    """What else may be the reason where one token of another script was asked for.

    llama.cpp reports a token only when its characters are whole.
    """
    if request.sampling.max_tokens != 1 or request.messages[-1].content.isascii():
        return ""
    return (
        ". Or the model writes a character of this script in several tokens, of which servers report none alone: use a "
        "model that has such characters as tokens, or another prompt"
    )


def split_thinking(text: str, *, constrained: bool = False) -> tuple[str, str]:
    """Split ``(answer, thinking)`` where a model wrote its thinking inline.

    Some chat templates put the opening tag into the prompt, so a closing tag alone ends the thinking. In text that was
    ``constrained`` it does in a line of its own, which no grammar admits, where the server passed the grammar over;
    within a line it can only be part of the answer.
    """
    stripped = text.lstrip()
    for opening, closing in {THINK_OPEN: THINK_CLOSE, **_OTHER_TAGS}.items():
        if stripped.startswith(opening):
            thinking, _, answer = stripped.removeprefix(opening).partition(closing)
            return answer.lstrip(), thinking.strip()
    place = text.find(THINK_CLOSE)
    if constrained:
        alone = _CLOSE_ALONE.search(text)
        place = text.find(THINK_CLOSE, alone.start()) if alone else -1
    if place < 0:
        return text, ""
    return text[place + len(THINK_CLOSE) :].lstrip(), text[:place].strip()


def _first_choice(body: object) -> Mapping[str, object]:
    choices = _mapping(body).get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise RetryableError(f"the server's answer holds no choice: {excerpt(json.dumps(body))}")
    return next((one for one in choices if _mapping(one).get("index") == 0), choices[0])


def _nothing_in(choice: Mapping[str, object], message: Mapping[str, object], content: object) -> RunnerError:
    """The error of an answer without text, which names what came in its place."""
    empty = "the server answered with an empty message"
    if _mapping(choice.get("delta")):
        return UnusableAnswer(
            f"{empty} and a delta, which is a piece of a stream that was not asked for: "
            f"{excerpt(json.dumps(choice['delta']))}"
        )
    others = {name: value for name, value in message.items() if name not in _OF_A_MESSAGE}
    others |= {name: value for name, value in choice.items() if name not in _OF_A_CHOICE}
    if content is not None and content not in ("", []):
        others = {"content": content, **others}
    came = {name: value for name, value in others.items() if value not in (None, "", [], {})}
    if not came:
        return RetryableError(empty)
    advice = ": the model called a tool, although none was offered" if came.keys() & _CALLS else ""
    return RetryableError(f"{empty} and {', '.join(came)}{advice}: {excerpt(json.dumps(came))}")


def _finish_reason(choice: Mapping[str, object]) -> FinishReason:
    """Why the answer ended; where the usual field says nothing, in another service's field."""
    names = ("finish_reason", "native_finish_reason", "finishReason", "stop_reason", "stopReason")
    for name in names:
        ending = ending_of(choice.get(name))
        if ending == "failed":
            said = f": {excerpt(json.dumps(choice))}" if choice.get("error") else ""
            raise RetryableError(f"the server gave up on its answer ({name} {str(choice[name])[:60]!r}){said}")
        if ending != "unknown":
            return ending
    return "unknown"


class _Parts(NamedTuple):
    text: str = ""
    reasoning: str = ""
    refusal: str = ""


def _parts(content: object, depth: int = 4) -> _Parts:
    """What a message holds: text, an object with a text, or a list of such; Mistral's have thinking among them."""
    if isinstance(content, str):
        return _Parts(content)
    if isinstance(content, list) and depth:
        parts = [_parts(part, depth - 1) for part in content]
        return _Parts(*("".join(one) for one in zip(*parts, strict=True))) if parts else _Parts()
    if not isinstance(content, dict) or not depth:
        return _Parts()
    names = ("text", "output_text", "content", "value")
    text = next(filter(None, (_parts(content.get(name), depth - 1).text for name in names)), "")
    thinking = _parts(content.get("thinking"), depth - 1).text
    if content.get("type") in ("thinking", "reasoning", "redacted_thinking"):
        text, thinking = "", thinking or text
    return _Parts(text, thinking, _string(content.get("refusal")))


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
