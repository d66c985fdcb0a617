"""Functions for Claude, how they may be called, and the forced function that stands in for an output schema."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from gateway.formats.claude.models import ClaudeModel
from gateway.formats.claude.schema import closed
from gateway.formats.claude.thinking import Thinking
from gateway.formats.prompt import Message, OutputShape, Prompt, ToolCall, ToolChoice, ToolSpec, Untranslatable

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_OPEN_SCHEMA = {"type": "object"}
_MODES = {"auto": "auto", "none": "none", "required": "any", "one": "tool"}


@dataclass(frozen=True, slots=True)
class Tooling:
    """The members `tools`, `tool_choice` and `output_config.format`; None or empty where nothing is to be said."""

    tools: list[dict[str, Any]]
    choice: dict[str, Any] | None
    format: dict[str, Any] | None

    @property
    def must_call(self) -> bool:
        """Return whether the model must call a function, which the API refuses while the model is told to think."""
        return self.choice is not None and self.choice["type"] in ("any", "tool")


def tooling(prompt: Prompt, model: ClaudeModel, thinking: Thinking) -> Tooling:
    """The functions of a prompt and the shape of its answer. Raises Untranslatable for what cannot be asked."""
    tools = [tool(spec, model) for spec in prompt.tools]
    choice = _choice(prompt)
    if not tools and (called := _called(prompt.messages)):  # calls in the past must be of functions that are known
        tools = [{"name": name, "input_schema": _OPEN_SCHEMA} for name in called]
        choice = {"type": "none"}
    format = _format(prompt.output, model)
    if prompt.output is not None and format is None and not _must_call(prompt.tool_choice):
        tools, choice = _with_output_tool(tools, choice, prompt)
    tooling = Tooling(tools, choice, format)
    if thinking.budget and tooling.must_call:
        raise _while_thinking(prompt)
    return tooling


def tool(spec: ToolSpec, model: ClaudeModel) -> dict[str, Any]:
    """Return one function's definition."""
    if not _NAME.fullmatch(spec.name):
        message = f"the function name {spec.name!r} is not accepted here; use up to 128 letters, digits, _ and -"
        raise Untranslatable(message, param="tools")
    schema = _OPEN_SCHEMA if spec.schema is None else dict(spec.schema)
    strict = closed(schema) if spec.strict and model.structured else None
    definition: dict[str, Any] = {"name": spec.name}
    if spec.description:
        definition["description"] = spec.description
    definition["input_schema"] = strict or (schema if "type" in schema else {"type": "object", **schema})
    if strict:
        definition["strict"] = True
    if spec.cache:
        definition["cache_control"] = {"type": "ephemeral"}
    return definition


def choice_members(choice: ToolChoice | None, parallel: bool | None) -> dict[str, Any] | None:
    """The member `tool_choice`, None where the API's own default is meant."""
    if choice is None and parallel is not False:
        return None
    mode = choice.mode if choice else "auto"
    members: dict[str, Any] = {"type": _MODES[mode]}
    if mode == "one" and choice:
        members["name"] = choice.name
    if parallel is False and mode != "none":
        members["disable_parallel_tool_use"] = True
    return members


def native_format(output: OutputShape, model: ClaudeModel) -> dict[str, Any] | None:
    """The member `output_config.format`, None where the model cannot be held to that schema."""
    schema = closed(output.schema) if model.structured and output.schema else None
    return None if schema is None else {"type": "json_schema", "schema": schema}


def _format(output: OutputShape | None, model: ClaudeModel) -> dict[str, Any] | None:
    return None if output is None else native_format(output, model)


def _choice(prompt: Prompt) -> dict[str, Any] | None:
    if prompt.tools:
        return choice_members(prompt.tool_choice, prompt.parallel_tools)
    if _must_call(prompt.tool_choice):
        raise Untranslatable("there are no tools that could be called; leave tool_choice out", param="tool_choice")
    return None


def _must_call(choice: ToolChoice | None) -> bool:
    """Return whether the answer is a call in any case, so that no text needs a shape."""
    return choice is not None and choice.mode in ("required", "one")


def _called(messages: Iterable[Message]) -> Sequence[str]:
    calls = (part for message in messages for part in message.parts if isinstance(part, ToolCall))
    return tuple(dict.fromkeys(call.name for call in calls))


def _with_output_tool(
    tools: list[dict[str, Any]], choice: dict[str, Any] | None, prompt: Prompt
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The function whose input is the answer: the only way out, or one among the client's own."""
    output = prompt.output or OutputShape()
    schema = dict(output.schema) if output.schema else _OPEN_SCHEMA
    if schema.setdefault("type", "object") != "object":
        message = "the model can be held to JSON objects only; wrap the schema into an object"
        raise Untranslatable(message, param="response_format")
    description = output.description or "Give your answer to the user by calling this, and only in this way."
    own = {"name": OUTPUT_TOOL, "description": description, "input_schema": schema}
    if prompt.tools and (choice is None or choice["type"] == "auto"):
        return [*tools, own], {**(choice or {}), "type": "any"}
    return [*tools, own], {"type": "tool", "name": OUTPUT_TOOL, "disable_parallel_tool_use": True}


def _while_thinking(prompt: Prompt) -> Untranslatable:
    if _must_call(prompt.tool_choice):
        message = "this model cannot be made to call a function while it thinks; ask for reasoning_effort 'none'"
        return Untranslatable(message, param="tool_choice")
    message = "this model cannot be held to that output while it thinks; ask for reasoning_effort 'none'"
    return Untranslatable(message, param="response_format")


# The forced function whose input is the answer, where a model cannot be held to a schema in another way.
OUTPUT_TOOL = "respond_with_json"


def arguments(text: str) -> dict[str, Any] | None:
    """A tool call's arguments as the object that this format wants, None when they are none; '' is no arguments."""
    if not text.strip():
        return {}
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
