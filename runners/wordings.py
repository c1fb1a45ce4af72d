"""How servers word their errors: a prompt that is too long, a role that is refused, credit or a quota that is used up.

No two servers share codes or words. So a text is judged by what it speaks of (the context, the prompt, a number of
tokens) together with what it says of it (exceeds, too long, at most). ``tests/runners/wordings.yaml`` holds what each
server was seen to send. Patterns are text: ``re`` compiles each when it is first used, and keeps it.
"""

from __future__ import annotations

import re

from runners.error_text import said

# These are of the context and of nothing else, whatever the status and the words beside them.
_CODES = (
    r"(?i)"
    r"context_?(length|window|size)_?exceed|exceed_context|ContextWindowExceeded"
    r"|(prompt|input|context)_?(too_?(long|large)|overflow)"
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
_TOO_LONG = "(?i)" + "|".join(
    (
        f"{_CONTEXT}{_NEAR}{_EXCESS}",
        f"{_EXCESS}{_NEAR}{_CONTEXT}",
        rf"({_INPUT}[^\n]{{0,10}}?|\brequest (is )?)too (long|large|big)",
        rf"{_INPUT}{_NEAR}\btokens?\b{_NEAR}{_EXCESS}",
        rf"\btokens?\b{_NEAR}{_INPUT}{_NEAR}{_EXCESS}",
        rf"{_INPUT}{_NEAR}{_EXCESS}{_NEAR}\btokens?\b",
        rf"{_INPUT}[^\n]{{0,20}}?(longer|larger|bigger) than|limit of \d+ tokens{_NEAR}{_INPUT}",
        rf"too long{_NEAR}\btokens?\b|(number of|total) tokens{_NEAR}exceed",
        rf"{_INPUT}{_NEAR}string too long",
        r"too many (input |prompt )?tokens|token limit exceeded|model token limit|cannot be enqueued\. Total cache",
        r"reduce the (length|size|number) of|max_(completion_)?tokens must be at least 1, got -\d",
        r"tokens_limit_reached|request_too_large",
        r"request entity too large|payload too large|body too large|(输入|prompt|上下文)[^\n]{0,12}超",
    )
)
# The same words said of how much may be asked at a time, of another field, or of the memory of a device.
_OTHER = (
    r"(?i)"
    r"rate[ _-]?limit|per[ _-](second|minute|min|hour|day|month)\b|\b[tr]p[mdh]\b|quota|throttl|too many requests"
    r"|billing|out of memory|\bOOM\b|\bv?ram\b|memory[ _-]?(error|alloc\w*|utili\w*)"
    r"|(cuda|gpu|device|hip|host|system|video|insufficient|not enough|available|free|no|more)[ _-]memory"
    r"|(failed|tried|unable|cannot|could not) to allocate|bad_?alloc|out_?of_?memory|cudaMalloc|CUDA error"
)
# Words that no row has: a number of tokens, and another that is less.
_OF_TOKENS = (
    r"(?i)"
    rf"tokens\b|\btoken count|\binput_?ids\b|\bsequence\b|\bcontext\b|\bwindow\b|{_INPUT}"
)
_COUNTED = (
    r"(?i)"
    r"(?<![\w-])(?<!\d[.,])(\d{1,3}(?:[,.'_ ]\d{3})+|\d+)(?:\.0)?( ?k\b)?(?![\w-]|[.,]\d)"
)
_LEAST = 256
_OF_TEXT = (
    r"(?i)"
    rf"{_INPUT}|\bcontext\b|\bsequence\b|\binput_?ids\b"
)
# Numbers of the answer alone, of a vocabulary, and of a place in a text.
_OF_ELSE = (
    r"(?i)"
    r"max_?\w*tokens|\b(completion|output|new|generat\w+|response|answer)[ _-]?tokens?\b|logprob|\bseed\b"
    r"|\bn_?probs\b|\bbatch"
)
_OF_A_PLACE = (
    r"(?i)"
    r"\bvocab|\btoken[ _]ids?\b|\bposition \d|\bcolumn\b|\bline \d|\bchar \d|\boffset\b|\bschema\b|\bgrammar\b"
    r"|\bstop\b|\b\d+ ?([kmg]i?b|bytes)\b|\b(images?|pixels?|audio|files?)\b|\bms\b|\bseconds?\b|\bport\b|\bone of\b"
)
_CONTRAST = (
    r"(?i)"
    r"\b(but|only|however|while|whereas|than|up to|window|capacity|max\w*|limited|limits?|allow\w*|handles?|accepts?"
    r"|supports?|fits?|holds?|takes?|exceed\w*|available|out of range|cannot|can't)\b|limit|[<>≤≥]|überschr|ueberschr"
)


def is_context_overflow(text: str) -> bool:
    """Whether an error says that the prompt, alone or with the answer, is longer than the server takes."""
    words = said(text)
    if re.search(_CODES, words):
        return True
    return bool(re.search(_TOO_LONG, words) or any(map(_counts_too_many, words.splitlines()))) and not re.search(
        _OTHER, words
    )


def is_context_code(text: str) -> bool:
    """Whether an error bears a code that only a prompt that is too long has."""
    return re.search(_CODES, said(text)) is not None


def _counts_too_many(line: str) -> bool:
    """Whether a line names a number of tokens, or the length of a prompt, and a smaller number that is allowed."""
    if not re.search(_OF_TOKENS, line) or re.search(_OF_A_PLACE, line):
        return False
    if re.search(_OF_ELSE, line) and not re.search(_OF_TEXT, line):
        return False
    numbers = [
        int(re.sub(r"\D", "", found[1])) * (1000 if found[2] else 1) for found in re.finditer(_COUNTED, line[:600])
    ]
    large = [number for number in numbers if _LEAST <= number < 10**8]
    if len(set(large)) < 2:
        return False
    return max(large) == large[0] or re.search(_CONTRAST, line) is not None


_ROLE_REFUSED = (
    r"(?i)"
    r"roles must alternate|roles? (are|is) supported|does not support '?system|system message must be"
    r"|(system|developer) (role|message|prompt|instruction)s?\b[^\n]{0,40}\b(not|un)[ -]?(support|enabl|allow|permit)ed"
    r"|not support (the )?('|\")?(system|developer)"
    r"|(unexpected|unknown|invalid|unsupported)[^\n]{0,40}\brole\b[^\n]{0,20}system"
    r"|(first message|conversations?)[^\n]{0,20}must (be|start|have|begin)[^\n]{0,20}user"
    r"|('|\")user('|\")[^\n]{0,6}(or|and|,)[^\n]{0,3}('|\")assistant('|\")"
)


def is_lark_refused(text: str) -> bool:
    """Whether vLLM (before 0.32) could not turn a grammar from Lark into the notation of its engine."""
    return re.search(r"(?i)\bLark to EBNF\b", text) is not None


def is_role_refused(text: str) -> bool:
    """Whether an error says that the chat template, or the server, takes no system message."""
    return re.search(_ROLE_REFUSED, said(text)) is not None


_NO_CREDIT = (
    r"(?i)"
    r"insufficient(_user)?_?(quota|balance|credit|fund)|billing_?(hard_?limit|not_?active)|exceeded_?current_?quota"
    r"|(insufficient|not[ _]enough|\bno|out of|without)[ _](remaining |available |account )*(credits?|balance|funds)\b"
    r"|\b(credits?|balance|funds)\b[^\n]{0,40}(too low|insufficient|not enough|depleted|exhausted|used up|expired)"
    r"|(used|spent|exhausted|consumed|exceeded)[^\n]{0,30}\b(credits|balance|allowance|allocation)\b|can only afford"
    r"|negative balance|payment required|(unpaid|past) invoices?|\btop up|arrearage|over budget|budget has been exceed"
    r"|account[^\n]{0,40}(suspended|deactivated|not active)"
    r"|\b(spend(ing)?|budget|billing|credit|usage|key)[ _]?(hard[ _]?)?(limits?|cap)\b[^\n]{0,40}(reached|exceed|hit\b)"
    r"|(reached|reaching|exceeded|hit)\b[^\n]{0,40}\b(spend(ing)?|budget|billing|credit|usage)[ _]?(limits?|cap)\b"
    r"|余额不足|欠费|额度(不足|已)"
)


def is_credit_used_up(text: str) -> bool:
    """Whether an error says that the account can pay for nothing more."""
    return re.search(_NO_CREDIT, said(text)) is not None


_API_KEY = (
    r"(api[ _-]?(secret )?(keys?|tokens?|schl\w+)|access[ _-]?(key|token)|(secret|subscription|license) key|clé[ -]?api"
    r"|(auth\w*|bearer|security|session|id|jwt|provided|supplied|your)[ _-]?token"
    r"(?![a-z]|[ _-]?(count|limit|usage|budget))"
    r"|\bjwt\b|authori[sz]ation header"
    r"|\bcredentials?\b|\blicen[sc]e\b|密钥|令牌)"
)
_IS_BAD = (
    r"(invalid|not valid|incorrect|wrong|expir\w*|revoked|disabled|deleted|(in|not )active|deactivated|suspended"
    r"|unknown|missing|not found|malformed|rejected|denied"
    r"|un?recogni[sz]ed|not recogni[sz]ed|no longer|blocked|leaked|renew"
    r"|does(n't| not) exist|\bno\b|is required|not provided|n't provide|must provide"
    r"|please (pass|provide|carry|set|add)|not authori[sz]ed|unauthori[sz]ed|compromised|rotated|terminated|cancell?ed"
    r"|could not (validate|verify)|abgelaufen|ungültig|gesperrt|invalide|无效|过期|失效|错误|不存在|缺少)"
)
_KEY_REFUSED = (
    r"(?im)"
    rf"{_API_KEY}[^\n.]{{0,40}}?{_IS_BAD}|{_IS_BAD}[^\n.]{{0,40}}?{_API_KEY}"
    r"|\b(key|token|credentials?)( \S+)?( (is|was|has|have|been))*"
    r" (expired|revoked|disabled|deactivated|suspended|inactive|not active|leaked|cancell?ed|invalidated)\b"
    r"|\b(expired|revoked|disabled|deactivated|suspended|inactive) (api )?(key|credentials?)\b"
    r"|api_?key_?(in|not_?)valid|(invalid|incorrect|expired|missing|bad|wrong)_?(api_?)?(key|credentials?)\b"
    r"|authentication[ _]?(error|fail\w*|required|is required)|failed to authenticate|(un|not )authenticated\b"
    r"|unable to authenticate|could not (be )?authenticate|^\W*(401\W*)?unauthori[sz]ed( access| request)?\W*$"
    r"|^\W*invalid( auth)? token\W*$"
    r"|\b(expired_?token|invalid authentication|signature has expired|(not|please) log(ged)? in)\b"
    r"|invalid_?(auth|client_?token)\b|unrecognized_?client|login fail"
    r"|身份验证失败|鉴权失败|认证失败"
)


def is_key_refused(text: str) -> bool:
    """Whether an error says that the key is none, or no longer one, whatever its status."""
    return re.search(_KEY_REFUSED, said(text)) is not None


_LONG_PERIOD = (
    r"(?i)"
    r"(per|/)[ _-]?(day|week|month)|per ?86400 ?s|\b(RPD|TPD)\b|by ?day\b|\b(daily|weekly|monthly)\b"
)
_OF_A_LIMIT = (
    r"(?i)"
    r"limit|quota|too many|exceed|exhausted"
)
# Google says so of the quota of a minute, too, and then how many seconds are left of it.
_CURRENT_QUOTA = (
    r"(?i)"
    r"exceeded your current quota"
)
_SHORT_PERIOD = (
    r"(?i)"
    r"(per|/)[ _-]?(second|sec\b|minute|min\b|hour)|\b(RPM|TPM|RPS|TPS)\b|retry in \d"
)
_NOTHING_GRANTED = (
    r"(?i)"
    r"\blimit: 0\b"
)


def is_quota_used_up(text: str) -> bool:
    """Whether a refusal says that the quota of a day or longer is used up; that of a minute is only a rate limit."""
    words = said(text)
    if re.search(_LONG_PERIOD, words) and re.search(_OF_A_LIMIT, words):
        return True
    if not re.search(_CURRENT_QUOTA, words):
        return False
    return bool(re.search(_NOTHING_GRANTED, words)) or not re.search(_SHORT_PERIOD, words)
