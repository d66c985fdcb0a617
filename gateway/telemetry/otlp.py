"""Spans as OTLP's protobuf messages: the only module that knows the wire format. Needs `serinus[otel]`."""

from collections.abc import Iterable, Mapping

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from gateway import __version__
from gateway.telemetry.spans import Attributes, Span, SpanEvent, Value

_NANO = 1_000_000_000
_MOST_BYTES = 1 << 20
# The parent is another service's, or it is not (`Span.flags`, bits 8 and 9).
_HAS_REMOTE, _IS_REMOTE = 0x100, 0x200


def message_of(span: Span) -> SpanMessage:
    """Return a span's message."""
    message = SpanMessage(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id),
        name=_clean(span.name),
        kind=span.kind,  # type: ignore[arg-type]  # the enumeration's numbers, as `spans` has them
        flags=1 | _HAS_REMOTE | (_IS_REMOTE if span.kind == SpanMessage.SPAN_KIND_SERVER and span.parent_id else 0),
        start_time_unix_nano=_nanoseconds(span.began_at),
        end_time_unix_nano=_nanoseconds(max(span.ended_at, span.began_at)),
        attributes=_pairs(span.attributes),
        events=[_event(event) for event in span.events],
    )
    if span.error is not None:
        message.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=_clean(span.error)))
    return message


def _event(event: SpanEvent) -> SpanMessage.Event:
    at = _nanoseconds(event.at)
    return SpanMessage.Event(name=event.name, time_unix_nano=at, attributes=_pairs(event.attributes))


def request_of(messages: Iterable[SpanMessage], resource: Mapping[str, str]) -> bytes:
    """Return the body of a request that exports these spans."""
    scope = InstrumentationScope(name="serinus", version=__version__)
    spans = ScopeSpans(scope=scope, spans=messages)
    of_resource = ResourceSpans(resource=Resource(attributes=_pairs(resource)), scope_spans=[spans])
    body: bytes = ExportTraceServiceRequest(resource_spans=[of_resource]).SerializeToString()
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


def _pairs(attributes: Attributes | Mapping[str, str]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_value(value)) for name, value in attributes.items()]


def _value(value: Value) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=_clean(value))
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(array_value=ArrayValue(values=[_value(each) for each in value]))


def _clean(text: str) -> str:
    """A client's name may hold half of a surrogate pair, which no message can."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
