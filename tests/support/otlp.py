"""A real receiver of OpenTelemetry spans: an HTTP server that reads OTLP's protobuf, or fails as it is told to."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.replica.replica import Seams
from gateway.telemetry.otel_settings import otel_settings
from gateway.timings import Timings
from tests.support.canaries import WATCH
from tests.support.listening import listening
from tests.support.waiting import SOON, within

KINDS = {Span.SPAN_KIND_SERVER: "SERVER", Span.SPAN_KIND_INTERNAL: "INTERNAL", Span.SPAN_KIND_CLIENT: "CLIENT"}
QUICK = Timings(span_retry=0.01, span_finish=2.0, tool_exchange=0.02, tool_wait=0.3)
HANG = -1  # in place of a status: no answer ever


@dataclass(frozen=True, slots=True)
class SpanSeen:
    """A span as it came in, its ids in hexadecimal."""

    trace_id: str
    span_id: str
    parent_id: str
    kind: str
    name: str
    seconds: tuple[float, float]
    values: Mapping[str, Any]
    is_error: bool
    message: str
    events: Mapping[str, Mapping[str, Any]]
    service: Mapping[str, Any]
    schema: str = ""


@dataclass(slots=True)
class OtlpReceiver:
    """What came in. Answers with the next of `statuses`, and with 200 once there are none."""

    spans: list[SpanSeen] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    heads: list[Mapping[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    answer_headers: str = ""
    rejects: int = 0
    url: str = ""

    def environ(self, **more: str) -> dict[str, str]:
        """The variables that lead here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "20", **more}

    def seams(self, timings: Timings = QUICK, **more: str) -> Seams:
        """A gateway's parts that lead here."""
        return Seams(timings=timings, otel=otel_settings(self.environ(**more)))

    async def until(self, count: int) -> list[SpanSeen]:
        """Wait for so many spans."""
        with suppress(TimeoutError):
            await within(SOON, lambda: len(self.spans) >= count)
        assert len(self.spans) >= count, [span.name for span in self.spans]
        return self.spans

    def of(self, kind: str) -> list[SpanSeen]:
        """The spans of one kind."""
        return [span for span in self.spans if span.kind == kind]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            first, *lines = head.decode().strip().split("\r\n")
            fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = await reader.readexactly(int(fields["content-length"]))
            self.heads.append(fields)
            self.paths.append(first.split(" ")[1])
            status = self.statuses.pop(0) if self.statuses else 200
            if status == HANG:
                await asyncio.sleep(3600)
            answer = self._take(fields, body) if status == 200 else b"no"
            more = self.answer_headers if status != 200 else ""
            writer.write(f"HTTP/1.1 {status} X\r\n{more}content-length: {len(answer)}\r\n\r\n".encode() + answer)

    def _take(self, fields: Mapping[str, str], body: bytes) -> bytes:
        assert fields["content-type"] == "application/x-protobuf"
        plain = gzip.decompress(body) if fields.get("content-encoding") == "gzip" else body
        self.raw.append(plain)
        WATCH.search("spans", plain + repr(fields).encode())
        for resource in ExportTraceServiceRequest.FromString(plain).resource_spans:
            service = _values(resource.resource.attributes)
            self.spans += [
                _seen(span, service, scope.schema_url) for scope in resource.scope_spans for span in scope.spans
            ]
        partial = ExportTracePartialSuccess(rejected_spans=self.rejects)
        answer: bytes = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
        return answer


@asynccontextmanager
async def otlp_receiver(tls: ssl.SSLContext | None = None) -> AsyncIterator[OtlpReceiver]:
    """A receiver that listens on the loopback."""
    receiver = OtlpReceiver()
    async with listening(receiver.serve, tls=tls) as port:
        receiver.url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
        yield receiver


def named(spans: Sequence[SpanSeen], name: str) -> SpanSeen:
    """Return the only span of that name."""
    (found,) = [span for span in spans if span.name == name]
    return found


def _seen(span: Span, service: Mapping[str, Any], schema: str) -> SpanSeen:
    return SpanSeen(
        span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), KINDS[span.kind], span.name,
        (span.start_time_unix_nano / 1e9, span.end_time_unix_nano / 1e9), _values(span.attributes),
        span.status.code == 2, span.status.message, {event.name: _values(event.attributes) for event in span.events},
        service, schema,
    )  # fmt: skip


def _values(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, str(kind))
