"""JSON that providers and their models write: nothing about it is certain."""

import json
from collections.abc import Mapping
from typing import Any

import orjson

from gateway.errors import Headers, ProviderError

MAX_ARGUMENT_CHARACTERS = 1 << 20  # of a call that a model makes: more than it can write


def are_json(arguments: object) -> bool:
    """Return whether tool-call arguments are JSON; some providers write `{}` as no arguments at all."""
    if arguments is None or arguments == "":
        return True
    if not isinstance(arguments, str) or len(arguments) > MAX_ARGUMENT_CHARACTERS:
        return False
    try:
        json.loads(arguments)
    except (ValueError, RecursionError):
        return False
    return True


def bad_arguments(headers: Headers = (), body: bytes | None = None) -> ProviderError:
    """The error of tool-call arguments that are not JSON. It carries the answer, which is all there is."""
    message = "the model's tool-call arguments are not JSON"
    return ProviderError("bad_tool_arguments", message, upstream_status=200, headers=headers, body=body)


def parse(body: bytes) -> Any:
    """The JSON value of what a provider sent. Raises ProviderError when it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = parse_quietly(body)  # lone surrogates are legal JSON, and orjson refuses them
    if answer is None:
        raise ProviderError("malformed", "the provider's answer is not JSON")
    return answer


def parse_object(body: bytes, what: str = "the provider's answer") -> dict[str, Any]:
    """Return the JSON object that a provider sent. Raises ProviderError when it is none; `what` names it."""
    value = parse(body)
    if not isinstance(value, dict):
        raise ProviderError("malformed", f"{what} is not a JSON object")
    return value


def text_of(members: Mapping[str, Any], name: str) -> str:
    """Return the text of that name, '' for anything else."""
    value = members.get(name)
    return value if isinstance(value, str) else ""


def dicts(values: Any) -> list[dict[str, Any]]:
    """Return the objects in a list; none where there is no list."""
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def parse_quietly(body: bytes) -> Any:
    """Return the JSON value, None when it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
