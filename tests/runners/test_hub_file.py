"""Files of models at a hub on loopback, fetched by the hub's own client."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness import models
from harness.cli.models import fetch
from harness.errors import InputError, ModelUnavailable
from harness.models import resolve_model
from harness.types import ModelSpec, RunnerOptions
from runners.hub_file import fetch_from_hub, is_hub_row, register_file
from runners.llama_cpp import LlamaCppRunner
from tests.hub_server import REVISION, Hub
from tests.runners.gguf_files import LLAMA, write_gguf

REPOSITORY = "owner/tiny-GGUF"
NAMES = ("tiny-00001-of-00002.gguf", "tiny-00002-of-00002.gguf")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with a model in two files; the client's and the harness's caches are empty."""
    import huggingface_hub.constants

    for name in NAMES:
        write_gguf(tmp_path / name, LLAMA)
    files = {name: (tmp_path / name).read_bytes() + bytes(100_000) for name in NAMES}
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HOME", str(tmp_path / "hub"))
    with Hub(REPOSITORY, files) as server:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
        template = huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE
        monkeypatch.setattr(
            huggingface_hub.constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            server.url + template[template.index("/{repo_id}") :],
        )
        yield server


@pytest.fixture
def row(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    """A row of the table of models whose file that hub has."""
    extra = {"repo": hub.repository, "file": NAMES[0], "download_mb": 1}
    spec = ModelSpec("tiny-gguf", "llama_cpp", "owner/tiny", extra=extra)
    monkeypatch.setattr(models, "load_models", lambda: {spec.name: spec})
    return spec


def test_a_model_is_fetched_once_and_is_then_the_file_on_this_machine(hub: Hub, row: ModelSpec) -> None:
    with pytest.raises(ModelUnavailable, match=r"`harness models fetch tiny-gguf` downloads it once \(0\.0 GB\)"):
        LlamaCppRunner(resolve_model("tiny-gguf"), RunnerOptions()).check()
    path = fetch_from_hub(row)
    assert [path.with_name(name).read_bytes() for name in NAMES] == list(hub.files.values())
    asked = len(hub.asked)
    assert fetch_from_hub(row) == path
    assert len(hub.asked) == asked
    spec = resolve_model("tiny-gguf")
    assert (spec.name, spec.model_id, spec.extra) == ("tiny-gguf", str(path), {})
    assert resolve_model("transformers/tiny-gguf").model_id == str(path)
    assert resolve_model("vllm/tiny-gguf").model_id == "owner/tiny", "vLLM loads the weights that are no GGUF"
    LlamaCppRunner(spec, RunnerOptions()).check()


def test_a_download_that_was_cut_off_resumes(hub: Hub, row: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
    hub.cut_at = 60_000
    assert fetch_from_hub(row).read_bytes() == hub.files[NAMES[0]]
    assert hub.ranges == ["bytes=60000-"]


def test_another_file_than_at_the_first_download_is_not_used(hub: Hub, row: ModelSpec) -> None:
    path = fetch_from_hub(row)
    path.unlink()
    hub.files[NAMES[0]] += b"!"
    with pytest.raises(ModelUnavailable, match="another checksum than at its first download"):
        fetch_from_hub(row)
    assert is_hub_row(resolve_model("tiny-gguf")), "a run does not take what lies there for the known file"
    assert not path.exists()
    assert any(REVISION in asked for asked in hub.asked), "the commit of the first download is asked for again"


@pytest.mark.parametrize("states_sums", [True, False])
def test_pages_in_place_of_files_are_removed_all_at_once(hub: Hub, row: ModelSpec, states_sums: bool) -> None:
    hub.states_sums = states_sums
    hub.sent = dict.fromkeys(NAMES, b"<html>Please log in</html>")
    with pytest.raises(ModelUnavailable, match=f"{NAMES[0]}, {NAMES[1]} arrived damaged and was removed"):
        fetch_from_hub(row)
    assert is_hub_row(resolve_model("tiny-gguf"))
    hub.sent = {}
    path = fetch_from_hub(row)
    assert [path.with_name(name).read_bytes() for name in NAMES] == list(hub.files.values())


def test_a_hub_that_fails_is_not_one_without_the_file(hub: Hub, row: ModelSpec) -> None:
    hub.failing = True
    with pytest.raises(ModelUnavailable, match="cannot be fetched from the hub") as raised:
        fetch_from_hub(row)
    assert "\n" not in str(raised.value)


def test_what_the_hub_does_not_have_is_told_in_one_line(hub: Hub, row: ModelSpec) -> None:
    for extra, said in (({"repo": "owner/absent"}, "owner/absent does not have"), ({"file": "no.gguf"}, "no.gguf")):
        with pytest.raises(ModelUnavailable, match=said) as raised:
            fetch_from_hub(replace(row, extra={**row.extra, **extra}))
        assert "\n" not in str(raised.value)
    hub.gated = True
    with pytest.raises(ModelUnavailable, match="is gated: accept its licence"):
        fetch_from_hub(row)


def test_a_hub_out_of_reach_is_told_in_one_line(row: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelUnavailable, match="cannot be fetched from the hub"):
        fetch_from_hub(row)


def test_a_file_of_this_machine_is_registered_where_it_is(hub: Hub, row: ModelSpec, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        register_file(row, tmp_path / "absent.gguf")
    fetch("tiny-gguf", tmp_path / NAMES[1])
    assert resolve_model("tiny-gguf").model_id == str(tmp_path / NAMES[0])
    assert hub.asked == []
