"""Whatever a server sends becomes a completion that can be stored as it is, or an error of the runners in one line."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.engine.budget import with_usage
from harness.engine.journal import completion_from_json, completion_to_json
from harness.engine.storable import storable
from harness.errors import RunnerError
from harness.types import Completion, Constraint, Message, Request, Sampling
from runners.adjustments import Adjustments
from runners.chat_answer import read_completion
from runners.connections import decoded
from runners.http_errors import json_answer

MESSAGES = (Message("system", "Extract."), Message("user", "Anna was born in Rome. " * 300))
REQUESTS = (
    Request(MESSAGES, Sampling(max_tokens=50)),
    Request(MESSAGES, constraint=Constraint("regex", "a"), top_logprobs=5),
)

# Any text that JSON can spell, halves of characters included.
texts = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=12),
    st.sampled_from(
        ["stop", "length", "error", "system role not supported", "prompt is too long", "temperature", "\ud800"]
    ),
)
numbers = st.one_of(
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.sampled_from([2050, 10**25, -1, 0, 10**400, math.inf, -math.inf, math.nan, 0.5, 2.0, 1e300]),
)
leaves = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)


@st.composite
def objects(draw: st.DrawFn, **fields: st.SearchStrategy[Any]) -> Any:
    """An object with the fields, each mostly of its kind; one may be missing, or anything."""
    content = {name: draw(field) for name, field in fields.items()}
    odd = draw(st.sampled_from([None] * 3 * len(fields) + list(fields)))
    if odd is not None:
        content[odd] = draw(values)
        if content[odd] is None:
            del content[odd]
    return content


tokens = objects(token=texts, logprob=numbers)
choices = objects(
    message=objects(content=texts, reasoning_content=texts, refusal=st.none() | texts),
    finish_reason=st.sampled_from(["stop", "length", None, "error", "content_filter"]),
    logprobs=objects(
        content=st.lists(objects(token=texts, logprob=numbers, top_logprobs=st.lists(tokens, max_size=2)), max_size=2)
    ),
)
answers = objects(
    choices=st.lists(choices, min_size=1, max_size=2),
    usage=objects(
        prompt_tokens=numbers, completion_tokens=numbers, prompt_tokens_details=objects(cached_tokens=numbers)
    ),
)
errors = objects(error=texts | objects(message=texts, code=numbers | texts, param=texts, type=texts))
charsets = st.sampled_from([None, "utf-8", "latin-1", "utf-16", "hex", "idna", "utf-7", "unicode_escape", "no-such"])


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """The bytes of an answer: mostly those of a completion, in any encoding, sometimes cut off."""
    kind = draw(st.integers(0, 19))
    if kind == 19:
        return draw(st.sampled_from([b"", b"<html>Sign in</html>", b"data: {}\n\n", b"[" * 5000, b"9" * 5000]))
    if kind == 18:
        return draw(st.binary(max_size=30))
    body = draw(answers if kind < 15 else errors if kind < 17 else values)
    encoding = draw(st.sampled_from(["utf-8", "ascii", "utf-8-sig", "utf-16", "utf-32-le", "latin-1"]))
    text = json.dumps(body, ensure_ascii=encoding == "ascii")
    content = text.encode(encoding, "backslashreplace")
    return content[: len(content) // 2] if kind == 14 else content


HEADERS = ("retry-after", "retry-after-ms", "content-type", "x-ratelimit-reset-a", "x-ratelimit-remaining-a")
DATES = ("Fri, 31 Dec 9223372036854775807 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 -9999")
VALUES = ("0", "3", "-1", "1e400", "nan", "6m0s", "9" * 400 + "s", "text/event-stream", *DATES)
headers = st.dictionaries(st.sampled_from(HEADERS), st.text(max_size=12) | st.sampled_from(VALUES))
statuses = st.sampled_from([200] * 12 + [204, 302, 400, 401, 413, 422, 429, 500, 503, 599])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(statuses, headers, contents(), charsets, st.booleans())
def test_it_is_an_answer_that_can_be_stored_or_an_error_of_one_line(
    status: int, headers: dict[str, str], content: bytes, charset: str | None, constrained: bool
) -> None:
    request = REQUESTS[constrained]
    outcome = outcome_of(status, headers, decoded(content, charset), request)
    if isinstance(outcome, RunnerError):
        message = str(outcome)
        message.encode()
        assert len(message.splitlines()) == 1
        assert len(message) < 600
        wait = getattr(outcome, "retry_after_s", None)
        assert wait is None or 0 <= wait < math.inf
        sent = {"messages": [{"role": "system", "content": ""}], "temperature": 0.0, "max_tokens": 5}
        Adjustments().learn(outcome.answer, sent, ())
        return
    stored = completion_to_json(outcome)
    stored.encode()
    json.loads(stored, parse_constant=_refuse)
    assert completion_from_json(stored) == outcome
    assert 0 < outcome.usage.prompt_tokens <= 10**8
    assert 0 <= outcome.usage.completion_tokens <= 10**8
    assert outcome.usage.completion_tokens or not outcome.text


def outcome_of(status: int, headers: dict[str, str], text: str, request: Request) -> Completion | RunnerError:
    try:
        answer = json_answer(status, headers, text, model="m", key_env="", key="")
        return with_usage(storable(read_completion(answer, request, 0.1)), request)
    except RunnerError as error:
        return error


def _refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")
