"""The Jinja environment of prompt variants: sandboxed, and bounded in steps, sizes and time.

A variant may come from elsewhere. Jinja's own sandbox keeps it from reaching Python; here every loop, call, filter and
operator is counted before it can make more than fits a prompt.
"""

from __future__ import annotations

import functools
import math
import re
import time
from collections.abc import Callable, Iterable, Sequence, Sized
from pathlib import Path
from typing import Any

from jinja2 import FunctionLoader, StrictUndefined, Template, nodes
from jinja2.exceptions import SecurityError
from jinja2.loaders import split_template_path
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from harness.prompting.beginnings import add_halves
from harness.prompting.variant import TEMPLATE_SUFFIX, read_part, template_file

MAX_CHARACTERS = 4_000_000
"""The longest text that a template may render or hold: more than any model's context."""

MAX_WORK = 100_000_000
"""Characters that all operations of a rendering may make together."""

MAX_STEPS = 1_000_000
"""Rounds of loops, calls and filters of a rendering."""

MAX_CPU_S = 3.0
MAX_BITS = 4096

_PER_ITEM = 16
# The clock is a system call: it is looked at after so many steps, and as many characters for each.
_STEPS_PER_LOOK = 256

# What makes more than it is given: the product of its two largest operands bounds the result.
_MULTIPLYING = frozenset({
    "*", "batch", "center", "expandtabs", "format", "format_map", "indent", "join", "ljust", "replace", "rjust",
    "slice", "translate", "zfill",
})  # fmt: skip
# Quadratic in their input, and of no use in a prompt.
_SLOW_FILTERS = ("striptags", "urlize")
# A width of five digits or more, or taken from a value, in the notations of ``%`` and of ``format``.
_WIDE = re.compile(r"%[^a-zA-Z%]*(\d{5,}|\*)|\{[^{}]*(\d{5,}|\{)")


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """Renders the templates of one folder; a template that goes beyond the limits raises SecurityError."""

    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)

    def __init__(self, directory: Path) -> None:
        def source(name: str) -> str | None:
            # What the variant's hash does not cover cannot be included.
            file = template_file(directory, "/".join(split_template_path(name)))
            if file is None or not name.endswith(TEMPLATE_SUFFIX):
                return None
            return read_part(directory if file.is_relative_to(directory) else file.parent, file).decode()

        self._source = source
        super().__init__(
            loader=FunctionLoader(source),
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            finalize=self._made,
            optimized=False,
        )
        del self.globals["lipsum"]
        for name in _SLOW_FILTERS:
            del self.filters[name]
        self.filters = {name: self._counted(name, function) for name, function in self.filters.items()}
        self.concat: Callable[[Iterable[str]], str] = self.concatenated
        self.begin()

    def begin(self) -> None:
        """Start to count anew, for another rendering."""
        self._steps = self._work = self._looked = 0
        self._deadline = time.thread_time() + MAX_CPU_S

    def concatenated(self, parts: Iterable[str]) -> str:
        """The parts as one text."""
        held, size = [], 0
        for part in parts:
            held.append(part)
            size += len(part)
            if size > MAX_CHARACTERS:
                raise SecurityError(f"makes a text of more than {MAX_CHARACTERS:,} characters")
        self._charge(work=size)
        return "".join(held)

    # --- what the hooks below and the rewritten templates call

    def rounds(self, items: Any) -> Any:
        """What a loop goes over."""
        if isinstance(items, Sized):
            self._charge(len(items))
            return items
        return self._each(items)

    def joined(self, *parts: object) -> str:
        """The operator ``~``."""
        return self.concatenated(str(self._made(part)) for part in parts)

    def collection(self, items: object) -> object:
        """A list, tuple or dictionary that a template writes: one that holds itself twice would grow without end."""
        return self._made(items)

    def _each(self, items: Iterable[object]) -> Iterable[object]:
        for item in items:
            self._charge()
            yield item

    def _made(self, value: Any) -> Any:
        size = _size(value)
        if size > MAX_CHARACTERS:
            raise SecurityError(f"makes a value of more than {MAX_CHARACTERS:,} characters")
        self._charge(work=size)
        return value

    def _charge(self, steps: int = 1, work: int = 0) -> None:
        self._steps += steps
        self._work += work
        if self._steps > MAX_STEPS:
            raise SecurityError(f"takes more than {MAX_STEPS:,} steps")
        if self._work > MAX_WORK:
            raise SecurityError(f"makes more than {MAX_WORK:,} characters on the way")
        spent = self._steps + self._work // _STEPS_PER_LOOK
        if spent - self._looked >= _STEPS_PER_LOOK:
            self._looked = spent
            if time.thread_time() > self._deadline:
                raise SecurityError(f"takes more than {MAX_CPU_S:g} s")

    def _check_operands(self, name: str, operands: Sequence[object], most: int = MAX_WORK) -> None:
        if name not in _MULTIPLYING:
            return
        if name.startswith("format") and any(isinstance(one, str) and _WIDE.search(one) for one in operands[:1]):
            raise SecurityError("a format has a width of more than four digits, or one that is a value")
        sizes = sorted(abs(one) if isinstance(one, int) else _size(one) for one in operands)
        if math.prod(sizes[-2:]) > most:
            raise SecurityError(f"{name!r} would make more than {most:,} characters")

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def counted(*arguments: Any, **named: Any) -> Any:
            self._charge()
            self._check_operands(name, (*arguments, *named.values()))
            return self._made(function(*arguments, **named))

        return counted

    # --- Jinja's hooks

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Counting().visit(super()._parse(source, name, filename))
        tree.set_environment(self)
        add_halves(tree, self, self._source)
        tree.set_environment(self)
        return tree

    def _load_template(self, name: str, globals: Any) -> Template:
        self._charge()
        return super()._load_template(name, globals)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as in Jinja
        if getattr(__obj, "__self__", None) is __self:
            return __obj(*args)
        __self._charge()
        holder = getattr(__obj, "__self__", None) or getattr(getattr(__obj, "__wrapped__", None), "__self__", None)
        __self._check_operands(getattr(__obj, "__name__", ""), (holder, *args, *kwargs.values()))
        return __self._made(super().call(__context, __obj, *args, **kwargs))

    def call_filter(self, name: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        self._charge()
        return super().call_filter(name, value, *args, **kwargs)

    def call_test(self, name: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        self._charge()
        return super().call_test(name, value, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator in ("*", "**") and isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() + right.bit_length() if operator == "*" else left.bit_length() * abs(right)
            if bits > MAX_BITS:
                raise SecurityError(f"{operator!r} would make a number of too many digits")
        elif operator == "*":
            self._check_operands("*", (left, right), MAX_CHARACTERS)
        elif operator == "%" and isinstance(left, str):
            self._check_operands("format", (left, right))
        return self._made(super().call_binop(context, operator, left, right))


class _Counting(NodeTransformer):
    """Sends loops, the operator ``~`` and collections through the environment."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - named by Jinja
        self.generic_visit(node)
        node.iter = _call("rounds", node.iter)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _call("joined", *node.nodes)

    def visit_List(self, node: nodes.Literal) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _call("collection", node)

    visit_Dict = visit_List  # noqa: N815

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _call("collection", node) if node.ctx == "load" else node


def _call(method: str, *arguments: nodes.Node) -> nodes.Call:
    line = arguments[0].lineno
    of_environment = nodes.EnvironmentAttribute(method, lineno=line)
    return nodes.Call(of_environment, list(arguments), [], None, None, lineno=line)


def _size(value: object) -> int:
    """The characters that a value holds, counted until they are too many; an item of a collection counts 16 more."""
    if isinstance(value, str):
        return len(value)
    size, held = 0, [value]
    while held and size <= MAX_CHARACTERS:
        one = held.pop()
        if isinstance(one, str | bytes | range):
            size += len(one)
        elif isinstance(one, int):
            size += one.bit_length() // 3
        elif isinstance(one, dict):
            held += (*one.keys(), *one.values())
        elif isinstance(one, list | tuple | set | frozenset):
            held += one
        size += _PER_ITEM
    return size
