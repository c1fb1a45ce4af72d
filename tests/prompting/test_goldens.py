"""Rendered prompts are pinned byte for byte."""

from __future__ import annotations

from tests.prompting.goldens import FOLDER, rendered


def test_every_rendered_prompt_is_byte_for_byte_its_golden_file() -> None:
    texts = dict(rendered())
    assert sorted(texts) == sorted(file.name for file in FOLDER.iterdir())
    for name, text in texts.items():
        assert (FOLDER / name).read_bytes() == text.encode(), name
