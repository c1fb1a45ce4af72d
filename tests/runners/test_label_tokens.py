"""Tokens that spell labels: which they are, and what vLLM is asked for them."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import pytest

from harness.answers.label import read_labels
from harness.types import Message, ModelSpec, Request, RunnerOptions, TokenLogprob
from runners.label_tokens import MOST_VLLM_TOKENS, LabelTokens, first_tokens, label_tokens, labels_alone
from runners.vllm_requests import read_output, sampling_params
from runners.vllm_server import VllmServerRunner
from tests.runners.scripted_server import Asked, ScriptedServer, chat, http


class Tokenizer:
    """Knows the words that it is given, each as one token; all else is spelt in characters."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def encode(self, text: str) -> list[int]:
        return [self.words.index(text)] if text in self.words else [100 + ord(one) for one in text]


def test_a_label_counts_in_every_spelling() -> None:
    tokenizer = Tokenizer("true", " True", "(true", "tr", "false", '"FALSE', "truth")
    found = label_tokens(tokenizer.encode, ("true", "false"))
    assert set(found.ids) == {0, 1, 2, 4, 5}
    assert found.whole
    assert not label_tokens(Tokenizer("true").encode, ("true", "false")).whole, "false takes several tokens"
    assert label_tokens(tokenizer.encode, ("true", "false"), most=4) == LabelTokens(found.ids[:4], found.texts[:4])


def test_of_a_first_token_a_label_is_known_in_three_cases_and_after_a_space_that_is_set_apart() -> None:
    words = {" Marie": [1], "Marie": [2], " marie": [3, 4], "marie": [3, 5], " none": [6], "none": [7], " None": [8]}
    words |= {"None": [9], " 1867": [10, 11, 12], "1867": [11, 12]}
    labels = ("Marie Curie", "1867", "none")
    found = first_tokens(words.__getitem__, labels, 128)
    assert found.ids == (1, 11, 6, 8, 3), "the labels as they are come first"
    assert found.whole
    assert first_tokens(words.__getitem__, labels, 3) == LabelTokens((1, 11, 6), whole=True)
    assert not first_tokens(words.__getitem__, labels, 2).whole
    assert not first_tokens(lambda text: words[text] if "one" not in text else [], labels, 128).whole


def test_of_many_alternatives_the_first_and_the_labels_are_kept() -> None:
    top = tuple((word, -float(place)) for place, word in enumerate(["The", "(", " A", "It", '"b"', "An", "AB"]))
    (token,) = labels_alone([TokenLogprob("A", -2.0, top)], ("A", "B"), 2)
    assert [word for word, _ in token.top] == ["The", "(", " A", '"b"']
    assert token.unlisted == pytest.approx(math.exp(-6))


@pytest.mark.parametrize("is_new", [True, False])
def test_vllm_is_asked_for_labels_where_it_is_new_enough(monkeypatch: pytest.MonkeyPatch, is_new: bool) -> None:
    params: type = type("SamplingParams", (SimpleNamespace,), {"logprob_token_ids": None} if is_new else {})
    parts = {"RequestOutputKind": SimpleNamespace(FINAL_ONLY=2), "StructuredOutputsParams": None}
    for name, content in (("vllm", {"SamplingParams": params}), ("vllm.sampling_params", parts)):
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    request = Request((Message("user", "?"),), top_logprobs=1, labels=("A", "B"))
    labels = LabelTokens((7, 8), ("A", "B"), whole=True)
    made = vars(sampling_params(request, 0, labels))
    assert made.get("logprob_token_ids") == ([7, 8] if is_new else None)
    assert made.get("logprobs") == (None if is_new else 1)
    choices = {
        7: SimpleNamespace(decoded_token="A", logprob=-0.1, rank=1),
        8: SimpleNamespace(decoded_token="B", logprob=-9.0, rank=400),
    }
    answer = SimpleNamespace(text="A", token_ids=[7], logprobs=[choices], finish_reason="stop")
    output = SimpleNamespace(outputs=[answer], prompt_token_ids=[1], num_cached_tokens=0)
    (token,) = read_output(output, request, constrained=True, labels=labels).logprobs
    assert token.top == ((("A", -0.1), ("B", -9.0)) if is_new else (("A", -0.1),))
    assert token.unlisted == (0.0 if is_new else None)


@pytest.mark.parametrize("is_new", [True, False])
async def test_a_vllm_server_is_asked_for_labels_and_an_older_one_ignores_them(is_new: bool) -> None:
    tokenizer, tokenized = Tokenizer("yes", " yes", "no", "No"), []

    def reply(asked: Asked) -> bytes:
        if asked.path == "/tokenize":
            tokenized.append(asked.body["prompt"])
            return http({"tokens": tokenizer.encode(str(asked.body["prompt"]))})
        assert asked.body["logprob_token_ids"] == [0, 1, 2, 3]
        words = tokenizer.words if is_new else ("yes", " yes")
        top = [{"token": word, "logprob": -1.0 - place} for place, word in enumerate(words)]
        answer = chat("yes")
        answer["choices"][0]["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}  # type: ignore[index]
        return http(answer)

    request = Request((Message("user", "?"),), top_logprobs=2, labels=("yes", "no"))
    spec = ModelSpec("small", "vllm_server", "org/small")
    async with (
        ScriptedServer(reply) as server,
        VllmServerRunner(spec, RunnerOptions(base_url=server.url)) as runner,
    ):
        (token,) = (await runner.generate(request)).logprobs
        await runner.generate(request)
    assert token.unlisted == (0.0 if is_new else None)
    assert len(token.top) == (4 if is_new else 2)
    assert len(tokenized) == len(set(tokenized)) == 30, "each text once"


@pytest.mark.parametrize("is_new", [True, False])
async def test_a_vllm_server_is_asked_for_the_first_tokens_of_labels_and_once_for_each_word(is_new: bool) -> None:
    words = (" Oslo", " none", " None", " oslo", " Bergen", " bergen")
    tokenizer, tokenized, asked_for = Tokenizer(*words), list[str](), list[object]()

    def reply(asked: Asked) -> bytes:
        if asked.path == "/tokenize":
            tokenized.append(str(asked.body["prompt"]))
            return http({"tokens": tokenizer.encode(tokenized[-1])})
        asked_for.append(asked.body.get("logprob_token_ids"))
        known = [words[one] for one in asked.body.get("logprob_token_ids", ())] if is_new else []
        top = [{"token": word, "logprob": -1.0 - place} for place, word in enumerate(known or [" Oslo"])]
        answer = chat(" Oslo")
        answer["choices"][0]["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}  # type: ignore[index]
        return http(answer)

    labels = ("Oslo Airport", "none")
    request = Request((Message("user", "?"),), top_logprobs=1, labels=labels, first_tokens=True)
    spec = ModelSpec("small", "vllm_server", "org/small")
    async with (
        ScriptedServer(reply) as server,
        VllmServerRunner(spec, RunnerOptions(base_url=server.url)) as runner,
    ):
        (token,) = (await runner.generate(request)).logprobs
        await runner.generate(replace(request, labels=("Oslo", "Bergen Line", "none")))
        await runner.generate(replace(request, labels=tuple(map(str, range(MOST_VLLM_TOKENS + 1)))))
    assert asked_for == [[0, 1, 2, 3], [0, 4, 1, 2, 3, 5], None]
    assert read_labels([token], labels).unread == (frozenset() if is_new else {1}), "none may be most improbable"
    assert token.unlisted is None
    assert len(tokenized) == len(set(tokenized)) == 12, "each text once"
