"""Rendered prompts are pinned byte for byte."""

from __future__ import annotations

import pytest

from harness.prompting.variant import load_variant
from tests.prompting.goldens import CASES, FOLDER, rendered
from tests.variants import VARIANTS


def test_every_rendered_prompt_is_byte_for_byte_its_golden_file() -> None:
    texts = dict(rendered())
    assert sorted(texts) == sorted(file.name for file in FOLDER.iterdir())
    for name, text in texts.items():
        assert (FOLDER / name).read_bytes() == text.encode(), name


@pytest.mark.parametrize("prompt", VARIANTS)
def test_every_choice_of_every_option_is_in_a_golden_file(prompt: str) -> None:
    variant = load_variant(prompt)
    chosen = [variant.choose(options) for options, _ in CASES[prompt].values()]
    for name, option in variant.description.options.items():
        assert {one[name] for one in chosen} == set(option.choices), name
