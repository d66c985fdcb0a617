"""Record of a finished call: its structure, times, sizes and costs, and no text of anybody's.

It is made of the outcome after the call has ended. Times are Unix seconds, durations seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from gateway.calls import UNANSWERED, ArmName, Attempt, End, FormatName, HedgeEnd, Outcome, Usage
from gateway.errors import FailureKind
from gateway.heard import HeardCall
from gateway.tool_use import NO_END, RequestedTool, ReturnedTools, short, writable
from gateway.traces.threads import Signs, conversation_of, joins_of, trace_keys_of
from routing.assignment import Reason

_LONGEST_NAME = 200  # characters of a client's id of a conversation that are shown
_NO_USAGE = Usage()


class Finished(NamedTuple):
    """A call that has ended, with what is needed of its request. `returned` are the tool results that it brought, the
    latest of `brought`.
    """

    outcome: Outcome
    format: FormatName
    named: str
    opening: str
    trace_parent: str
    sub_agent: str
    returned: ReturnedTools
    nonce: bytes
    heard: HeardCall | None = None
    brought: int = 0


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """A try at one target. `is_fallback`: at another target than the first. `is_hedge`: beside a late first attempt.
    `is_answer`: the client got its answer. `estimated` marks tokens that no provider has said.
    """

    target: str
    began_at: float
    seconds: float
    ttft_seconds: float | None = None
    status: int | None = None
    failure: FailureKind | None = None
    message: str = ""
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    cost_nano_usd: int | None = None
    is_fallback: bool = False
    is_hedge: bool = False
    is_answer: bool = False
    code: str = ""
    param: str = ""
    upstream_id: str = ""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A finished call. `seconds` end with the last byte of the answer.

    `key` is under which the call is kept. `conversation` is the key by which calls of one conversation are found (16
    hex digits), `conversation_id` the client's own id of it, or ''. `joins` are keys of what else tells that a call
    belongs to it: a tool call that one answer asked for and a later request brings, an answer that is continued.
    `trace_keys` are keys of the trace that it belongs to. `continues` is the id of the answer that the call continues,
    `trace_parent` the client's `traceparent`, `sub_agent` the id of its sub-agent. `requested` are the tool calls that
    the answer asked for, `returned` the results that the request brought: the latest of `brought`.
    """

    key: str
    id: str
    caller: str
    agent: str
    version: str
    arm: ArmName | None
    reason: Reason
    format: FormatName
    stream: bool
    began_at: float
    seconds: float
    ttft_seconds: float | None
    end: End
    status: int
    conversation: str
    conversation_id: str = ""
    joins: tuple[str, ...] = ()
    trace_keys: tuple[str, ...] = ()
    continues: str = ""
    trace_parent: str = ""
    sub_agent: str = ""
    request_id: str = ""
    attempts: tuple[AttemptRecord, ...] = ()
    hedge: HedgeEnd | None = None
    requested: tuple[RequestedTool, ...] = ()
    returned: ReturnedTools = ()
    finish: str = ""
    brought: int = 0

    @property
    def ended_at(self) -> float:
        """Return when the last byte of the answer had gone, in Unix seconds."""
        return self.began_at + self.seconds

    @property
    def unanswered(self) -> bool:
        """Return whether the client got an error, or a broken answer."""
        return self.end in UNANSWERED

    @property
    def cost_nano_usd(self) -> int:
        """Return what all attempts cost, as far as they have a price."""
        return sum(attempt.cost_nano_usd or 0 for attempt in self.attempts)

    @property
    def answer_nano_usd(self) -> int:
        """Return what the attempt cost whose answer the client got; 0 where it got none."""
        return sum(attempt.cost_nano_usd or 0 for attempt in self.attempts if attempt.is_answer)


def key_of_nonce(nonce: bytes, *, is_copy: bool = False) -> str:
    """Return the key under which a call is kept. A shadow's copy bears its call's id, and so its nonce."""
    return nonce.hex() + "s" * is_copy


def record_of(finished: Finished, offset: float) -> CallRecord:
    """Return the record of a call that has ended. `offset` is what Unix time is ahead of the monotonic clock."""
    outcome = finished.outcome
    is_answered = bool(outcome.attempts) and outcome.end in ("answered", "broken", "client_gone")
    answering = outcome.answering if is_answered else None
    end = NO_END if answering is None else answering.end
    ended_at = answering.ended_at if answering is not None and outcome.stream else outcome.ended_at
    thread = conversation_of(outcome, finished.named)
    signs = Signs(finished.opening or finished.named, end, finished.returned)
    first = outcome.first_token_at
    return CallRecord(
        key=key_of_nonce(finished.nonce, is_copy=outcome.reason == "shadow"), id=outcome.call_id,
        caller=outcome.caller, agent=outcome.agent, version=outcome.version, arm=outcome.arm, reason=outcome.reason,
        format=finished.format, stream=outcome.stream,
        began_at=outcome.received_at + offset, seconds=max(0.0, ended_at - outcome.received_at),
        ttft_seconds=None if first is None else first - outcome.received_at, end=outcome.end, status=outcome.status,
        conversation=thread.key, conversation_id=writable(thread.name[:_LONGEST_NAME]),
        joins=joins_of(outcome.caller, thread, signs), trace_keys=trace_keys_of(outcome.caller, finished.trace_parent),
        continues=short(thread.continues), trace_parent=short(finished.trace_parent),
        sub_agent=short(finished.sub_agent), request_id=outcome.request_id,
        attempts=tuple(_attempts(outcome, answering, offset)), hedge=outcome.hedge,
        requested=end.tools, returned=finished.returned, finish=end.finish,
        brought=finished.brought,
    )  # fmt: skip


def _attempts(outcome: Outcome, answering: Attempt | None, offset: float) -> Iterator[AttemptRecord]:
    first = outcome.attempts[0] if outcome.attempts else None
    for index, attempt in enumerate(outcome.attempts):
        usage, at = attempt.usage or _NO_USAGE, attempt.first_token_at
        is_hedge = outcome.hedge is not None and index == 1
        yield AttemptRecord(
            attempt.target,
            attempt.started_at + offset,
            max(0.0, attempt.ended_at - attempt.started_at),
            None if at is None else at - attempt.started_at,
            attempt.status,
            attempt.failure,
            attempt.message,
            usage.input,
            usage.cached,
            usage.output,
            usage.reasoning,
            usage.estimated,
            attempt.cost_nano_usd,
            is_fallback=not is_hedge and first is not None and attempt.target != first.target,
            is_hedge=is_hedge,
            is_answer=attempt is answering and attempt.failure in (None, "bad_tool_arguments"),
            code=attempt.code,
            param=attempt.param,
            upstream_id=attempt.upstream_id,
        )
