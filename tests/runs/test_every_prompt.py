"""Every shipped prompt over HTTP, as each kind of server is asked: perfect answers score 100, also from the records."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness.cli.display import make_display
from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.runs.config import RunConfig
from harness.runs.execute import execute
from harness.runs.plan import Experiment, prepare
from harness.types import Completion, Message, Request, Sampling, TokenLogprob
from tests.chat_server import ChatServer, Fault, completion
from tests.methods.test_head_relation_tail import perfect as likeliest
from tests.methods.test_relatedness import perfect as likeliest_tails
from tests.runs.test_retry import invoked
from tests.variants import VARIANTS, kind_of

SERVERS: Mapping[str, Mapping[str, str]] = {
    "vllm/scripted": {"probe": "false"},
    "llama-server/scripted": {"probe": "false"},
    "scripted": {"probe": "false", "constrain_with": "json_schema"},
}
"""By ``--model``: grammars in Lark or regex, grammars in GBNF, and the strict JSON schema of APIs."""
OF_PROBABILITIES = {"hrt": likeliest, "related": likeliest_tails}
"""Prompts that have all of a head's relations, or tails, from the probabilities of one answer."""
ONE_OF_A_PAIR = ("choice", "statements", "single-choice")
"""Prompts whose answer names one relation, of however many a pair has."""
TITLES = ("Ingrid Solheim", "A | B (album)", "🌙 Moonlight FM")  # In these no name begins another.
DOCUMENTS = [one for one in load_dataset("sample").documents if one.title in TITLES]


class Perfect:
    """Answers as the labels say, with certainty; JSON must fit the schema that is sent with the request."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.checked = 0
        self._prompt = ""

    def learn(self, experiment: Experiment) -> None:
        """The answers to all questions of an experiment."""
        self._prompt = experiment.settings.variant.name
        for document in experiment.documents:
            for _, request, answer in experiment.method().demonstrate(document):
                self.answers[_key([message.content for message in request.messages])] = answer

    def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        messages = [Message(one["role"], one["content"]) for one in body["messages"]]
        if messages[-1].role == "assistant" and (by_probability := OF_PROBABILITIES.get(self._prompt)):
            (document,) = (one for one in DOCUMENTS if one.entities[0].name in messages[-2].content)
            answer = by_probability(document, Request(tuple(messages), Sampling()))
        else:
            text = self.answers[_key([one.content for one in messages])]
            # A token a character, each certain.
            answer = Completion(text, "stop", logprobs=tuple(TokenLogprob(one, 0.0, ((one, 0.0),)) for one in text))
        if schema := body.get("response_format", {}).get("json_schema", {}).get("schema"):
            jsonschema.validate(json.loads(answer.text), schema)
            self.checked += 1
        sent = completion(answer.text)
        if body.get("logprobs"):
            sent["choices"][0]["logprobs"] = {"content": [_as_sent(one) for one in answer.logprobs]}
        return sent


def _key(contents: Sequence[str]) -> str:
    return "\n".join(contents)


def _as_sent(token: TokenLogprob) -> dict[str, Any]:
    top = [{"token": word, "logprob": logprob} for word, logprob in token.top]
    return {"token": token.token, "logprob": token.logprob, "top_logprobs": top}


def _options(prompt: str, model: str) -> dict[str, str]:
    if prompt == "hrt":
        return {"relations": "100", "least": "1"}
    return {"by": "pair"} if (prompt, model) == ("related", "scripted") else {}


@pytest.mark.parametrize("model", SERVERS)
@pytest.mark.parametrize("prompt", VARIANTS)
def test_perfect_answers_score_100_and_the_records_give_the_same(prompt: str, model: str, tmp_path: Path) -> None:
    rule = Perfect()
    with ChatServer(rule, misbehave=lambda _, body: None if "messages" in body else Fault("status", 404)) as server:
        config = RunConfig(
            model, prompt, "sample",
            documents=TITLES,
            candidates="gold" if kind_of(prompt).takes_candidates else None,
            prompt_options=_options(prompt, model),
            base_url=server.base_url, model_options=SERVERS[model], max_retries=0, results=tmp_path,
        )  # fmt: skip
        if (prompt, model) == ("hrt", "scripted"):
            with pytest.raises(InputError, match="begins the answer itself and reads log-probabilities"):
                prepare(config)
            return
        experiment = prepare(config)
        rule.learn(experiment)
        result = asyncio.run(execute(experiment, make_display("none")))
    assert (result.manifest.statuses, result.manifest.rejects) == ({"ok": len(DOCUMENTS)}, {})
    assert bool(rule.checked) == (model == "scripted"), "as JSON that fits the strict schema"
    official, score = result.metrics.official, "pair_f1" if prompt == "related" else "f1"
    if prompt in ONE_OF_A_PAIR:
        pairs = sum(len({one.triplet[::2] for one in document.labels}) for document in DOCUMENTS)
        assert official.correct == official.predicted == pairs
    else:
        assert getattr(official, score) == 1.0
    again = invoked("score", result.folder.run_id, "--results-dir", str(tmp_path))
    assert again["metrics"][score] == getattr(official, score)
