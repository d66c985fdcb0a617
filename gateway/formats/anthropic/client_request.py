"""Read a client's Messages request as a prompt in no format."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gateway.formats import values
from gateway.formats.anthropic._blocks import Extras, content, is_cached, keep_unknown, texts
from gateway.formats.prompt import (
    Effort,
    Message,
    OutputShape,
    Part,
    Prompt,
    Reasoning,
    Refusal,
    Role,
    ToolChoice,
    ToolSpec,
)

Fields = dict[str, Any]
_Read = Callable[[Any, str, Extras], Fields]

_ROLES: Mapping[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}
_EFFORTS: Mapping[str, Effort] = {"low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "xhigh"}
_DEFAULT_EFFORT: Effort = "high"  # the API's own
_CHOICES: Mapping[str, ToolChoice] = {
    "auto": ToolChoice("auto"),
    "any": ToolChoice("required"),
    "none": ToolChoice("none"),
}
# Members that change nothing about the answer: they have no place in a prompt but as hints. So are those with which a
# client lets the provider shorten the conversation, or answer faster.
_HINTS = frozenset({"service_tier", "diagnostics", "context_management", "speed", "betas"})
_TOOL_MEMBERS = frozenset(
    {
        "type",
        "name",
        "description",
        "input_schema",
        "strict",
        "cache_control",
        "eager_input_streaming",
        "defer_loading",  # a function that is there from the beginning is there when it is looked for
    }
)


def read_prompt(request: Mapping[str, Any]) -> Prompt:
    """The request in no format. Raises CallerError and names the member that is wrong."""
    fields: Fields = {"wants_usage": True}  # streams of this format always tell
    extras: Extras = {}
    hints: dict[str, Any] = {}
    for name, value in request.items():
        if name in _HINTS and value is not None:
            hints[name] = value
        elif name == "metadata" and value is not None:
            hints |= _metadata(value, name, extras)
        elif name in _FIELDS and value is not None:
            fields |= _FIELDS[name](value, name, extras)
        elif name not in _STRUCTURE and value is not None and value not in _NOTHING.get(name, ()):
            extras[name] = value
    messages = _messages(request, extras)
    if request.get("cache_control") is not None:
        messages = _cached_to_the_end(messages)
    return Prompt(messages, **_effort_of_thinking(fields), hints=hints, extras=extras)


def opening(request: Mapping[str, Any]) -> str:
    """The text of the first user message, '' when there is none."""
    messages = request.get("messages")
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict) and message.get("role") == "user":
            return _text_of(message.get("content"))
    return ""


def is_question(item: Mapping[str, Any]) -> bool:
    """Return whether a message is the user's; one that answers tools belongs to the calls before it."""
    content = item.get("content")
    parts = content if isinstance(content, list) else []
    answers = any(isinstance(part, dict) and part.get("type") == "tool_result" for part in parts)
    return item.get("role") == "user" and not answers


def _text_of(said: Any) -> str:
    if isinstance(said, str):
        return said
    blocks = said if isinstance(said, list) else ()
    found = [block.get("text") for block in blocks if isinstance(block, dict) and block.get("type") == "text"]
    return "\n".join(text for text in found if isinstance(text, str))


def _messages(request: Mapping[str, Any], extras: Extras) -> tuple[Message, ...]:
    system = request.get("system")
    leading = () if system is None else tuple(Message("system", (text,)) for text in texts(system, "system"))
    return leading + values.each(request.get("messages"), "messages", lambda value, at: _message(value, at, extras))


def _message(value: object, param: str, extras: Extras) -> Message:
    message = values.members(value, param)
    role = _ROLES[values.one_of(message.get("role"), f"{param}.role", _ROLES)]
    keep_unknown(message, ("role", "content"), param, extras)
    if role == "system":
        return Message(role, texts(message.get("content"), f"{param}.content"))
    return Message(role, content(message.get("content"), f"{param}.content", extras))


def _cached_to_the_end(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The API marks the last block itself where the request as a whole is to be cached."""
    if not messages or not messages[-1].parts:
        return messages
    *before, last = messages[-1].parts
    return (*messages[:-1], replace(messages[-1], parts=(*before, _marked(last))))


def _marked(part: Part) -> Part:
    return part if isinstance(part, (Reasoning, Refusal)) else replace(part, cache=True)


def _effort_of_thinking(fields: Fields) -> Fields:
    """Combine `thinking` and `output_config.effort` into one effort."""
    mode = fields.pop("thinking", None)
    if mode == "disabled":
        fields["effort"] = "none"
    elif mode == "adaptive":
        fields.setdefault("effort", _DEFAULT_EFFORT)
    if "effort" in fields or "thinking_budget" in fields:
        fields["may_not_think"] = True  # clients of this API ask for it whatever model they talk to
    return fields


def _metadata(value: Any, param: str, extras: Extras) -> dict[str, Any]:
    metadata = values.members(value, param)
    keep_unknown(metadata, ("user_id",), param, extras)
    user = values.optional_text(metadata, "user_id", param)
    return {"user": user} if user else {}


def _thinking(value: Any, param: str, extras: Extras) -> Fields:
    config = values.members(value, param)
    keep_unknown(config, ("type", "budget_tokens", "display"), param, extras)
    kind = values.text(config.get("type"), f"{param}.type")
    fields: Fields = {"thinking": kind}
    if kind == "enabled":
        fields["thinking_budget"] = values.whole(config.get("budget_tokens"), f"{param}.budget_tokens")
    elif kind not in ("adaptive", "disabled"):
        extras[f"{param}.type"] = kind
    if (display := config.get("display")) is not None:
        shown = values.one_of(display, f"{param}.display", ("summarized", "omitted"))
        fields["wants_thoughts"] = shown == "summarized"
    return fields


def _output_config(value: Any, param: str, extras: Extras) -> Fields:
    config = values.members(value, param)
    keep_unknown(config, ("effort", "format"), param, extras)
    fields: Fields = {}
    if (effort := config.get("effort")) is not None:
        fields["effort"] = _EFFORTS[values.one_of(effort, f"{param}.effort", _EFFORTS)]
    if (shape := config.get("format")) is not None:
        fields |= _format(shape, f"{param}.format", extras)
    return fields


def _format(value: Any, param: str, _extras: Extras) -> Fields:
    shape = values.members(value, param)
    values.one_of(shape.get("type"), f"{param}.type", ("json_schema",))
    return {"output": OutputShape(values.members(shape.get("schema"), f"{param}.schema"), strict=True)}


def _tools(value: Any, param: str, extras: Extras) -> Fields:
    specs = values.each(value, param, lambda each, at: _tool(each, at, extras))
    return {"tools": tuple(spec for spec in specs if spec is not None)}


def _tool(value: object, param: str, extras: Extras) -> ToolSpec | None:
    """A function; None for a tool that the provider runs itself, which goes to the extras."""
    tool = values.members(value, param)
    if tool.get("type") not in (None, "custom"):
        extras[param] = dict(tool)
        return None
    says_nothing = {name for name, default in _TOOL_DEFAULTS.items() if tool.get(name) == default}
    keep_unknown(tool, _TOOL_MEMBERS | says_nothing, param, extras)
    strict, schema = tool.get("strict"), tool.get("input_schema")
    return ToolSpec(
        values.text(tool.get("name"), f"{param}.name"),
        values.optional_text(tool, "description", param),
        None if schema is None else values.members(schema, f"{param}.input_schema"),
        None if strict is None else values.flag(strict, f"{param}.strict"),
        cache=is_cached(tool),
    )


def _tool_choice(value: Any, param: str, _extras: Extras) -> Fields:
    choice = values.members(value, param)
    kind = values.one_of(choice.get("type"), f"{param}.type", (*_CHOICES, "tool"))
    if kind == "tool":
        fields: Fields = {"tool_choice": ToolChoice("one", values.text(choice.get("name"), f"{param}.name"))}
    else:
        fields = {"tool_choice": _CHOICES[kind]}
    if (alone := choice.get("disable_parallel_tool_use")) is not None:
        fields["parallel_tools"] = not values.flag(alone, f"{param}.disable_parallel_tool_use")
    return fields


def _field(name: str, read: Callable[[Any, str], Any]) -> _Read:
    return lambda value, param, _extras: {name: read(value, param)}


# What asks for nothing when it says this.
_NOTHING: Mapping[str, tuple[Any, ...]] = {
    "mcp_servers": ([],),
    "inference_geo": ("global", "not_available"),
    "container": ({},),
}
_TOOL_DEFAULTS: Mapping[str, Any] = {"allowed_callers": ["direct"], "input_examples": []}
_STRUCTURE = frozenset({"model", "messages", "system", "cache_control"})
_FIELDS: Mapping[str, _Read] = {
    "max_tokens": _field("max_tokens", values.whole),
    "temperature": _field("temperature", values.number),
    "top_p": _field("top_p", values.number),
    "top_k": _field("top_k", values.whole),
    "stop_sequences": _field("stop", lambda value, param: values.each(value, param, values.text)),
    "stream": _field("stream", values.flag),
    "tools": _tools,
    "tool_choice": _tool_choice,
    "thinking": _thinking,
    "output_config": _output_config,
    "output_format": _format,  # before it moved to output_config
}
