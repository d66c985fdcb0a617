"""The seam of the store for records of calls: texts by keys, which only `gateway.traces` can read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class KeptCall(NamedTuple):
    """A call as the store keeps it. `thread` is its conversation's key, unless one of its `joins` tells another.

    `trace_keys` are keys under which other conversations are found beside it. `is_notable` calls are kept longer.
    """

    key: str
    thread: str
    joins: Sequence[str]
    trace_keys: Sequence[str]
    is_notable: bool
    summary: str
    record: str


@dataclass(frozen=True, slots=True)
class CallBounds:
    """Limits on the calls of one agent: bytes of those that went well, and of the others; seconds that each is kept."""

    bytes: int = 8 << 20
    seconds: int = 7 * 24 * 3600


class CallPlace(NamedTuple):
    """Position of a call among those of all agents, in the order of time in which they were kept."""

    at_ms: int
    number: int
    stream: int
    agent: str


class CallEntry(NamedTuple):
    """A call in the order of time; a later call's place is greater."""

    place: CallPlace
    key: str
    thread: str
    summary: str


class StreamCursor(NamedTuple):
    """Position in one of an agent's two streams of calls; `before` is None at the latest call."""

    agent: str
    stream: int
    before: CallPlace | None = None


class ToolKey(NamedTuple):
    """A tool call that an answer of an agent asked for. `key` has 16 hex digits."""

    agent: str
    key: str


STREAMS = (0, 1)  # of each agent: calls that went well, and the notable ones
NOTABLE = STREAMS[1:]


class TraceStore(Protocol):
    """The store's part for records of calls."""

    async def keep_calls(self, agent: str, calls: Sequence[KeptCall], bounds: CallBounds) -> None:
        """Keep the calls, each once, and let go of the oldest beyond the bounds."""

    async def find_calls(self, agent: str, keys: Sequence[str]) -> list[str]:
        """Return the records of these calls, as far as they are kept, in the order of the keys."""

    async def find_threads(self, agents: Sequence[str], keys: Sequence[str]) -> Mapping[str, Mapping[str, list[str]]]:
        """Return the keys of the calls of these conversations, by agent and conversation; agents without one are left
        out."""

    async def find_joined(self, agents: Sequence[str], joins: Sequence[str]) -> list[str]:
        """Return the keys of the conversations that these joins and trace keys lead to, each once."""

    async def keep_asked(self, tools: Mapping[ToolKey, str]) -> None:
        """Keep texts about tool calls whose results are awaited; of very many the older ones are overwritten."""

    async def take_asked(self, tools: Sequence[ToolKey]) -> dict[ToolKey, str]:
        """Return the texts of these tool calls, as far as they are kept, and forget them: each is told once."""

    async def latest_calls(self, cursors: Sequence[StreamCursor], count: int) -> list[list[CallEntry]]:
        """Return the latest calls of each of these streams, newest first: at most `count`, and fewer than `count` - 1
        only where there are no others."""
