"""What a chat request asks for, or the refusal that OpenAI would give it: pure, from bytes to values."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

import orjson

CALL = re.compile(r"\bcall ([A-Za-z0-9_.-]+)")


class Refusal(Exception):
    """A request the stand-in itself turns down: HTTP status and the fields of OpenAI's error body."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the caller offers, with the schema of its arguments."""

    name: str
    parameters: object


class Ask(NamedTuple):
    """The parts of a chat request that change the answer."""

    model: str
    stream: bool
    include_usage: bool
    tools: tuple[Tool, ...]  # all that were offered
    wanted: tuple[Tool, ...]  # those to call now, by tool_choice or by the user's words
    may_call: bool  # False after a tool's result and under tool_choice none
    schema: object  # of response_format; None when text is wanted
    body_bytes: int


def read_ask(body: bytes) -> Ask:
    """The ask in a request body. Raises Refusal with OpenAI's words for what is wrong."""
    fields = _object(body)
    model = _model(fields)
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages:
        _refuse("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    stream = _stream(fields)
    tools = _tools(fields["tools"]) if fields.get("tools") else ()
    choice = fields.get("tool_choice")
    may_call = bool(tools) and choice != "none" and _part(messages[-1], "role") != "tool"
    return Ask(
        model=model,
        stream=stream,
        include_usage=stream and _part(fields.get("stream_options"), "include_usage") is True,
        tools=tools,
        wanted=_wanted(tools, choice, messages) if may_call else (),
        may_call=may_call,
        schema=_schema(fields["response_format"]) if fields.get("response_format") else None,
        body_bytes=len(body),
    )


def _object(body: bytes) -> Mapping[str, object]:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        fields = _lenient(body)
    if not isinstance(fields, dict):
        _refuse("We could not parse the JSON body of your request: an object was expected.")
    return fields


def _lenient(body: bytes) -> object:
    """Once more with the standard library: it lets lone surrogates through, which real providers take too."""
    try:
        return json.loads(body.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        _refuse("We could not parse the JSON body of your request.")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _model(fields: Mapping[str, object]) -> str:
    model = fields.get("model")
    if not isinstance(model, str) or not model or not model.isprintable():
        _refuse("you must provide a model parameter", "model")
    return model


def _stream(fields: Mapping[str, object]) -> bool:
    stream = fields.get("stream")
    if stream is not None and not isinstance(stream, bool):
        _refuse("Invalid type for 'stream': expected a boolean.", "stream", "invalid_type")
    if not stream and fields.get("stream_options") is not None:
        _refuse("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    return bool(stream)


def _tools(listed: object) -> tuple[Tool, ...]:
    functions = [_part(each, "function") for each in listed] if isinstance(listed, list) else []
    tools = [
        Tool(name, _part(each, "parameters")) for each in functions if isinstance(name := _part(each, "name"), str)
    ]
    if not tools or len(tools) != len(functions):
        _refuse("Missing required parameter: 'tools[0].function.name'.", "tools", "missing_required_parameter")
    return tuple(tools)


def _wanted(tools: Sequence[Tool], choice: object, messages: Sequence[object]) -> tuple[Tool, ...]:
    # 1. a tool the caller insists on, 2. those the user names, 3. any, when one is required
    insisted = _part(_part(choice, "function"), "name")
    names = [insisted] if isinstance(insisted, str) else CALL.findall(_last_user_text(messages))
    named = [tool for name in dict.fromkeys(names) for tool in tools if tool.name == name]
    return tuple(named or (tools[:1] if choice == "required" else ()))


def _last_user_text(messages: Sequence[object]) -> str:
    content = next((_part(each, "content") for each in reversed(messages) if _part(each, "role") == "user"), "")
    if isinstance(content, list):
        return " ".join(text for part in content if isinstance(text := _part(part, "text"), str))
    return content if isinstance(content, str) else ""


def _schema(wanted: object) -> object:
    if _part(wanted, "type") == "json_schema":
        return _part(_part(wanted, "json_schema"), "schema") or {"type": "object"}
    return {"type": "object"} if _part(wanted, "type") == "json_object" else None


def _part(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _refuse(message: str, param: str | None = None, code: str | None = None) -> NoReturn:
    raise Refusal(400, message, param=param, code=code)
