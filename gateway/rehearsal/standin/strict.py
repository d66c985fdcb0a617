"""Refusals of OpenAI's own servers, for models whose behaviour is `strict`.

Sources: OpenAI's API reference, and the texts of its errors.
"""

import re
from collections.abc import Iterator, Mapping

from .asks import items, part, refuse

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HINTS = ("user", "safety_identifier", "prompt_cache_key")
_LONGEST_HINT = 64
_LONGEST_ID = {"messages": 40, "input": 64}
_MOST_TOOLS, _MOST_STOPS = 128, 4
_TIERS = ("auto", "default", "flex", "scale", "priority")
_BOTH = {
    "model", "tools", "tool_choice", "parallel_tool_calls", "temperature", "top_p", "top_logprobs", "stream",
    "stream_options", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "metadata", "store",
    "service_tier", "moderation",
}  # fmt: skip
_MEMBERS = {
    "messages": _BOTH | {
        "messages", "max_tokens", "max_completion_tokens", "stop", "seed", "n", "logprobs", "logit_bias",
        "presence_penalty", "frequency_penalty", "response_format", "reasoning_effort", "verbosity", "modalities",
        "audio", "prediction", "web_search_options",
    },
    "input": _BOTH | {
        "input", "instructions", "max_output_tokens", "text", "reasoning", "include", "truncation", "background",
        "previous_response_id", "conversation", "prompt", "max_tool_calls",
    },
}  # fmt: skip
_INNER = ("anyOf", "oneOf", "allOf", "prefixItems")

Json = Mapping[str, object]


def check(fields: Json) -> None:
    """Raise Refusal in OpenAI's words for the first thing that its servers would refuse."""
    conversation = "messages" if "messages" in fields else "input"
    for name in fields:
        if name not in _MEMBERS[conversation]:
            refuse(f"Unrecognized request argument supplied: {name}", name, "unknown_parameter")
    for name in _HINTS:
        _check_length(fields.get(name), _LONGEST_HINT, name)
    if fields.get("service_tier") not in (None, *_TIERS):
        refuse("Invalid value for 'service_tier'.", "service_tier", "invalid_value")
    _check_number(fields.get("stop"), _MOST_STOPS, "stop")
    _check_number(fields.get("tools"), _MOST_TOOLS, "tools")
    for at, tool in enumerate(items(fields.get("tools"))):
        if part(tool, "type") == "function":
            inside, path = (
                (part(tool, "function"), f"tools[{at}].function")
                if conversation == "messages"
                else (tool, f"tools[{at}]")
            )
            _check_name(part(inside, "name"), f"{path}.name")
            if (schema := part(inside, "parameters")) is not None:
                _check_function(schema, f"{path}.parameters", part(inside, "strict") is True)
    _check_calls(list(_calls(fields, conversation)), _LONGEST_ID[conversation])


def _calls(fields: Json, conversation: str) -> Iterator[tuple[str, object, object, str]]:
    """Yield calls and results in order: which of the two, the id, the name, and the path."""
    for at, each in enumerate(items(fields.get(conversation))):
        path = f"{conversation}[{at}]"
        if conversation == "input":
            if part(each, "type") == "function_call":
                yield "call", part(each, "call_id"), part(each, "name"), f"{path}.call_id"
            elif part(each, "type") == "function_call_output":
                yield "result", part(each, "call_id"), None, f"{path}.call_id"
            continue
        for number, call in enumerate(items(part(each, "tool_calls"))):
            yield "call", part(call, "id"), part(part(call, "function"), "name"), f"{path}.tool_calls[{number}].id"
        if part(each, "role") == "tool":
            yield "result", part(each, "tool_call_id"), None, f"{path}.tool_call_id"


def _check_calls(calls: list[tuple[str, object, object, str]], longest: int) -> None:
    open_ids: list[object] = []
    for kind, id_, name, path in calls:
        _check_length(id_, longest, path)
        if kind == "call":
            _check_name(name, path)
            open_ids.append(id_)
        elif id_ not in open_ids:
            refuse(f"No tool call found for function call output with call_id {id_}.", path)
        else:
            open_ids.remove(id_)
    if open_ids:
        refuse(f"No tool output found for function call {open_ids[0]}.", calls[-1][3])


def _check_length(value: object, longest: int, path: str) -> None:
    if isinstance(value, str) and len(value) > longest:
        message = (
            f"Invalid '{path}': string too long. Expected a string with maximum length {longest}, "
            f"but got a string with length {len(value)} instead."
        )
        refuse(message, path, "string_above_max_length")


def _check_number(value: object, most: int, path: str) -> None:
    if len(items(value)) > most:
        refuse(f"Invalid '{path}': array too long. Expected at most {most}.", path, "array_above_max_length")


def _check_name(name: object, path: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        refuse(f"Invalid '{path}': string does not match pattern '^[a-zA-Z0-9_-]+$'.", path, "invalid_value")


def _check_function(schema: object, path: str, strict: bool) -> None:
    if part(schema, "type") != "object" or any(part(schema, name) for name in ("anyOf", "oneOf", "allOf", "enum")):
        _refuse_schema("schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum' at the top", path)
    _check_schema(schema, path, strict)


def _check_schema(schema: object, path: str, strict: bool) -> None:
    kinds = part(schema, "type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    properties = part(schema, "properties")
    if "object" in kinds and not isinstance(properties, dict):
        _refuse_schema("object schema missing properties", path)
    if "array" in kinds and part(schema, "items") is None:
        _refuse_schema("array schema missing items", path)
    named = properties if isinstance(properties, dict) else {}
    if (
        strict
        and "object" in kinds
        and (part(schema, "additionalProperties") is not False or {*named} != {*items(part(schema, "required"))})
    ):
        _refuse_schema("'additionalProperties' must be false and 'required' must list every property", path)
    inner = [*named.values(), part(schema, "items"), *(each for name in _INNER for each in items(part(schema, name)))]
    for each in inner:
        if isinstance(each, dict):
            _check_schema(each, path, strict)


def _refuse_schema(why: str, path: str) -> None:
    refuse(f"Invalid schema for function: In context=(), {why}.", path, "invalid_function_parameters")
