"""Prompty's files: YAML with a model and inputs, and a Jinja or Mustache template with roles on lines of their own."""

import re
from collections.abc import Iterator
from typing import Final

from gateway.config.nodes import Node
from gateway.importing.front_matter import refuse_tags, split
from gateway.importing.imported import Draft, Json
from gateway.importing.tags import Converted, TagConverter

_ROLE: Final = re.compile(
    r"^[ \t]*+(?:#[ \t]*+)?(system|developer|user|assistant|tool|function)[ \t]*+:[ \t]*+$", re.MULTILINE
)
_MUSTACHE: Final = ("mustache", "handlebars")
_OWN: Final = ("name", "description", "model", "inputs", "sample", "template", "parameters")
_JSON_TYPES: Final = {"integer": "number", "float": "number", "list": "array", "dict": "object"}


def read_prompty(text: str, file: str) -> Draft:
    """Return the version that the file describes."""
    draft = Draft()
    front = split(text, file, draft)
    node = front.node
    draft.take_text(node, "name", "description")
    _take_model(draft, node)
    names: dict[str, None] = {}
    messages = list[tuple[str, str]]()
    for role, piece, line in _pieces(front.body):
        converted = _converted(draft, node, role, piece)
        refuse_tags(draft, converted, file, front.first_line + line)
        messages += converted.messages
        names |= converted.names
        if role in ("tool", "function"):
            draft.refuse(Node("", file, front.first_line + line, 1), (), f"messages of role {role} are not kept")
    draft.take_messages(messages)
    draft.declare(names, _inputs(node))
    draft.leave_out_all(node, _OWN)
    return draft


def _converted(draft: Draft, node: Node, role: str, text: str) -> Converted:
    template = node.get("template")
    form = template.get("format") or template.get("type") if template is not None and template.entries else template
    name = "jinja2" if form is None else form.text or ""
    converter = TagConverter(text, "system" if role == "developer" else role)
    if form is not None and name not in (*_MUSTACHE, "jinja2"):
        draft.refuse(form, ("template",), f"{name[:40]!r} is no template language that is known")
    return converter.handlebars() if name in _MUSTACHE else converter.jinja()


def _pieces(body: str) -> Iterator[tuple[str, str, int]]:
    """Yield the role and the text of each message, and the number of lines before it."""
    role, start = "system", 0
    for found in _ROLE.finditer(body):
        yield role, body[start : found.start()], body.count("\n", 0, start)
        role, start = found[1], found.end()
    yield role, body[start:], body.count("\n", 0, start)


def _take_model(draft: Draft, node: Node) -> None:
    model = node.get("model")
    if model is None:
        return
    if model.text is not None:
        draft.content["model"] = model.text
        return
    named = [model.get("id"), model.get("configuration", "name"), model.get("configuration", "azure_deployment")]
    name = next((each.text for each in named if each is not None and each.text), None)
    if name is not None:
        draft.content["model"] = name
    for key in ("parameters", "options"):
        _take_parameters(draft, model.get(key), ("model", key))
    draft.leave_out_all(model, ("id", "parameters", "options", "api"), ("model",))


def _take_parameters(draft: Draft, node: Node | None, path: tuple[str, ...]) -> None:
    tools = node.get("tools") if node is not None else None
    if node is None:
        return
    if tools is not None:
        draft.content["tools"] = tools.plain()
    rest = {key: value for key, value in node.entries.items() if key != "tools"}
    draft.take_parameters(Node(rest, node.file, node.line, node.column), path)


def _inputs(node: Node) -> dict[str, Json]:
    inputs: dict[str, Json] = {}
    declared, sample = node.get("inputs"), node.get("sample")
    for name, each in (declared.entries if declared is not None else {}).items():
        kind, default, required = each.get("type"), each.get("default"), each.get("required")
        made: Json = {}
        if kind is not None and kind.text:
            made["type"] = _JSON_TYPES.get(kind.text, kind.text)
        if default is not None and default.value is not None:
            made["default"] = default.plain()
        if required is not None and required.value is False:
            made["required"] = False
        inputs[name] = made
    for name, value in (sample.entries if sample is not None else {}).items():
        if isinstance(value.value, tuple):
            inputs.setdefault(name, {}).setdefault("type", "array")
        elif value.entries:
            inputs.setdefault(name, {}).setdefault("type", "object")
    return inputs
