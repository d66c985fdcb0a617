"""Variables of a promptfoo test: files are read, lists multiply the test, and one may hold another's `{{name}}`."""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from pathlib import Path

from pydantic import JsonValue

from evals.suites.documents import TREES
from evals.suites.promptfoo.source import SCHEME, PromptfooSource
from evals.suites.template import MAX_TEXT, Variables, as_json, as_text, parse_template
from evals.suites.values import MAX_CASES, mapping, place_of, plain, refusal
from gateway.config.nodes import Node
from gateway.config.problems import quoted

_ROUNDS = 5  # how often a value that names another variable is filled
_NAMED = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_TEMPLATE = re.compile(r"\{[{%]")
_ROOT = re.compile(r"\{\{-?\s*+(?:\(\s*+)?([A-Za-z_]\w*+)")  # the variable that a place begins with
_IMAGES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
_MEDIA = (".pdf", ".mp3", ".wav", ".ogg", ".mp4", ".mov", ".webm", ".avi", ".bmp", ".tiff", ".svg", ".xlsx", ".xls")


def read_variables(node: Node | None, source: PromptfooSource, base: Path | None = None) -> Mapping[str, Node]:
    """Return the variables of a test, as a mapping or as the YAML files that hold it. Raises SuiteError."""
    if node is None or node.value is None:
        return {}
    if node.entries or node.value == {}:
        return mapping(node, "`vars`")
    found: dict[str, Node] = {}
    for each in node.items or (node,):
        if each.text is None:
            raise refusal(each, "`vars` must be a mapping (key: value), or the path of a YAML file that holds one")
        for path in source.paths(each.text, each, base):
            found |= mapping(source.document(path, each), "a file of variables")
    return found


def combinations(
    variables: Mapping[str, Node], is_expanded: bool, source: PromptfooSource, prompts: int
) -> Iterator[dict[str, JsonValue]]:
    """Yield the values for each case that the test stands for: all combinations of the values in lists.

    Raises SuiteError before it makes any where there would be too many, each asked with so many prompts.
    """
    listed: list[list[JsonValue]] = []
    for node in variables.values():
        with source.findings.collecting():
            listed.append(_alternatives(node, is_expanded, source))
    if len(listed) < len(variables):
        yield {}  # so that the rest of the test is read all the same
        return
    if (count := prod(map(len, listed)) * prompts) > MAX_CASES and variables:
        first = next(iter(variables.values()))
        made = f"the lists in `vars` make {count:,} cases with {prompts:,} prompts"
        raise refusal(first, f"{made}; a suite has at most {MAX_CASES:,}")
    for values in product(*listed):
        yield _resolved(dict(zip(variables, values, strict=True)), variables)


def _alternatives(node: Node, is_expanded: bool, source: PromptfooSource) -> list[JsonValue]:
    if node.text is not None and node.text.startswith(SCHEME) and is_expanded:
        return [_file_value(path, node, source) for path in source.paths(node.text, node)]
    if is_expanded and node.items and node.items[0].text is not None:
        return [_value(each, source) for each in node.items]
    return [_value(node, source)]


def _value(node: Node, source: PromptfooSource) -> JsonValue:
    if node.text is None:
        return plain(node)
    if node.text.startswith(SCHEME):
        return _file_value(source.paths(node.text, node)[0], node, source)
    if node.text.startswith("package:"):
        raise refusal(node, f"{quoted(node.text)} is code, which is not run; write the value")
    return node.text.removesuffix("\n")


def _file_value(path: Path, node: Node, source: PromptfooSource) -> JsonValue:
    kind = path.suffix.lower()
    if kind in _IMAGES:
        content = source.folder.read(path, place_of(node))
        return f"data:{_IMAGES[kind]};base64,{b64encode(content).decode()}"
    if kind in _MEDIA:
        raise refusal(node, f"{quoted(path.name)}: files of this kind are not read; write their text into a file")
    if kind in TREES and kind != ".json":
        return as_json(plain(source.document(path, node)))
    return source.text(path, node).strip()


def _resolved(values: dict[str, JsonValue], written: Mapping[str, Node]) -> dict[str, JsonValue]:
    """Return the values with the names of other variables filled in, in promptfoo's order.

    In each round the first name of each value is filled, where it is a variable's. A value that then holds nothing but
    names of variables is filled as a whole; one with any other name stays as it is.
    """
    values = dict(values)
    for _ in range(_ROUNDS):
        changed = False
        for name, value in values.items():
            found = _NAMED.search(value) if isinstance(value, str) else None
            if found is not None and isinstance(value, str) and found[1] in values:
                filled = f"{value[: found.start()]}{as_text(values[found[1]])}{value[found.end() :]}"
                if len(filled) > MAX_TEXT:
                    raise refusal(written[name], f"is longer than {MAX_TEXT:,} characters with the variables it names")
                values[name] = filled
                changed = True
        if not changed:
            break
    return {name: _looked_up(value, values, written[name]) for name, value in values.items()}


def _looked_up(value: JsonValue, variables: Variables, node: Node) -> JsonValue:
    """Return a value that is a template of these variables alone, such as `{{order.id}}`, filled.

    Raises SuiteError where such a template is more than a look-up: promptfoo would run it.
    """
    if not isinstance(value, str) or not _TEMPLATE.search(value):
        return value
    if not set(_ROOT.findall(value)) <= variables.keys():
        return value
    return parse_template(value, place_of(node)).fill(variables)
