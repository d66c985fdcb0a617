"""dotprompt's files: YAML with a model, its configuration and Picoschema, and a Handlebars template with roles."""

import re
from collections.abc import Mapping
from typing import Final

from gateway.config.nodes import Node, Path
from gateway.importing.front_matter import refuse_tags, split
from gateway.importing.imported import Draft, Json
from gateway.importing.tags import TagConverter

_TYPES: Final[Mapping[str, str]] = {
    "string": "string", "number": "number", "integer": "number", "boolean": "boolean", "any": "object",
}  # fmt: skip
_HELPERS: Final[Mapping[str, str]] = {
    "history": "is not kept: a client's messages follow all of the version's",
    "media": "is not kept: prompts hold text only",
    "section": "is not kept: prompts have no sections",
}
_FIELD: Final = re.compile(r"(?P<name>[\w-]+)(?P<optional>\??)(?:\((?P<kind>\w+)(?:,.*)?\))?", re.DOTALL)


def read_dotprompt(text: str, file: str) -> Draft:
    """Return the version that the file describes."""
    draft = Draft()
    front = split(text, file, draft)
    node = front.node
    draft.take_text(node, "name", "description")
    if (model := node.get("model")) is not None:
        draft.content["model"] = model.text
    draft.take_parameters(node.get("config"), ("config",))
    if (tools := node.get("tools")) is not None:
        draft.refuse(
            tools, ("tools",), "names tools that are defined in code; write their definitions into the version"
        )
    _take_output(draft, node)
    converted = TagConverter(front.body, refused=_HELPERS).handlebars()
    refuse_tags(draft, converted, file, front.first_line)
    draft.take_messages(converted.messages)
    draft.declare(converted.names, _inputs(draft, node))
    draft.leave_out_all(node, ("name", "description", "model", "config", "tools", "input", "output"))
    return draft


def _take_output(draft: Draft, node: Node) -> None:
    form, schema = node.get("output", "format"), node.get("output", "schema")
    if form is not None and form.text == "json":
        draft.content["response_format"] = {"type": "json_object"}
    elif form is not None and form.text not in (None, "text"):
        draft.refuse(form, ("output", "format"), f"{form.text} is no form that a version can ask for")
    if schema is not None:
        draft.leave_out(schema, ("output", "schema"), "is not kept: write it as `response_format`, as JSON schema")


def _inputs(draft: Draft, node: Node) -> dict[str, Json]:
    schema, defaults = node.get("input", "schema"), node.get("input", "default")
    inputs: dict[str, Json] = {}
    properties = schema.get("properties") if schema is not None else None
    required = schema.get("required") if schema is not None else None
    if schema is not None and properties is not None:
        names = {each.text for each in required.items} if required is not None else set[str | None]()
        for name, each in properties.entries.items():
            inputs[name] = _of_schema(draft, each, ("input", "schema", "properties", name), name in names)
    else:
        for key, each in (schema.entries if schema is not None else {}).items():
            name, declared = _of_field(draft, key, each, ("input", "schema", key))
            inputs[name] = declared
    for name, value in (defaults.entries if defaults is not None else {}).items():
        inputs.setdefault(name, {})["default"] = value.plain()
    return inputs


def _of_schema(draft: Draft, node: Node, path: Path, is_required: bool) -> Json:
    kind, choices = node.get("type"), node.get("enum")
    declared: Json = {} if choices is None else {"enum": choices.plain()}
    if kind is not None and choices is None:
        declared["type"] = {"integer": "number"}.get(kind.text or "", kind.text)
    if (longest := node.get("maxLength")) is not None:
        declared["max_length"] = longest.plain()
    draft.leave_out_all(node, ("type", "enum", "maxLength", "description"), path)
    return declared if is_required else {**declared, "required": False}


def _of_field(draft: Draft, key: str, node: Node, path: Path) -> tuple[str, Json]:
    """Return the name and the declaration of one of Picoschema's fields, such as `tags?(array, what for): string`."""
    found = _FIELD.fullmatch(key)
    if found is None:
        draft.refuse(node, path, "is no field of Picoschema that is known")
        return key, {}
    declared: Json = {"required": False} if found["optional"] else {}
    if found["kind"] == "enum":
        declared["enum"] = node.plain()
    elif found["kind"] == "array":
        declared["type"] = "array"
    elif found["kind"] == "object" or node.entries:
        declared["type"] = "object"
    elif (kind := _TYPES.get((node.text or "").partition(",")[0].strip())) is not None:
        declared["type"] = kind
    else:
        draft.refuse(node, path, f"{(node.text or '')[:40]!r} is no type of Picoschema that is known")
    return found["name"], declared
