"""Finding the beginning of a prompt that is the same in all questions about a document, so that it is rendered once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from jinja2 import Environment, TemplateError, meta, nodes

SHARED_NAMES = frozenset(
    {
        "options",
        "output",
        "max_triplets",
        "opening",
        "relations",
        "descriptions",
        "entities",
        "text",
        "marked_text",
        "plain_text",
        "labels",
        "names",
    }
)
"""What templates may use of a document and a run; everything else belongs to one question."""

BEGINNING, REST = "__beginning", "__rest"
"""A block's two halves are blocks of its name with these endings."""

_DECLARATIONS = (nodes.Assign, nodes.AssignBlock, nodes.Macro)


def add_halves(tree: nodes.Template, environment: Environment, load: Callable[[str], str | None]) -> None:
    """Add to a template the two halves of each block, where it has a beginning that uses shared names only.

    ``load`` gives the source of a template that is included. The halves are never reached when the template is
    rendered as a whole.
    """
    halves: list[nodes.Node] = []
    for block in [one for one in tree.body if isinstance(one, nodes.Block)]:
        beginning, rest = _halves(block.body, environment, load)
        if any(not isinstance(one, _DECLARATIONS) for one in beginning):
            halves += [_block(block, BEGINNING, beginning), _block(block, REST, rest)]
    if halves:
        tree.body.append(nodes.If(nodes.Const(False), halves, [], [], lineno=1))


def _halves(
    body: Iterable[nodes.Node], environment: Environment, load: Callable[[str], str | None]
) -> tuple[list[nodes.Node], list[nodes.Node]]:
    """The nodes before the first that belongs to a question, and those from it on; both have all declarations."""
    known = SHARED_NAMES | environment.globals.keys()
    beginning, declared = list[nodes.Node](), list[nodes.Node]()
    single = [part for one in body for part in _single(one)]
    for place, node in enumerate(single):
        if not _uses_only(known, node, environment, load, frozenset()):
            return beginning, [*declared, *single[place:]]
        beginning.append(node)
        if isinstance(node, _DECLARATIONS):
            declared.append(node)
            known |= {node.name} if isinstance(node, nodes.Macro) else {one.name for one in node.find_all(nodes.Name)}
        elif any(node.find_all(_DECLARATIONS)):
            # What is set within a condition is known after it, too.
            return beginning[:-1], [*declared, *single[place:]]
    return beginning, declared


def _single(node: nodes.Node) -> list[nodes.Node]:
    if not isinstance(node, nodes.Output):
        return [node]
    return [nodes.Output([one], lineno=node.lineno) for one in node.nodes]


def _uses_only(
    known: frozenset[str],
    node: nodes.Node,
    environment: Environment,
    load: Callable[[str], str | None],
    includes: frozenset[str],
) -> bool:
    """Whether a node, with all that it includes, refers to no other names; False where that cannot be known."""
    part = nodes.Template([node], lineno=1)
    part.set_environment(environment)
    try:
        if meta.find_undeclared_variables(part) - known:
            return False
        for name in meta.find_referenced_templates(part):
            source = None if name is None or name in includes else load(name)
            if source is None:
                return False
            included = nodes.Scope(environment.parse(source).body, lineno=1)
            if not _uses_only(known, included, environment, load, includes | {str(name)}):
                return False
    except TemplateError:
        return False
    return True


def _block(block: nodes.Block, ending: str, body: list[nodes.Node]) -> nodes.Block:
    return nodes.Block(f"{block.name}{ending}", body, block.scoped, block.required, lineno=block.lineno)
