"""Chat completions as providers speak them, for clients of another wire format."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.errors import Headers, ProviderError
from gateway.formats.answer import Reply
from gateway.formats.fit import fit
from gateway.formats.limits import limits
from gateway.formats.openai_chat.answer import read_error
from gateway.formats.openai_chat.events import ChatParser
from gateway.formats.openai_chat.quirks import Quirks, quirks
from gateway.formats.openai_chat.reply import read_reply
from gateway.formats.openai_chat.request import merge_tools, prepend, with_usage
from gateway.formats.openai_chat.write import write_choice, write_parameters, write_request, write_tool
from gateway.formats.prompt import FormatName, Prompt
from gateway.formats.protocol import Parser, Written
from gateway.formats.settings import Settings
from gateway.json_body import Document, encode
from routing.agents import Tool

_PATH = "/chat/completions"

# What a field of a Prompt may be called in a request; others are called as the field is.
_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "max_tokens": ("max_tokens", "max_completion_tokens"),
    "seed": ("seed", "random_seed"),
    "parallel_tools": ("parallel_tool_calls",),
    "output": ("response_format",),
    "effort": ("reasoning_effort", "reasoning"),
    "thinking_budget": ("reasoning_effort", "reasoning"),
    "wants_thoughts": ("reasoning",),
}


@dataclass(frozen=True, slots=True)
class ChatProvider:
    """The half of chat completions that faces providers; `host` is the provider's, '' while it is not known."""

    host: str = ""
    name: FormatName = field(default="openai", init=False)

    def at(self, host: str) -> "ChatProvider":
        """The same for a provider at that host."""
        return replace(self, host=host)

    def write(self, prompt: Prompt, model: str) -> Written:
        fitted = fit(prompt, limits(self.name, self.host, model))
        return Written(_PATH, write_request(fitted.prompt, model, quirks(self.host, model)), fitted.names)

    def path(self, model: str, stream: bool) -> str:
        return _PATH

    def amend(self, document: Document, settings: Settings, model: str) -> Mapping[str, str | None]:
        known = quirks(self.host, model)
        fixed, defaults = settings.fixed or {}, _left_out(document, settings.defaults or {})
        changed: dict[str, str | None] = {name: None for field in fixed for name in _spellings(field)}
        changed |= {"model": encode(model), **_encoded(_members({**defaults, **fixed}, known))}
        changed |= _encoded(settings.native or {})
        if settings.system is not None:
            message = encode({"role": "system", "content": settings.system})
            changed["messages"] = prepend(message, document.texts["messages"])
        if settings.tools:
            own = tuple(Tool(tool.name, encode(write_tool(tool))) for tool in settings.tools)
            changed["tools"] = merge_tools(own, document)
        if document.values.get("stream") is True:
            changed["stream_options"] = with_usage(document)
        return changed

    def reply(self, body: bytes) -> Reply:
        return read_reply(body)

    def parser(self) -> Parser:
        return ChatParser()

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        return read_error(status, headers, body)


PROVIDER = ChatProvider()


def _left_out(document: Document, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those fields that the client has left out, under whatever name."""
    return {name: value for name, value in fields.items() if document.texts.keys().isdisjoint(_spellings(name))}


def _spellings(field: str) -> tuple[str, ...]:
    return _SPELLINGS.get(field, (field,))


def _members(fields: Mapping[str, Any], known: Quirks) -> dict[str, Any]:
    prompt = Prompt((), **fields)
    members = write_parameters(prompt, replace(known, top_k=True))
    if prompt.tool_choice is not None:
        members["tool_choice"] = write_choice(prompt.tool_choice)
    if prompt.parallel_tools is not None:
        members["parallel_tool_calls"] = prompt.parallel_tools
    return members


def _encoded(members: Mapping[str, Any]) -> dict[str, str]:
    return {name: encode(value) for name, value in members.items()}
