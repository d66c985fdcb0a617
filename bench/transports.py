"""What an upstream call costs: CPU µs per call of the lean and the standard transport, and per streamed chunk.

    python -m bench.transports [--seconds 1.5] [--rounds 3]

A minimal server answers from a process of its own (every request with the same 1 kB JSON, or with a stream of small
SSE chunks); the transports run on uvloop in this process, interleaved, and the median round counts. The figure is
this process's scheduled time (user and system) over the calls made, so neighbours blur it little. About 20 s.
"""

import argparse
import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection as Pipe
from typing import cast

import uvloop

from gateway.net.client import Origin, Request, Transport
from gateway.net.client.options import TransportKind, TransportOptions
from gateway.net.client.upstreams import transport

CONCURRENCY = 16
STREAMS = 64
CHUNKS = 50
BURST = 256

_JSON = b'{"id":"chatcmpl-1","choices":[{"message":{"role":"assistant","content":"' + b"canary " * 120 + b'"}}]}'
_HEADERS = b"".join(b"x-header-%d: some value of a usual length\r\n" % n for n in range(8))
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b" % (
    _HEADERS, len(_JSON), _JSON,
)  # fmt: skip
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_EVENT = b'data: {"choices":[{"delta":{"content":"canary"}}]}\n\n'
_CHUNK = b"%x\r\n%b\r\n" % (len(_EVENT), _EVENT)
_BODY = b'{"model":"gpt-4o","messages":[{"role":"user","content":"' + b"hello " * 80 + b'"}]}'
_SENT = [
    (b"authorization", b"Bearer sk-some-key-of-a-usual-length"),
    (b"content-type", b"application/json"),
    (b"accept", b"*/*"),
    (b"accept-encoding", b"identity"),
    (b"user-agent", b"OpenAI/Python 3.54.0"),
]


class Minimal(asyncio.Protocol):
    """Answers each request head; `/stream` gets its chunks one by one, 2 ms apart."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class

    def data_received(self, data: bytes) -> None:
        if b"POST /stream" in data:
            self.transport.write(_STREAM_HEAD)
            self.next_chunk(CHUNKS)
        elif b"POST " in data:  # a body may come behind its head, and with the next head behind it
            self.transport.write(_ANSWER)

    def next_chunk(self, left: int) -> None:
        if left and not self.transport.is_closing():
            self.transport.write(_CHUNK)
            asyncio.get_running_loop().call_later(0.002, self.next_chunk, left - 1)
        elif not left:
            self.transport.write(b"0\r\n\r\n")


def serve(pipe: Pipe) -> None:
    """Serve on a port of the system's choice, told through the pipe, until the process is ended."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Minimal, "127.0.0.1", 0, backlog=1024)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())


async def call(client: Transport, origin: Origin, path: str) -> int:
    """One call, read to its end; how many chunks came."""
    response = await client.send(Request("POST", origin, path, _SENT, _BODY))
    count = 0
    async for _ in response.chunks():
        count += 1
    return count


async def cpu_per_call(client: Transport, origin: Origin, seconds: float) -> float:
    """CPU µs per plain call at the usual concurrency."""
    end = time.monotonic() + seconds

    async def worker() -> int:
        calls = 0
        while time.monotonic() < end:
            await call(client, origin, "/v1/chat/completions")
            calls += 1
        return calls

    before = time.process_time()
    calls = sum(await asyncio.gather(*(worker() for _ in range(CONCURRENCY))))
    return (time.process_time() - before) * 1e6 / calls


async def cpu_per_chunk(client: Transport, origin: Origin, seconds: float) -> float:
    """CPU µs per chunk over parallel streams; the price of opening a stream is in it."""
    end, chunks, before = time.monotonic() + seconds, 0, time.process_time()
    while time.monotonic() < end:
        chunks += sum(await asyncio.gather(*(call(client, origin, "/stream") for _ in range(STREAMS))))
    return (time.process_time() - before) * 1e6 / chunks


async def cpu_after_burst(client: Transport, origin: Origin, seconds: float) -> float:
    """CPU µs per plain call when 256 connections were open a moment before."""
    await asyncio.gather(*(call(client, origin, "/v1/chat/completions") for _ in range(BURST)))
    return await cpu_per_call(client, origin, seconds)


Measure = Callable[[Transport, Origin, float], Awaitable[float]]
MEASURES: dict[str, Measure] = {
    "call, c = 16": cpu_per_call,
    "call after a burst of 256": cpu_after_burst,
    "streamed chunk, 64 streams": cpu_per_chunk,
}
KINDS: tuple[TransportKind, ...] = ("lean", "standard")


async def one(kind: TransportKind, measure: Measure, origin: Origin, seconds: float) -> float:
    client = transport(TransportOptions(kind=kind))
    try:
        await call(client, origin, "/v1/chat/completions")
        return await measure(client, origin, seconds)
    finally:
        await client.aclose()


async def rounds(origin: Origin, seconds: float, count: int) -> dict[tuple[str, TransportKind], float]:
    """The median of each measure and transport, in µs; rounds are interleaved so that all see the same neighbours."""
    seen: dict[tuple[str, TransportKind], list[float]] = {}
    for _ in range(count):
        for name, measure in MEASURES.items():
            for kind in KINDS:
                seen.setdefault((name, kind), []).append(await one(kind, measure, origin, seconds))
    return {key: statistics.median(values) for key, values in seen.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    server.start()
    try:
        figures = uvloop.run(rounds(Origin("http", "127.0.0.1", here.recv()), args.seconds, args.rounds))
    finally:
        server.terminate()
        server.join()
    print(f"{'CPU µs per':28} {'lean':>8} {'standard':>9} {'ratio':>6}")
    for name in MEASURES:
        lean, standard = figures[name, "lean"], figures[name, "standard"]
        print(f"{name:28} {lean:8.1f} {standard:9.1f} {standard / lean:6.1f}")


if __name__ == "__main__":
    main()
