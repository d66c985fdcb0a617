"""Functions, how they may be called, and the shape of an answer, as this format says them: read and written."""

import json
from collections.abc import Mapping
from typing import Any, cast

from gateway.errors import CallerError
from gateway.formats import values
from gateway.formats.prompt import OutputShape, ToolChoice, ToolSpec

_MODES = ("auto", "none", "required")
_OF_A_FUNCTION = frozenset({"type", "name", "description", "parameters", "strict"})
INPUT = "input"  # the one argument of a tool that takes text
_TEXT_INPUT: Mapping[str, Any] = {
    "type": "object",
    "properties": {INPUT: {"type": "string", "description": "The whole input, as plain text."}},
    "required": [INPUT],
    "additionalProperties": False,
}
_RUN_BY_CLIENTS = ("function", "custom")
_NO_ARGUMENTS: Mapping[str, Any] = {"type": "object", "properties": {}}


def read_tools(value: object, extras: dict[str, Any]) -> tuple[ToolSpec, ...]:
    """The tools that the client runs; those that run at a provider go to `extras`. Raises CallerError."""
    specs: list[ToolSpec] = []
    for index, each in enumerate(values.items(value, "tools")):
        param = f"tools[{index}]"
        tool = values.members(each, param)
        kind = values.text(tool.get("type"), f"{param}.type")
        if kind == "function":
            specs.append(_read_function(tool, param, extras))
        elif kind == "custom":
            specs.append(_read_custom(tool, param))
        else:
            extras[f"tools.{kind}"] = tool
    return tuple(specs)


def _read_function(tool: Mapping[str, Any], param: str, extras: dict[str, Any]) -> ToolSpec:
    schema, strict = tool.get("parameters"), tool.get("strict")
    extras.update({f"tools.{name}": tool[name] for name in tool.keys() - _OF_A_FUNCTION if tool[name]})
    return ToolSpec(
        values.text(tool.get("name"), f"{param}.name"),
        values.optional_text(tool, "description", param),
        None if schema is None else values.members(schema, f"{param}.parameters"),
        None if strict is None else values.flag(strict, f"{param}.strict"),
    )


def _read_custom(tool: Mapping[str, Any], param: str) -> ToolSpec:
    """Return a tool whose input is text as a function of one argument. Its grammar, if any, becomes a description."""
    described = values.optional_text(tool, "description", param)
    given = tool.get("format")
    shape = {} if given is None else values.members(given, f"{param}.format")
    if shape.get("type") == "grammar":
        grammar = values.text(shape.get("definition"), f"{param}.format.definition")
        syntax = values.optional_text(shape, "syntax", f"{param}.format")
        described = f"{described}\n\nThe text of `input` must match this {syntax} grammar:\n{grammar}".strip()
    return ToolSpec(values.text(tool.get("name"), f"{param}.name"), described, _TEXT_INPUT, is_text=True)


def input_text(arguments: str) -> str:
    """Return the input of a tool that takes text, out of the arguments that a model wrote for its function."""
    try:
        given = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    text = given.get(INPUT) if isinstance(given, dict) else None
    return text if isinstance(text, str) else arguments


def write_tool(spec: ToolSpec) -> dict[str, Any]:
    """A function. Here one that does not say so is strict, and nowhere else."""
    tool: dict[str, Any] = {"type": "function", "name": spec.name}
    if spec.description:
        tool["description"] = spec.description
    tool["parameters"] = _NO_ARGUMENTS if spec.schema is None else spec.schema
    return tool | {"strict": bool(spec.strict)}


def read_choice(value: object, extras: dict[str, Any]) -> tuple[ToolChoice | None, frozenset[str] | None]:
    """Return how functions may be called, and which of them; None for all. Raises CallerError."""
    if isinstance(value, str):
        return _mode(value), None
    choice = values.members(value, "tool_choice")
    kind = values.text(choice.get("type"), "tool_choice.type")
    if kind in _RUN_BY_CLIENTS:
        return ToolChoice("one", values.text(choice.get("name"), "tool_choice.name")), None
    if kind == "allowed_tools" and (names := _function_names(choice.get("tools"))) is not None:
        return _mode(choice.get("mode", "auto")), names
    extras[f"tool_choice.{kind}"] = choice
    return None, None


def _mode(value: object) -> ToolChoice:
    return ToolChoice(cast(Any, values.one_of(value, "tool_choice", _MODES)))


def _function_names(value: object) -> frozenset[str] | None:
    """The names of a list of the client's tools; None when something else is among them."""
    tools = values.each(value, "tool_choice.tools", values.members)
    names = [tool.get("name") for tool in tools if tool.get("type") in _RUN_BY_CLIENTS]
    found = frozenset(name for name in names if isinstance(name, str))
    return found if len(names) == len(tools) else None


def write_choice(choice: ToolChoice) -> Any:
    return {"type": "function", "name": choice.name} if choice.mode == "one" else choice.mode


def read_output(value: object) -> OutputShape | None:
    """The shape that `text.format` asks for. Raises CallerError."""
    wanted = values.members(value, "text.format")
    kind = wanted.get("type")
    if kind in ("text", "json_object"):
        return OutputShape() if kind == "json_object" else None
    if kind != "json_schema":
        message = "text.format.type must be text, json_object or json_schema"
        raise CallerError(message, param="text.format.type")
    strict = wanted.get("strict")
    return OutputShape(
        values.members(wanted.get("schema"), "text.format.schema"),
        values.optional_text(wanted, "name", "text.format"),
        values.optional_text(wanted, "description", "text.format"),
        None if strict is None else values.flag(strict, "text.format.strict"),
    )


def write_output(output: OutputShape | None) -> dict[str, Any]:
    if output is None:
        return {"type": "text"}
    if output.schema is None:
        return {"type": "json_object"}
    wanted: dict[str, Any] = {"type": "json_schema", "name": output.name or "answer", "schema": output.schema}
    if output.description:
        wanted["description"] = output.description
    return wanted if output.strict is None else wanted | {"strict": output.strict}
