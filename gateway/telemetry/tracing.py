"""OpenTelemetry tracing of one replica: the trace that a call belongs to, and spans once it has ended.

During a call nothing is made but the header that goes upstream. At its end the outcome goes into a bounded queue, if it
is sampled; spans are made of it a few calls at a time, on the loop, and sent in batches.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

from gateway import __version__
from gateway.calls import Attempt, Call, Operation, Outcome
from gateway.contents.content import CallContent
from gateway.formats.applied import AppliedVersion
from gateway.heard import HeardCall
from gateway.net.client import Request
from gateway.telemetry.late_scores import LateScores, ScoredCall
from gateway.telemetry.otel_settings import OtelSettings
from gateway.telemetry.otlp import SpanBatch
from gateway.telemetry.parts import TracingParts
from gateway.telemetry.providers import Channels
from gateway.telemetry.request_parameters import AskedParameters, kept_parameters
from gateway.telemetry.sampling import is_exported, reason_for
from gateway.telemetry.seam import ContentSource
from gateway.telemetry.shared_tools import SharedTools
from gateway.telemetry.span_exporter import Lost, SpanExporter
from gateway.telemetry.spans import Span, ToSpan, evaluation_span, spans_of
from gateway.telemetry.tool_spans import AskedTools, PendingTool, ToolSpan, tool_span
from gateway.telemetry.trace_context import (
    MOST_AT_ONCE,
    TraceContext,
    attempt_span_id,
    nonce_in,
    own_trace_id,
    put_into,
    remote_parent,
)
from gateway.tool_use import ReturnedTools
from gateway.traces.record import Finished, record_of
from gateway.traces.threads import conversation_of

_MOST_TEXT = 1 << 20  # characters of calls' texts in one request: receivers take some megabytes
_AT_ONCE = 8  # calls made into spans without a pause, half a millisecond: calls under way go first
_MOST_REMEMBERED = 10_000  # calls whose trace their id does not tell
_LONGEST_HEADER = 256  # characters of a `traceparent`; today's has 55
_WARN_SECONDS = 60.0  # between two lines about a queue that is full


class _Noted(NamedTuple):
    """A finished call that is to become spans."""

    finished: Finished
    context: TraceContext
    operation: Operation
    sampled_for: str
    asked: AskedParameters
    heard: HeardCall | None = None
    endpoint: str = ""


class Tracing:
    """The tracing of one replica. `channels` returns those of the configuration as it is."""

    def __init__(self, settings: OtelSettings, exporter: SpanExporter, parts: TracingParts) -> None:
        self.channels: Channels = dict
        self.contents: ContentSource | None = None
        self._settings = settings
        self._exporter = exporter
        self._parts = parts
        self._resource = {"service.instance.id": parts.replica, "service.version": __version__, **settings.resource}
        self.context_of = lru_cache(maxsize=MOST_AT_ONCE)(self._context_of)  # asked at each try, and at the call's end
        self._queue: deque[_Noted | ToolSpan | Span] = deque()
        self._unsent = SpanBatch(self._resource, settings.names.schema)
        self._wake = asyncio.Event()
        self._asked = AskedTools()
        self._scores = LateScores()
        self.tools = SharedTools(parts.monotonic, parts.offset, parts.wait)
        self._remembered: dict[bytes, TraceContext] = {}
        self._warned_at = -_WARN_SECONDS
        self._lost_since = 0

    @property
    def dropped(self) -> Counter[Lost]:
        """Spans that reached nobody, by what became of them; of a full queue, calls."""
        return self._exporter.dropped

    def _context_of(self, nonce: bytes, trace_parent: str) -> TraceContext:
        """Return the trace of a call: the client's, or one that the call begins."""
        parent = remote_parent(trace_parent) if trace_parent else None
        trace_id = parent.trace_id if parent else own_trace_id(nonce)
        return TraceContext(
            trace_id, parent.span_id if parent else "", self._settings.sampler.is_sampled(trace_id, parent)
        )

    def put_into(self, request: Request, attempt: Attempt, call: Call, outcome: Outcome) -> None:
        """Let the request of an attempt go out within its call's trace."""
        attempts = outcome.attempts
        index = len(attempts) - 1
        while attempts[index] is not attempt:  # a hedge began since
            index -= 1
        span = attempt_span_id(call.nonce, index, is_shadow=outcome.reason == "shadow")
        put_into(request, self.context_of(call.nonce, call.trace_parent[:_LONGEST_HEADER]), span)

    def note(self, outcome: Outcome, call: Call, applied: AppliedVersion | None, returned: ReturnedTools) -> str:
        """Keep a call that has ended, if it is sampled; return its trace's id. Never waits. `applied` is the version
        that served it, `returned` are the tool results that it brought."""
        context = self.context_of(call.nonce, call.trace_parent[:_LONGEST_HEADER])
        always = () if self._settings.sampler.is_off else self._settings.always
        sampled_for = reason_for(outcome, always) if always and not context.is_sampled else ""
        is_wanted = context.is_sampled or sampled_for != ""
        if returned and not self._settings.sampler.is_off:
            self._take_results(outcome, call, returned)
        if is_wanted:
            finished = Finished(
                outcome, call.format, call.named, call.opening, call.trace_parent, call.sub_agent, returned, call.nonce
            )
            heard = outcome.heard if self._settings.captures_content else None
            if heard is not None and not heard.may_wait:
                heard = None
            asked = AskedParameters(kept_parameters(call.document.texts), applied)
            self._put(_Noted(finished, context, call.operation, sampled_for, asked, heard, call.endpoint))
            self._remember(outcome, call, context, sampled_for)
        return context.trace_id

    def evaluate(self, agent: str, call_id: str, score: float, comment: str = "") -> None:
        """Note the score of a call, in its trace. The comment is a person's text: content."""
        nonce = nonce_in(call_id)
        if nonce is None:
            return
        explanation = comment if self._settings.captures_content else ""
        scored = ScoredCall(agent, call_id, nonce, self._parts.unix(), score, explanation)
        context = self._remembered.get(nonce)
        if context is None and self.tools.store is not None:
            self._scores.note(scored)
        else:
            self._put_score(scored, context or self.context_of(nonce, ""))

    def _put_score(self, scored: ScoredCall, context: TraceContext) -> None:
        if context.is_sampled:
            _, call_id, nonce, at, score, explanation = scored
            self._put(evaluation_span(context, nonce, call_id, at, score, explanation))

    async def export_for_ever(self) -> None:
        """Export what has ended, in batches, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.delay):
                    await self._wake.wait()
            self._wake.clear()
            while self._queue or self._unsent:
                await self._export_batch()
            self._warn_of_drops()

    async def share_for_ever(self) -> None:
        """Tell other replicas of tools, hear of theirs, and find the calls of scores, until cancelled."""
        while True:
            await asyncio.sleep(self._parts.exchange)
            await self._share()

    async def _share(self, *, is_last: bool = False) -> None:
        for tool in await self.tools.exchange(is_last=is_last):
            self._put(tool)
        if self._scores and (store := self.tools.store) is not None:
            until = self._parts.unix() - (0.0 if is_last else self._parts.wait)
            async for scored, record in self._scores.take(store, until):
                context = self.context_of(scored.nonce, record.trace_parent if record else "")
                always = () if self._settings.sampler.is_off else self._settings.always
                if record is not None and is_exported(record, always):
                    context = context._replace(is_sampled=True)
                self._put_score(scored, context)

    async def finish(self) -> None:
        """Export what is left within the time that a stop has for it, and close the connections."""
        try:
            async with asyncio.timeout(self._parts.finish):
                await self._share(is_last=True)
                while self._queue or self._unsent:
                    await self._export_batch()
        except TimeoutError:
            left = len(self._unsent) + len(self._queue)
            self.dropped["stopped"] += left
            self._parts.log.warning(
                "spans_dropped", spans=left, why="the gateway stops, and its receiver takes nothing"
            )
        await self._exporter.aclose()

    def _put(self, what: _Noted | ToolSpan | Span) -> None:
        waiting = len(self._queue)
        if waiting >= self._settings.queue:
            self.dropped["queue_full"] += 1
            self._lost_since += 1
            return
        self._queue.append(what)
        if 2 * (waiting + 1) >= min(self._settings.batch, self._settings.queue):  # a call makes some three spans
            self._wake.set()

    def _remember(self, outcome: Outcome, call: Call, context: TraceContext, sampled_for: str) -> None:
        """Keep what a later score or tool result needs to know of the call."""
        nonce, attempts = call.nonce, outcome.attempts
        if (context.parent_id or sampled_for) and outcome.reason != "shadow":
            self._remembered[nonce] = context._replace(is_sampled=True)
            if len(self._remembered) > _MOST_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
        if attempts and outcome.end == "answered" and (tools := outcome.answering.end.tools):
            thread = conversation_of(outcome, call.named)
            ended_at = outcome.answering.ended_at if outcome.stream else outcome.ended_at
            pending = PendingTool("", context, nonce, outcome.call_id, ended_at)
            for key, asked in self._asked.ask(outcome.caller, thread.key, tools, pending):
                self.tools.ask(outcome.agent, key, asked)

    def _take_results(self, outcome: Outcome, call: Call, returned: ReturnedTools) -> None:
        """Put the tools of these results into the queue, or have the store asked who asked for them."""
        thread = conversation_of(outcome, call.named)
        for key, tool, asked in self._asked.answer(outcome.caller, thread.key, returned):
            if asked is None:
                self.tools.arrive(outcome.agent, key, tool, outcome.received_at)
            else:
                self._put(ToolSpan(asked, tool, outcome.received_at))
                self.tools.settle(outcome.agent, key)

    async def _export_batch(self) -> None:
        """Make spans until a batch is full, and send them. Who is cancelled meanwhile leaves them to the next."""
        texts = 0
        while self._queue and len(self._unsent) < self._settings.batch:
            for _ in range(min(_AT_ONCE, len(self._queue))):
                content = await self._content(self._queue[0])
                for span in self._spans(self._queue.popleft(), content):
                    self._unsent.add(span)
                texts += 0 if content is None else sum(map(len, content.texts))
            if texts > _MOST_TEXT:
                break
            await asyncio.sleep(0)
        if self._unsent:
            await self._exporter.send(self._unsent.body(), len(self._unsent))
            self._unsent = SpanBatch(self._resource, self._settings.names.schema)

    async def _content(self, what: _Noted | ToolSpan | Span) -> CallContent | None:
        """Return the texts of a call that are exported with it."""
        if not isinstance(what, _Noted) or what.heard is None or self.contents is None:
            return None
        offset = self._parts.offset()
        return await self.contents.for_export(record_of(what.finished, offset), what.heard)

    def _spans(self, what: _Noted | ToolSpan | Span, content: CallContent | None) -> Iterator[Span]:
        offset = self._parts.offset()
        if isinstance(what, Span):
            yield what
        elif isinstance(what, ToolSpan):
            yield tool_span(what, offset)
        else:
            outcome = what.finished.outcome
            record = record_of(what.finished, offset)
            call = ToSpan(
                record, tuple(outcome.attempts), what.context, what.finished.nonce, what.operation, outcome.rollout,
                what.sampled_for, content, what.asked, what.endpoint,
            )  # fmt: skip
            yield from spans_of(call, self.channels(), self._settings.names)

    def _warn_of_drops(self) -> None:
        now = self._parts.monotonic()
        if self._lost_since and now - self._warned_at >= _WARN_SECONDS:
            self._parts.log.warning("spans_dropped", calls=self._lost_since, why="more calls end than are exported")
            self._lost_since, self._warned_at = 0, now
