"""A run's configuration survives the manifest, its secrets do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_origin

import pytest

from harness.engine.budget import Limits
from harness.errors import InputError
from harness.runs.config import OPTIONS, RunConfig
from harness.runs.run_option import ENCODER, LLM, RunOption
from tests.commands import error_line, harness
from tests.runs.reference import PAGE, page

CONFIG = RunConfig(
    model="m",
    prompt="tagged",
    data_dir=Path("data"),
    prompt_options={"refs": "name"},
    model_options={"flag.max-num-batched-tokens": "5", "key_env": "MY_KEY"},
    limits=Limits(tokens=5, cost_usd=0.5),
    base_url="http://host/v1",
)


def test_a_configuration_is_rebuilt_from_its_json() -> None:
    assert RunConfig.from_json(CONFIG.as_json()) == CONFIG


def test_a_limit_for_each_request_is_the_runner_s_unless_it_is_given() -> None:
    assert CONFIG.timeout_s is None
    # Manifests of former versions hold the default that all runners had.
    assert RunConfig.from_json({**CONFIG.as_json(), "timeout_s": 600.0}).timeout_s is None
    assert RunConfig.from_json({**CONFIG.as_json(), "timeout_s": 90.0}).timeout_s == 90.0


@pytest.mark.parametrize("login", ["user:secret", "user:sec/ret", "secret"])
def test_a_login_in_an_address_is_refused(login: str) -> None:
    with pytest.raises(InputError, match="must not hold a login") as raised:
        RunConfig(model="m", prompt="p", base_url=f"https://{login}@host/v1")
    assert login not in str(raised.value)


def test_paths_are_stored_so_that_they_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data.json").write_text("[]", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    stored = RunConfig(model="m", prompt="tagged", dataset="data.json", data_dir=Path()).with_absolute_paths()
    assert stored.dataset == str(tmp_path / "data.json")
    assert stored.data_dir == tmp_path
    assert stored.prompt == "tagged"


def test_a_manifest_of_another_version_is_refused() -> None:
    with pytest.raises(InputError, match="another version"):
        RunConfig.from_json({**CONFIG.as_json(), "min_p": 0.1})


def test_an_option_that_a_manifest_lacks_has_its_default() -> None:
    content = CONFIG.as_json()
    del content["shots"]
    assert RunConfig.from_json(content) == CONFIG


@pytest.mark.parametrize(("name", "value"), [("shots", "1"), ("limits", {"tokens": "5"}), ("model_options", {"a": 1})])
def test_an_option_of_another_type_is_told_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"damaged: config.{name}"):
        RunConfig.from_json({**CONFIG.as_json(), name: value})


def test_a_number_stays_as_it_was_written() -> None:
    assert repr(RunConfig.from_json({**CONFIG.as_json(), "temperature": 0}).temperature) == "0"


def test_an_option_is_in_the_question_by_its_value_or_by_what_it_names() -> None:
    resolved = {"dataset": {"sha256": "0"}, "model": {}, "prompt": {}, "constraint": {}, "sampling": {}, "shots": None}
    assert CONFIG.question(resolved, LLM) == {name: part for name, part in resolved.items() if part is not None}
    # A default changes no id, nor does how the model is asked.
    changed = replace(CONFIG, max_triplets=3, shots=2, max_retries=1)
    assert CONFIG.question(resolved, LLM) | {"max_triplets": 3} == changed.question(resolved, LLM)
    assert "max_triplets" not in changed.question(resolved, ENCODER)


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"temperature": float("inf")}, "--temperature"),
        ({"timeout_s": float("nan")}, "--timeout"),
        ({"limits": Limits(cost_usd=float("inf"))}, "--max-cost"),
    ],
)
def test_a_number_that_is_not_finite_is_refused(given: dict[str, Any], option: str) -> None:
    with pytest.raises(InputError, match=f"{option} .*: give a finite number"):
        RunConfig(model="m", **given)


@pytest.mark.parametrize("option", [one for one in OPTIONS.values() if get_origin(one.type) is Literal])
def test_a_word_that_is_none_of_the_choices_is_refused(option: RunOption) -> None:
    with pytest.raises(InputError, match=f"{option.flag} nonsense: choose"):
        RunConfig("mock", "tagged", **{option.name: "nonsense"})
    said = error_line(harness("run", "--model", "mock", "--prompt", "tagged", option.flag, "nonsense"))
    assert f"'{option.flag}'" in said
    assert "is not one of" in said


def test_the_reference_page_is_that_of_the_declarations() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m tests.runs.reference"
