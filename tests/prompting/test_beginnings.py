"""What the prompts of a document share is rendered once, and every prompt is the same as rendered as a whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.datasets.registry import load_dataset
from harness.methods import context as contexts
from harness.methods.table import create_method
from harness.prompting.template import render
from harness.prompting.variant import load_variant
from harness.types import Request
from tests.variants import VARIANTS, settings_of

SAMPLE = load_dataset("sample")


def requests_of(prompt: str, options: dict[str, str]) -> list[Request]:
    settings = settings_of(prompt, SAMPLE.schema)
    method = create_method(replace(settings, options={**settings.options, **options}))
    return [one.request for document in list(SAMPLE.documents)[:2] for one in method.demonstrate(document)]


@pytest.mark.parametrize("prompt", VARIANTS)
def test_prompts_are_those_of_templates_rendered_as_a_whole(prompt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variant = load_variant(prompt)
    chosen = [{}, *({name: value} for name, one in variant.description.options.items() for value in one.choices)]
    by_parts = [requests_of(prompt, options) for options in chosen]
    monkeypatch.setattr(contexts, "render", lambda one, step, context, _kept: render(one, step, context))
    assert [requests_of(prompt, options) for options in chosen] == by_parts


BODIES = {
    "names": ("{{ text }}{% for one in entities %}{{ one }}{% endfor %} {{ pair }}", "TEXTab "),
    "set": ("{% set two = text ~ '!' %}{{ two }}, {{ two }} {{ pair }}", "TEXT!, TEXT! "),
    "macro": ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(text) }} {{ m(pair) }}", "<TEXT> "),
    "macro of the question": ("{{ text }}{% macro m() %}{{ pair }}{% endmacro %}{{ m() }}", "TEXT"),
    "set in a condition": ("A{% if text %}{% set two = pair %}{% endif %}{{ text }} {{ two }}", "A"),
    "include": ("{% include 'part.jinja' %} {{ text }} {{ pair }}", "part TEXT "),
    "include of the question": ("{{ text }} {% include 'own.jinja' %}", "TEXT "),
    "a name that a loop hides": ("{% for pair in entities %}{{ pair }}{% endfor %} {{ pair }}", "ab "),
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_beginning_ends_where_a_question_begins(kind: str, tmp_path: Path) -> None:
    body, beginning = BODIES[kind]
    (tmp_path / "prompt.toml").write_text('method = "tagged"\ndescription = "x"\nversion = 1\n', encoding="utf-8")
    (tmp_path / "part.jinja").write_text("part", encoding="utf-8")
    (tmp_path / "own.jinja").write_text("{{ pair }}", encoding="utf-8")
    (tmp_path / "step.jinja").write_text(f"{{% block user %}}{body}{{% endblock %}}", encoding="utf-8")
    variant, kept = load_variant(str(tmp_path)), dict[str, str]()
    for pair in ("one", "two"):
        context = {"text": "TEXT", "entities": ["a", "b"], "pair": pair}
        assert render(variant, "step", context, kept) == render(variant, "step", context)
    assert kept == {"step user": beginning}
