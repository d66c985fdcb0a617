"""A client's chat completion as a `Prompt`.

Members that a client sends back in an assistant's message as it got them (annotations and the like) say nothing to a
model and are left out; any other member that is not known here becomes an extra, under its full name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from gateway.formats import values
from gateway.formats.gemini import NAME as GEMINI
from gateway.formats.openai_chat._content import is_marked, read_content
from gateway.formats.openai_chat._reasoning import call_signature, read_reasoning
from gateway.formats.parameters import sort
from gateway.formats.prompt import (
    Media,
    Message,
    Part,
    Prompt,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
    Untranslatable,
)
from gateway.json_body import encode

Json = Mapping[str, Any]

_NOT_PARAMETERS = frozenset({"model", "messages"})
_MEMBERS = frozenset({"role", "content", "name", "tool_call_id", "cache_control"})
_ROLES: Mapping[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


def read_prompt(request: Json) -> Prompt:
    """The request in no format. Raises CallerError for a wrong field, Untranslatable for one that nobody else has."""
    asked = values.items(request.get("messages"), "messages")
    if not asked:
        raise values.wrong("messages", "a list of at least one message")
    parameters = sort({name: value for name, value in request.items() if name not in _NOT_PARAMETERS})
    extras = {**parameters.extras, **dict(_unknown(asked))}
    return Prompt(_read_messages(asked), hints=parameters.hints, extras=extras, **parameters.fields)


def assistant_message(text: str) -> Json:
    """Return an assistant's message as chat completions, Messages and Responses write it."""
    return {"role": "assistant", "content": text}


def is_question(item: Json) -> bool:
    """Return whether a message is the user's."""
    return item.get("role") == "user"


def _unknown(asked: list[Any]) -> Iterator[tuple[str, Any]]:
    for index, message in enumerate(asked):
        if isinstance(message, dict) and message.get("role") != "assistant":
            unknown = {name: value for name, value in message.items() if name not in _MEMBERS and value is not None}
            yield from ((f"messages[{index}].{name}", value) for name, value in unknown.items())


def _read_messages(asked: list[Any]) -> tuple[Message, ...]:
    """The turns; tool messages that follow one another are one turn of the user."""
    turns: list[Message] = []
    results: list[ToolResult] = []
    names: dict[str, str] = {}
    for index, value in enumerate(asked):
        param = f"messages[{index}]"
        message = values.members(value, param)
        role = values.one_of(message.get("role"), f"{param}.role", (*_ROLES, "tool"))
        if role == "tool":
            results.append(_read_result(message, param, names))
            continue
        _end_results(turns, results)
        turn = _read_message(message, param, _ROLES[role])
        names.update((part.id, part.name) for part in turn.parts if isinstance(part, ToolCall))
        turns.append(turn)
    _end_results(turns, results)
    return tuple(turns)


def _end_results(turns: list[Message], results: list[ToolResult]) -> None:
    """Make one turn of the results that were read."""
    if results:
        turns.append(Message("user", tuple(results)))
        results.clear()


def _read_message(message: Json, param: str, role: Role) -> Message:
    parts: tuple[Part, ...] = read_content(message.get("content"), f"{param}.content")
    if role == "assistant":
        parts = tuple(_assistant_parts(message, param, parts))
    if message.get("cache_control"):
        parts = (*parts[:-1], *map(_marked, parts[-1:]))
    return Message(role, parts, values.optional_text(message, "name", param))


def _marked(part: Part) -> Part:
    return part if isinstance(part, Reasoning | Refusal) else replace(part, cache=True)


def _assistant_parts(message: Json, param: str, content: tuple[Part, ...]) -> Iterator[Part]:
    """Yield the parts in the order in which models produce them: thoughts, text, a refusal, calls."""
    for name in ("function_call", "audio"):
        if message.get(name) is not None:
            raise Untranslatable(
                f"{param}.{name} cannot be sent to a provider of another format", param=f"{param}.{name}"
            )
    yield from read_reasoning(message)
    yield from (part for part in content if not isinstance(part, Text) or part.text)
    if refusal := values.optional_text(message, "refusal", param):
        yield Refusal(refusal)
    if (calls := message.get("tool_calls")) is not None:
        yield from values.each(calls, f"{param}.tool_calls", _read_call)


def _read_call(value: object, param: str) -> ToolCall:
    call = values.members(value, param)
    if call.get("type", "function") != "function":
        raise Untranslatable(f"{param}: only function calls can be sent to providers of other formats", param=param)
    function = values.members(call.get("function"), f"{param}.function")
    signature = call_signature(call)
    return ToolCall(
        values.text(call.get("id"), f"{param}.id"),
        values.text(function.get("name"), f"{param}.function.name"),
        values.text(function.get("arguments"), f"{param}.function.arguments"),
        signature,
        GEMINI if signature else None,
        is_marked(call),
    )


def _read_result(message: Json, param: str, names: Mapping[str, str]) -> ToolResult:
    call_id = values.text(message.get("tool_call_id"), f"{param}.tool_call_id")
    parts = read_content(message.get("content"), f"{param}.content")
    name = values.optional_text(message, "name", param) or names.get(call_id, "")
    said = tuple(part for part in parts if isinstance(part, Text | Media))
    return ToolResult(call_id, said, name, cache=is_marked(message) or any(part.cache for part in said))


def opening(values: Mapping[str, Any]) -> str:
    """The first user message; '' when there is none. Raises CallerError for content nested too deeply."""
    messages = values.get("messages")
    if not isinstance(messages, list):
        return ""
    for message in messages:
        if isinstance(message, dict) and message.get("role") == "user":
            content = message.get("content")
            return content if isinstance(content, str) else encode(content)
    return ""
