"""Items of a response that no provider stores: a socket needs them to continue the response.

Items keep their source text. Reasoning that only its provider could know again is left out, and so are then the ids of
the items beside it, by which the provider would miss it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from gateway.errors import CallerError
from gateway.formats.marks import is_ours
from gateway.json_body import Document, NotJson, elements, encode

_OUTPUT_VALUES = 8_000_000  # as of a provider's whole answer
_WITHOUT_ID = frozenset({"message", "function_call", "custom_tool_call"})


def input_items(document: Document) -> list[str]:
    """Return the items of a request's input, each as JSON. Raises NotJson."""
    given = document.values.get("input")
    if isinstance(given, str):
        return [encode({"type": "message", "role": "user", "content": given})]
    try:
        return elements(document.texts["input"]) if isinstance(given, list) else []
    except RecursionError:  # the stack here may be deeper than it was where the body was read
        raise NotJson("the body is nested too deeply") from None


class Continuation(NamedTuple):
    """A response that can be continued, and its output as input of the next request."""

    name: str
    items: list[str]


def continuation_of(event: bytes) -> Continuation | None:
    """Return the response that ends with an event; None for an event without one, and where its provider stored it."""
    try:
        last = Document.parse(event, _OUTPUT_VALUES)
        if not isinstance(last.values.get("response"), dict):
            return None
        return _of_response(Document.parse(last.texts["response"].encode(), _OUTPUT_VALUES))
    except (CallerError, RecursionError):
        return None


def _of_response(response: Document) -> Continuation | None:
    name, output = response.values.get("id"), response.values.get("output")
    if not isinstance(name, str) or not isinstance(output, list):
        return None
    if response.values.get("store") is True and not is_ours(name):
        return None
    return Continuation(name, _as_input(output, elements(response.texts["output"])))


def _as_input(output: Sequence[Any], texts: Sequence[str]) -> list[str]:
    known = [(item, text) for item, text in zip(output, texts, strict=True) if not _is_lost(item)]
    if len(known) == len(output):
        return list(texts)
    return [_without_id(item, text) for item, text in known]


def _is_lost(item: Any) -> bool:
    """Return whether the item is reasoning without its sealed content."""
    return isinstance(item, dict) and item.get("type") == "reasoning" and not item.get("encrypted_content")


def _without_id(item: Any, text: str) -> str:
    if isinstance(item, dict) and item.get("type") in _WITHOUT_ID:
        return encode({name: value for name, value in item.items() if name != "id"})
    return text
