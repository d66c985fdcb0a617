"""A client's generateContent request in no wire format.

The model and whether to stream stand in the path, so neither is read here. A Gemini stream always tells its usage.
"""

from collections.abc import Mapping
from typing import Any

from gateway.errors import CallerError
from gateway.formats.gemini._contents import GeminiConversation
from gateway.formats.gemini._generation import read_generation
from gateway.formats.gemini._members import Members, camel, wrong
from gateway.formats.gemini._schemas import json_schema
from gateway.formats.prompt import Media, Message, Prompt, Text, ToolChoice, ToolSpec
from gateway.json_body import encode

_HINTS = {"labels": "metadata", "store": "store", "serviceTier": "service_tier"}
# What asks for nothing when it says this, at the top of a request and in a function's declaration.
_NOTHING: Mapping[str, Any] = {"safetySettings": [], "behavior": "BLOCKING", "cachedContent": ""}
# Thresholds that ask for no filter: other providers have none of Google's.
_UNFILTERED = frozenset({"BLOCK_NONE", "OFF", "HARM_BLOCK_THRESHOLD_UNSPECIFIED"})
_SAFETY = "safetySettings"
_DESCRIBES = ("response", "responseJsonSchema")  # what a function answers: no other format has a place for it
_JSON = frozenset(
    {
        *("responseMimeType", "responseSchema", "responseJsonSchema"),
        *("response_mime_type", "response_schema", "response_json_schema"),
    }
)
_CALLING = "toolConfig.functionCallingConfig"


def read_prompt(values: Mapping[str, Any]) -> Prompt:
    """The request. Raises CallerError and names the field that is wrong."""
    body = Members(values, "")
    body.take("model")
    conversation = GeminiConversation()
    messages = [*_system(body, conversation), *conversation.messages(body.objects("contents"))]
    if not messages:
        raise CallerError("contents must hold a message", param="contents")
    config = body.object("generationConfig")
    fields, extras = read_generation(config) if config else ({}, {})
    tools = _tools(body, extras)
    choice, strict = _choice(body, extras)
    if strict:
        tools = [ToolSpec(tool.name, tool.description, tool.schema, strict=True) for tool in tools]
    hints = {hint: value for name, hint in _HINTS.items() if (value := body.take(name)) is not None}
    if _asks_for_no_filter(body.rest().get(_SAFETY)):
        hints[_SAFETY] = body.take(_SAFETY)
    return Prompt(
        tuple(messages), tuple(tools), choice, hints=hints, wants_usage=True,
        extras={**conversation.extras, **extras, **_asking(body.rest())}, **fields,
    )  # fmt: skip


def asks_json(values: Mapping[str, Any]) -> bool:
    """Return whether a request may ask for JSON, in either spelling of its members."""
    config = values.get("generationConfig") or values.get("generation_config")
    return isinstance(config, dict) and not _JSON.isdisjoint(config)


def read_opening(values: Mapping[str, Any]) -> str:
    """The first content that is the user's: its text, or its parts where it has none, whatever else is wrong.

    Raises CallerError for parts that are nested too deeply.
    """
    contents = values.get("contents")
    for content in contents if isinstance(contents, list) else [contents]:
        if isinstance(content, Mapping) and content.get("role", "user") == "user":
            parts = content.get("parts")
            listed = parts if isinstance(parts, list) else [parts]
            texts = [part.get("text") for part in listed if isinstance(part, Mapping)]
            return "\n".join(text for text in texts if isinstance(text, str)) or encode(parts)
    return ""


def assistant_message(text: str) -> Mapping[str, Any]:
    """Return the model's content of that text."""
    return {"role": "model", "parts": [{"text": text}]}


def is_question(item: Mapping[str, Any]) -> bool:
    """Return whether a content is the user's, or has no role; the response of a function belongs to its call."""
    parts = item.get("parts")
    answers = isinstance(parts, list) and any(
        isinstance(part, dict) and not part.keys().isdisjoint(("functionResponse", "function_response"))
        for part in parts
    )
    return item.get("role", "user") == "user" and not answers


def _system(body: Members, conversation: GeminiConversation) -> list[Message]:
    if (content := body.object("systemInstruction")) is None:
        return []
    content.take("role")
    parts = conversation.parts(content)
    if not all(isinstance(part, (Text, Media)) for part in parts):
        raise wrong(content.at("parts"), "text")
    return [Message("system", parts)] if parts else []


def _tools(body: Members, extras: dict[str, Any]) -> list[ToolSpec]:
    found: list[ToolSpec] = []
    for tool in body.objects("tools"):
        for function in tool.objects("functionDeclarations"):
            found.append(_spec(function))
            rest = {name: each for name, each in _asking(function.rest()).items() if name not in _DESCRIBES}
            extras |= {f"tools.functionDeclarations.{camel(name)}": each for name, each in rest.items()}
        extras |= {f"tools.{name}": value for name, value in tool.rest().items()}
    return found


def _asks_for_no_filter(settings: Any) -> bool:
    """Return whether safety settings switch filters off and no filter on."""
    listed = settings if isinstance(settings, list) else [settings]
    return bool(listed) and all(isinstance(each, dict) and each.get("threshold") in _UNFILTERED for each in listed)


def _asking(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that ask for something."""
    return {name: value for name, value in members.items() if name not in _NOTHING or value != _NOTHING[name]}


def _spec(function: Members) -> ToolSpec:
    name, description = function.text("name"), function.text("description")
    if not name:
        raise wrong(function.at("name"), "the name of a function")
    schema, plain = function.take("parametersJsonSchema"), function.take("parameters")
    if schema is not None and not isinstance(schema, dict):
        raise wrong(function.at("parametersJsonSchema"), "a JSON schema")
    if schema is None and plain is not None:
        schema = json_schema(plain, function.at("parameters"))
    return ToolSpec(name, description, schema)


def _choice(body: Members, extras: dict[str, Any]) -> tuple[ToolChoice | None, bool]:
    """The choice, and whether calls must keep to their schemas (`VALIDATED`)."""
    config = body.object("toolConfig")
    calling = config.object("functionCallingConfig") if config else None
    if config:
        extras |= {f"toolConfig.{name}": value for name, value in config.rest().items()}
    if calling is None:
        return None, False
    mode, names = calling.text("mode").upper(), calling.texts("allowedFunctionNames")
    extras |= {f"{_CALLING}.{name}": value for name, value in calling.rest().items()}
    if mode == "ANY" and len(names) == 1:
        return ToolChoice("one", names[0]), False
    if names:
        extras[f"{_CALLING}.allowedFunctionNames"] = list(names)
    match mode:
        case "ANY":
            return ToolChoice("required"), False
        case "NONE":
            return ToolChoice("none"), False
        case "AUTO" | "VALIDATED":
            return ToolChoice("auto"), mode == "VALIDATED"
        case "" | "MODE_UNSPECIFIED":
            return None, False
        case _:
            raise wrong(f"{_CALLING}.mode", "AUTO, ANY, NONE or VALIDATED")
