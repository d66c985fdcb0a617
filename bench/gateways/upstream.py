"""The stand-in for a provider: `python -m bench.gateways.upstream PORT`, on 127.0.0.1 until it is ended.

One epoll loop, no framework, answers made beforehand: a call costs it a read, two searches and a write, some 8 µs.
"""

import heapq
import select
import socket
import sys
from time import monotonic

from bench.gateways import wire

_READ = 256 * 1024


class Upstream:
    """Answers every request: with JSON, or with a stream when its text holds a gap."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._sockets: dict[int, socket.socket] = {}
        self._held: dict[int, bytes] = {}
        self._due: list[tuple[float, int, socket.socket, float, int]] = []
        self._order = 0
        self._answer = wire.answer()
        self._stream = wire.stream()

    def run(self) -> None:
        """Serve until the process is ended."""
        while True:
            for number, _ in self._epoll.poll(self._patience()):
                if number == self._listener.fileno():
                    self._accept()
                else:
                    self._read(number)
            self._continue_streams()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets[connection.fileno()] = connection
        self._epoll.register(connection, select.EPOLLIN)

    def _read(self, number: int) -> None:
        connection = self._sockets[number]
        try:
            data = connection.recv(_READ)
        except ConnectionError:
            data = b""
        if not data:
            self._close(connection)
            return
        if number in self._held:
            data = self._held.pop(number) + data
        if is_whole(data):
            self._respond(connection, data)
        else:
            self._held[number] = data

    def _respond(self, connection: socket.socket, data: bytes) -> None:
        at = data.find(wire.GAP)
        if at < 0:
            self._write(connection, self._answer)
            return
        gap = int(data[at + len(wire.GAP) : at + len(wire.GAP) + 5]) / 1000
        self._write(connection, self._stream[0])
        self._plan(monotonic() + gap, connection, gap, 1)

    def _plan(self, due: float, connection: socket.socket, gap: float, index: int) -> None:
        self._order += 1
        heapq.heappush(self._due, (due, self._order, connection, gap, index))

    def _patience(self) -> float:
        return max(self._due[0][0] - monotonic(), 0.0) if self._due else -1.0

    def _continue_streams(self) -> None:
        now = monotonic()
        while self._due and self._due[0][0] <= now:
            due, _, connection, gap, index = heapq.heappop(self._due)
            if connection.fileno() < 0:
                continue
            self._write(connection, self._stream[index])
            if index + 1 < len(self._stream):
                self._plan(due + gap, connection, gap, index + 1)

    def _write(self, connection: socket.socket, data: bytes) -> None:
        try:
            connection.sendall(data)
        except ConnectionError:
            self._close(connection)

    def _close(self, connection: socket.socket) -> None:
        number = connection.fileno()
        self._epoll.unregister(number)
        self._held.pop(number, None)
        self._sockets.pop(number).close()


def is_whole(data: bytes) -> bool:
    """Whether these bytes are a whole request."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = data[:end]
    length = wire.body_length(head)
    if length is None:
        return b"chunked" not in head.lower() or data.endswith(b"0\r\n\r\n")
    return len(data) >= end + 4 + length


if __name__ == "__main__":
    Upstream(int(sys.argv[1])).run()
