"""A prompt folder from elsewhere reads nothing outside it, and renders within limits of size and time."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.prompting import sandbox
from harness.prompting.template import render
from harness.prompting.variant import load_variant
from tests.prompting.test_variant import DESCRIPTION, write

GROW = "{{% set ns = namespace(x={0}) %}}{{% for i in range(99) %}}{{% set ns.x = {1} %}}{{% endfor %}}{{{{ ns.x }}}}"
LONG = "{% set s = 'a' * 60000 %}"


def block(body: str) -> str:
    return f"{{% block user %}}{body}{{% endblock %}}"


def rendered(folder: Path, body: str, **context: object) -> str:
    return render(load_variant(str(write(folder, block(body)))), "extract", context)[0].content


@pytest.mark.parametrize(
    "body",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'a' * 10**9 }}",
        "{{ ([0] * 10**9)|length }}",
        "{{ 10 ** (10 ** 9) }}",
        GROW.format("9", "ns.x * ns.x"),
        GROW.format("'aa'", "ns.x ~ ns.x"),
        GROW.format("'aa'", "ns.x + ns.x"),
        GROW.format("[1]", "[ns.x, ns.x]"),
        GROW.format("(1,)", "(ns.x, ns.x)"),
        GROW.format("{}", "{1: ns.x, 2: ns.x}"),
        GROW.format("{}", "dict(a=ns.x, b=ns.x)"),
        GROW.format("'aa'", "ns.x|replace('a', 'aaa')"),
        "{{ 'a'|center(10**9) }}",
        "{{ 'a'.ljust(10**9) }}",
        "{{ ['a']|map('center', 10**9)|list }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%*d' % (10**9, 1) }}",
        "{{ '%1000000000d'|format(1) }}",
        "{{ '{:>1000000000}'.format(1) }}",
        "{{ '{:>{w}}'.format(1, w=10**9) }}",
        LONG + "{{ s.replace('', s) }}",
        LONG + "{{ s|replace('a', s) }}",
        LONG + "{{ s.join(s) }}",
        "{{ []|batch(10**9, 'x')|list|length }}",
        "{{ []|slice(10**9)|list|length }}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
        "{% set x %}{% for i in range(99999) %}" + "literal text " * 99 + "{% endfor %}{% endset %}",
        "{% for i in range(99999) %}" + "literal text " * 99 + "{% endfor %}",
        "{% include 'extract.jinja' %}",
        "".join(f"{LONG}{{% set s{number} = s ~ {number} %}}" for number in range(90)),
        "{% for x in range(99999) %}{% set y = range(99999)|sort %}{% endfor %}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{% for x in [1] %}" * 30 + "x" + "{% endfor %}" * 30,
        "{{ 'x'|dictsort }}",
    ],
)
def test_what_loops_or_grows_without_end_is_told_in_one_line(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "MAX_CHARACTERS", 200_000)
    monkeypatch.setattr(sandbox, "MAX_WORK", 4_000_000)
    monkeypatch.setattr(sandbox, "MAX_CPU_S", 0.05)
    with pytest.raises(InputError, match=r"prompt 'mine', extract\.jinja") as raised:
        rendered(tmp_path / "mine", body)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("{% for a in items %}{{ loop.index }}/{{ loop.length }}{{ a }} {% endfor %}", "1/2x 2/2y "),
        ("{% for a in items|map('upper') %}{{ a }}{{ ',' if not loop.last }}{% endfor %}", "X,Y"),
        ("{% for a, b in [(1, 2), (3, 4)] %}{{ a * b }};{% endfor %}", "2;12;"),
        ("{% for a in tree recursive %}{{ a.n }}{{ loop(a.under) }}{% endfor %}", "123"),
        ("{{ 'a' ~ 1 ~ items }}", "a1['x', 'y']"),
        ("{{ '%s and %03d' % (items[0], 7) }}{{ '{0:>4}'.format(1) }}", "x and 007   1"),
        ("{{ {'a': [1]}['a'][0] + 2 ** 8 }}", "257"),
        ("{% set t %}{{ text|indent(2)|replace('a', 'b')|truncate(9) }}{% endset %}{{ t }}", "bbbbbb..."),
        ("{% macro m(a, b) %}{{ a }}{{ b }}{{ caller() }}{% endmacro %}{% call m(text, items) %}!{% endcall %}", None),
    ],
)
def test_what_prompts_do_renders_as_in_jinja(body: str, expected: str | None, tmp_path: Path) -> None:
    tree = [{"n": 1, "under": [{"n": 2, "under": []}]}, {"n": 3, "under": []}]
    context = {"items": ["x", "y"], "text": "a" * 20_000, "tree": tree}
    assert rendered(tmp_path / "mine", body, **context) == (expected or "a" * 20_000 + "['x', 'y']!")


def test_each_rendering_has_the_limits_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "MAX_STEPS", 100)
    for _ in range(3):
        assert rendered(tmp_path / "mine", "{% for x in range(60) %}x{% endfor %}") == "x" * 60


@pytest.mark.parametrize("link", ["extract.jinja", "prompt.toml", "part.jinja", "parts"])
def test_a_link_out_of_the_folder_is_refused(link: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for name, content in (("extract.jinja", block("secret")), ("part.jinja", "secret"), ("prompt.toml", DESCRIPTION)):
        (outside / name).write_text(content, encoding="utf-8")
    folder = write(tmp_path / "mine", block("{% include 'parts/part.jinja' %}" if link == "parts" else "x"))
    (folder / link).unlink(missing_ok=True)
    (folder / link).symlink_to(outside if link == "parts" else outside / link)
    with pytest.raises(InputError, match="is a link out of the prompt's folder"):
        render(load_variant(str(folder)), "extract", {})


def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", block("x"))
    (folder / "heads.jinja").symlink_to("extract.jinja")
    assert render(load_variant(str(folder)), "heads", {})[0].content == "x"


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("prompt.toml", DESCRIPTION + "# " + "x" * 64_000, "longer than 64,000 bytes"),
        ("prompt.toml", f"a = {'[' * 20_000}", "cannot be read"),
        ("prompt.toml", f"version = {'9' * 5_000}", "cannot be read"),
        ("extract.jinja", "x" * 500_001, "longer than 500,000 bytes"),
    ],
)
def test_a_file_that_is_too_long_or_too_deep_is_refused(name: str, content: str, problem: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", block("x"))
    (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=problem):
        load_variant(str(folder))
