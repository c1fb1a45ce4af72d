from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError, RetryableError
from harness.types import Completion, Constraint, Message, ModelSpec, Request, RunnerOptions
from runners.mock import MockRunner, mock_runner

ASKED = Request((Message("system", "Extract."), Message("user", "About Paris.")))
SPEC = ModelSpec("mock", "mock", "mock")


def scripted(path: Path, text: str) -> MockRunner:
    path.write_text(text, encoding="utf-8")
    return mock_runner(SPEC, RunnerOptions(extra={"answers": str(path)}))


async def test_by_default_it_claims_nothing_in_the_form_asked_for() -> None:
    runner = mock_runner(SPEC, RunnerOptions())
    assert (await runner.generate(ASKED)).text == "END"
    as_json = Request(ASKED.messages, constraint=Constraint("json_schema", "{}"))
    assert (await runner.generate(as_json)).text == '{"triplets": []}'


async def test_a_script_answers_with_text_completion_or_error() -> None:
    answers = iter(["two words", Completion("whole", "length"), RetryableError("busy")])
    runner = MockRunner(lambda _request: next(answers))
    first = await runner.generate(ASKED)
    assert (first.text, first.usage.prompt_tokens, first.usage.completion_tokens) == ("two words", 3, 2)
    assert (await runner.generate(ASKED)).finish_reason == "length"
    with pytest.raises(RetryableError, match="busy"):
        await runner.generate(ASKED)
    assert list(runner.requests) == [ASKED] * 3


async def test_a_file_answers_by_what_the_prompt_contains(tmp_path: Path) -> None:
    runner = scripted(
        tmp_path / "answers.jsonl",
        '{"contains": "London", "text": "no"}\n\n'
        '{"contains": "Paris", "text": "(a| r| b)", "finish_reason": "length"}\n',
    )
    completion = await runner.generate(ASKED)
    assert (completion.text, completion.finish_reason) == ("(a| r| b)", "length")
    assert (await runner.generate(Request((Message("user", "Rome"),)))).text == "END"


async def test_another_answers_file_is_another_model(tmp_path: Path) -> None:
    first = scripted(tmp_path / "answers.jsonl", '{"contains": "a", "text": "b"}\n').identity
    second = scripted(tmp_path / "answers.jsonl", '{"contains": "a", "text": "c"}\n').identity
    assert first != second


async def test_latency_is_waited_for() -> None:
    runner = mock_runner(SPEC, RunnerOptions(extra={"latency_ms": "20"}))
    assert (await runner.generate(ASKED)).latency_s == pytest.approx(0.02)


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[" * 5000,
        '{"contains": "a", "text": "\\ud800"}',
        "null",
        "[]",
        '{"contains": "a"}',
        '{"contains": "a", "text": 3}',
        '{"contains": "a", "text": "b", "more": 1}',
        '{"contains": "a", "text": "b", "finish_reason": "tired"}',
    ],
)
def test_a_bad_line_is_named(line: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 2"):
        scripted(tmp_path / "answers.jsonl", '{"contains": "a", "text": "b"}\n' + line)


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_bytes(b'{"contains": "a", "text": "b"}\n"\xfc"\n')
    with pytest.raises(InputError, match=r"answers\.jsonl, line 2: is not UTF-8"):
        mock_runner(SPEC, RunnerOptions(extra={"answers": str(tmp_path / "answers.jsonl")}))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InputError, match=r"absent\.jsonl"):
        mock_runner(SPEC, RunnerOptions(extra={"answers": "absent.jsonl"}))
