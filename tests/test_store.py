"""The run folder: files are whole or absent, damage is told, runs are found by part of their id."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.store import DocumentRecord, DocumentWriter, RunFolder, find_run, step_logprobs
from harness.types import (
    Completion,
    Constraint,
    Extraction,
    Message,
    Prediction,
    Reject,
    Request,
    Step,
    TokenLogprob,
    Triplet,
    Usage,
)
from tests.stored_runs import as_manifest, manifest_of

STEP = Step(
    "extract",
    Request((Message("user", "prompt \u2028 <b>"),), constraint=Constraint("gbnf", "root ::= x")),
    Completion("(E1 | x | E2)\nEND", "stop", Usage(7, 3, 2), reasoning="because"),
)
EXTRACTION = Extraction(
    (Prediction(Triplet(0, "P17", 1), (0, 2), 0.5),),
    rejects=(Reject("malformed", "(E1"),),
    steps=(STEP,),
    details={"n": 1},
)


def folder(tmp_path: Path, name: str = "run-1") -> RunFolder:
    run = RunFolder(tmp_path / "runs" / name)
    run.path.mkdir(parents=True)
    run.write_manifest(as_manifest(manifest_of(name, 1)))
    return run


def test_a_record_comes_back_as_it_was_written() -> None:
    record = DocumentRecord.of("Title", EXTRACTION, 1, 0.25)
    assert DocumentRecord.from_json(record.to_json()) == record
    assert "\n" not in record.to_json()


def test_a_record_holds_prompt_answer_and_grammar_checksum() -> None:
    (step,) = DocumentRecord.of("Title", EXTRACTION, 1, 0.25).steps
    assert step["messages"] == [{"role": "user", "content": "prompt \u2028 <b>"}]
    assert step["text"] == "(E1 | x | E2)\nEND"
    assert step["reasoning"] == "because"
    assert step["constraint"]["form"] == "gbnf"
    assert len(step["constraint"]["sha256"]) == 64


def test_log_probabilities_come_back_as_the_model_gave_them() -> None:
    logprobs = (TokenLogprob("B", -0.25, (("B", -0.25), (" A", -1.5))), TokenLogprob("\n", -9999.0))
    step = replace(STEP, completion=replace(STEP.completion, logprobs=logprobs))
    record = DocumentRecord.of("Title", replace(EXTRACTION, steps=(STEP, step)), 2, 0.5)
    restored = DocumentRecord.from_json(record.to_json())
    assert restored == record
    assert [step_logprobs(one) for one in restored.steps] == [(), logprobs]


def test_prompts_that_steps_share_are_stored_once_and_whole_ones_are_still_read() -> None:
    document = "The text of a document. " * 500
    steps = tuple(
        replace(STEP, request=Request((Message("system", "Answer. " * 50), Message("user", f"{document}{number}"))))
        for number in range(20)
    )
    record = DocumentRecord.of("Title", replace(EXTRACTION, steps=steps), 20, 0.25)
    line = record.to_json()
    assert DocumentRecord.from_json(line) == record
    content = json.loads(line)
    assert (content["layout"], [len(one) for one in content["shared"]]) == (2, [400, len(document)])
    assert line.count("The text of a document.") == 500
    whole = {**content, "steps": list(record.steps)}
    del whole["layout"], whole["shared"]
    assert DocumentRecord.from_json(json.dumps(whole)) == record
    content["steps"][3]["messages"][1]["shared"] = 2
    with pytest.raises(InputError, match="shared text 2 of 2"):
        DocumentRecord.from_json(json.dumps(content))
    with pytest.raises(InputError, match="layout 3"):
        DocumentRecord.from_json(json.dumps({**content, "layout": 3}))


def write_and_fail(writer: DocumentWriter, record: DocumentRecord) -> None:
    writer.write(record)
    raise ConnectionError


def test_documents_appear_only_when_all_are_written(tmp_path: Path) -> None:
    run = folder(tmp_path)
    record = DocumentRecord.of("Title", EXTRACTION, 1, 0.25)
    with pytest.raises(ConnectionError), run.document_writer() as writer:
        write_and_fail(writer, record)
    assert not run.has("documents.jsonl")
    with run.document_writer() as writer:
        writer.write(record)
    assert list(run.documents()) == [record]


@pytest.mark.parametrize("content", ["{", "[]", '{"layout": 99}', "", "\x00"])
def test_a_damaged_manifest_is_told_by_its_file(tmp_path: Path, content: str) -> None:
    run = folder(tmp_path)
    (run.path / "manifest.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"manifest\.json"):
        run.read_manifest()


@pytest.mark.parametrize("line", ["{", '{"title": "x"}', "[]", "null"])
def test_a_damaged_record_is_told_by_its_line(tmp_path: Path, line: str) -> None:
    run = folder(tmp_path)
    good = DocumentRecord.of("Title", EXTRACTION, 1, 0.25).to_json()
    (run.path / "documents.jsonl").write_text(f"{good}\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 2: "):
        list(run.documents())


def test_runs_are_found_by_id_part_and_path(tmp_path: Path) -> None:
    first, second = folder(tmp_path, "sample-dev-a-1"), folder(tmp_path, "sample-dev-b-2")
    folder(tmp_path, "sample-dev-b-2-more")
    assert find_run(tmp_path, "a-1").path == first.path
    assert find_run(tmp_path, "sample-dev-b-2").path == second.path, "an exact id wins over a longer one"
    assert find_run(tmp_path, str(second.path)).path == second.path
    with pytest.raises(InputError, match="could be sample-dev-a-1, sample-dev-b-2"):
        find_run(tmp_path, "sample")
    with pytest.raises(InputError, match="no run 'c'"):
        find_run(tmp_path, "c")


def test_only_one_process_writes_a_run(tmp_path: Path) -> None:
    run = folder(tmp_path)
    with run.locked(), pytest.raises(InputError, match="another process"), RunFolder(run.path).locked():
        pass


def test_the_manifest_is_readable_json(tmp_path: Path) -> None:
    run = folder(tmp_path)
    assert json.loads((run.path / "manifest.json").read_text(encoding="utf-8"))["status"] == "complete"
