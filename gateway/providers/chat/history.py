"""What of a conversation's history is no chat completions: thoughts that the gateway told in another provider's stead.

Clients send an assistant's message back as they got it, and many providers refuse what they do not know in one.
"""

from typing import Any

from gateway.document import Document, array, elements, encode
from gateway.providers.chat.quirks import quirks

_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details")
_SIGNATURE = "extra_content"


def without_thoughts(document: Document, host: str, model: str, *, moved: bool) -> Document:
    """The request as that provider can take it; the very same where there is nothing to leave out.

    `moved` says that the version was written for a provider of another format, so that what was thought is not of a
    provider like this one. Otherwise only hosts that are known to refuse thoughts are spared them.
    """
    asked = quirks(host, model)
    if not (moved or asked.refuses_thoughts) or asked.thoughts or asked.signatures:
        return document
    text = document.texts["messages"]
    if '"reasoning' not in text and f'"{_SIGNATURE}"' not in text:
        return document
    messages = zip(document.values["messages"], elements(text), strict=True)
    kept = array([_kept(message, source) for message, source in messages])
    return Document(document.values, {**document.texts, "messages": kept})


def _kept(message: Any, source: str) -> str:
    """The message's own text, written anew only where something is left out of it."""
    if not isinstance(message, dict) or message.get("role") != "assistant":
        return source
    said = {name: value for name, value in message.items() if name not in _THOUGHTS}
    calls = said.get("tool_calls")
    if isinstance(calls, list):
        said["tool_calls"] = [_unsigned(call) for call in calls]
    return source if said == message else encode(said)


def _unsigned(call: Any) -> Any:
    return {name: value for name, value in call.items() if name != _SIGNATURE} if isinstance(call, dict) else call
