"""Spans of a finished call, made of its record: the call itself, its attempts, and what came of it later.

SERVER POST /v1/chat/completions
└─ INTERNAL chat support
   ├─ CLIENT chat gpt-4o          failed
   └─ CLIENT chat claude-sonnet   fallback
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from gateway.calls import Attempt, Operation
from gateway.contents.content import CallContent
from gateway.errors import NOT_SENT
from gateway.formats.registry import CLIENTS
from gateway.runtime import Channel
from gateway.telemetry import semantic_names as names
from gateway.telemetry.answer_names import names_of
from gateway.telemetry.messages import input_messages, output_messages
from gateway.telemetry.providers import provider_of
from gateway.telemetry.request_parameters import NOTHING_ASKED, AskedParameters, parameters_of
from gateway.telemetry.semantic_names import SemanticNames
from gateway.telemetry.trace_context import (
    CHAT_SPAN,
    EVALUATION_SPAN,
    SERVER_SPAN,
    SHADOW,
    TraceContext,
    attempt_span_id,
    span_id,
)
from gateway.traces.record import AttemptRecord, CallRecord

Value = str | bool | int | float | tuple[str, ...]
Attributes = Mapping[str, Value]

INTERNAL: Final = 1
SERVER: Final = 2
CLIENT: Final = 3
_NANO = 1e9
_LEAST_SERVER_ERROR = 500
_OPERATIONS: Final[Mapping[Operation, tuple[str, str]]] = {  # what it is called, and where clients ask
    "generate": ("chat", ""),
    "embeddings": ("embeddings", "/v1/embeddings"),
    "completions": ("text_completion", "/v1/completions"),
    "passed": ("passthrough", ""),
}
# Not the attempt's own end: another one was faster, or the client had left.
_NO_ERRORS = ("overtaken",)


class SpanEvent(NamedTuple):
    """An event within a span; `at` is in Unix seconds."""

    name: str
    at: float
    attributes: Attributes


class Span(NamedTuple):
    """A span that has ended. Ids are hexadecimal, times Unix seconds; `error` is None where none happened."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: int
    began_at: float
    ended_at: float
    attributes: Attributes
    error: str | None = None
    events: tuple[SpanEvent, ...] = ()


class ToSpan(NamedTuple):
    """A finished call that becomes spans. `attempts` are those of its outcome, for what the record leaves out."""

    record: CallRecord
    attempts: tuple[Attempt, ...]
    context: TraceContext
    nonce: bytes
    operation: Operation
    epoch: int
    sampled_for: str
    content: CallContent | None = None
    asked: AskedParameters = NOTHING_ASKED
    endpoint: str = ""


def spans_of(call: ToSpan, channels: Mapping[str, Channel], kind: SemanticNames) -> Iterator[Span]:
    """Return the spans of a call. `channels` are the configured providers' by name."""
    record, (trace_id, parent_id, _) = call.record, call.context
    is_shadow = record.reason == "shadow"
    server, chat = span_id(call.nonce, SERVER_SPAN), span_id(call.nonce, CHAT_SPAN + SHADOW * is_shadow)
    error = _error_of(record)
    if not is_shadow:  # no client has asked for that: it happens within the call that was copied
        name, attributes = _served(call)
        is_ours = record.status >= _LEAST_SERVER_ERROR or record.end == "broken"
        yield Span(
            trace_id, server, parent_id, name, SERVER, record.began_at, record.ended_at, attributes,
            error if is_ours else None,
        )  # fmt: skip
    operation, _ = _OPERATIONS[call.operation]
    parameters = parameters_of(call.asked)
    name = f"{operation} {record.version if record.reason == 'model' else record.agent}"
    yield Span(
        trace_id, chat, server, name, INTERNAL, record.began_at, record.ended_at,
        dict(_call_attributes(call, operation, kind)), error,
    )  # fmt: skip
    for index, (attempt, own) in enumerate(zip(record.attempts, call.attempts, strict=False)):
        if attempt.failure in NOT_SENT:
            continue
        span = attempt_span_id(call.nonce, index, is_shadow=is_shadow)
        provider, _, model = attempt.target.partition("/")
        failed = None if attempt.failure is None or attempt.failure in _NO_ERRORS else attempt.message
        yield Span(
            trace_id, span, chat, f"{operation} {model}", CLIENT, attempt.began_at,
            attempt.began_at + attempt.seconds,
            {
                names.OPERATION: operation,
                **_provider_attributes(provider, channels),
                **parameters,
                **dict(_attempt_attributes(attempt, own, record, kind)),
            },
            failed,
        )  # fmt: skip


def _served(call: ToSpan) -> tuple[str, Attributes]:
    """Return name and attributes of the span of the request."""
    record = call.record
    attributes: dict[str, Value] = {names.CALL_ID: record.id}
    if record.status:
        attributes[names.HTTP_STATUS] = record.status
    if error := _error_type(record):
        attributes[names.ERROR_TYPE] = error
    attributes[names.URL_SCHEME] = "http"  # TLS ends before the gateway
    if call.operation == "passed":  # by any method, to any path
        method, _, path = call.endpoint.partition(" ")
        return method or "HTTP", attributes | {names.HTTP_METHOD: method, names.URL_PATH: path}
    route = _OPERATIONS[call.operation][1] or _route(record)
    path = route.replace("{agent}", record.version if record.reason == "model" else record.agent)
    attributes |= {names.HTTP_METHOD: "POST", names.HTTP_ROUTE: route, names.URL_PATH: path}
    return f"POST {route}", attributes


def _route(record: CallRecord) -> str:
    """Return the route at which a client of that format asked."""
    door = CLIENTS[record.format].door
    route = door.shown or door.paths[0]
    if door.verbs and record.stream:
        whole, stream = door.verbs
        return route.removesuffix(whole) + stream
    return route


def _error_of(record: CallRecord) -> str | None:
    """Return why the call failed, None where it did not."""
    if not record.unanswered:
        return None
    return next((attempt.message for attempt in reversed(record.attempts) if attempt.message), "")


def _error_type(record: CallRecord) -> str:
    if not record.unanswered:
        return ""
    last = next((attempt for attempt in reversed(record.attempts) if attempt.failure), None)
    return _failure(last) if last else record.end


def _failure(attempt: AttemptRecord) -> str:
    """Return the class of a failure: the provider's status, or our word for what is none."""
    has_status = attempt.failure == "status" and attempt.status
    return str(attempt.status) if has_status else str(attempt.failure)


def _call_attributes(call: ToSpan, operation: str, kind: SemanticNames) -> Iterator[tuple[str, Value]]:
    record = call.record
    yield names.OPERATION, operation
    yield names.CALL_ID, record.id
    yield names.CONVERSATION, record.conversation_id or record.conversation
    yield names.VERSION, record.version
    yield names.REASON, record.reason
    yield names.KEY, record.caller
    yield names.END, record.end
    yield names.COST, record.cost_nano_usd / _NANO
    if record.reason != "model":
        yield names.AGENT_NAME, record.agent
        yield names.AGENT_VERSION, record.version
        yield names.EPOCH, call.epoch
        if kind.agent_id:
            yield kind.agent_id, record.agent
    if record.arm:
        yield names.ARM, record.arm
    if error := _error_type(record):
        yield names.ERROR_TYPE, error
    if record.ttft_seconds is not None:
        yield names.FIRST_TOKEN, record.ttft_seconds
    if call.sampled_for:
        yield names.SAMPLED_FOR, call.sampled_for
    if call.content is not None:
        yield names.INPUT_MESSAGES, input_messages(call.content)
        if said := output_messages(call.content, record.finish):
            yield names.OUTPUT_MESSAGES, said


def _provider_attributes(name: str, channels: Mapping[str, Channel]) -> dict[str, Value]:
    if name not in channels:  # gone from the configuration since
        return {names.PROVIDER: name}
    provider = provider_of(channels[name])
    return {
        names.PROVIDER: provider.name,
        names.SERVER_ADDRESS: provider.host,
        names.SERVER_PORT: provider.port,
    }


def _attempt_attributes(
    attempt: AttemptRecord, own: Attempt, record: CallRecord, kind: SemanticNames
) -> Iterator[tuple[str, Value]]:
    yield names.CALL_ID, record.id
    yield names.TARGET, attempt.target
    yield names.REQUEST_MODEL, attempt.target.partition("/")[2]
    if attempt.status is not None:
        yield names.HTTP_STATUS, attempt.status
    if attempt.failure is not None and attempt.failure not in _NO_ERRORS:
        yield names.ERROR_TYPE, _failure(attempt)
    if attempt.is_fallback:
        yield names.FALLBACK, True
    if record.hedge is not None:
        yield names.HEDGE, record.hedge if attempt.is_hedge else "first"
    if own.end.finish:
        yield names.FINISH_REASONS, (own.end.finish,)
    yield from _usage(attempt, own, kind)
    answer_id, answer_model = names_of(own)
    further = (
        (names.RESPONSE_ID, answer_id or own.end.answer_id),
        (names.RESPONSE_MODEL, answer_model),
        (names.UPSTREAM_ID, attempt.upstream_id),
        (names.ERROR_CODE, attempt.code),
        (kind.continued, record.continues),
    )
    yield from ((name, value) for name, value in further if name and value)
    if record.stream:
        yield names.REQUEST_STREAM, True
    if attempt.ttft_seconds is not None:
        yield names.FIRST_CHUNK, attempt.ttft_seconds


def _usage(attempt: AttemptRecord, own: Attempt, kind: SemanticNames) -> Iterator[tuple[str, Value]]:
    if own.usage is None:
        return
    yield names.INPUT_TOKENS, attempt.input_tokens
    yield names.OUTPUT_TOKENS, attempt.output_tokens
    if attempt.cost_nano_usd is not None:
        yield names.COST, attempt.cost_nano_usd / _NANO
    if attempt.estimated:
        yield names.ESTIMATED, True
    if attempt.cached_tokens:
        yield names.CACHE_READ, attempt.cached_tokens
    if own.usage.cache_written:
        yield kind.cache_written, own.usage.cache_written
    if attempt.reasoning_tokens:
        yield names.REASONING_TOKENS, attempt.reasoning_tokens


def evaluation_span(
    context: TraceContext, nonce: bytes, call_id: str, at: float, score: float, explanation: str = ""
) -> Span:
    """Return the span of a score that a client gave a call: a moment, and its event."""
    attributes: dict[str, Value] = {
        names.EVALUATION_NAME: "feedback",
        names.EVALUATION_SCORE: score,
        names.EVALUATION_LABEL: "good" if score >= 0.5 else "bad",
    }
    if explanation:
        attributes[names.EVALUATION_EXPLANATION] = explanation
    return Span(
        context.trace_id, span_id(nonce, EVALUATION_SPAN), span_id(nonce, CHAT_SPAN), "evaluate feedback", INTERNAL,
        at, at, {names.CALL_ID: call_id, **attributes},
        events=(SpanEvent(names.EVALUATION_EVENT, at, attributes),),
    )  # fmt: skip
