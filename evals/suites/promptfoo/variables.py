"""Variables of a promptfoo test: files are read, lists multiply the test, and one may hold another's `{{name}}`."""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from pathlib import Path

from pydantic import JsonValue

from evals.cases import SuiteError
from evals.suites.documents import TREES
from evals.suites.promptfoo.source import SCHEME, PromptfooSource
from evals.suites.template import MAX_TEXT, Variables, as_json, as_text, parse_template
from evals.suites.values import MAX_CASES, mapping, place_of, plain, refusal
from gateway.config.nodes import Node
from gateway.config.problems import quoted

_ROUNDS = 5  # how often a value that names another variable is filled
_NAMED = re.compile(r"\{\{\s*(\w+)\s*\}\}")
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
    """Return the values with the names of other variables filled in; what names none of them stays as it is."""
    for _ in range(_ROUNDS):
        changed = {}
        for name, value in values.items():
            if isinstance(value, str) and "{{" in value and (filled := _filled(value, values, written[name])) != value:
                changed[name] = filled
        if not changed:
            break
        values = {**values, **changed}
    return {name: _looked_up(value, values, written[name]) for name, value in values.items()}


def _filled(value: str, variables: Variables, node: Node) -> str:
    """Return a value with the plain names in it filled in. Raises SuiteError for one that grows too long."""
    length = len(value)

    def shown(name: re.Match[str]) -> str:
        nonlocal length
        filled = as_text(variables[name[1]]) if name[1] in variables else name[0]
        length += len(filled)
        if length > MAX_TEXT:
            raise refusal(node, f"is longer than {MAX_TEXT:,} characters with the variables that it names")
        return filled

    return _NAMED.sub(shown, value)


def _looked_up(value: JsonValue, variables: Variables, node: Node) -> JsonValue:
    """Return a value that is a template of these variables alone, such as `{{order.id}}`, filled."""
    if not isinstance(value, str) or "{{" not in value:
        return value
    try:
        template = parse_template(value, place_of(node))
    except SuiteError:
        return value
    return template.fill(variables) if template.names <= variables.keys() else value
