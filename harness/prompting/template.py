"""Rendering a step of a variant: sandboxed Jinja, undefined names are errors, bytes are exact."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import InputError
from harness.prompting.variant import PromptVariant
from harness.types import Message

if TYPE_CHECKING:
    from harness.prompting.sandbox import PromptEnvironment

SYSTEM, USER, ANSWER = "system", "user", "answer"


def render(
    variant: PromptVariant, step: str, context: Mapping[str, object], beginnings: dict[str, str] | None = None
) -> tuple[Message, ...]:
    """The messages of one step: its blocks ``system``, ``user`` and ``answer``; the first and the last may be empty.

    ``answer`` is the beginning of the answer, which the model goes on with: a message of the role assistant.

    Values from documents are plain strings to the template: whatever Jinja syntax they contain is
    text. Raises InputError for a missing template or block, bad syntax, an undefined name, or an
    operation that the sandbox forbids or that goes beyond its limits.

    ``beginnings`` keeps what the prompts of one document share, by block, from one question to the next: it starts
    empty, and the values of ``SHARED_NAMES`` must stay the same.
    """
    from jinja2 import TemplateError, TemplateNotFound, TemplateSyntaxError

    from harness.prompting.beginnings import BEGINNING, REST

    name = variant.template(step)
    where = f"prompt {variant.name!r}, {name}"
    try:
        environment = _environment(variant.directory, variant.sha256)
        environment.begin()
        template = environment.get_template(name)
        values = template.new_context(dict(context))

        def block(role: str) -> str:
            return environment.concatenated(template.blocks[role](values))

        def content(role: str) -> str:
            if role not in template.blocks:
                return ""
            if beginnings is None or role + BEGINNING not in template.blocks:
                return block(role).strip("\n")
            key = f"{step} {role}"
            if key not in beginnings:
                beginnings[key] = block(role + BEGINNING)
            return environment.concatenated([beginnings[key], block(role + REST)]).strip("\n")

        contents = {role: content(role) for role in (SYSTEM, USER, ANSWER)}
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    except TemplateNotFound as error:
        raise InputError(
            f"{where}: there is no template {error.name!r} in the prompt's folder or the shared ones"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: a template is not UTF-8") from error
    except TemplateError as error:
        line = f", line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
        raise InputError(f"{where}{line}: {error or type(error).__name__}") from error
    except Exception as error:
        # A template can raise whatever the operations of Python's own types raise.
        raise InputError(f"{where}: {type(error).__name__}: {error}") from error
    if not contents[USER]:
        raise InputError(f"{where}: the `user` block is missing or empty")
    system = (Message("system", contents[SYSTEM]),) if contents[SYSTEM] else ()
    answer = (Message("assistant", contents[ANSWER]),) if contents[ANSWER] else ()
    return (*system, Message("user", contents[USER]), *answer)


@lru_cache(maxsize=64)
def _environment(directory: Path, _sha256: str) -> PromptEnvironment:
    from harness.prompting.sandbox import PromptEnvironment

    return PromptEnvironment(directory)
