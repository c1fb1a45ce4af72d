"""Rendering a step of a variant: sandboxed Jinja, undefined names are errors, bytes are exact."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import InputError
from harness.prompting.variant import TEMPLATE_SUFFIX, PromptVariant
from harness.types import Message

if TYPE_CHECKING:
    from jinja2 import FileSystemLoader, Template

SYSTEM, USER = "system", "user"


def render(variant: PromptVariant, step: str, context: Mapping[str, object]) -> tuple[Message, ...]:
    """The messages of one step: its ``system`` block (left out if empty), then its ``user`` block.

    Values from documents are plain strings to the template: whatever Jinja syntax they contain is
    text. Raises InputError for a missing template or block, bad syntax, an undefined name, or an
    operation that the sandbox forbids.
    """
    from jinja2 import TemplateError, TemplateSyntaxError

    where = f"prompt {variant.name!r}, {step}{TEMPLATE_SUFFIX}"
    try:
        template = _template(variant.directory, variant.sha256, step)
        contents = {role: _render_block(template, role, context) for role in (SYSTEM, USER)}
    except TemplateError as error:
        line = f", line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
        raise InputError(f"{where}{line}: {error or type(error).__name__}") from error
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{where}: {type(error).__name__}: {error}") from error
    if not contents[USER]:
        raise InputError(f"{where}: the `user` block is missing or empty")
    system = (Message("system", contents[SYSTEM]),) if contents[SYSTEM] else ()
    return (*system, Message("user", contents[USER]))


def _render_block(template: Template, name: str, context: Mapping[str, object]) -> str:
    block = template.blocks.get(name)
    if block is None:
        return ""
    return "".join(block(template.new_context(dict(context)))).strip("\n")


@lru_cache(maxsize=64)
def _template(directory: Path, _sha256: str, step: str) -> Template:
    from jinja2 import FileSystemLoader, FunctionLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        # What the variant's hash does not cover cannot be included.
        loader=FunctionLoader(partial(_source, FileSystemLoader(directory, followlinks=False))),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(f"{step}{TEMPLATE_SUFFIX}")


def _source(files: FileSystemLoader, name: str) -> str | None:
    from jinja2 import Environment

    return files.get_source(Environment(), name)[0] if name.endswith(TEMPLATE_SUFFIX) else None
