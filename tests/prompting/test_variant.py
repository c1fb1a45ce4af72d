"""Variants load strictly, render strictly in a sandbox, and say what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.prompting.template import render
from harness.prompting.variant import load_variant, shipped_variants
from harness.types import Message

DESCRIPTION = 'method = "tagged"\nversion = 1\ndescription = "d"\n'


def write(folder: Path, template: str, description: str = DESCRIPTION) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "prompt.toml").write_text(description, encoding="utf-8")
    (folder / "extract.jinja").write_text(template, encoding="utf-8")
    return folder


def test_the_shipped_variants_load() -> None:
    assert "tagged" in [variant.name for variant in shipped_variants()]


def test_a_folder_is_a_variant_without_any_python(tmp_path: Path) -> None:
    variant = load_variant(
        str(
            write(
                tmp_path / "mine",
                "{% block system %}Be brief.{% endblock %}\n{% block user %}\n{{ text }}\n{% endblock %}",
            )
        )
    )
    assert variant.name == "mine"
    assert render(variant, "extract", {"text": " a \n b "}) == (
        Message("system", "Be brief."),
        Message("user", " a \n b "),
    )


def test_text_of_a_document_is_never_a_template(tmp_path: Path) -> None:
    variant = load_variant(str(write(tmp_path / "mine", "{% block user %}{{ text }}{% endblock %}")))
    attack = "{{ 7 * 7 }} {% include '/etc/passwd' %} {# #}"
    assert render(variant, "extract", {"text": attack})[0].content == attack


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{% block user %}{{ nothing }}{% endblock %}", "'nothing' is undefined"),
        ("{% block user %}{{ text.nothing }}{% endblock %}", "has no attribute 'nothing'"),
        ("{% block user %}{% if %}{% endblock %}", "line 1"),
        ("{% block user %}{{ text.__class__.__mro__ }}{% endblock %}", "unsafe"),
        ("{% block user %}{% for i in range(10 ** 9) %}x{% endfor %}{% endblock %}", "Range too big"),
        ("{% block user %}{{ 1 / 0 }}{% endblock %}", "ZeroDivisionError"),
        ("{% block user %}{% include '../prompt.toml' %}{% endblock %}", "prompt.toml"),
        ("{% block system %}only a system block{% endblock %}", "`user` block is missing"),
    ],
)
def test_a_faulty_template_is_told_in_one_line(tmp_path: Path, template: str, problem: str) -> None:
    variant = load_variant(str(write(tmp_path / "mine", template)))
    with pytest.raises(InputError, match=problem) as raised:
        render(variant, "extract", {"text": "x"})
    assert "mine" in str(raised.value)
    assert "extract.jinja" in str(raised.value)


def test_a_missing_step_is_told(tmp_path: Path) -> None:
    variant = load_variant(str(write(tmp_path / "mine", "{% block user %}x{% endblock %}")))
    with pytest.raises(InputError, match=r"heads\.jinja"):
        render(variant, "heads", {})


@pytest.mark.parametrize(
    ("description", "problem"),
    [
        ("method = ", "cannot be read"),
        ('version = 1\ndescription = "d"\n', "method: Field required"),
        (DESCRIPTION + "colour = 1\n", "colour"),
        (DESCRIPTION + '[options.a]\ndefault = "x"\nchoices = ["y"]\nhelp = "h"\n', "not one of"),
        (DESCRIPTION + "max_triplets = 0\n", "max_triplets"),
        (DESCRIPTION + '[numbers.k]\ndefault = 9\nmin = 1\nmax = 5\nhelp = "h"\n', "9 is not within 1 to 5"),
        (
            DESCRIPTION
            + '[options.k]\ndefault = "x"\nchoices = ["x"]\nhelp = "h"\n'
            + '[numbers.k]\ndefault = 1\nmin = 1\nmax = 5\nhelp = "h"\n',
            "'k' is both an option and a number",
        ),
    ],
)
def test_a_faulty_description_is_told_in_one_line(tmp_path: Path, description: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        load_variant(str(write(tmp_path / "mine", "", description)))


def test_an_unknown_name_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'tagged'"):
        load_variant("taged")
    with pytest.raises(InputError, match="no prompt in"):
        load_variant(str(tmp_path / "nowhere"))


def test_options_are_checked_and_defaults_filled_in() -> None:
    variant = load_variant("tagged")
    assert variant.choose({"refs": "name"})["refs"] == "name"
    assert variant.choose({})["refs"] == "id"
    with pytest.raises(InputError, match="has no option 'ref'"):
        variant.choose({"ref": "id"})
    with pytest.raises(InputError, match="choose id or name"):
        variant.choose({"refs": "number"})


@pytest.mark.parametrize("value", ["0", "6", "-1", "2.5", "many", "", "²"])
def test_a_number_is_held_to_its_bounds(tmp_path: Path, value: str) -> None:
    description = DESCRIPTION + '[numbers.k]\ndefault = 3\nmin = 1\nmax = 5\nhelp = "h"\n'
    variant = load_variant(str(write(tmp_path / "mine", "", description)))
    assert (variant.choose({}), variant.choose({"k": "04"})) == ({"k": "3"}, {"k": "4"})
    with pytest.raises(InputError, match="give a whole number from 1 to 5"):
        variant.choose({"k": value})


def test_the_hash_changes_with_any_byte_of_the_variant(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", "{% block user %}x{% endblock %}")
    first = load_variant(str(folder)).sha256
    write(folder, "{% block user %}x {% endblock %}")
    second = load_variant(str(folder)).sha256
    write(folder, "{% block user %}x {% endblock %}", DESCRIPTION + 'paper = "p"\n')
    assert len({first, second, load_variant(str(folder)).sha256}) == 3
