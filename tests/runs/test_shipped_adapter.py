"""The packaged adapter: what it weighs, what it was trained for, and that the embedded model answers with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.datasets.registry import load_dataset
from harness.encoders.seen import Role, seen_by
from harness.errors import InputError
from harness.models import resolve_model
from harness.runs.config import RunConfig
from harness.runs.plan import prepare
from harness.runs.sources.adapters import asked_otherwise
from runners.adapters import TRAINED, packaged_adapters, read_adapter
from tests.commands import harness_json
from tests.embedded import embedded_model_file
from tests.paths import redocred_dir

NAME = "compact-smollm2"
CONFIG = RunConfig("smollm2-135m", "compact", "sample", adapter={"": NAME})


def test_it_is_small_and_was_trained_for_the_packaged_prompt_and_model() -> None:
    assert packaged_adapters() == [NAME]
    assert sum(file.stat().st_size for file in (TRAINED / NAME).iterdir()) < 12e6
    experiment = prepare(CONFIG, model_needed=False)
    (adapter,) = experiment.adapters.values()
    assert asked_otherwise(adapter, "", experiment.settings) == ""
    assert adapter.base.file_sha256 == resolve_model("smollm2-135m").extra["file_sha256"]
    assert experiment.prompt_label == f"compact adapter={NAME}"


@pytest.mark.parametrize(
    ("split", "role"),
    [("dev-train", Role.TRAINED_ON), ("dev-choose", Role.CHOSEN_BY), ("dev-report", Role.NOT_SEEN)],
)
def test_it_tells_which_documents_it_saw(split: str, role: Role) -> None:
    seen = seen_by(TRAINED / NAME)
    assert {seen.role(one) for one in load_dataset("redocred", split, redocred_dir()).documents} == {role}


def test_a_name_that_leads_elsewhere_is_no_packaged_adapter() -> None:
    for other in (f"../trained/{NAME}", f"{NAME}/", "compact"):
        with pytest.raises(InputError, match=r"no such folder|has no"):
            read_adapter(other)


def test_the_embedded_model_extracts_with_it_and_is_asked_again_by_its_name(tmp_path: Path) -> None:
    embedded_model_file()
    options = ["--limit", "4", "--results-dir", tmp_path]
    run = harness_json(
        "run", "--model", "smollm2-135m", "--prompt", "compact", "--adapter", NAME, "--dataset", "sample", *options
    )
    assert run["statuses"] == {"ok": 4}
    assert run["metrics"]["f1"] > 0.2
    assert run["seen_by_adapter"] is None
    again = harness_json("retry", run["run_id"], "--results-dir", tmp_path)
    assert again["metrics"] == run["metrics"]
