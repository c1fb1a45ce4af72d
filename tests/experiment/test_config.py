"""A run's configuration survives the manifest, its secrets do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.engine.budget import Limits
from harness.errors import InputError
from harness.experiment.config import HIDDEN, RunConfig, without_secrets

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


@pytest.mark.parametrize("name", ["api_key", "body.api_key", "token", "body.token", "password", "Authorization"])
def test_values_that_could_be_secret_are_hidden(name: str) -> None:
    assert without_secrets({name: "x"}) == {name: HIDDEN}


def test_a_configuration_with_a_hidden_secret_is_not_rebuilt() -> None:
    content = {**CONFIG.as_json(), "model_options": {"api_key": HIDDEN}}
    with pytest.raises(InputError, match="type the original command"):
        RunConfig.from_json(content)


def test_a_login_in_an_address_is_left_out() -> None:
    content = RunConfig(model="m", prompt="p", base_url="https://user:secret@host/v1").as_json()
    assert content["base_url"] == "https://host/v1"


def test_a_manifest_from_before_there_were_candidates_is_read() -> None:
    content = CONFIG.as_json()
    del content["candidates"]
    assert RunConfig.from_json(content) == CONFIG


def test_a_manifest_of_another_version_is_refused() -> None:
    content = CONFIG.as_json()
    del content["repeat"]
    with pytest.raises(InputError, match="another version"):
        RunConfig.from_json(content)
