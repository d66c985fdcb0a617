"""Spans of tools that run in the client's app: from the end of the answer that asked to the result's arrival.

They are derived from two calls, and the app needs nothing for it. What is remembered in between is bounded.
"""

from collections.abc import Iterator
from typing import NamedTuple

from gateway.telemetry import semantic_names as names
from gateway.telemetry.spans import INTERNAL, Span, Value
from gateway.telemetry.trace_context import CHAT_SPAN, TraceContext, span_id, tool_span_id
from gateway.tool_use import RequestedTool, ReturnedTool, ReturnedTools

MOST_ASKED = 10_000
# An id so long is nobody else's; a shorter one (`call_1`) tells only within its conversation.
_UNIQUE_CHARACTERS = 16
Key = tuple[str, str, str]


class PendingTool(NamedTuple):
    """A tool call that an answer asked for. `at` is when the answer had ended, in monotonic seconds."""

    name: str
    context: TraceContext
    nonce: bytes
    call_id: str
    at: float


class ToolSpan(NamedTuple):
    """A tool whose result has come, on the same clock."""

    asked: PendingTool
    returned: ReturnedTool
    at: float


class AskedTools:
    """The tools that answers asked for and whose results have not come. The oldest is forgotten first."""

    def __init__(self, most: int = MOST_ASKED) -> None:
        self._most = most
        self._asked: dict[Key, PendingTool] = {}

    def ask(
        self, caller: str, conversation: str, tools: tuple[RequestedTool, ...], asked: PendingTool
    ) -> Iterator[tuple[Key, PendingTool]]:
        """Remember what an answer asked for; return it."""
        for tool in tools:
            key, pending = key_of_tool(caller, conversation, tool.id, tool.name), asked._replace(name=tool.name)
            self._asked[key] = pending
            if len(self._asked) > self._most:
                del self._asked[next(iter(self._asked))]
            yield key, pending

    def answer(
        self, caller: str, conversation: str, returned: ReturnedTools
    ) -> Iterator[tuple[Key, ReturnedTool, PendingTool | None]]:
        """Return the tools whose results a request brings, and who asked for each: None where that is not known."""
        for tool in returned:
            key = key_of_tool(caller, conversation, tool.id, tool.name)
            yield key, tool, self._asked.pop(key, None)


def tool_span(tool: ToolSpan, offset: float) -> Span:
    """Return the span of a tool. `offset` is what Unix time is ahead of the monotonic clock."""
    asked, returned = tool.asked, tool.returned
    attributes: dict[str, Value] = {
        names.OPERATION: "execute_tool",
        names.TOOL_NAME: asked.name or returned.name,
        names.TOOL_TYPE: "function",
        names.CALL_ID: asked.call_id,
        names.DERIVED: True,
    }
    if returned.id:
        attributes[names.TOOL_CALL_ID] = returned.id
    if returned.is_error:
        attributes[names.ERROR_TYPE] = "tool_error"
    return Span(
        asked.context.trace_id, tool_span_id(asked.nonce, returned.id or returned.name),
        span_id(asked.nonce, CHAT_SPAN), f"execute_tool {asked.name or returned.name}", INTERNAL,
        asked.at + offset, tool.at + offset, attributes, "" if returned.is_error else None,
    )  # fmt: skip


def key_of_tool(caller: str, conversation: str, id_: str, name: str) -> Key:
    """Return what tells a tool call: its id, or what stands for it within its conversation."""
    if len(id_) >= _UNIQUE_CHARACTERS:
        return caller, "", id_
    return caller, conversation, id_ or f"\0{name}"
