"""Seam between calls and tracing; what is behind it is loaded only where spans are exported."""

from collections.abc import Mapping
from typing import Any, Protocol

from gateway.calls import Attempt, Call, Outcome
from gateway.contents.content import CallContent
from gateway.formats.applied import AppliedVersion
from gateway.heard import HeardCall
from gateway.net.client import Request
from gateway.store.trace_seam import TraceStore
from gateway.telemetry.providers import Channels
from gateway.tool_use import ReturnedTools
from gateway.traces.record import CallRecord


class ContentSource(Protocol):
    """Reader of what was heard of calls, as it may leave the gateway."""

    async def for_export(self, record: CallRecord, heard: HeardCall) -> CallContent | None:
        """Return the texts of a call; None where its conversation is not recorded."""


class ToolSharing(Protocol):
    """Exchange of tool calls between replicas, through the store."""

    store: TraceStore | None


class CallTracing(Protocol):
    """Tracing of one replica's calls. `channels` returns those of the configuration as it is, `contents` reads texts
    where they are exported.
    """

    channels: Channels
    contents: ContentSource | None

    @property
    def tools(self) -> ToolSharing:
        """Return the exchange of tool calls with other replicas."""

    @property
    def dropped(self) -> Mapping[Any, int]:
        """The spans that reached no receiver, by what became of them."""

    def put_into(self, request: Request, attempt: Attempt, call: Call, outcome: Outcome) -> None:
        """Let the request of an attempt go out within its call's trace."""

    def note(self, outcome: Outcome, call: Call, applied: AppliedVersion | None, returned: ReturnedTools) -> str:
        """Keep a call that has ended, if it is sampled; return its trace's id. Never waits. `applied` is the version
        that served it, `returned` are the tool results that it brought."""

    def evaluate(self, agent: str, call_id: str, score: float, comment: str = "") -> None:
        """Note the score of a call, in its trace."""

    async def export_for_ever(self) -> None:
        """Export what has ended, until cancelled."""

    async def share_for_ever(self) -> None:
        """Tell other replicas of tools, hear of theirs, and find the calls of scores, until cancelled."""

    async def finish(self) -> None:
        """Export what is left, and close the connections."""
