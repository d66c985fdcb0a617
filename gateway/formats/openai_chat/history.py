"""What of a conversation's history is no chat completions: thoughts that the gateway told in another provider's stead.

Clients send an assistant's message back as they got it, and many providers refuse what they do not know in one.
"""

from functools import lru_cache
from typing import Any

from gateway.formats.callids import CallIds
from gateway.formats.limits import Limits, known_host
from gateway.formats.openai_chat.quirks import quirks
from gateway.json_body import Document, array, elements, encode

_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details")
_SIGNATURE = "extra_content"


def fitted_history(document: Document, host: str, model: str, *, moved: bool) -> Document:
    """The request as that provider can take it; the very same where there is nothing to change.

    `moved` says that the version was written for a provider of another format, so that what was thought is not of a
    provider like this one. Otherwise only hosts that are known to refuse thoughts are spared them.
    """
    is_spared, known = _needs(host, model, moved)
    if known is None and not is_spared:
        return document
    messages: list[Any] = document.values["messages"]
    text = document.texts["messages"]
    made = messages
    if is_spared and ('"reasoning' in text or f'"{_SIGNATURE}"' in text):
        made = [_without_thoughts(message) for message in made]
    if known is not None and '"tool_call' in text:
        ids = CallIds(known)
        made = [_with_fit_ids(message, ids) for message in made]
    if made is messages or [*map(id, made)] == [*map(id, messages)]:
        return document
    texts = zip(made, messages, elements(text), strict=True)
    kept = array([source if message is own else encode(message) for message, own, source in texts])
    return Document({**document.values, "messages": made}, {**document.texts, "messages": kept})


@lru_cache(maxsize=256)  # the targets of a configuration
def _needs(host: str, model: str, moved: bool) -> tuple[bool, Limits | None]:
    """Whether a target is spared thoughts, and the limits that its ids of calls must keep, if it has any."""
    asked = quirks(host, model)
    return (moved or asked.refuses_thoughts) and not (asked.thoughts or asked.signatures), known_host(host)


def _with_fit_ids(message: Any, ids: CallIds) -> Any:
    """The message with the ids of its calls, or of the call that it answers, as the provider takes them."""
    if not isinstance(message, dict):
        return message
    if isinstance(answered := message.get("tool_call_id"), str):
        fitted = ids.result(answered)
        return message if fitted == answered else {**message, "tool_call_id": fitted}
    if not isinstance(calls := message.get("tool_calls"), list):
        return message
    ids.next_turn()
    fitted_calls = [_with_fit_id(call, ids) for call in calls]
    return message if fitted_calls == calls else {**message, "tool_calls": fitted_calls}


def _with_fit_id(call: Any, ids: CallIds) -> Any:
    own = call.get("id") if isinstance(call, dict) else None
    return {**call, "id": ids.call(own)} if isinstance(own, str) else call


def _without_thoughts(message: Any) -> Any:
    """The message itself, written anew only where something is left out of it."""
    if not isinstance(message, dict) or message.get("role") != "assistant":
        return message
    said = {name: value for name, value in message.items() if name not in _THOUGHTS}
    calls = said.get("tool_calls")
    if isinstance(calls, list):
        said["tool_calls"] = [_unsigned(call) for call in calls]
    return message if said == message else said


def _unsigned(call: Any) -> Any:
    return {name: value for name, value in call.items() if name != _SIGNATURE} if isinstance(call, dict) else call
