"""Listing, showing, counting, checking; and one helpful line for everything a user gets wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli.doctor import examine
from runners import hardware
from tests.commands import error_line, harness
from tests.paths import redocred_dir

RUN = ["run", "--prompt", "tagged", "--dataset", "sample"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([*RUN, "--model", "smolm2"], "did you mean smollm2"),
        ([*RUN, "--model", "gpt-4o"], "OPENAI_API_KEY"),
        ([*RUN, "--model", "qwen2.5-72b"], "GPU"),
        ([*RUN, "--model", "mock", "--constrian", "none"], "--constrain"),
        ([*RUN, "--model", "mock", "--constrain", "tight"], "'closed', 'format', 'none'"),
        ([*RUN, "--model", "mock", "--limit", "0"], "--limit 0"),
        ([*RUN, "--model", "mock", "-P", "refs"], "-P key=value"),
        ([*RUN, "--model", "mock", "-P", "ref=id"], "has no option 'ref'"),
        ([*RUN, "--model", "mock", "-M", "latency=3"], "latency_ms"),
        ([*RUN, "--model", "mock", "--max-cost", "1"], "--max-tokens-total"),
        ([*RUN, "--model", "mock", "--config", "nowhere.yaml"], "nowhere.yaml"),
        (["run", "--model", "mock", "--prompt", "taged", "--dataset", "sample"], "did you mean 'tagged'"),
        (["run", "--model", "mock", "--prompt", "tagged", "--dataset", "redocred", "--data-dir", "."], "data fetch"),
        (["run", "--model", "mock", "--prompt", "tagged", "--dataset", "nowhere.json"], "nowhere.json"),
        (["run", "--model", "mock", "--prompt", "tagged", "--dataset", "sampel"], "sample"),
        (["run", "--model", "mock", "--prompt", "tagged", "--dataset", "sample", "--split", "test"], "no split 'test'"),
        (["run", "--prompt", "tagged"], "--model"),
        (["score", "nothing"], "no run 'nothing'"),
        (["score", __file__], "--gold"),
        (["leaderboard"], "no runs under"),
        (["report"], "no runs under"),
        (["retry", "nothing"], "no run 'nothing'"),
        (["data", "stats", "nowhere.json"], "nowhere.json"),
        (["data", "fetch", "sample"], "nothing to fetch"),
        (["prompts", "show", "tagged", "--document", "No such title"], "No such title"),
        (["models", "fetch", "gpt-4o"], "has no file to fetch"),
        (["lederboard"], "leaderboard"),
    ],
)
def test_a_mistake_is_answered_in_one_helpful_line(arguments: list[str], expected: str, tmp_path: Path) -> None:
    done = harness(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert expected in error_line(done)
    assert done.stdout == ""


def test_a_configuration_file_with_a_wrong_name_is_told(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("modle: mock\n", encoding="utf-8")
    done = harness("run", "--config", "run.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "no option 'modle'" in error_line(done)


@pytest.mark.parametrize(
    "command", [[], ["run"], ["score"], ["leaderboard"], ["report"], ["data", "stats"], ["prompts", "show"]]
)
def test_help_has_examples_and_is_printed_without_a_model(command: list[str]) -> None:
    done = harness(*command, "--help")
    assert done.returncode == 0
    assert "Usage: harness" in done.stdout or "Usage:" in done.stdout
    if command:
        assert "Example" in done.stdout


def test_nothing_heavy_is_imported_for_help() -> None:
    import subprocess
    import sys

    code = (
        "import sys\n"
        "import harness.cli.main\n"
        "heavy = {'torch', 'pandas', 'openai', 'jinja2', 'pydantic', 'xllamacpp', 'numpy', 'transformers', 'vllm'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() in ("[]", "['pydantic']")


def test_prompts_are_listed_with_their_options() -> None:
    done = harness("prompts")
    assert "tagged (version 2)" in done.stdout
    assert "-P refs=[id]|name" in done.stdout
    assert harness("prompts", "list").stdout == done.stdout


def test_models_are_listed_by_either_command() -> None:
    listed = harness("models", "list")
    assert listed.stdout == harness("models").stdout
    assert "smollm2-135m" in listed.stdout
    assert json.loads(harness("models", "list", "--json").stdout)[0]["name"] == "smollm2-135m"


@pytest.mark.parametrize(
    ("model", "where"),
    [("gpt-4o", "it runs at its provider"), ("qwen2.5-72b", "vLLM loads it"), ("mock", "it answers from a script")],
)
def test_where_the_weights_are_is_told_of_a_model_without_a_file(model: str, where: str) -> None:
    assert where in error_line(harness("models", "fetch", model))


def test_every_runner_without_a_file_says_where_its_weights_are() -> None:
    from harness.cli.models import WITHOUT_FILE
    from runners.registry import RUNNERS

    assert set(RUNNERS) - {"llama_cpp"} <= set(WITHOUT_FILE)


def test_corpora_in_a_folder_are_listed_and_shown_in_words(tmp_path: Path) -> None:
    (tmp_path / "cdr").mkdir()
    (tmp_path / "cdr" / "dev.json").write_text("[]", encoding="utf-8")
    listed = harness("data", "list", "--data-dir", tmp_path).stdout.splitlines()
    (cdr,) = (line for line in listed if line.startswith("cdr "))
    assert cdr.endswith("(here: dev, dev-filtered)")
    shown = harness("data", "show", "cdr", "--data-dir", tmp_path).stdout
    assert "candidates       dev: all pairs of a CHEM with a DISE\n" in shown
    assert "candidates       dev-filtered: the pairs that the file labels" in shown
    assert "published        dev: documents 500, stated labels 1,012, " in shown
    assert "{" not in shown


def test_a_prompt_is_shown_byte_for_byte_with_its_grammar() -> None:
    arguments = ["prompts", "show", "tagged", "--document", "A | B (album)", "--model", "mock"]
    shown = json.loads(harness(*arguments, "-P", "refs=name", "--grammar", "--json").stdout)
    (request,) = shown["requests"]
    assert [message["role"] for message in request["messages"]] == ["system", "user"]
    assert '<entity name="A \\| B">' in request["messages"][1]["content"]
    assert "END" in request["constraint"]


def test_statistics_of_the_real_dev_split() -> None:
    shown = json.loads(harness("data", "stats", redocred_dir() / "dev_revised.json", "--json").stdout)
    expected = {
        "documents": 500,
        "candidate_pairs": 193232,
        "na_pairs": 179870,
        "related_pairs": 13362,
        "triplets": 17284,
        "multi_relation_pairs": 3651,
        "shared_names": 23,
        "documents_with_shared_names": 21,
        "longest_document": 481,
    }
    assert {name: shown[name] for name in expected} == expected
    assert round(shown["entities_per_document"], 1) == 19.4
    assert round(shown["sentences_per_document"], 1) == 8.2
    assert round(shown["words_per_document"]) == 204


def test_a_valid_file_is_told_so(tmp_path: Path) -> None:
    done = harness("data", "validate", "sample", cwd=tmp_path)
    assert done.returncode == 0
    assert "33 documents, all valid" in done.stdout


def test_models_are_listed() -> None:
    listed = {row["name"]: row for row in json.loads(harness("models", "--json").stdout)}
    assert listed["smollm2-135m"]["runner"] == "llama_cpp"
    assert listed["qwen2.5-72b"]["model_id"] == "Qwen/Qwen2.5-72B-Instruct"


def test_the_options_of_a_model_s_runner_are_listed() -> None:
    listed = harness("models", "options", "smollm2-135m").stdout
    assert "-M context=  tokens of prompt and answer together" in listed
    assert "-M body.NAME=" in listed
    assert "is an encoder" in error_line(harness("models", "options", "atlop-minilm"))


def test_the_doctor_says_which_models_fit_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "total_memory", lambda: 3_000_000_000)
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path))
    notes = {one.name: (one.fine, one.note) for one in examine(tmp_path)}
    assert notes["qwen3-4b-gguf"] == (False, "does not fit: needs 3.7 GB of memory, here are 3.0 GB")
    assert notes["qwen2.5-1.5b-gguf"] == (False, "fits: harness models fetch qwen2.5-1.5b-gguf (1.1 GB)")


def test_the_doctor_tells_what_is_here_and_shows_no_key(tmp_path: Path) -> None:
    done = harness("doctor", cwd=tmp_path, OPENAI_API_KEY="sk-secret-12345678")
    assert done.returncode == 0, done.stdout
    assert "ok  OPENAI_API_KEY" in done.stdout
    assert "sk-secret" not in done.stdout
    assert "results folder" in done.stdout
