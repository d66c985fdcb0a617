"""Records as the views that people read: a call, and the tree of a conversation with the times of its tools."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from types import MappingProxyType

from gateway.contents.content import CallContent
from gateway.tool_use import RequestedTool
from gateway.traces.record import AttemptRecord, CallRecord
from gateway.traces.view import (
    AttemptKind,
    AttemptView,
    CallTokens,
    CallView,
    ConversationSummary,
    ConversationTree,
    ToolCallView,
    ToolResultView,
    ToolState,
    ToolView,
    TraceStep,
    VersionServed,
)
from gateway.views import timestamp

_NANO = 1e9
_LEAST_PAUSE_SECONDS = 0.001  # of the app between two calls that is worth a line
Contents = Mapping[str, CallContent]  # by the keys of calls
NO_CONTENTS: Contents = MappingProxyType({})
MayName = Callable[[str], bool]  # whether who asks may see what that caller's client calls things


class _OpenTool:
    """A tool call that no result has come for yet."""

    __slots__ = ("at", "call", "state", "tool", "until")

    def __init__(self, call: CallRecord, tool: RequestedTool) -> None:
        self.call = call
        self.tool = tool
        self.at = call.ended_at
        self.until: float | None = None
        self.state: ToolState = "no answer"


def call_view(record: CallRecord, may_name: MayName, contents: Contents = NO_CONTENTS) -> CallView:
    """Return a call as it is shown to somebody, with its texts where they are among the contents."""
    is_named = may_name(record.caller)
    return CallView(
        id=record.id, conversation=record.conversation,
        conversation_name=record.conversation_id if is_named else None, caller=record.caller if is_named else None,
        agent=record.agent, version=record.version, arm=record.arm, reason=record.reason, format=record.format,
        stream=record.stream, at=timestamp(record.began_at), ended_at=timestamp(record.ended_at),
        seconds=_seconds(record.seconds),
        ttft_seconds=None if record.ttft_seconds is None else _seconds(record.ttft_seconds),
        end=record.end, status=record.status, unanswered=record.unanswered, finish=record.finish,
        attempts=tuple(_attempt(each, record.attempts[:index]) for index, each in enumerate(record.attempts)),
        asked_for=tuple(ToolCallView(*each) for each in record.requested),
        brought=tuple(ToolResultView(*each) for each in record.returned),
        brought_count=max(record.brought, len(record.returned)),
        tokens=_tokens(record.attempts), answer_usd=record.answer_nano_usd / _NANO,
        cost_usd=record.cost_nano_usd / _NANO, unpriced=_unpriced(record),
        request_id=record.request_id if is_named else None, sub_agent=record.sub_agent if is_named else None,
        content=contents.get(record.key) if is_named else None,
    )  # fmt: skip


def tree_of(
    records: Sequence[CallRecord],
    others: Iterable[Sequence[CallRecord]],
    may_name: MayName,
    contents: Contents = NO_CONTENTS,
) -> ConversationTree:
    """Return the tree of a conversation. `others` are the conversations of its trace, each the earliest call first."""
    by_agent = {name: list(calls) for name, calls in groupby(sorted(records, key=_sub_agent), _sub_agent)}
    own = by_agent.pop("", None) or by_agent.pop(next(iter(by_agent)))
    beside = [each for each in (*by_agent.values(), *others) if each]
    sub_agents = tuple(
        ConversationTree(summary_of(each, may_name), _steps(each, may_name, contents)) for each in beside
    )
    everything = [*own, *(call for each in beside for call in each)]
    return ConversationTree(summary_of(everything, may_name), _steps(own, may_name, contents), sub_agents)


def summary_of(records: Sequence[CallRecord], may_name: MayName) -> ConversationSummary:
    """Return the sums of a conversation, which is named by its first call."""
    first, own = records[0], [record for record in records if record.reason != "shadow"]
    began, ended = min(record.began_at for record in records), max(record.ended_at for record in own or records)
    is_named = may_name(first.caller)
    return ConversationSummary(
        id=first.conversation, name=first.conversation_id if is_named else None,
        caller=first.caller if is_named else None,
        versions=tuple(dict.fromkeys(VersionServed(each.agent, each.version, each.arm) for each in own)),
        calls=len(own), unanswered=sum(record.unanswered for record in own),
        tools=sum(len(each.requested) for each in own),
        at=timestamp(began), ended_at=timestamp(ended), seconds=_seconds(ended - began),
        tokens=_tokens([attempt for record in records for attempt in record.attempts]),
        answer_usd=sum(record.answer_nano_usd for record in own) / _NANO,
        cost_usd=sum(record.cost_nano_usd for record in records) / _NANO,
        unpriced=sum(map(_unpriced, records)),
    )  # fmt: skip


def _steps(records: Sequence[CallRecord], may_name: MayName, contents: Contents) -> tuple[TraceStep, ...]:
    """Return calls, tools and pauses in the order in which they began."""
    calls = [record for record in records if record.reason != "shadow"]
    copies = {record.key.removesuffix("s"): record for record in records if record.reason == "shadow"}
    steps = [(asked.at, _tool_step(asked)) for asked in _tools(calls)]
    for record in calls:
        shadow = (call_view(copies[record.key], may_name),) if record.key in copies else ()
        view = call_view(record, may_name, contents)
        steps.append((record.began_at, TraceStep("call", view.at, view.seconds, view, copies=shadow)))
    for before, after in pairwise(calls):
        seconds = after.began_at - before.ended_at
        if seconds >= _LEAST_PAUSE_SECONDS and not before.requested:
            steps.append((before.ended_at, TraceStep("app", timestamp(before.ended_at), _seconds(seconds))))
    return tuple(step for _, step in sorted(steps, key=lambda each: each[0]))


def _tools(calls: Sequence[CallRecord]) -> list[_OpenTool]:
    """Return every tool call of a conversation, with when its result came.

    Ids may come again in later turns: a result belongs to the latest call of its id that has none yet. One without an
    id belongs to the first such call of its name.
    """
    asked: list[_OpenTool] = []
    for call in calls:
        waiting = [each for each in asked if each.until is None]
        for result in call.returned:
            found = next((each for each in reversed(waiting) if result.id and each.tool.id == result.id), None)
            if found is None and not result.id:
                found = next((each for each in waiting if each.tool.name == result.name), None)
            if found is not None:
                found.until, found.state = call.began_at, "error" if result.is_error else "ok"
                waiting.remove(found)
        asked += [_OpenTool(call, tool) for tool in call.requested]
    return asked


def _tool_step(asked: _OpenTool) -> TraceStep:
    seconds = None if asked.until is None else _seconds(max(0.0, asked.until - asked.at))
    tool = ToolView(asked.tool.id, asked.tool.name, asked.state, timestamp(asked.at), seconds, asked.call.id)
    return TraceStep("tool", tool.at, seconds, tool=tool)


def _attempt(attempt: AttemptRecord, before: Sequence[AttemptRecord]) -> AttemptView:
    nano_usd = attempt.cost_nano_usd
    return AttemptView(
        attempt.target, _kind(attempt, before), timestamp(attempt.began_at), _seconds(attempt.seconds),
        None if attempt.ttft_seconds is None else _seconds(attempt.ttft_seconds),
        attempt.status, attempt.failure, attempt.message, attempt.code, attempt.upstream_id, attempt.is_answer,
        _tokens([attempt]), None if nano_usd is None else nano_usd / _NANO,
    )  # fmt: skip


def _kind(attempt: AttemptRecord, before: Sequence[AttemptRecord]) -> AttemptKind:
    if attempt.is_hedge:
        return "hedge"
    if attempt.is_fallback:
        return "fallback"
    return "retry" if before else "first"


def _tokens(attempts: Sequence[AttemptRecord]) -> CallTokens:
    return CallTokens(
        sum(each.input_tokens for each in attempts),
        sum(each.cached_tokens for each in attempts),
        sum(each.output_tokens for each in attempts),
        sum(each.reasoning_tokens for each in attempts),
        any(each.estimated for each in attempts),
    )


def _unpriced(record: CallRecord) -> int:
    """Count the attempts that were answered and have no price."""
    return sum(attempt.cost_nano_usd is None and attempt.is_answer for attempt in record.attempts)


def _sub_agent(record: CallRecord) -> str:
    return record.sub_agent


def _seconds(seconds: float) -> float:
    return round(seconds, 6)
