"""A YAML value that remembers where it was written, so that every later problem can point to its line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gateway.config.problems import Problem

Scalar = str | int | float | bool | None
Value: TypeAlias = "Scalar | tuple[Node, ...] | Mapping[str, Node]"
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A scalar, a list or a mapping with text keys. The place of a mapping's value is that of its key.

    `text_line` is the line in which a text begins whose lines stand as they are (`|`), 0 for any other.
    """

    value: Value
    file: str
    line: int
    column: int
    text_line: int = 0

    @property
    def entries(self) -> "Mapping[str, Node]":
        """The entries of a mapping; none for anything else."""
        return self.value if isinstance(self.value, Mapping) else {}

    @property
    def items(self) -> "tuple[Node, ...]":
        """The items of a list; none for anything else."""
        return self.value if isinstance(self.value, tuple) else ()

    @property
    def text(self) -> str | None:
        """The value where it is text; None for anything else."""
        return self.value if isinstance(self.value, str) else None

    def get(self, *keys: str) -> "Node | None":
        """The node below, key by key, or None where a mapping on the way lacks the key."""
        node: Node | None = self
        for key in keys:
            node = node.entries.get(key) if node is not None else None
        return node

    def plain(self) -> object:
        """The value as JSON-like Python: dict, list, str, int, float, bool, None."""
        if isinstance(self.value, Mapping):
            return {key: node.plain() for key, node in self.value.items()}
        return [node.plain() for node in self.value] if isinstance(self.value, tuple) else self.value

    def locate(self, path: Sequence[str | int]) -> "tuple[Node, Path]":
        """The deepest node along `path`, and the path to it. Steps that lead nowhere are left out."""
        node, reached = self, list[str | int]()
        for step in path:
            below = node._step(step)
            if below is not None:
                node = below
                reached.append(step)
        return node, tuple(reached)

    def walk(self, path: Path = ()) -> "Iterator[tuple[Path, Node]]":
        """Yield this node and every node below it, with their paths."""
        yield path, self
        for key, node in self.entries.items():
            yield from node.walk((*path, key))
        for index, node in enumerate(self.items):
            yield from node.walk((*path, index))

    def problem(self, path: Sequence[str | int], message: str) -> Problem:
        """A problem at this node's line."""
        return Problem(self.file, self.line, dotted(path), message)

    def _step(self, step: str | int) -> "Node | None":
        if isinstance(step, str):
            return self.entries.get(step)
        return self.items[step] if step < len(self.items) else None


def dotted(path: Sequence[str | int]) -> str:
    """A path as it is shown: `agents.order-desk.rules.0`."""
    return ".".join(map(str, path))
