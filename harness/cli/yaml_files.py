"""A YAML file as a mapping of plain values, in bounded depth and size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.json_files import finite

MAX_BYTES = 2**20
MAX_DEPTH = 10


def yaml_mapping(path: Path, option: str) -> dict[str, Any]:
    """The mapping that is the whole of the file, its values text, numbers, true, false, null, lists and mappings.

    ``option`` is where the file was named. Raises InputError for anything else, and for aliases, with which a few
    lines stand for a file without end.
    """
    import yaml

    where = f"{option} {path}"
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode("utf-8-sig")
        if len(text) > MAX_BYTES:
            raise InputError(f"{where}: is larger than {MAX_BYTES:,} bytes; keep the options only")
        _check_events(text, where)
        content = yaml.load(text, Loader=_loader())
    except OSError as error:
        raise InputError(f"{where}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{where} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise InputError(f"{where}: write a mapping, such as `model: smollm2-135m`")
    _check_values(content, where)
    return {str(key): value for key, value in content.items()}


def _check_events(text: str, where: str) -> None:
    """Look at depth and aliases before anything is built."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise InputError(f"{where}: *{event.anchor} repeats what stands elsewhere; write it out")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise InputError(f"{where}: lists or mappings stand more than {MAX_DEPTH} deep in each other; write fewer")


def _loader() -> type:
    """The safe loader without dates, which are text, and without keys that stand twice in one mapping."""
    import yaml

    class PlainLoader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            if twice := next((key for place, key in enumerate(keys) if key in keys[:place]), None):
                raise ValueError(f"{twice!r} is given twice; keep one")
            return super().construct_mapping(node, deep)

        yaml_implicit_resolvers = {  # noqa: RUF012 - as the library has it
            first: [one for one in resolvers if one[0] != "tag:yaml.org,2002:timestamp"]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    return PlainLoader


def _check_values(value: object, where: str) -> None:
    match value:
        case dict():
            for key, inner in value.items():
                _check_values(key, where)
                _check_values(inner, where)
        case list():
            for inner in value:
                _check_values(inner, where)
        case float():
            try:
                finite(str(value))
            except ValueError:
                raise InputError(f"{where}: {value} is no finite number; write another") from None
        case str() | int() | None:
            pass
        case _:
            raise InputError(f"{where}: {type(value).__name__} is none of text, numbers, lists and mappings; write one")
