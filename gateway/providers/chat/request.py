"""What goes to an OpenAI-compatible provider: the client's chat completion with the agent's version applied to it.

The version is authoritative: its model, parameters and tools replace what the client sent, but for what it lists
under `client_may_set`; its system prompt comes first. Everything else goes on as it came.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.calls import Call
from gateway.document import Document, array, elements, encode
from gateway.upstream import Origin, Request
from routing.agents import AgentVersion, Target, Tool

# Two spellings of one limit: a version that sets one of them means both.
_ALIASES = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_INCLUDE_USAGE = '{"include_usage":true}'


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An account at a provider: where its API stands, and the headers that carry its key."""

    name: str
    origin: Origin
    base_path: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class AppliedVersion:
    """A version, made ready once for all calls: JSON texts to put into a request. None takes a field out."""

    version: AgentVersion
    fixed: Mapping[str, str | None]
    defaults: Mapping[str, str]
    system: str | None
    tools: tuple[Tool, ...]

    @classmethod
    def of(cls, version: AgentVersion) -> "AppliedVersion":
        fixed: dict[str, str | None] = {}
        defaults: dict[str, str] = {}
        for name, text in version.parameters.items():
            if name in version.client_may_set:
                defaults[name] = text
                continue
            fixed[name] = text
            if (alias := _ALIASES.get(name)) and alias not in version.parameters:
                fixed[alias] = None
        system = None
        if version.system_prompt is not None:
            system = encode({"role": "system", "content": version.system_prompt})
        return cls(version, fixed, defaults, system, version.tools)

    def blamed_by(self, param: str | None) -> bool:
        """Whether an error about this request field is about something that the version alone decided."""
        field = (param or "").partition(".")[0].partition("[")[0]
        return field == "model" or field in self.fixed or (field == "tools" and bool(self.tools))


def chat_request(call: Call, applied: AppliedVersion, endpoint: Endpoint, target: Target) -> Request:
    """The request of one attempt."""
    path = f"{endpoint.base_path}/chat/completions{'?' + call.query if call.query else ''}"
    body = call.document.render(changes(call.document, applied, target.model, call.stream))
    return Request("POST", endpoint.origin, path, [*call.headers, *endpoint.headers], body)


def changes(document: Document, applied: AppliedVersion, model: str, stream: bool) -> dict[str, str | None]:
    """The members of the client's request that the version sets, as JSON texts."""
    changed: dict[str, str | None] = {"model": encode(model), **applied.fixed}
    for name, text in applied.defaults.items():
        if name not in document.texts and _ALIASES.get(name) not in document.texts:
            changed[name] = text
    if applied.system is not None:
        changed["messages"] = _prepend(applied.system, document.texts["messages"])
    if applied.tools:
        changed["tools"] = _merge_tools(applied.tools, document)
    if stream:
        changed["stream_options"] = _with_usage(document)
    return changed


def _prepend(message: str, messages: str) -> str:
    rest = messages[1:].lstrip()
    return f"[{message}{rest}" if rest.startswith("]") else f"[{message},{rest}"


def _merge_tools(tools: tuple[Tool, ...], document: Document) -> str:
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


def _with_usage(document: Document) -> str:
    """The client's stream options with usage asked for: the books need it; what nobody asked for is stripped again."""
    options = document.values.get("stream_options")
    if not isinstance(options, dict) or not options:
        return _INCLUDE_USAGE
    if "include_usage" in options:
        return encode({**options, "include_usage": True})
    return f'{{"include_usage":true,{document.texts["stream_options"][1:]}'
