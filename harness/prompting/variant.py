"""A prompt variant: a directory with ``prompt.toml`` and one Jinja template per step."""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.errors import InputError, why_unreadable
from harness.paths import prompts_dir
from harness.prompting.languages import ENGLISH, WORDS

DESCRIPTION_FILE = "prompt.toml"
TEMPLATE_SUFFIX = ".jinja"
SHARED = "shared"
"""The folder, among the shipped variants, of templates that several of them include."""
MAX_DESCRIPTION_BYTES, MAX_TEMPLATE_BYTES, MAX_TEMPLATES = 64_000, 500_000, 200


class PromptOption(BaseModel):
    """A choice that a variant leaves open: its legal values, the default, and what it decides."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: str
    choices: Annotated[tuple[str, ...], Field(min_length=1)]
    help: str

    @model_validator(mode="after")
    def _default_is_a_choice(self) -> PromptOption:
        if self.default not in self.choices:
            raise ValueError(f"default {self.default!r} is not one of {list(self.choices)}")
        return self

    @property
    def usage(self) -> str:
        """The legal values in brief, the default in brackets: ``[id]|name``."""
        return "|".join(f"[{choice}]" if choice == self.default else choice for choice in self.choices)

    def read(self, value: str) -> str:
        """``value`` itself; raises ValueError with what to choose instead."""
        if value not in self.choices:
            raise ValueError(f"choose {' or '.join(self.choices)}")
        return value


class PromptNumber(BaseModel):
    """A whole number that a variant leaves open: its bounds, the default, and what it decides."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: int
    min: int
    max: int
    help: str

    @model_validator(mode="after")
    def _default_is_within_bounds(self) -> PromptNumber:
        if not self.min <= self.default <= self.max:
            raise ValueError(f"default {self.default} is not within {self.min} to {self.max}")
        return self

    @property
    def usage(self) -> str:
        """The legal values in brief, the default in brackets: ``[40] (1 to 200)``."""
        return f"[{self.default}] ({self.min} to {self.max})"

    def read(self, value: str) -> str:
        """``value`` as decimal digits without leading zeros; raises ValueError with what to give instead."""
        if not value.isdecimal() or not self.min <= int(value) <= self.max:
            raise ValueError(f"give a whole number from {self.min} to {self.max}")
        return str(int(value))


REASONING = "reasoning"
"""The option of every variant by which the model reasons before it answers."""
EVIDENCE = "evidence"
"""The option of every variant that lists triplets by which the model names the sentences that state each."""
SCORES = "scores"
"""The option of every variant that lists triplets by which the probabilities of their tokens are read."""
LEAST_SCORE = "least_score"
"""The number of every variant that lists triplets: the least of these scores, in hundredths, of what is predicted."""
LANGUAGE = "language"
"""The option of every variant that chooses the language of its own words."""

GENERAL_OPTIONS: Mapping[str, PromptOption | PromptNumber] = {
    REASONING: PromptOption(
        default="none",
        choices=("none", "brief"),
        help="brief: the model writes one line of reasoning, kept apart from the answer that follows",
    ),
    EVIDENCE: PromptOption(
        default="none",
        choices=("none", "sentences"),
        help="sentences: those of the text are numbered, and the model names the ones that state each triplet",
    ),
    SCORES: PromptOption(
        default="none",
        choices=("none", "tokens"),
        help="tokens: the mean probability of a triplet's tokens is its score, for `harness sweep threshold`",
    ),
    LEAST_SCORE: PromptNumber(
        default=0,
        min=0,
        max=100,
        help="with scores=tokens: the least score, in hundredths, of a predicted triplet",
    ),
    LANGUAGE: PromptOption(
        default=ENGLISH,
        choices=tuple(WORDS),
        help="of the prompt's own words, by default that of the corpus; relations are named as the corpus names them",
    ),
}
"""Options that every variant has without declaring them; one at its default changes nothing, and no run's id."""

AFTER_ANSWERS = (SCORES, LEAST_SCORE)
"""Those that change no prompt."""


class PromptDescription(BaseModel):
    """The content of ``prompt.toml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    description: str
    version: Annotated[int, Field(ge=1)]
    paper: str = ""
    max_triplets: Annotated[int, Field(ge=1, le=1000)] = 100
    options: Mapping[str, PromptOption] = {}
    numbers: Mapping[str, PromptNumber] = {}

    @model_validator(mode="after")
    def _names_are_distinct(self) -> PromptDescription:
        if both := self.options.keys() & self.numbers.keys():
            raise ValueError(f"{min(both)!r} is both an option and a number")
        if general := self.left_open.keys() & GENERAL_OPTIONS.keys():
            raise ValueError(f"{min(general)!r} is an option that every prompt has: give yours another name")
        return self

    @property
    def left_open(self) -> Mapping[str, PromptOption | PromptNumber]:
        """Options and numbers together, by name: what ``-P`` can set."""
        return {**self.options, **self.numbers}


@dataclass(frozen=True)
class PromptVariant:
    """A loaded variant. ``sha256`` covers ``prompt.toml`` and all templates of its ``language``, names included."""

    name: str
    directory: Path
    description: PromptDescription
    sha256: str
    language: str = ENGLISH

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that it has templates in; English stands for whatever the templates of its own folder have."""
        return tuple(one for one in WORDS if one == ENGLISH or (self.directory / one).is_dir())

    @property
    def is_shipped(self) -> bool:
        return self.directory.parent == prompts_dir().resolve()

    def in_language(self, language: str) -> Self:
        """The variant with its templates in a language; raises InputError where it has none."""
        if language not in self.languages:
            having = ", ".join(one.name for one in shipped_variants() if language in one.languages)
            raise InputError(
                f"prompt {self.name!r} has no text in {language}: give -P {LANGUAGE}={ENGLISH}, or use a prompt that "
                f"has one: {having}"
            )
        return replace(self, language=language, sha256=_hash_of(self.directory, language))

    def template(self, step: str) -> str:
        """The name of the template of a step."""
        folder = "" if self.language == ENGLISH else f"{self.language}/"
        return f"{folder}{step}{TEMPLATE_SUFFIX}"

    def choose(self, chosen: Mapping[str, str]) -> dict[str, str]:
        """All options and numbers of the variant, defaults filled in; raises InputError for an unknown one.

        General options are among them where they are not at their default.
        """
        values = {key: str(option.default) for key, option in self.description.left_open.items()}
        left_open = {**self.description.left_open, **GENERAL_OPTIONS}
        for key, value in chosen.items():
            if key not in left_open:
                raise InputError(f"prompt {self.name!r} has no option {key!r}: " + f"it has {', '.join(left_open)}")
            try:
                values[key] = left_open[key].read(value)
            except ValueError as error:
                raise InputError(f"option {key!r} of prompt {self.name!r} cannot be {value!r}: {error}") from None
        return {key: value for key, value in values.items() if not _is_general_default(key, value)}


def _is_general_default(key: str, value: str) -> bool:
    return key in GENERAL_OPTIONS and value == str(GENERAL_OPTIONS[key].default)


def load_variant(name_or_path: str) -> PromptVariant:
    """Load a shipped variant by name, or any directory by path (anything with a path separator).

    Raises InputError, naming the file and what is wrong in it.
    """
    directory = Path(name_or_path)
    is_path = "/" in name_or_path or "\\" in name_or_path
    if not is_path:
        directory = prompts_dir() / name_or_path
        if not (directory / DESCRIPTION_FILE).is_file():
            raise InputError(_unknown_prompt(name_or_path))
    file = directory / DESCRIPTION_FILE
    try:
        description = PromptDescription.model_validate(tomllib.loads(read_part(directory, file).decode()))
    except FileNotFoundError:
        raise InputError(f"no prompt in {directory}: a variant is a folder with {DESCRIPTION_FILE}") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{file}: {field}: {first['msg']}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} cannot be read: {why_unreadable(error)}") from error
    return PromptVariant(directory.resolve().name, directory.resolve(), description, _hash_of(directory))


def shipped_variants() -> Iterator[PromptVariant]:
    """The variants that come with the harness, by name."""
    for file in sorted(prompts_dir().glob(f"*/{DESCRIPTION_FILE}")):
        yield load_variant(file.parent.name)


def _unknown_prompt(name: str) -> str:
    known = [variant.name for variant in shipped_variants()]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(known)}"
    return f"no prompt {name!r}: {hint} (`harness prompts` lists them; a folder is given as ./{name})"


def read_part(directory: Path, file: Path) -> bytes:
    """The content of a file of a variant; OSError where it cannot be read.

    Raises InputError for a link out of the folder, whose content the variant did not come with, and for a file that is
    too long.
    """
    if not file.resolve().is_relative_to(directory.resolve()):
        raise InputError(f"{file} is a link out of the prompt's folder: put a copy of the file in its place")
    most = MAX_DESCRIPTION_BYTES if file.name == DESCRIPTION_FILE else MAX_TEMPLATE_BYTES
    if file.stat().st_size > most:
        raise InputError(f"{file} is longer than {most:,} bytes")
    return file.read_bytes()


def template_file(directory: Path, name: str) -> Path | None:
    """The template of a variant by its name: in its folder, or among the parts that the shipped variants share."""
    places = (directory / name, prompts_dir() / SHARED / name)
    return next((file for file in places if file.is_file()), None)


def text_sha256(variant: PromptVariant, step: str) -> str:
    """The checksum of a template of a variant; raises InputError where there is none."""
    file = template_file(variant.directory, variant.template(step))
    if file is None:
        raise InputError(f"prompt {variant.name!r} has no {variant.template(step)}")
    return hashlib.sha256(read_part(file.parent, file)).hexdigest()


def _hash_of(directory: Path, language: str = ENGLISH) -> str:
    """The hash of a variant's files in a language, the shared parts that they use as if they lay in its folder."""

    def belongs(file: Path) -> bool:
        folder = file.relative_to(directory).parts[0]
        own = folder if folder in WORDS else ENGLISH
        return file.name == DESCRIPTION_FILE or (file.suffix == TEMPLATE_SUFFIX and own == language)

    digest = hashlib.sha256()
    listed = [one for one in directory.rglob("*") if belongs(one)]
    if len(listed) > MAX_TEMPLATES:
        raise InputError(f"{directory} holds {len(listed):,} templates: a prompt has {MAX_TEMPLATES} at most")
    contents = {one.relative_to(directory): read_part(directory, one) for one in listed if one.is_file()}
    waiting = [Path(name) for name in _used(contents.values())]
    while waiting:
        name = waiting.pop()
        file = template_file(directory, name.as_posix())
        if name not in contents and file is not None:
            contents[name] = read_part(directory if file.is_relative_to(directory) else file.parent, file)
            waiting += [Path(one) for one in _used([contents[name]])]
    for name in sorted(contents):
        digest.update(f"{name.as_posix()}\0{len(contents[name])}\0".encode())
        digest.update(contents[name])
    return digest.hexdigest()


def _used(contents: Iterable[bytes]) -> Iterator[str]:
    """The names of the templates that others include."""
    for content in contents:
        for name in re.findall(rb"""{%-?\s*include\s*["']((?:\w+/)?[\w.-]+)["']""", content):
            yield name.decode()
