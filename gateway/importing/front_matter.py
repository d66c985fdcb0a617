"""A text file with YAML before it, as dotprompt and Prompty write prompts."""

import re
from dataclasses import dataclass
from typing import Final

from gateway.config.nodes import Node
from gateway.config.strict_yaml import parse
from gateway.importing.imported import Draft
from gateway.importing.tags import Converted

_FRONT: Final = re.compile(r"\s*^---[ \t]*\n(.*?)^---[ \t]*$\n?", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The YAML, and the text behind it with the line in which it begins."""

    node: Node
    body: str
    first_line: int


def split(text: str, file: str, draft: Draft) -> FrontMatter:
    """Return both parts of a file. What is wrong with the YAML is refused."""
    nothing = Node({}, file, 1, 1)
    found = _FRONT.match(text)
    if found is None:
        return FrontMatter(nothing, text, 1)
    lines = text.count("\n", 0, found.start(1))
    parsed = parse("\n" * lines + found[1], file) if found[1].strip() else None
    draft.refused += parsed.problems if parsed is not None else ()
    node = nothing if parsed is None or parsed.root is None else parsed.root
    return FrontMatter(node, text[found.end() :], text.count("\n", 0, found.end()) + 1)


def refuse_tags(draft: Draft, converted: Converted, file: str, first_line: int) -> None:
    """Refuse the tags of a text that were not converted, each with its line."""
    for line, message in converted.refused:
        draft.refuse(Node("", file, first_line + line - 1, 1), (), message)
