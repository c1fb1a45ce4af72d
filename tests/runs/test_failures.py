"""Documents without a full answer: counted by status, with the commonest error, what helps, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from harness.analyses.leaderboards import leaderboards
from harness.cli.main import app
from harness.records.manifest import CompleteManifest
from harness.runs.failures import LONGEST_ERROR, FailureCounts, failed_too_often, failures_of, unanswered
from harness.store import DocumentRecord
from harness.types import Extraction, Status
from tests import stored_runs
from tests.chat_server import ChatServer, Fault, completion

Arguments = Callable[..., list[str]]
REMEDIES = yaml.safe_load(Path(__file__).with_name("failure_remedies.yaml").read_text(encoding="utf-8"))


def manifest_of(statuses: dict[str, int], level: str = "closed", **told: Any) -> CompleteManifest:
    question = {"constraint": {"level": level}, "sampling": {"max_tokens": 1000}}
    content = stored_runs.manifest_of("m", sum(statuses.values()), question)
    return CompleteManifest.model_validate({**content, "statuses": statuses, **told})


def counted(*failures: tuple[Status, str]) -> dict[str, Any]:
    counts = FailureCounts()
    for status, error in failures:
        counts.add(DocumentRecord.of("title", Extraction((), status=status, error=error), 1, 0.0))
    return counts.as_json()


@pytest.mark.parametrize("case", REMEDIES, ids=lambda case: f"{case['status']} {case['level']}")
def test_the_option_that_helps_is_named(case: dict[str, Any]) -> None:
    status, thinking = case["status"], int(case.get("thinking", False))
    manifest = manifest_of({status: 3}, case["level"], failures={status: {"error": "why", "thinking": thinking}})
    (failure,) = failures_of(manifest, "`harness retry RUN` asks again")
    assert (failure.status, failure.documents, failure.error) == (status, 3, "why")
    assert all(part in failure.remedy for part in case["helps"])
    assert not any(part in failure.remedy for part in case.get("not", []))


def test_a_run_of_before_errors_were_counted_still_names_its_failures() -> None:
    (failure,) = failures_of(manifest_of({"ok": 1, "api_error": 2}), "again")
    assert failure == ("api_error", 2, "", "again")


@pytest.mark.parametrize(
    ("statuses", "most", "too_often"),
    [
        ({"ok": 40}, 0.0, False),
        ({}, 0.0, False),
        ({"ok": 39, "truncated": 1}, 0.0, True),
        ({"ok": 95, "truncated": 3, "refused": 2}, 0.05, False),
        ({"ok": 94, "truncated": 3, "refused": 3}, 0.05, True),
        ({"ok": 1, "invalid_output": 39}, 1.0, False),
        ({"refused": 40}, 1.0, True),
        ({"context_overflow": 1}, 1.0, True),
    ],
)
def test_only_ok_is_an_answer_and_none_at_all_is_always_too_few(
    statuses: dict[str, int], most: float, too_often: bool
) -> None:
    assert failed_too_often(manifest_of(statuses), most) is too_often


def test_what_lacks_an_answer_is_counted_by_status() -> None:
    told = unanswered(manifest_of({"ok": 1000, "refused": 2, "truncated": 37}))
    assert told == "39 of 1,039 documents without a full answer: 37 truncated, 2 refused"


def test_errors_that_differ_in_numbers_and_ids_are_one_and_the_commonest_is_told() -> None:
    told = counted(
        ("api_error", "rare"),
        ("api_error", "late by 3.1 s (req_1a)"),
        ("api_error", "late by 4 s (req_77)"),
        ("ok", ""),
    )
    assert told == {"api_error": {"documents": 3, "error": "late by 3.1 s (req_1a)", "thinking": 0}}


def test_an_error_is_one_line_that_no_terminal_obeys() -> None:
    error = counted(("api_error", f"a\n\x1b]0;title\x07b\x9b31m{'x' * 1000}"))["api_error"]["error"]
    assert error.isprintable()
    assert len(error) == LONGEST_ERROR


# --- a run


def run(arguments: list[str]) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def thinks_too_long(body: dict[str, Any]) -> dict[str, Any]:
    """One answer; for every other document, thinking that is cut at the token limit."""
    if "Town0<" in body["messages"][-1]["content"]:
        return completion("(E1 | country | E2)\nEND")
    answer = completion(None, finish_reason="length")
    answer["choices"][0]["message"]["reasoning_content"] = "let me think " * 20
    return answer


def test_documents_cut_while_thinking_are_no_answers(run_arguments: Arguments, results: Path) -> None:
    with ChatServer(thinks_too_long) as server:
        done = run(run_arguments(server.base_url, 8, "--max-tokens", "500"))
    assert done.exit_code == 1
    assert "truncated         7 documents: the answer reached its token limit while still thinking" in done.stdout
    assert "7 of 8 documents without a full answer: 7 truncated; what helps: thinking off" in done.stderr
    assert "--max-tokens 2000 (now 500)" in done.stderr
    (board,) = leaderboards(results)
    assert (len(board.ranked), list(board.unranked["coverage"])) == (0, [0.125])
    assert list(board.unranked["reason"]) == ["7 of 8 documents without a full answer: 7 truncated"]
    (board,) = leaderboards(results, max_failed=0.9)
    assert len(board.ranked) == 1
    assert board.note == "up to 90% of a run's documents may lack a full answer, which counts as missed"


def test_a_run_in_which_every_document_was_refused_fails_whatever_is_allowed(run_arguments: Arguments) -> None:
    with ChatServer(lambda _body: completion(None, finish_reason="content_filter")) as server:
        done = run(run_arguments(server.base_url, 3, "--fail-on-error", "1", "--json"))
    assert done.exit_code == 1
    (failure,) = json.loads(done.stdout)["failures"]
    assert (failure["status"], failure["documents"]) == ("refused", 3)
    assert "content filter" in failure["error"]
    assert "another --model" in failure["remedy"]


def test_a_few_failed_calls_name_their_commonest_error_and_its_remedy(run_arguments: Arguments) -> None:
    def reject(_number: int, body: dict[str, Any]) -> Fault | None:
        is_third = "Town3<" in body["messages"][-1]["content"]
        return Fault("status", 400, (), '{"error": {"message": "unknown field foo"}}') if is_third else None

    with ChatServer(misbehave=reject) as server:
        done = run(run_arguments(server.base_url, 4, "--fail-on-error", "0.5"))
    assert done.exit_code == 0
    assert "api_error         1 document: the server rejected the request (HTTP 400): unknown field foo" in done.stdout
    assert "what helps        `harness retry corpus-all-scripted-tagged" in done.stdout
