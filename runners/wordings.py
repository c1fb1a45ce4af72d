"""How servers word their errors: a prompt that is too long, a role that is refused, credit or a quota that is used up.

No two servers share codes or words. So a text is judged by what it speaks of (the context, the prompt, a number of
tokens) together with what it says of it (exceeds, too long, at most). ``tests/runners/wordings.yaml`` holds what each
server was seen to send.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

# Parts of an error that repeat the request: a document may speak of anything.
_ECHOES = frozenset({"input", "messages", "prompt", "content", "failed_generation"})
_DEEPEST = 20
# An error is at the start of what a server sends; its page, or a trace of the stack, may go on for megabytes.
_LONGEST = 4_000


def said(text: str) -> str:
    """Codes, types and messages of a server's error, one a line, without what it repeats of the request."""
    try:
        return "\n".join(_texts(json.loads(text), _DEEPEST))[:_LONGEST]
    except (ValueError, RecursionError):
        return text[:_LONGEST]


def _texts(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict) and depth:
        parts = value.values() if isinstance(value, dict) else value
        names = value.keys() if isinstance(value, dict) else ("",) * len(value)
        for name, part in zip(names, parts, strict=True):
            if name not in _ECHOES:
                yield from _texts(part, depth - 1)


_CODES = re.compile(
    r"context_?(length|window|size)_?exceed|exceed_context|ContextWindowExceeded|tokens_limit_reached|request_too_large"
    r"|(prompt|input|context)_?(too_?(long|large)|overflow)",
    re.IGNORECASE,
)
_EXCESS = (
    r"(exceed|too (long|large|big|many)|(long|larg|great|bigg|high)er than|more than|beyond|overflow|not enough|at most"
    r"|(must|should) (be|have) (<|less|fewer|shorter|smaller|in\b|\[)|is only|is just|only supports|reduce|shorte[nr]"
    r"|\blimit\b|maximum|does(n't| not) fit|>=?|超)"
)
_CONTEXT = (
    r"(context[ _-]?(length|window|size|limit)|\bn_ctx\b|\bmax_(seq|model|position|num|context)\w*"
    r"|(model|sequence|input|prompt|context) length|length of (all |the )*(messages|prompt|input))"
)
_INPUT = r"\b(prompt|inputs?|messages?|conversation)\b"
_NEAR = r"[^\n]{0,120}?"
_TOO_LONG = re.compile(
    "|".join(
        (
            f"{_CONTEXT}{_NEAR}{_EXCESS}",
            f"{_EXCESS}{_NEAR}{_CONTEXT}",
            rf"({_INPUT}[^\n]{{0,10}}?|\brequest (is )?)too (long|large|big)",
            rf"{_INPUT}{_NEAR}\btokens?\b{_NEAR}{_EXCESS}",
            rf"\btokens?\b{_NEAR}{_INPUT}{_NEAR}{_EXCESS}",
            rf"{_INPUT}{_NEAR}{_EXCESS}{_NEAR}\btokens?\b",
            rf"too long{_NEAR}\btokens?\b|(number of|total) tokens{_NEAR}exceed",
            rf"{_INPUT}{_NEAR}string too long",
            r"too many (input |prompt )?tokens|token limit exceeded|model token limit|cannot be enqueued\. Total cache",
            r"reduce the (length|size|number) of|max_(completion_)?tokens must be at least 1, got -\d",
            r"request entity too large|payload too large|body too large|(输入|prompt|上下文)[^\n]{0,12}超",
        )
    ),
    re.IGNORECASE,
)
# The same words said of how much may be asked at a time, or of another field.
_OTHER = re.compile(
    r"rate[ _-]?limit|per[ _-](second|minute|min|hour|day|month)\b|\b[tr]p[mdh]\b|quota|throttl|too many requests"
    r"|billing",
    re.IGNORECASE,
)


def is_context_overflow(text: str) -> bool:
    """Whether an error says that the prompt, alone or with the answer, is longer than the server takes."""
    words = said(text)
    return bool(_CODES.search(words) or _TOO_LONG.search(words)) and not _OTHER.search(words)


_ROLE_REFUSED = re.compile(
    r"roles must alternate|roles? (are|is) supported|does not support '?system|system message must be"
    r"|(system|developer) (role|message|prompt|instruction)s?\b[^\n]{0,40}\b(not|un)[ -]?(support|enabl|allow|permit)ed"
    r"|not support (the )?('|\")?(system|developer)"
    r"|(unexpected|unknown|invalid|unsupported)[^\n]{0,40}\brole\b[^\n]{0,20}system"
    r"|(first message|conversations?)[^\n]{0,20}must (be|start|have|begin)[^\n]{0,20}user"
    r"|('|\")user('|\")[^\n]{0,6}(or|and|,)[^\n]{0,3}('|\")assistant('|\")",
    re.IGNORECASE,
)


def is_role_refused(text: str) -> bool:
    """Whether an error says that the chat template, or the server, takes no system message."""
    return _ROLE_REFUSED.search(said(text)) is not None


_NO_CREDIT = re.compile(
    r"insufficient(_user)?_?(quota|balance|credit|fund)|billing_?(hard_?limit|not_?active)|exceeded_?current_?quota"
    r"|(insufficient|not[ _]enough|\bno|out of|without)[ _](remaining |available |account )*(credits?|balance|funds)\b"
    r"|\b(credits?|balance|funds)\b[^\n]{0,40}(too low|insufficient|not enough|depleted|exhausted|used up|expired)"
    r"|(used|spent|exhausted|consumed|exceeded)[^\n]{0,30}\b(credits|balance|allowance|allocation)\b|can only afford"
    r"|negative balance|payment required|(unpaid|past) invoices?|\btop up|arrearage|over budget|budget has been exceed"
    r"|account[^\n]{0,40}(suspended|deactivated|not active)"
    r"|\b(spend(ing)?|budget|billing|credit|usage|key)[ _]?(hard[ _]?)?(limits?|cap)\b[^\n]{0,40}(reached|exceed|hit\b)"
    r"|(reached|reaching|exceeded|hit)\b[^\n]{0,40}\b(spend(ing)?|budget|billing|credit|usage)[ _]?(limits?|cap)\b"
    r"|余额不足|欠费|额度(不足|已)",
    re.IGNORECASE,
)


def is_credit_used_up(text: str) -> bool:
    """Whether an error says that the account can pay for nothing more."""
    return _NO_CREDIT.search(said(text)) is not None


_LONG_PERIOD = re.compile(
    r"(per|/)[ _-]?(day|week|month)|per ?86400 ?s|\b(RPD|TPD)\b|by ?day\b|\b(daily|weekly|monthly)\b", re.IGNORECASE
)
_OF_A_LIMIT = re.compile(r"limit|quota|too many|exceed|exhausted", re.IGNORECASE)
# Google says so of the quota of a minute, too, and then how many seconds are left of it.
_CURRENT_QUOTA = re.compile(r"exceeded your current quota", re.IGNORECASE)
_SHORT_PERIOD = re.compile(
    r"(per|/)[ _-]?(second|sec\b|minute|min\b|hour)|\b(RPM|TPM|RPS|TPS)\b|retry in \d", re.IGNORECASE
)
_NOTHING_GRANTED = re.compile(r"\blimit: 0\b", re.IGNORECASE)


def is_quota_used_up(text: str) -> bool:
    """Whether a refusal says that the quota of a day or longer is used up; that of a minute is only a rate limit."""
    words = said(text)
    if _LONG_PERIOD.search(words) and _OF_A_LIMIT.search(words):
        return True
    if not _CURRENT_QUOTA.search(words):
        return False
    return bool(_NOTHING_GRANTED.search(words)) or not _SHORT_PERIOD.search(words)
