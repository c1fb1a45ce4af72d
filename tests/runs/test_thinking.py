"""A budget for thinking: sent where the server takes one, refused in one line elsewhere, an axis of ablations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError
from harness.runs.config import RunConfig
from harness.runs.plan import prepare
from tests.chat_server import ChatServer, answer_by_rule
from tests.commands import harness_here


@pytest.mark.parametrize(
    ("model", "options", "told"),
    [
        ("openai/gpt-9", {}, "cannot be told how many tokens to think: leave out --thinking-tokens, or say how much"),
        ("transformers/smollm2-135m", {}, "cannot be told how many tokens to think"),
        ("anthropic/claude-9", {"thinking_tokens": 500}, "thinks in 1024 tokens or more: give --thinking-tokens 1024"),
        ("anthropic/claude-9", {"thinking_tokens": 2000}, "thinks at temperature 1 only: give --temperature 1"),
        ("mock", {"max_tokens": 800, "thinking_tokens": 900}, "leaves no room for an answer of at most 800 tokens"),
    ],
)
def test_a_budget_that_the_model_does_not_take_is_refused_before_anything_is_asked(
    model: str, options: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(variable, "none")
    with pytest.raises(InputError, match=told):
        prepare(RunConfig(model, "tagged", "sample", **{"thinking_tokens": 512, **options}))


def test_thinking_comes_on_top_of_the_answer_and_changes_no_run_without_it() -> None:
    plain, thinking = (prepare(RunConfig("mock", "tagged", "sample", thinking_tokens=tokens)) for tokens in (None, 512))
    assert thinking.settings.sampling.max_tokens == plain.settings.sampling.max_tokens + 512
    asked, more = (one.question()["sampling"] for one in (plain, thinking))
    assert (more["thinking_tokens"], "thinking_tokens" in asked) == (512, False)
    assert (plain.prompt_label, thinking.prompt_label) == ("tagged", "tagged thinking-tokens=512")
    effort = prepare(RunConfig("mock", "tagged", "sample", reasoning_effort="low"))
    assert effort.prompt_label == "tagged reasoning-effort=low", "leaderboards tell them apart"


def test_the_server_is_sent_the_budget_and_an_ablation_compares_several(tmp_path: Path) -> None:
    budgets: list[object] = []

    def rule(body: dict[str, Any]) -> dict[str, Any]:
        budgets.append(body.get("thinking_token_budget"))
        return answer_by_rule(body)

    with ChatServer(rule=rule) as server:
        done = harness_here(
            *("ablate", "--model", "vllm/thinker", "--base-url", server.base_url, "-M", "probe=false"),
            *("--prompt", "tagged", "--dataset", "sample", "--limit", "2", "--axis", "thinking_tokens=0,512"),
            *("--results-dir", str(tmp_path), "--json"),
        )
    assert done.returncode == 0, done.stderr
    assert sorted(map(str, budgets)) == ["0", "0", "512", "512"]
    folders = (tmp_path / "runs").iterdir()
    questions = [json.loads((folder / "manifest.json").read_text())["question"] for folder in folders]
    assert sorted(question["sampling"]["thinking_tokens"] for question in questions) == [0, 512]


def test_llama_cpp_takes_a_budget(tmp_path: Path) -> None:
    done = harness_here(
        *("run", "--model", "smollm2-135m", "--prompt", "tagged", "--dataset", "sample", "--limit", "1"),
        *("--max-triplets", "2", "--thinking-tokens", "100", "--results-dir", str(tmp_path), "--json"),
    )
    assert json.loads(done.stdout)["statuses"] == {"ok": 1}, done.stderr
