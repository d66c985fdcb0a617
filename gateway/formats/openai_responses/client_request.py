"""Read a client's request. Members that other providers cannot express stand in `extras`, and are refused by name
there.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.errors import CallerError, NotFound
from gateway.formats import values
from gateway.formats.marks import is_ours
from gateway.formats.openai_responses._items import ItemHistory
from gateway.formats.openai_responses._tools import read_choice, read_output, read_tools
from gateway.formats.parameters import EFFORTS
from gateway.formats.prompt import Message, Prompt, ToolSpec

# Members of the same name and meaning in chat completions that change nothing about the answer.
HINTS = (
    "user", "safety_identifier", "metadata", "store", "service_tier",
    "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options",
)  # fmt: skip
LOGPROBS = "message.output_text.logprobs"
ENCRYPTED = "reasoning.encrypted_content"

# Instead of messages: a conversation or a template that lives at a provider.
PREVIOUS = "previous_response_id"
CONTINUING = (PREVIOUS, "conversation")
_STORED = (*CONTINUING, "prompt")
NOTHING_SAID = "[]"  # an `input` that leaves all to the version's prompt
# What asks for nothing, or for what happens anyway; `max_tool_calls` counts calls of tools that run at a provider.
_NOTHING: Mapping[str, tuple[Any, ...]] = {
    "truncation": ("disabled",), "background": (False,), "context_management": ([],), "client_metadata": ({},),
}  # fmt: skip
_USUAL_VERBOSITY = "medium"
_IGNORED = frozenset({"model", "stream_options", "max_tool_calls"})

Fields = dict[str, Any]


def read(request: Mapping[str, Any]) -> Prompt:
    """The request in no format. Raises CallerError, and NotFound for a `previous_response_id` of ours."""
    given = {name: value for name, value in request.items() if value is not None and name not in _IGNORED}
    refuse_ours(given)
    extras: Fields = {}
    fields: Fields = {}
    hints: Fields = {}
    for name, value in given.items():
        if name in _READERS:
            fields.update(_READERS[name](value, extras))
        elif name in HINTS:
            hints[name] = value
        elif name not in _CONVERSATION and value not in _NOTHING.get(name, ()):
            extras[name] = value
    fields["tools"] = _allowed(fields.get("tools", ()), fields.pop("allowed", None))
    return Prompt(_messages(given, extras), **fields, hints=hints, extras=extras)


def refuse_ours(request: Mapping[str, Any]) -> None:
    """Raise NotFound for an answer of ours as the one to go on from: it was written here and stored nowhere."""
    name = request.get(PREVIOUS)
    if is_ours(name):
        message = f"response {name!r} is not stored: send the whole conversation as input"
        raise NotFound(message, code="previous_response_not_found", param=PREVIOUS)


def _messages(request: Mapping[str, Any], extras: Fields) -> tuple[Message, ...]:
    history = ItemHistory()
    if (instructions := request.get("instructions")) is not None:
        history.instruct(values.text(instructions, "instructions"))
    if "input" in request:
        history.read(request["input"])
    elif not any(name in request for name in _STORED):
        raise CallerError("'input' is missing: send text, or a list of items", param="input")
    extras.update(history.extras)
    return tuple(history.messages)


def _allowed(tools: tuple[ToolSpec, ...], allowed: frozenset[str] | None) -> tuple[ToolSpec, ...]:
    """The tools less those that `tool_choice` does not allow: no other format has it, and it comes to the same."""
    return tools if allowed is None else tuple(tool for tool in tools if tool.name in allowed)


def _as(field: str, reader: Callable[[Any, str], Any], name: str) -> Callable[[Any, Fields], Fields]:
    return lambda value, _extras: {field: reader(value, name)}


def _tools(value: Any, extras: Fields) -> Fields:
    return {"tools": read_tools(value, extras)}


def _tool_choice(value: Any, extras: Fields) -> Fields:
    choice, allowed = read_choice(value, extras)
    return {"tool_choice": choice, "allowed": allowed}


def _text(value: Any, extras: Fields) -> Fields:
    text = values.members(value, "text")
    if (verbosity := text.get("verbosity")) not in (None, _USUAL_VERBOSITY):
        extras["verbosity"] = values.text(verbosity, "text.verbosity")
    return {} if text.get("format") is None else {"output": read_output(text["format"])}


def _reasoning(value: Any, extras: Fields) -> Fields:
    reasoning = values.members(value, "reasoning")
    fields: Fields = {}
    if (effort := reasoning.get("effort")) is not None:
        if values.text(effort, "reasoning.effort") in EFFORTS:
            fields["effort"] = effort
        else:
            extras["reasoning_effort"] = effort
    for name in ("summary", "generate_summary"):
        if reasoning.get(name) is not None:
            values.text(reasoning[name], f"reasoning.{name}")
            fields["wants_thoughts"] = True
    if reasoning.get("mode") not in (None, "standard"):
        extras["reasoning.mode"] = reasoning["mode"]
    return fields


def _include(value: Any, _extras: Fields) -> Fields:
    """Read `include`. Only the request for sealed thoughts concerns any model; the other values concern a provider's
    tools."""
    return {"logprobs": True} if LOGPROBS in values.each(value, "include", values.text) else {}


def _top_logprobs(value: Any, _extras: Fields) -> Fields:
    count = values.whole(value, "top_logprobs")
    return {"top_logprobs": count, "logprobs": True} if count else {}


_CONVERSATION = frozenset({"input", "instructions"})
_READERS: Mapping[str, Callable[[Any, Fields], Fields]] = {
    "tools": _tools,
    "tool_choice": _tool_choice,
    "parallel_tool_calls": _as("parallel_tools", values.flag, "parallel_tool_calls"),
    "text": _text,
    "reasoning": _reasoning,
    "include": _include,
    "top_logprobs": _top_logprobs,
    "max_output_tokens": _as("max_tokens", values.whole, "max_output_tokens"),
    "temperature": _as("temperature", values.number, "temperature"),
    "top_p": _as("top_p", values.number, "top_p"),
    "stream": _as("stream", values.flag, "stream"),
}


def opening(request: Mapping[str, Any]) -> str:
    """The text of the first user message, '' where there is none. Never raises."""
    value = request.get("input")
    if isinstance(value, str):
        return value
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict) and item.get("type", "message") == "message" and item.get("role") == "user":
            return _opening_text(item.get("content"))
    return ""


def _opening_text(value: object) -> str:
    if isinstance(value, str):
        return value
    parts = [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []
    return "\n".join(text for part in parts if isinstance(text := part.get("text"), str))
