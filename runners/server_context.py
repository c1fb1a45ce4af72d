"""How many tokens a server's context holds, asked of the server itself: best effort, for servers that tell."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Literal

# Asks for a path below the server's root, or of its API if it starts with no slash; None for whatever is no JSON.
Ask = Callable[[Literal["GET", "POST"], str, Mapping[str, object] | None], Awaitable[object]]

# What a model is loaded with comes before what it could be loaded with.
_FIELDS = (
    "max_model_len",
    "loaded_context_length",
    "n_ctx",
    "num_ctx",
    "context_length",
    "max_context_length",
    "context_window",
    "max_total_tokens",
    "max_seq_len",
)
_FEWEST, _MOST = 128, 1_000_000_000


async def server_context(ask: Ask, model: str, *, at_home: bool) -> int | None:
    """The tokens of prompt and answer together that the server takes for ``model``; None if it does not tell.

    Hosted services tell in their list of models, if at all. With ``at_home``, the paths of llama-server, LM Studio,
    TGI and Ollama are tried, too.
    """
    if (context := _context_of(named_entry(await ask("GET", "models", None), model))) or not at_home:
        return context
    props, lm_studio, tgi, loaded = await asyncio.gather(
        ask("GET", "/props", None),
        ask("GET", "/api/v0/models", None),
        ask("GET", "/info", None),
        ask("GET", "/api/ps", None),
    )
    for place in (
        field_of(props, "default_generation_settings"),
        named_entry(lm_studio, model),
        tgi,
        named_entry(loaded, model),
    ):
        if context := _context_of(place):
            return context
    if isinstance(field_of(loaded, "models"), list):
        return _ollama_context(await ask("POST", "/api/show", {"model": model}))
    return None


def _ollama_context(shown: object) -> int | None:
    """The context that an Ollama model sets, else the longest that it can have."""
    parameters = field_of(shown, "parameters")
    for line in parameters.splitlines() if isinstance(parameters, str) else ():
        name, _, value = line.partition(" ")
        if name == "num_ctx" and value.strip().isdecimal():
            return _context_of({"num_ctx": int(value)})
    info = field_of(shown, "model_info")
    lengths = [value for name, value in _items(info) if name.endswith(".context_length")]
    return _context_of({"context_length": lengths[0]}) if lengths else None


def _context_of(place: object) -> int | None:
    """The first of the known fields that holds a number of tokens, also in llama-server's ``meta``."""
    for fields in (place, field_of(place, "meta")):
        for name in _FIELDS:
            value = field_of(fields, name)
            if isinstance(value, int) and not isinstance(value, bool) and _FEWEST <= value <= _MOST:
                return value
    return None


def named_entry(listing: object, model: str) -> object:
    """The entry of ``model`` in a list of models, or the only one that there is."""
    entries = field_of(listing, "data") or field_of(listing, "models") or listing
    if not isinstance(entries, list):
        return None
    for entry in entries:
        if any(field_of(entry, name) in (model, f"{model}:latest") for name in ("id", "name", "model")):
            return entry
    return entries[0] if len(entries) == 1 else None


def field_of(value: object, name: str) -> object:
    """The field of a JSON object; None for what is none, or has it not."""
    return value.get(name) if isinstance(value, dict) else None


def _items(value: object) -> Iterator[tuple[str, object]]:
    return iter(value.items()) if isinstance(value, dict) else iter(())
