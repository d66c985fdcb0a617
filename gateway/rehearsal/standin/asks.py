"""Meaning of a request in any wire format, or its refusal: pure, from bytes to values."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

import orjson

CALL = re.compile(r"\bcall ([A-Za-z0-9_.-]+)")


class StandinRefusal(Exception):
    """A request the stand-in itself turns down: HTTP status, and what an error body may say of it."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code


@dataclass(frozen=True, slots=True)
class AskedTool:
    """A function the caller offers, with the schema of its arguments."""

    name: str
    parameters: object


class Ask(NamedTuple):
    """The parts of a request that change the answer."""

    model: str
    stream: bool
    include_usage: bool  # in the stream of a format that leaves it out otherwise
    tools: tuple[AskedTool, ...]  # all that were offered
    wanted: tuple[AskedTool, ...]  # those to call now, by the caller's choice or by the user's words
    may_call: bool  # False after a tool's result, and where the caller forbids it
    schema: object  # of the JSON that is wanted; None when text is
    body_bytes: int
    fields: Mapping[str, object]  # the whole body, for what a format says back


@dataclass(frozen=True, slots=True)
class Choice:
    """Tools that the caller insists on: by name, or any."""

    names: tuple[str, ...] = ()
    required: bool = False
    forbidden: bool = False


def plain_ask(model: str, fields: Mapping[str, object], body: bytes, *, stream: bool = False) -> Ask:
    """An ask without tools, schema and usage."""
    return Ask(model, stream, stream, (), (), False, None, len(body), fields)


def fields_of(body: bytes) -> Mapping[str, object]:
    """The object in a JSON body. Raises Refusal for anything else."""
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        fields = _lenient(body)
    if not isinstance(fields, dict):
        refuse("We could not parse the JSON body of your request: an object was expected.")
    return fields


def _lenient(body: bytes) -> object:
    """Once more with the standard library: it lets lone surrogates through, which real providers take too."""
    try:
        return json.loads(body.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        refuse("We could not parse the JSON body of your request.")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def model_of(fields: Mapping[str, object]) -> str:
    """The model's name. Raises Refusal without one."""
    model = fields.get("model")
    if not isinstance(model, str) or not model or not model.isprintable():
        refuse("you must provide a model parameter", "model")
    return model


def stream_of(fields: Mapping[str, object]) -> bool:
    """Return whether a stream is wanted. Raises StandinRefusal where that is neither true nor false."""
    stream = fields.get("stream")
    if stream is not None and not isinstance(stream, bool):
        refuse("Invalid type for 'stream': expected a boolean.", "stream", "invalid_type")
    return bool(stream)


def wanted(tools: Sequence[AskedTool], choice: Choice, user_text: str) -> tuple[AskedTool, ...]:
    """The tools to call now."""
    # 1. those the caller insists on, 2. those the user names, 3. any, when one is required
    names = choice.names or CALL.findall(user_text)
    named = [tool for name in dict.fromkeys(names) for tool in tools if tool.name == name]
    return tuple(named or (tools[:1] if choice.required else ()))


def last_user(messages: Sequence[object]) -> object:
    """The last message of the user; None when there is none."""
    return next((each for each in reversed(messages) if part(each, "role") == "user"), None)


def text_in(content: object) -> str:
    """The text of a message's content: itself, or that of its parts."""
    if isinstance(content, list):
        return " ".join(text for each in content if isinstance(text := part(each, "text"), str))
    return content if isinstance(content, str) else ""


def part(value: object, name: str) -> object:
    """The member of an object; None where there is no such member, or no object."""
    return value.get(name) if isinstance(value, dict) else None


def holds_text(value: object, text: str) -> bool:
    """Return whether any text within a JSON value holds this one."""
    if isinstance(value, str):
        return text in value
    within = value.values() if isinstance(value, dict) else items(value)
    return any(holds_text(each, text) for each in within)


def items(value: object) -> list[object]:
    """A list as it is; anything else is none."""
    return value if isinstance(value, list) else []


def refuse(message: str, param: str | None = None, code: str | None = None) -> NoReturn:
    raise StandinRefusal(400, message, param=param, code=code)
