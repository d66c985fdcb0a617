"""Templates in a tree: every text is filled, and all of them together are bounded."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from evals.suites.template import MAX_TEXT, Template, Variables, parse_template
from evals.suites.values import place_of, refusal
from gateway.config.nodes import Node

Examine = Callable[[Template, Node], None]


def fill_node(node: Node, variables: Variables, examine: Examine | None = None) -> Node:
    """Return the tree with the places in its texts filled. Raises SuiteError, as `examine` may for a template."""
    return _NodeFiller(variables, examine).filled(node)


class _NodeFiller:
    """A walk over a tree that counts what it makes."""

    def __init__(self, variables: Variables, examine: Examine | None) -> None:
        self._variables = variables
        self._examine = examine
        self._length = 0

    def filled(self, node: Node) -> Node:
        if node.text is not None:
            return replace(node, value=self._text(node.text, node))
        if isinstance(node.value, tuple):
            return replace(node, value=tuple(map(self.filled, node.items)))
        if isinstance(node.value, Mapping):
            return replace(node, value={key: self.filled(each) for key, each in node.entries.items()})
        return node

    def _text(self, text: str, node: Node) -> str:
        if "{" not in text:
            return text
        template = parse_template(text, place_of(node))
        if self._examine is not None:
            self._examine(template, node)
        filled = template.fill(self._variables)
        self._length += len(filled)
        if self._length > MAX_TEXT:
            raise refusal(node, f"the texts are longer than {MAX_TEXT:,} characters together when they are filled")
        return filled
