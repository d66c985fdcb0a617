"""Read a client's request. Members that other providers cannot express stand in `extras`, and are refused by name
there.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.errors import CallerError, NotFound
from gateway.formats import values
from gateway.formats.gemini_interactions._config import CONFIG, PREFIX, read_config, read_output, read_tools
from gateway.formats.gemini_interactions._content import is_content, text_in
from gateway.formats.gemini_interactions._steps import StepHistory
from gateway.formats.gemini_interactions._terms import PREVIOUS
from gateway.formats.marks import is_ours
from gateway.formats.prompt import Message, OutputShape, Prompt, Text, ToolSpec

# What changes nothing about an answer, under chat completions' names.
_HINTS: Mapping[str, str] = {"labels": "metadata", "store": "store", "service_tier": "service_tier"}
# What asks for nothing, or for what happens anyway.
_NOTHING: Mapping[str, tuple[Any, ...]] = {
    "background": (False,), "response_modalities": (["text"], []), "safety_settings": ([],), "cached_content": ("",),
    "webhook_config": ({},), PREVIOUS: ("",), "continuation_token": ("",),
}  # fmt: skip
_ELSEWHERE = ("input", PREVIOUS, "continuation_token")  # what there is to answer
_READ = frozenset({"model", "input", "system_instruction", "tools", "generation_config", "stream"})
_FORMATS = frozenset({"response_format", "response_mime_type"})
_CAPITAL = re.compile(r"(?<!^)[A-Z]")
_JSON = "application/json"
_OFF = ("block_none", "off")

Json = dict[str, Any]


def read_prompt(request: Mapping[str, Any]) -> Prompt:
    """Return the request in the neutral form. Raises CallerError, and NotFound where it continues an answer of ours."""
    check_spelling(request)
    given = {name: value for name, value in request.items() if value is not None}
    refuse_ours(given)
    extras: Json = {}
    fields = read_config(given["generation_config"], extras) if "generation_config" in given else {}
    strict, allowed = fields.pop("strict", False), fields.pop("allowed", None)
    tools = read_tools(given["tools"], extras) if "tools" in given else ()
    if "stream" in given:
        fields["stream"] = values.flag(given["stream"], "stream")
    hints: Json = {}
    for name, value in given.items():
        if name in _HINTS:
            hints[_HINTS[name]] = value
        elif name not in _READ | _FORMATS and value not in _NOTHING.get(name, ()) and not _is_unfiltered(name, value):
            extras[name] = value
    output = _output(given, extras)
    messages = _messages(given, extras)
    return Prompt(
        messages, _usable(tools, allowed, strict), output=output, wants_usage=True, hints=hints, extras=extras, **fields
    )


def check_spelling(request: Mapping[str, Any]) -> None:
    """Raise CallerError for a member in camelCase: Google's servers may read it, and nothing here does.

    A turn by `previousInteractionId` would leave its conversation's version, and `systemInstruction` stand beside the
    version's prompt.
    """
    config = request.get(CONFIG)
    for prefix, names in (("", request), (PREFIX, config if isinstance(config, dict) else ())):
        for name in names:
            if (meant := _CAPITAL.sub(r"_\g<0>", name).lower()) != name:
                raise CallerError(f"write {prefix + meant!r} in place of {prefix + name!r}", param=prefix + name)


def refuse_ours(request: Mapping[str, Any]) -> None:
    """Raise NotFound where the request continues an interaction of ours: these are stored nowhere."""
    name = request.get(PREVIOUS)
    if is_ours(name):
        message = f"interaction {name!r} is not stored: send the whole conversation as steps in input"
        raise NotFound(message, param=PREVIOUS)


def read_opening(request: Mapping[str, Any]) -> str:
    """Return the text of the user's first input, '' where there is none.

    Raises CallerError for content that is nested too deeply.
    """
    value = request.get("input")
    if isinstance(value, str):
        return value
    for step in value if isinstance(value, list) else [value]:
        if isinstance(step, dict):
            if is_content(step.get("type")):
                return text_in(step)
            if step.get("type") == "user_input":
                return text_in(step.get("content"))
    return ""


def assistant_message(text: str) -> Mapping[str, Any]:
    """Return the model's step of that text."""
    return {"type": "model_output", "content": [{"type": "text", "text": text}]}


def is_question(step: Mapping[str, Any]) -> bool:
    """Return whether a step is the user's; the result of a function belongs to its call."""
    return step.get("type") == "user_input"


def _messages(request: Mapping[str, Any], extras: Json) -> tuple[Message, ...]:
    history = StepHistory()
    if "input" in request:
        history.read(request["input"])
    elif not any(name in request for name in _ELSEWHERE):
        raise CallerError("'input' is missing: send text, or a list of steps", param="input")
    extras.update(history.extras)
    messages = history.messages
    if instruction := values.optional_text(request, "system_instruction", "the body"):
        messages.insert(0, Message("system", (Text(instruction),)))
    return tuple(messages)


def _is_unfiltered(name: str, value: Any) -> bool:
    """Return whether safety settings switch filters off and none on: other providers have none of Google's."""
    listed = value if name == "safety_settings" and isinstance(value, list) else []
    return bool(listed) and all(isinstance(each, dict) and each.get("threshold") in _OFF for each in listed)


def _usable(tools: tuple[ToolSpec, ...], allowed: frozenset[str] | None, strict: bool) -> tuple[ToolSpec, ...]:
    """The tools less those that `tool_choice` does not allow: no other format has it, and it comes to the same."""
    kept = (tool for tool in tools if allowed is None or tool.name in allowed)
    return tuple(replace(tool, strict=True) if strict else tool for tool in kept)


def _output(request: Mapping[str, Any], extras: Json) -> OutputShape | None:
    mime = values.optional_text(request, "response_mime_type", "the body")
    if mime not in ("", "text/plain", _JSON):
        extras["response_mime_type"] = mime
    if "response_format" not in request:
        return OutputShape() if mime == _JSON else None
    return read_output(request["response_format"], extras)
