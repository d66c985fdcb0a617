"""The client's own names of functions in a provider's answer, where the provider knows them by others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.calls import Usage
from gateway.formats.answer import Event, Reply, ToolBegin
from gateway.formats.limits import Spelling
from gateway.formats.prompt import ToolCall
from gateway.formats.protocol import Parser


def are_taken(values: Mapping[str, Any], spelling: Spelling) -> bool:
    """Return whether a provider of the client's own format takes the names of all functions that the client's body
    offers."""
    tools = values.get("tools")
    return not isinstance(tools, list) or all(map(spelling.takes, _names(tools)))


def _names(tools: Sequence[Any]) -> Iterator[str]:
    """The names as chat completions, Responses and Messages have them; what the provider runs itself has none."""
    for tool in tools:
        function = tool.get("function", tool) if isinstance(tool, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if isinstance(name, str) and tool.get("type") in (None, "function", "custom"):
            yield name


def with_own_names(reply: Reply, names: Mapping[str, str]) -> Reply:
    """A whole answer; `names` are the client's, by those that were sent."""
    if not names:
        return reply
    parts = [replace(part, name=_own(part.name, names)) if isinstance(part, ToolCall) else part for part in reply.parts]
    return replace(reply, parts=tuple(parts))


class OwnNames:
    """A stream."""

    __slots__ = ("_names", "_parser")

    def __init__(self, parser: Parser, names: Mapping[str, str]) -> None:
        self._parser = parser
        self._names = names

    @property
    def usage(self) -> Usage | None:
        """Return the usage that the provider has reported so far."""
        return self._parser.usage

    def take(self, name: str, data: bytes) -> Sequence[Event]:
        """Return the events of one server-sent event. Raises ProviderError."""
        return [self._renamed(event) for event in self._parser.take(name, data)]

    def end(self) -> Sequence[Event]:
        """The events that were held back."""
        return [self._renamed(event) for event in self._parser.end()]

    def _renamed(self, event: Event) -> Event:
        return replace(event, name=_own(event.name, self._names)) if isinstance(event, ToolBegin) else event


def _own(name: str, names: Mapping[str, str]) -> str:
    return names.get(name, name)
