"""What goes to an OpenAI-compatible provider: the client's chat completion with the agent's version applied to it.

The version is authoritative: its model, parameters and tools replace what the client sent, but for what it lists
under `client_may_set`; its system prompt comes first. Everything else goes on as it came.
"""

from functools import lru_cache
from typing import Any

from gateway.calls import Call
from gateway.formats.applied import ALIASES, AppliedVersion
from gateway.formats.endpoint import Endpoint
from gateway.formats.openai_chat.quirks import quirks
from gateway.formats.openai_chat.systems import system_changes
from gateway.json_body import Document, array, elements, encode
from gateway.net.client import Request
from routing.agents import Target, Tool

_PATH = "/chat/completions"
_INCLUDE_USAGE = '{"include_usage":true}'


def chat_request(
    call: Call, applied: AppliedVersion, endpoint: Endpoint, target: Target, asks_usage: bool = True
) -> Request:
    """The request of one attempt. `asks_usage` says whether the provider takes the question for a stream's usage."""
    path = endpoint.base_path + _PATH
    if call.query:
        path = f"{path}?{call.query}"
    changed = changes(call.document, applied, target.model, call.stream and asks_usage)
    if quirks(endpoint.origin.host, target.model).one_system:
        joined = system_changes(call.document, applied.version.system_prompt)
        if joined is not None:
            changed["messages"] = joined
    body = call.document.render(changed)
    return endpoint.request(path, call.headers, body)


def changes(document: Document, applied: AppliedVersion, model: str, stream: bool) -> dict[str, str | None]:
    """The members of the client's request that the version sets, as JSON texts."""
    changed: dict[str, str | None] = {"model": _encoded_name(model), **applied.fixed}
    for name, text in applied.defaults.items():
        if name not in document.texts and ALIASES.get(name) not in document.texts:
            changed[name] = text
    if applied.system is not None:
        changed["messages"] = prepend(applied.system, document.texts["messages"])
    if applied.tools:
        changed["tools"] = merge_tools(applied.tools, document)
    if stream:
        changed["stream_options"] = with_usage(document)
    return changed


@lru_cache(maxsize=256)  # the models of a configuration
def _encoded_name(model: str) -> str:
    return encode(model)


def prepend(message: str, messages: str) -> str:
    """The messages with one more before them, all as JSON texts."""
    if messages[1] == "{":  # as compact encoders write it
        return f"[{message},{messages[1:]}"
    rest = messages[1:].lstrip()
    return f"[{message}{rest}" if rest.startswith("]") else f"[{message},{rest}"


def merge_tools(tools: tuple[Tool, ...], document: Document) -> str:
    """The version's tools, then the client's own of other names."""
    merged = [tool.definition for tool in tools]
    client = document.values.get("tools")
    if isinstance(client, list):
        names = {tool.name for tool in tools}
        texts = elements(document.texts["tools"])
        merged += [text for value, text in zip(client, texts, strict=True) if _tool_name(value) not in names]
    return array(merged)


def _tool_name(tool: Any) -> str | None:
    function = tool.get("function") if isinstance(tool, dict) else None
    return function.get("name") if isinstance(function, dict) else None


def with_usage(document: Document) -> str:
    """The client's stream options with usage asked for: the books need it; what nobody asked for is stripped again."""
    options = document.values.get("stream_options")
    if not isinstance(options, dict) or not options:
        return _INCLUDE_USAGE
    if "include_usage" in options:
        return encode({**options, "include_usage": True})
    return f'{{"include_usage":true,{document.texts["stream_options"][1:]}'
