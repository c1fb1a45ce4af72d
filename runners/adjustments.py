"""What a server refuses of the requests as they are asked, and what it is sent instead from then on."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import replace

from harness.errors import RunnerError
from harness.types import Message, Request
from runners.error_text import said
from runners.wordings import is_role_refused

# What an answer can do without, in groups that go together. A constraint is never left out.
_OPTIONAL = (("logprobs", "top_logprobs"), ("top_p",), ("seed",), ("random_seed",), ("temperature",))
_LIMITS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
MERGED = "system message put into the first user message"
LEFT_OUT = "its chat template leaves system messages out"

_REFUSED = re.compile(
    r"unsupported|n[o']t support|unrecogni[sz]ed|unknown|unexpected|incompatible|deprecated|only the default"
    r"|not (permitted|allowed|available|enabled|accept|valid)|extra (inputs|fields)|extra_forbidden"
    r"|additional propert|cannot (both )?be (specified|used|set)|does not (accept|take)"
    r"|must be (strictly )?(positive|1\b|greater|>)",
    re.IGNORECASE,
)
# How far a field may stand from the words that refuse it: servers go on to list the fields that they take.
_FARTHEST = 60


class Adjustments:
    """Grows by what the server refuses. What it was told once is not asked again in this session."""

    def __init__(self) -> None:
        self.system_role = True
        self._renamed: dict[str, str] = {}
        self._omitted: list[tuple[str, ...]] = []

    def applied(self, body: Mapping[str, object], request: Request) -> tuple[dict[str, object], tuple[str, ...]]:
        """The body as the server takes it, and in words what of it is not as asked."""
        omitted = [names for names in self._omitted if body.keys() & set(names)]
        renamed = {name: other for name, other in self._renamed.items() if name in body}
        notes = [f"{names[0]} left out" for names in omitted]
        notes += [f"{name} sent as {other}" for name, other in renamed.items()]
        if not self.system_role and request.messages[0].role == "system":
            notes.append(MERGED)
        left_out = {name for names in omitted for name in names}
        fields = {renamed.get(name, name): value for name, value in body.items() if name not in left_out}
        return fields, tuple(notes)

    def learn(self, text: str, sent: Mapping[str, object], fixed: Collection[str]) -> bool:
        """Whether the error ``text`` refuses something of the body ``sent`` that can be sent otherwise.

        Later bodies then are. Fields in ``fixed`` are the user's own and stay as they are.
        """
        messages = sent["messages"]
        if isinstance(messages, list) and messages[0]["role"] == "system" and is_role_refused(text):
            self.system_role = False
            return True
        candidates = [(name,) for name in _LIMITS if name not in self._renamed.values()] + list(_OPTIONAL)
        refused = [
            (distance, names)
            for names in candidates
            if sent.keys() & set(names) - set(fixed) and (distance := _distance(text, names)) is not None
        ]
        if not refused:
            return False
        names = min(refused, key=lambda one: one[0])[1]
        if names[0] in _LIMITS:
            self._renamed[names[0]] = _LIMITS[names[0]]
        elif names not in self._omitted:
            self._omitted.append(names)
        return True


async def leaves_system_out(
    count_tokens: Callable[[tuple[Message, ...]], Awaitable[int]], messages: tuple[Message, ...]
) -> bool:
    """Whether a chat template leaves the system message of ``messages`` out, as far as the server tells."""
    if messages[0].role != "system":
        return False
    try:
        return await count_tokens(with_longer_system(messages)) == await count_tokens(messages)
    except RunnerError:  # a proxy may pass on nothing but chats
        return False


def with_longer_system(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The same messages with the system message written twice: as many tokens only if a template leaves it out."""
    system, *others = messages
    return replace(system, content=f"{system.content}\n{system.content}"), *others


def _distance(text: str, names: tuple[str, ...]) -> int | None:
    """How many characters stand between one of ``names`` and the words that refuse it; None if nothing refuses it."""
    words = said(text)
    if not _REFUSED.search(words):
        return None
    if any(name in names for name in _named(text)):
        return 0
    field = re.compile(rf"(?<!\w)({'|'.join(names)})(?!\w)")
    distances = [
        max(name.start() - refusal.end(), refusal.start() - name.end(), 1)
        for line in words.splitlines()
        for name in field.finditer(line)
        for refusal in _REFUSED.finditer(line)
    ]
    nearest = min(distances, default=_FARTHEST + 1)
    return nearest if nearest <= _FARTHEST else None


def _named(text: str) -> Iterator[str]:
    """The fields that a JSON error names apart from its message: OpenAI's ``param``, pydantic's ``loc``."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return
    error = body.get("error", body) if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return
    if isinstance(param := error.get("param"), str):
        yield param
    detail = error.get("detail")
    for one in detail if isinstance(detail, list) else ():
        place = one.get("loc") if isinstance(one, dict) else None
        if isinstance(place, list) and place:
            yield str(place[-1])
