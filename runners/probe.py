"""A test question that tells whether a server enforces a grammar form or silently ignores it.

Servers are known to answer HTTP 200 and write freely when they do not know the field that carries
the grammar, so a constraint is believed only once it was seen to hold.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

from harness.errors import FatalError, RequestError
from harness.types import Completion, Constraint, GrammarForm, Message, Request
from runners.chat_answer import UnusableAnswer

# No model says this to a greeting by itself.
WORD = "quartz-7391"

# A reasoning model may think before it answers: the second limit is tried only if the first cut it short.
TOKEN_LIMITS = (256, 8192)

# An error that speaks of the field that carries the grammar, or of what is in it.
_CONSTRAINT = re.compile(r"response_format|json_?schema|structured|grammar|regex|guided|constrain", re.IGNORECASE)


async def check_grammar(
    name: str, form: GrammarForm, like: Request, send: Callable[[Request], Awaitable[Completion]]
) -> None:
    """Raise FatalError unless the model ``name`` was seen to be held to grammars of this form.

    The test requests have the roles and parameters of ``like``.
    """
    for max_tokens in TOKEN_LIMITS:
        question = probe_request(form, max_tokens, like)
        try:
            completion = await send(question)
        except UnusableAnswer as error:
            raise FatalError(f"{name}: {error}") from error
        except RequestError as error:
            raise FatalError(f"{name}: {await _refusal(question, form, error, send)}") from error
        if is_conclusive(completion):
            break
    if not is_honoured(completion, form):
        raise FatalError(
            f"{name}: the server ignores the constraint: held to one word by a {form} grammar, "
            f"it wrote {completion.text[:60]!r}; use --constrain none"
        )


async def _refusal(
    question: Request, form: GrammarForm, error: RequestError, send: Callable[[Request], Awaitable[Completion]]
) -> str:
    """What a refused test request means: the grammar, or else whatever is refused without one as well."""
    if not _CONSTRAINT.search(str(error)):
        try:
            await send(replace(question, constraint=None))
        except RequestError as plain:
            return (
                f"the server refuses a short request, also without a grammar: {plain}; "
                "-M omit=NAME leaves a field out, -M body.NAME=VALUE sets one"
            )
    return (
        f"the server refuses a {form} grammar ({error}); use --constrain none, "
        "or name a form that it honours with -M constrain_with=FORM"
    )


def probe_request(form: GrammarForm, max_tokens: int, like: Request) -> Request:
    """A greeting whose only legal answer is WORD (as a JSON object for ``json_schema``), asked as ``like`` is.

    It has the roles and the parameters of ``like``, so that a server that refuses one of them does it here.
    """
    greeting = "Hello! Reply with a short greeting."
    messages: tuple[Message, ...] = (Message("user", greeting),)
    if like.messages[0].role == "system":
        messages = (Message("system", greeting), Message("user", "Good morning."))
    return Request(
        messages=messages,
        sampling=replace(like.sampling, max_tokens=max_tokens, stop=()),
        constraint=Constraint(form, _GRAMMARS[form]),
        top_logprobs=like.top_logprobs,
        adapter=like.adapter,
    )


def is_conclusive(completion: Completion) -> bool:
    """False where thinking used up the tokens before an answer began."""
    return bool(completion.text) or not completion.may_be_cut


def is_honoured(completion: Completion, form: GrammarForm) -> bool:
    """Whether the answer is the only one that the probe's grammar allows."""
    if form != "json_schema":
        return completion.text.strip() == WORD
    try:
        answer: object = json.loads(completion.text)
    except json.JSONDecodeError:
        return False
    return answer == {"word": WORD}


_SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string", "enum": [WORD]}},
    "required": ["word"],
    "additionalProperties": False,
}
_GRAMMARS: dict[GrammarForm, str] = {
    "regex": WORD,
    "gbnf": f'root ::= "{WORD}"',
    "lark": f'start: "{WORD}"',
    "json_schema": json.dumps(_SCHEMA),
}
