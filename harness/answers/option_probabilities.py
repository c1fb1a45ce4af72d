"""How probable a model finds each option of a question, read from the log-probabilities of its answer.

The probability of an option is summed over all tokens that spell its label: ``A``, `` A``, ``(A``, ``a``. Servers
return a few alternatives for each token, before a grammar is applied (llama.cpp) or after (vLLM), so what is
read is renormalised over the options; what it leaves open is bounded and kept beside it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from harness.types import TokenLogprob

# Label as it is, in lower case, in upper case and capitalised, each after nothing, a space, a line feed, a bracket or
# a quote: what a vocabulary may hold as one token.
SPELLINGS = 20

_RUN = re.compile(r"[\W_]*([^\W_]*)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class OptionProbabilities:
    """What is known of the probability of each option, in the order of the options.

    ``read`` is the probability of the tokens returned that spell the option; ``unread`` is at most how much
    more it may have, in tokens that were not returned or whose continuation was not. ``missing_mass`` is the
    probability, 0 to 1, of all tokens not returned.
    """

    read: tuple[float, ...]
    unread: tuple[float, ...]
    missing_mass: float

    @property
    def option_mass(self) -> float:
        """The probability, 0 to 1, that the answer is one of the options as far as it could be read."""
        return sum(self.read)

    @property
    def probabilities(self) -> tuple[float, ...]:
        """``read``, made to sum to 1."""
        total = self.option_mass
        return tuple(one / total for one in self.read)

    def exceeds(self, one: int, other: int) -> bool:
        """Whether an option is more probable than another, whatever was not returned."""
        return self.read[one] > self.read[other] + self.unread[other]

    def best(self, tie: int) -> int:
        """The option of the highest probability read; ``tie`` wins ties, else the first option does."""
        return max(range(len(self.read)), key=lambda option: (self.read[option], option == tie))

    def is_certain(self, best: int, tie: int) -> bool:
        """Whether ``best`` stays the best option, whatever was not returned; ``tie`` as there."""
        for other in range(len(self.read)):
            wins_ties = other == tie or (best != tie and other < best)
            most = self.read[other] + self.unread[other]
            if other != best and (most > self.read[best] or (most == self.read[best] and wins_ties)):
                return False
        return True


def read_option_probabilities(
    tokens: Sequence[TokenLogprob], text: str, start: int | None, labels: Sequence[str]
) -> OptionProbabilities | None:
    """The probabilities of ``labels`` at the place ``start`` of ``text``, where the answer's label begins.

    ``tokens`` are those of the answer; tokens before it, such as thinking, are passed over. No label is the beginning
    of another. A label of several tokens is followed along the tokens that were generated: of the options that
    leave this path, those whose label is complete where they leave it are read, of the others the probability
    of what was seen of them is ``unread``.

    None where there is nothing to read: no log-probabilities, no label in the answer, or tokens that do not
    spell ``text``.
    """
    first = None if start is None else token_at(tokens, text, start)
    if first is None:
        return None
    read, unread, missing = [0.0] * len(labels), [0.0] * len(labels), 0.0
    path, path_probability = "", 1.0
    for token in tokens[first:]:
        alternatives = alternatives_of(token)
        possible = _spelt(path, labels)[1]
        goes_on = False
        for word, probability in alternatives:
            complete, begun = _spelt(path + word, labels)
            mass = path_probability * probability
            if complete is not None:
                read[complete] += mass
            elif begun and word == token.token:
                goes_on = True
            else:
                for option in begun:
                    unread[option] += mass
        unseen = path_probability * max(0.0, 1 - sum(probability for _, probability in alternatives))
        known = token.unlisted
        least = path_probability * (min(mass for _, mass in alternatives) if known is None else known)
        missing += unseen
        for option in possible:
            unread[option] += min(unseen, SPELLINGS * least)
        if not goes_on:
            break
        path += token.token
        path_probability *= dict(alternatives)[token.token]
    else:
        # The answer ended, or was cut, where it may have been complete.
        for option in _spelt(path, labels)[1]:
            unread[option] += path_probability
    return OptionProbabilities(tuple(read), tuple(unread), missing) if sum(read) > 0 else None


def token_at(tokens: Sequence[TokenLogprob], text: str, start: int) -> int | None:
    """The index of the token that holds character ``start`` of ``text``; thinking may come before it in ``tokens``."""
    ends = list(accumulate(len(token.token) for token in tokens))
    whole = "".join(token.token for token in tokens)
    offset = 0 if whole.startswith(text) else whole.rfind(text)
    if offset < 0:
        return None
    return next((index for index, end in enumerate(ends) if end > offset + start), None)


def alternatives_of(token: TokenLogprob) -> list[tuple[str, float]]:
    """Every token returned, with its probability; the generated one also where it is not among the most probable."""
    returned = list(token.top)
    if all(word != token.token for word, _ in returned):
        returned.append((token.token, token.logprob))
    return [(word, min(1.0, math.exp(logprob)) if logprob < math.inf else 0.0) for word, logprob in returned]


def _spelt(text: str, labels: Sequence[str]) -> tuple[int | None, list[int]]:
    """The option whose label ``text`` is, marks around it aside; else the options whose label it may begin."""
    match = _RUN.match(text)
    word, rest = (match[1].casefold(), match[2]) if match else ("", "")
    for option, label in enumerate(labels):
        if word == label.casefold() or (rest and word.isdecimal() and word == label.lstrip("0")):
            return option, []
    if rest:
        return None, []
    begun = [
        option
        for option, label in enumerate(labels)
        if label.casefold().startswith(word) or (label.isdecimal() and label.lstrip("0").startswith(word))
    ]
    return None, begun
