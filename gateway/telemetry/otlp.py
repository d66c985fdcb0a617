"""Spans as OTLP's protobuf messages: the only module that knows the wire format. Needs `serinus[otel]`."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from gateway import __version__
from gateway.telemetry import semantic_names as names
from gateway.telemetry.spans import SERVER, Attributes, Span, Value

_NANO = 1_000_000_000
_OFTEN = 1_000  # a number above it is hardly met again
_OF_ONE_CALL = frozenset({names.CALL_ID, names.CONVERSATION, names.RESPONSE_ID, names.UPSTREAM_ID, names.TOOL_CALL_ID})
_OWN_PARENT, _REMOTE_PARENT = 0x101, 0x301  # `Span.flags`: sampled, and whether the parent is another service's


class SpanBatch:
    """Spans of one request. They are written into its message at once: to copy a message takes as long as to make it
    anew."""

    def __init__(self, resource: Mapping[str, str], schema: str = "") -> None:
        self._request = ExportTraceServiceRequest()
        of_resource = self._request.resource_spans.add()
        _add(of_resource.resource.attributes, resource)
        scope = of_resource.scope_spans.add()
        scope.scope.name, scope.scope.version, scope.schema_url = "serinus", __version__, schema
        self._spans = scope.spans

    def __len__(self) -> int:
        return len(self._spans)

    def add(self, span: Span) -> None:
        """Add a span."""
        message = self._spans.add()
        message.trace_id, message.span_id = bytes.fromhex(span.trace_id), bytes.fromhex(span.span_id)
        message.parent_span_id = bytes.fromhex(span.parent_id)
        message.name, message.kind = _clean(span.name), span.kind
        message.flags = _REMOTE_PARENT if span.kind == SERVER and span.parent_id else _OWN_PARENT
        message.start_time_unix_nano = _nanoseconds(span.began_at)
        message.end_time_unix_nano = _nanoseconds(max(span.ended_at, span.began_at))
        _fill(message, span.attributes)
        for event in span.events:
            of_event = message.events.add()
            of_event.name, of_event.time_unix_nano = event.name, _nanoseconds(event.at)
            _add(of_event.attributes, event.attributes)
        if span.error is not None:
            message.status.code, message.status.message = Status.STATUS_CODE_ERROR, _clean(span.error)

    def body(self) -> bytes:
        """Return the body of the request."""
        body: bytes = self._request.SerializeToString()
        return body


def rejected_in(answer: bytes) -> int:
    """Return how many spans an accepted request was refused for; 0 for an answer that says nothing."""
    try:
        rejected = ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans
    except Exception:  # protobuf's DecodeError is no public name of this package; a receiver may answer anything
        return 0
    return max(int(rejected), 0)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * _NANO)


def _fill(message: Any, attributes: Attributes | Mapping[str, str]) -> None:
    """Add attributes to a message that has some. What many spans have alike is encoded once, and merged in."""
    pairs, known = message.attributes, []
    for name, value in attributes.items():
        if isinstance(value, float):
            pair = pairs.add()
            pair.key, pair.value.double_value = name, value
        elif name in _OF_ONE_CALL or (isinstance(value, int) and value > _OFTEN):
            pair = pairs.add()
            pair.key = name
            _set(pair.value, value)
        else:
            known.append(_encoded(name, value))
    message.MergeFromString(b"".join(known))


@lru_cache(maxsize=4096, typed=True)
def _encoded(name: str, value: Value) -> bytes:
    """Return one attribute as it stands in a span's message."""
    message = SpanMessage()
    _add(message.attributes, {name: value})
    encoded: bytes = message.SerializeToString()
    return encoded


def _add(pairs: Any, attributes: Attributes | Mapping[str, str]) -> None:
    """Add attributes to a repeated field of pairs."""
    for name, value in attributes.items():
        pair = pairs.add()
        pair.key = name
        _set(pair.value, value)


def _set(message: Any, value: Value) -> None:
    kind = type(value)
    if kind is str:
        message.string_value = _clean(str(value))
    elif kind is bool:
        message.bool_value = value
    elif kind is int:
        message.int_value = value
    elif kind is float:
        message.double_value = value
    elif isinstance(value, tuple):
        for each in value:
            _set(message.array_value.values.add(), each)


def _clean(text: str) -> str:
    """A client's name may hold half of a surrogate pair, which no message can."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
