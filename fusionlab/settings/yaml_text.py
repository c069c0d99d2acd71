"""YAML as people write it, refused where something in it would be lost or never end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode

from fusionlab.errors import InputError

LARGEST = 64 * 2**20  # bytes: the manifest of a large data set has a few million
TRAINED = "# the config of a training run"  # how the config that it writes begins
FREELY_EXPANDED = 100_000  # nodes, with every alias counted as what it stands for
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = "tag:yaml.org,2002:null"
_MERGE = "tag:yaml.org,2002:merge"


def read_text(path: str | Path) -> str:
    """The text of a YAML file.

    Raises:
        InputError: If it cannot be read, is not UTF-8, or is far too large.
    """
    try:
        if Path(path).stat().st_size > LARGEST:
            raise InputError(f"{path} is larger than {LARGEST // 2**20} MiB; it is no config")
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as reason:
        raise InputError(f"{path} cannot be read ({reason})") from None


def composed(text: str, where: str) -> MappingNode:
    """The tree of a YAML text, an empty mapping if it says nothing.

    Args:
        text: The text.
        where: What it is called in a mistake.

    Raises:
        InputError: If it is no YAML or no mapping, if a key comes twice, or if aliases or nesting
            make it grow beyond all use.
    """
    root = checked(text, where)
    if root is None or is_null(root):
        return MappingNode("tag:yaml.org,2002:map", [])
    if not isinstance(root, MappingNode):
        raise InputError(f"{where} must be a mapping of settings")
    return root


def checked(text: str, where: str) -> Node | None:
    """The tree of a YAML text of any kind; as :func:`composed`."""
    try:
        root = yaml.compose(text, _LOADER)
    except (yaml.YAMLError, RecursionError, ValueError) as fault:
        reason = " ".join(str(fault).split()) if isinstance(fault, yaml.YAMLError) else "too deep"
        raise InputError(f"{where} is no YAML: {reason}") from None
    if root is None:
        return None
    try:
        sizes: dict[int, int] = {}
        if _expanded(root, sizes) > max(FREELY_EXPANDED, 2 * len(sizes)):
            raise InputError(f"{where}: its aliases make it far too large; write it out")
        _check_keys(root, where, set())
    except RecursionError:
        raise InputError(f"{where} is nested too deeply, or an alias holds itself") from None
    return root


def is_null(node: Node) -> bool:
    """Whether nothing is said, as behind a key whose lines are commented out."""
    return isinstance(node, ScalarNode) and node.tag == _NULL


def merged(first: MappingNode, second: MappingNode) -> MappingNode:
    """The keys of both, in order; where both have one, the second's value."""
    values: dict[str, tuple[Node, Node]] = {}
    for key, value in (*first.value, *second.value):
        values[key.value] = (key, value)
    return MappingNode(second.tag, list(values.values()), flow_style=second.flow_style)


def as_text(node: Node) -> str:
    """A tree as YAML again, its scalars as they were written."""
    return yaml.serialize(node, width=10**6)


def _expanded(node: Node, sizes: dict[int, int]) -> int:
    """Number of nodes, with every alias counted as what it stands for."""
    if id(node) not in sizes:
        sizes[id(node)] = 1 + sum(_expanded(inner, sizes) for inner in _inner(node))
    return sizes[id(node)]


def _inner(node: Node) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield from (key, value)
    elif isinstance(node, CollectionNode):
        yield from node.value


def _check_keys(node: Node, where: str, seen: set[int]) -> None:
    if id(node) in seen:
        return
    seen.add(id(node))
    keys: set[str] = set()
    for key, _ in node.value if isinstance(node, MappingNode) else ():
        if isinstance(key, ScalarNode) and key.tag != _MERGE:
            if key.value in keys:
                line = key.start_mark.line + 1
                raise InputError(f"{where}: {key.value} comes twice (line {line}); keep one")
            keys.add(key.value)
    for inner in _inner(node):
        _check_keys(inner, where, seen)
