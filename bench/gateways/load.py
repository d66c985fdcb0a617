"""The load generator: one epoll loop, prepared requests, no framework; a call costs it some 10 µs.

`run(seconds)` can be called again and again: connections stay, and so do calls under way, so that what is measured
between two runs is a steady state. Latencies are in seconds; an open loop counts them from the moment at which a call
was meant to go out, not from when there was room for it (no coordinated omission).
"""

import ctypes
import select
import socket
from collections import deque
from dataclasses import dataclass, field
from itertools import cycle
from time import perf_counter

from bench.gateways import wire

_READ = 256 * 1024
_PR_SET_TIMERSLACK = 29
_OK = b"HTTP/1.1 200"

Address = tuple[str, int]


@dataclass(slots=True)
class Seen:
    """What a load has seen since it was asked last. `latencies` of good calls, `firsts` of streams, in seconds."""

    calls: int = 0
    failed: int = 0
    pieces: int = 0
    latencies: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)


class Line:
    """One connection, with at most one call under way."""

    __slots__ = ("held", "meant_at", "ok", "sock", "streaming")

    def __init__(self, address: Address) -> None:
        self.sock = socket.create_connection(address, timeout=60)
        self.sock.settimeout(None)  # a socket with a timeout costs a system call more at every turn
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.held = b""
        self.meant_at = 0.0
        self.ok = self.streaming = False


class Load:
    """Connections to one gateway. What a connection does when its call has ended is the subclass's business."""

    def __init__(self, address: Address, requests: list[bytes]) -> None:
        _sleep_precisely()
        self._epoll = select.epoll()  # made first: its number must suit `select.select`
        self._address = address
        self._requests = cycle(requests)
        self._lines: dict[int, Line] = {}
        self._seen = Seen()

    def taken(self) -> Seen:
        """What was seen since the last time."""
        seen, self._seen = self._seen, Seen()
        return seen

    def close(self) -> None:
        """Hang up."""
        for line in self._lines.values():
            line.sock.close()
        self._epoll.close()

    def run(self, seconds: float) -> None:
        """Go on for so long."""
        end = perf_counter() + seconds
        while (now := perf_counter()) < end:
            self._begin_due(now)
            for number, _ in self._ready(max(min(end, self._next_due()) - now, 0.0)):
                self._read(self._lines[number])

    def _ready(self, seconds: float) -> list[tuple[int, int]]:
        """The connections that have something to read, waited for at most so long (to the millisecond)."""
        return self._epoll.poll(seconds)

    def _begin_due(self, now: float) -> None:
        """Begin what is due by the clock."""

    def _next_due(self) -> float:
        """When something will be due, in the clock's seconds."""
        return float("inf")

    def _ended(self, line: Line) -> None:
        """A call has ended on that connection."""
        raise NotImplementedError

    def _dial(self) -> Line:
        line = Line(self._address)
        self._lines[line.sock.fileno()] = line
        self._epoll.register(line.sock, select.EPOLLIN)
        return line

    def _call(self, line: Line, meant_at: float) -> None:
        line.meant_at = meant_at
        line.held = b""
        line.streaming = False
        try:
            line.sock.sendall(next(self._requests))
        except ConnectionError:
            self._lost(line)

    def _read(self, line: Line) -> None:
        try:
            data = line.sock.recv(_READ)
        except ConnectionError:
            data = b""
        if not data:
            self._lost(line)
        elif line.streaming:
            self._piece(line, data)
        else:
            self._head(line, line.held + data if line.held else data)

    def _head(self, line: Line, data: bytes) -> None:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            line.held = data
            return
        line.ok = data.startswith(_OK)
        length = wire.body_length(data[:end])
        if length is None:
            line.streaming, line.held = True, b""
            self._piece(line, data[end:])
        elif len(data) >= end + 4 + length:
            self._finish(line)
        else:
            line.held = data

    def _piece(self, line: Line, data: bytes) -> None:
        count = data.count(wire.PIECE)
        if count:
            self._seen.pieces += count
            if line.held != b"begun":
                line.held = b"begun"
                self._seen.firsts.append(perf_counter() - line.meant_at)
        if data.endswith(b"0\r\n\r\n"):
            self._finish(line)

    def _finish(self, line: Line) -> None:
        self._seen.calls += 1
        if line.ok:
            self._seen.latencies.append(perf_counter() - line.meant_at)
        else:
            self._seen.failed += 1
        self._ended(line)

    def _lost(self, line: Line) -> None:
        """The gateway hung up on a call: it failed, and another connection takes the place."""
        self._seen.calls += 1
        self._seen.failed += 1
        self._lines.pop(line.sock.fileno())
        line.sock.close()
        self._ended(self._dial())


class ClosedLoop(Load):
    """So many callers, each calling again as soon as it has its answer. `ramp` spreads their beginning, in seconds."""

    def __init__(self, address: Address, requests: list[bytes], callers: int, ramp: float = 0.0) -> None:
        super().__init__(address, requests)
        now = perf_counter()
        self._waiting = deque((now + ramp * n / callers, self._dial()) for n in range(callers))

    def _begin_due(self, now: float) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            self._call(self._waiting.popleft()[1], perf_counter())

    def _next_due(self) -> float:
        return self._waiting[0][0] if self._waiting else float("inf")

    def _ended(self, line: Line) -> None:
        self._call(line, perf_counter())


class OpenLoop(Load):
    """Calls at a steady rate (a second), whatever becomes of them, on as few connections as that takes."""

    def __init__(self, address: Address, requests: list[bytes], rate: float, connections: int = 256) -> None:
        super().__init__(address, requests)
        self._gap = 1.0 / rate
        self._free = [self._dial() for _ in range(8)]
        self._left = connections - len(self._free)
        self._late: deque[float] = deque()
        self._due = perf_counter()

    def run(self, seconds: float) -> None:
        self._due = max(self._due, perf_counter())  # nothing was due between two runs
        super().run(seconds)

    def _ready(self, seconds: float) -> list[tuple[int, int]]:
        select.select([self._epoll], [], [], seconds)  # to the microsecond, which epoll's own wait is not
        return self._epoll.poll(0)

    def _begin_due(self, now: float) -> None:
        while self._due <= now:
            self._late.append(self._due)
            self._due += self._gap
        while self._late and (line := self._room()):
            self._call(line, self._late.popleft())

    def _next_due(self) -> float:
        return self._due

    def _room(self) -> Line | None:
        if not self._free and self._left:
            self._left -= 1
            return self._dial()
        return self._free.pop() if self._free else None

    def _ended(self, line: Line) -> None:
        if self._late:
            self._call(line, self._late.popleft())
        else:
            self._free.append(line)


def call_once(address: Address, request: bytes) -> bool:
    """Whether the gateway answers this call well, now."""
    try:
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(request)
            return connection.recv(_READ).startswith(_OK)
    except OSError:
        return False


def burst(address: Address, requests: list[bytes], connections: int) -> int:
    """Open that many connections at once, make one call on each, hang up; how many calls failed."""
    load = ClosedLoop(address, requests, connections)
    seen = Seen()
    try:
        for _ in range(100):
            load.run(0.1)
            more = load.taken()
            seen.calls, seen.failed = seen.calls + more.calls, seen.failed + more.failed
            if seen.calls >= 4 * connections:
                break
    finally:
        load.close()
    return seen.failed


def _sleep_precisely() -> None:
    """Ask Linux to wake this thread on time; by default it may be 50 µs late."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
