"""Operating-system calls of the server: listening sockets, open files, and hung-up peers."""

import asyncio
import contextlib
import os
import resource
import select
import socket
import struct
from collections.abc import Callable, Iterator

BACKLOG = 2048
# Files beyond one for each connection: upstream connections, the store, logs.
OTHER_FILES = 4096
SPARE_FILES = 16
# Linux tells a half-closed connection by POLLRDHUP, others by POLLHUP.
HANGUP = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR
# struct linger: on, for 0 seconds.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket; port 0 takes a free one. `shared` lets several processes listen on the port (SO_REUSEPORT).

    `::` listens on IPv4, too. Raises OSError when the address cannot be had.
    """
    name = host.encode("ascii")  # as text it would load the tables of international names, 0.3 MB
    family, *_, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    is_any = family == socket.AF_INET6 and address[0] == "::" and socket.has_dualstack_ipv6()
    return socket.create_server(
        (str(address[0]), int(address[1])), family=family, backlog=BACKLOG, reuse_port=shared, dualstack_ipv6=is_any
    )


def accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """The connections that wait at a listening socket that does not block, as many as its queue holds at most."""
    with contextlib.suppress(OSError):  # there is none left, or no file descriptor for it
        for _ in range(BACKLOG):
            client, _ = listener.accept()
            client.setblocking(False)
            yield client


async def begin(client: socket.socket, connect: Callable[[], asyncio.Protocol]) -> None:
    """Let a protocol serve an accepted connection."""
    try:
        await asyncio.get_running_loop().connect_accepted_socket(connect, client)
    except OSError:  # it left in this moment
        client.close()


def allow_files(connections: int) -> None:
    """Raise the soft limit of open files, 1,024 on most systems, as far as the hard limit and the need go."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections * 2 + OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class SpareFiles:
    """File descriptors that are held for those who must get in when no other is left: health, status, operators."""

    def __init__(self, count: int = SPARE_FILES) -> None:
        self._count = count
        self._held: list[int] = []
        self.refill()

    def release(self) -> bool:
        """Close one; return whether there was one."""
        if not self._held:
            return False
        os.close(self._held.pop())
        return True

    def refill(self) -> bool:
        """Take back what was released, as far as there is room; return whether all is there."""
        with contextlib.suppress(OSError):
            while len(self._held) < self._count:
                self._held.append(os.open(os.devnull, os.O_RDONLY))
        return len(self._held) == self._count

    def close(self) -> None:
        """Release all of them for good."""
        self._count = 0
        while self.release():
            pass


def hung_up(transport: asyncio.Transport) -> bool:
    """Return whether the peer closed its side, even where bytes that it sent before are still unread."""
    peer = transport.get_extra_info("socket")
    if peer is None or peer.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(peer.fileno(), HANGUP)
    return bool(poll.poll(0))


def reset(transport: asyncio.Transport) -> None:
    """Abort with a TCP reset: what is queued is dropped, and nobody takes the end for an orderly one."""
    peer = transport.get_extra_info("socket")
    if peer is not None and peer.fileno() >= 0:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()
