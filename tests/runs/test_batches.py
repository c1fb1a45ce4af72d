"""Runs whose requests are answered in batches end as direct ones do, whatever becomes of the batches."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.runs import batch
from harness.store import RunFolder
from tests.batch_server import BatchServer, Line, status
from tests.chat_server import answer_by_rule, completion
from tests.commands import harness_here

KEY = "sk-proj-0123456789abcdefghijABCDEFGHIJ"
Arguments = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "FIRST_POLL_S", 0.001)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with BatchServer(by_step) as server:
        yield server


def by_step(body: dict[str, Any]) -> dict[str, Any]:
    """Answers to the steps of rhf: two relations, one head each, and triplets drawn by the prompt."""
    prompt = body["messages"][-1]["content"]
    if "Which relations hold" in prompt:
        return completion("country\ncapital\nEND", len(prompt) // 4)
    if "Which entities of the document" in prompt:
        return completion(f"E{1 + len(prompt) % 3}\nEND", len(prompt) // 4)
    if "List all triplets" in prompt:
        return completion(f"(E1 | capital | E{2 + len(prompt) % 3})\nEND", len(prompt) // 4)
    return answer_by_rule(body)


@pytest.fixture
def direct(tmp_path: Path) -> Callable[..., bytes]:
    """The predictions of the direct run of the same question."""

    def run(*arguments: str) -> bytes:
        with BatchServer(by_step) as other:
            at = arguments.index("--base-url") + 1
            done = harness_here(
                *arguments[:at], other.base_url, *arguments[at + 1 :], "--results-dir", str(tmp_path / "d")
            )
        assert done.returncode == 0, done.stderr
        (file,) = (tmp_path / "d").glob("runs/*/predictions.json")
        return file.read_bytes()

    return run


def in_batches(*arguments: str, code: int = 0) -> dict[str, Any]:
    done = harness_here(*arguments, "--batch", "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if done.stdout else {"error": done.stderr}


def only_folder(results: Path) -> RunFolder:
    (folder,) = (results / "runs").iterdir()
    return RunFolder(folder)


def test_a_run_in_batches_ends_as_the_direct_one(
    server: BatchServer, run_arguments: Arguments, direct: Callable[..., bytes], results: Path
) -> None:
    server.looks = 3
    arguments = run_arguments(server.base_url, 30)
    told = in_batches(*arguments)
    folder = only_folder(results)
    assert (folder.path / "predictions.json").read_bytes() == direct(*arguments)
    assert (len(server.batches), server.received) == (1, 0)
    usage = told["usage"]
    assert usage["batch_prompt_tokens"] == usage["prompt_tokens"] > 0
    assert {step["batch"] for record in folder.documents() for step in record.steps} == {"batch0"}
    assert not list(folder.path.glob("batch-*"))
    again = in_batches(*arguments)
    assert again["metrics"] == told["metrics"]
    assert len(server.batches) == 1


@pytest.mark.parametrize(
    "prompt", [("pairwise", "-P", "k=1"), ("rhf",), ("tagged", "--samples", "3", "--temperature", "0.7")]
)
def test_methods_of_several_steps_take_a_batch_for_each(
    server: BatchServer, run_arguments: Arguments, direct: Callable[..., bytes], results: Path, prompt: tuple[str, ...]
) -> None:
    arguments = [*run_arguments(server.base_url, 4), "--prompt", *prompt]
    in_batches(*arguments)
    assert (only_folder(results).path / "predictions.json").read_bytes() == direct(*arguments)
    assert len(server.batches) == (1 if prompt[0] != "rhf" else 3)


def test_a_batch_is_taken_apart_by_request(server: BatchServer, run_arguments: Arguments, results: Path) -> None:
    def outcome(number: int, line: Line) -> Line | None:
        text = str(line["body"])
        if "Town3 " in text:
            return status(400, "This model's maximum context length is 10 tokens")
        if "Town5 " in text:
            return status(500, "down")
        return status(429, "slow down") if "Town7 " in text and number == 0 else None

    server.outcome = outcome
    told = in_batches(*run_arguments(server.base_url, 12), "--fail-on-error", "0.5")
    assert told["statuses"] == {"ok": 10, "context_overflow": 1, "api_error": 1}
    assert [len(one.lines) for one in server.batches] == [12, 2, 1]
    errors = {record.title: record.error for record in only_folder(results).documents() if record.error}
    assert errors["Document 5"] == "HTTP 500: down"


def test_what_an_expired_batch_did_not_answer_is_asked_again(server: BatchServer, run_arguments: Arguments) -> None:
    server.ends[0] = "expired"
    assert in_batches(*run_arguments(server.base_url, 10))["statuses"] == {"ok": 10}
    assert [len(one.lines) for one in server.batches] == [10, 5]
    assert server.answered.total() == 10


def test_a_stopped_run_takes_the_answers_later(server: BatchServer, run_arguments: Arguments, results: Path) -> None:
    server.looks = 1 << 30
    arguments = run_arguments(server.base_url, 8)
    told = in_batches(*arguments, "--max-time", "0.2", code=3)
    assert "Resume with the same command" in told["error"]
    assert json.loads((only_folder(results).path / "manifest.json").read_text())["status"] == "stopped"
    server.looks = 1
    assert in_batches(*arguments)["statuses"] == {"ok": 8}
    assert len(server.batches) == 1


def test_a_batch_whose_id_was_lost_is_found_again(server: BatchServer, run_arguments: Arguments) -> None:
    server.loses_answers_to_submits = 1
    assert in_batches(*run_arguments(server.base_url, 8))["statuses"] == {"ok": 8}
    assert len(server.batches) == 1


def test_files_get_smaller_where_too_many_wait(server: BatchServer, run_arguments: Arguments) -> None:
    server.most_waiting = 5
    assert in_batches(*run_arguments(server.base_url, 16))["statuses"] == {"ok": 16}
    assert [len(one.lines) for one in server.batches if one.output] == [4, 4, 4, 4]


def test_files_have_no_more_requests_than_a_provider_takes(
    server: BatchServer, run_arguments: Arguments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "MOST_REQUESTS", 5)
    assert in_batches(*run_arguments(server.base_url, 12))["statuses"] == {"ok": 12}
    assert [len(one.lines) for one in server.batches] == [5, 5, 2]


def test_a_refused_file_ends_the_run_with_the_reason(server: BatchServer, run_arguments: Arguments) -> None:
    server.refuses = "the model takes no batches"
    told = in_batches(*run_arguments(server.base_url, 4), code=2)
    assert "answered none of the batches (invalid: the model takes no batches)" in told["error"]


def test_the_budget_bounds_what_is_handed_in(server: BatchServer, run_arguments: Arguments) -> None:
    told = in_batches(*run_arguments(server.base_url, 10), "--max-tokens", "100", "--max-tokens-total", "900", code=3)
    assert "could pass --max-cost or --max-tokens-total" in told["error"]
    assert 0 < server.answered.total() < 10


def test_no_key_is_in_any_file(server: BatchServer, run_arguments: Arguments, results: Path) -> None:
    server.looks = 1 << 30
    in_batches(*run_arguments(server.base_url, 3), "--max-time", "0.2", code=3)
    assert (only_folder(results).path / "batches.json").is_file()
    written = b"".join(file.read_bytes() for file in results.rglob("*") if file.is_file())
    assert KEY.encode() not in written + b"".join(server.uploads)


def test_a_secret_in_a_field_of_the_body_is_refused(server: BatchServer, run_arguments: Arguments) -> None:
    told = in_batches(*run_arguments(server.base_url, 3), "-M", "body.api_key=hunter2hunter2", code=2)
    assert "-M body.api_key" in told["error"]
    assert "hunter2" not in told["error"]


def test_answers_in_batches_cost_half(server: BatchServer, run_arguments: Arguments) -> None:
    cost = []
    for more in ((), ("--batch",)):
        arguments = [
            "gpt-4o-mini" if one == "scripted" else one
            for one in run_arguments(server.base_url, 5, "--repeat", str(len(more)))
        ]
        arguments = [one if one != "constrain_with=regex" else "constrain_with=none" for one in arguments]
        done = harness_here(*arguments, *more, "--json")
        assert done.returncode == 0, done.stderr
        cost.append(json.loads(done.stdout)["cost_usd"])
    assert cost[1] == pytest.approx(cost[0] / 2)


def test_a_file_of_requests_is_answered_by_hand(
    server: BatchServer, run_arguments: Arguments, direct: Callable[..., bytes], results: Path, tmp_path: Path
) -> None:
    arguments = [*run_arguments("http://nobody.invalid/v1", 5), "--prompt", "rhf"]
    file = tmp_path / "asked" / "requests.jsonl"
    for _ in range(3):
        done = harness_here(*arguments, "--batch-file", str(file))
        assert done.returncode == 3, done.stderr
        assert "vllm run-batch -i" in done.stderr
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        answers = [
            {"custom_id": line["custom_id"], "response": {"status_code": 200, "body": server.rule(line["body"])}}
            for line in lines
        ]
        file.with_suffix(".answers.jsonl").write_text("".join(json.dumps(one) + "\n" for one in answers))
    done = harness_here(*arguments, "--batch-file", str(file))
    assert done.returncode == 0, done.stderr
    assert (only_folder(results).path / "predictions.json").read_bytes() == direct(*arguments)


def test_models_without_batches_are_told(run_arguments: Arguments) -> None:
    arguments = run_arguments("http://a/v1", 2)
    several = harness_here(*arguments, "--base-url", "http://b/v1", "--batch")
    assert (several.returncode, "is not asked in batches" in several.stderr) == (2, True)
    both = harness_here(*arguments, "--batch", "--batch-file", "x.jsonl")
    assert (both.returncode, "leave out one of them" in both.stderr) == (2, True)


def test_a_retry_asks_in_batches_for_the_bad_answers_only(
    server: BatchServer, run_arguments: Arguments, results: Path
) -> None:
    good = server.rule

    def some_cut(body: dict[str, Any]) -> dict[str, Any]:
        answer = good(body)
        if zlib.crc32(body["messages"][-1]["content"].encode()) % 2:
            answer["choices"][0]["finish_reason"] = "length"
        return answer

    server.rule = some_cut
    told = in_batches(*run_arguments(server.base_url, 12), code=1)
    cut = told["statuses"]["truncated"]
    assert 0 < cut < 12
    server.rule, before = good, len(server.batches)
    told = in_batches("retry", told["run_id"], "--results-dir", str(results), "--base-url", server.base_url)
    assert told["statuses"] == {"ok": 12}
    assert [len(one.lines) for one in server.batches[before:]] == [cut]


def test_an_ablation_hands_in_all_its_runs_before_it_waits(
    server: BatchServer, run_arguments: Arguments, tmp_path: Path
) -> None:
    server.looks = 3
    arguments = run_arguments(server.base_url, 6)
    told = in_batches("ablate", *arguments[1:], "--axis", "refs=id,name")
    assert [one["requests"] for one in told["runs"]] == [6, 6]
    assert len(server.batches) == 2

    texts = tmp_path / "texts.txt"
    texts.write_text("Pisa lies in Italy.")
    options = arguments[arguments.index("--base-url") :]
    # The scripted answer is none of an annotation: that it came is what is seen.
    annotated = in_batches("annotate", str(texts), "--model", "scripted", "--schema", "open", *options, code=1)
    assert annotated["usage"]["requests"] == 1
    assert len(server.batches) == 3


def test_a_dry_run_tells_the_price_in_batches(server: BatchServer, run_arguments: Arguments) -> None:
    arguments = ["gpt-4o-mini" if one == "scripted" else one for one in run_arguments(server.base_url, 5)]
    whole, half = (
        json.loads(harness_here(*arguments, "--dry-run", "--json", *more).stdout) for more in ((), ("--batch",))
    )
    assert half["cost_usd"] == pytest.approx(whole["cost_usd"] / 2)
    assert half["price_share"] == 0.5
