"""Spans on their way to a receiver that refuses, hangs, goes away and comes back."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic, time
from typing import Any

import pytest

from gateway import logs
from gateway.errors import ProviderError
from gateway.net.client import Request, Response
from gateway.net.client.lean import LeanTransport
from gateway.net.client.options import TransportOptions
from gateway.telemetry.otel_settings import otel_settings
from gateway.telemetry.otlp import SpanBatch, rejected_in
from gateway.telemetry.span_exporter import TRIES, SpanExporter
from gateway.telemetry.spans import Span
from tests.support.otlp import HANG, OtlpReceiver, otlp_receiver

SPAN = Span("1" * 32, "2" * 16, "", "POST /", 2, 1.0, 2.0, {"a": ("b", "c"), "d": 1, "e": 0.5, "f": True})


def _body() -> bytes:
    batch = SpanBatch({"service.name": "birds"})
    batch.add(SPAN)
    return batch.body()


BODY = _body()


class Sender:
    """An exporter to a receiver, and what it logs."""

    def __init__(self, receiver: OtlpReceiver, retry: float = 0.01, **environ: str) -> None:
        settings = otel_settings(receiver.environ(**environ))
        assert settings is not None
        self.out = io.BytesIO()
        transport = LeanTransport(TransportOptions())
        self.exporter = SpanExporter(settings, transport, logs.to(self.out), time, lambda: 0.0, retry)

    async def send(self) -> None:
        await self.exporter.send(BODY, 1)

    def events(self) -> list[Any]:
        return [json.loads(line)["event"] for line in self.out.getvalue().splitlines()]


@asynccontextmanager
async def sending(**options: Any) -> AsyncIterator[tuple[OtlpReceiver, Sender]]:
    async with otlp_receiver() as receiver:
        sender = Sender(receiver, **options)
        yield receiver, sender
        await sender.exporter.aclose()


async def test_request() -> None:
    """Protobuf, compressed, at the signal's path, with the headers that the receiver wants."""
    async with sending(OTEL_EXPORTER_OTLP_HEADERS="x-key=a%20b") as (receiver, sender):
        await sender.send()
    (span,) = receiver.spans
    assert span.values == {"a": ["b", "c"], "d": 1, "e": 0.5, "f": True} and span.service == {"service.name": "birds"}
    assert receiver.paths == ["/v1/traces"] and receiver.heads[0]["content-encoding"] == "gzip"
    assert receiver.heads[0]["x-key"] == "a b"


async def test_uncompressed() -> None:
    """A receiver that unpacks nothing gets the message as it is."""
    async with sending(OTEL_EXPORTER_OTLP_COMPRESSION="none") as (receiver, sender):
        await sender.send()
    assert len(receiver.spans) == 1 and "content-encoding" not in receiver.heads[0]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_retry(status: int) -> None:
    """A receiver that is busy is asked again; the log says so once, and that it is over."""
    async with sending() as (receiver, sender):
        receiver.statuses = [status, status]
        await sender.send()
    assert len(receiver.spans) == 1 and sender.exporter.dropped.total() == 0
    assert sender.events() == ["spans_not_exported", "spans_exported_again"]


async def test_retry_after() -> None:
    """A receiver that says when is heeded, rather than our own wait."""
    async with sending(retry=3600.0) as (receiver, sender):
        receiver.statuses, receiver.answer_headers = [429], "retry-after: 0.2\r\n"
        begun_at = monotonic()
        await sender.send()
    assert len(receiver.spans) == 1 and monotonic() - begun_at >= 0.2


@pytest.mark.parametrize("status", [400, 401, 404, 415, 307, 500])
async def test_refused(status: int) -> None:
    """What will be refused for ever is dropped at once, and counted."""
    async with sending() as (receiver, sender):
        receiver.statuses = [status]
        await sender.send()
    assert receiver.spans == [] and sender.exporter.dropped == {"refused": 1}
    assert len(receiver.heads) == 1 and sender.events() == ["spans_dropped"]


async def test_hanging() -> None:
    """A receiver that never answers has the export's time limit, each time."""
    async with sending(OTEL_EXPORTER_OTLP_TIMEOUT="50") as (receiver, sender):
        receiver.statuses = [HANG]
        await sender.send()
    assert len(receiver.spans) == 1 and len(receiver.heads) == 2


async def test_away() -> None:
    """A receiver that is away is tried a few times; then its spans are dropped and counted."""
    async with sending() as (receiver, sender):
        receiver.statuses = [503] * TRIES
        await sender.send()
        assert len(receiver.heads) == TRIES
    await sender.send()  # nobody listens any more
    assert sender.exporter.dropped == {"unreachable": 2}
    assert sender.events() == ["spans_not_exported", "spans_dropped", "spans_dropped"]


async def test_partly_rejected() -> None:
    """What a receiver takes the rest without is counted."""
    async with sending() as (receiver, sender):
        receiver.rejects = 3
        await sender.send()
    assert sender.exporter.dropped == {"rejected": 3} and rejected_in(b"no protobuf") == 0


async def test_loop_goes_on_while_it_packs() -> None:
    """A batch is compressed beside the loop: others have had their turn by the time it is sent."""
    turns: list[int] = []

    class Refusing:
        """A transport that notes how often others had their turn."""

        async def send(self, _request: Request) -> Response:
            turns_before_it_was_sent.append(len(turns))
            raise ProviderError("connect", "nobody is there")

        async def aclose(self) -> None:
            """There is nothing to close."""

    async def turn() -> None:
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    turns_before_it_was_sent: list[int] = []
    async with sending() as (_, sender):
        turning = asyncio.create_task(turn())
        await sender.exporter.aclose()
        sender.exporter.transport = Refusing()
        await sender.exporter.send(BODY, 1)
        turning.cancel()
    assert turns_before_it_was_sent[0] > 0
