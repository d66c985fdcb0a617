"""Several processes accept from one listening socket, and each gets its share of the connections; or one gets all.

The kernel wakes all of them for each connection, and the first one up takes it: with few keep-alive connections that
is nearly always the same one. So they share *connection counts*, memory in which each writes how many it has, and one
that has more than another *steps back* for a moment. What the others do not take meanwhile it takes all the same, one,
then two, then four: a worker that is busy for a moment still gets its share, and one that is stuck soon keeps no client
waiting.
"""

import asyncio
import mmap
import os
import socket
from collections.abc import Callable

from gateway.net.server.room import Room
from gateway.net.server.sockets import SpareFiles, begin

CELL_BYTES = 8
ALONE = -1  # mmap's word for memory without a file
# The others need 0.1 ms to wake up, on a machine with too much to do some 10 ms; who has not by then is stopped or
# stuck, and a client that connects should not feel it.
STEP_SECONDS = 0.0005
PATIENCE_SECONDS = 0.05
SLACK = 16  # how far ahead of the others one may get: by one connection, and one more for each so many
MOST_AT_ONCE = 64  # accepted in one turn of the loop: at the end of our patience, or where there are no others
NO_ROOM_SECONDS = 0.5  # until another try when the system has no file descriptor left

Connected = Callable[[], asyncio.Protocol]


class ConnectionCounts:
    """Connection counts: one cell for each process, in a shared file of `cells * CELL_BYTES` bytes. Without a file,
    counts of this process alone.
    """

    def __init__(self, file: int = ALONE, cells: int = 1) -> None:
        if file != ALONE and os.fstat(file).st_size < cells * CELL_BYTES:
            os.ftruncate(file, cells * CELL_BYTES)
        self._cells = memoryview(mmap.mmap(file, cells * CELL_BYTES)).cast("q")

    def post(self, cell: int, connections: int) -> None:
        """Write how many connections the process of that cell has."""
        self._cells[cell] = connections + 1  # so that an empty cell is nobody's

    def clear(self, cell: int) -> None:
        """The process of that cell accepts no more."""
        self._cells[cell] = 0

    def fewest(self, besides: int) -> int | None:
        """The fewest connections that any other process has, None when there is no other."""
        others = [value - 1 for cell, value in enumerate(self._cells) if value and cell != besides]
        return min(others, default=None)


class SharedListener:
    """Accepts on a listening socket that other processes accept on as well, until it is closed.

    `connections` says how many are open here, `room` which of them give way when no file descriptor is left. Raises
    nothing: a connection that is gone before it is accepted is no error.
    """

    def __init__(
        self,
        sock: socket.socket,
        counts: ConnectionCounts,
        cell: int,
        connect: Connected,
        connections: Callable[[], int],
        room: Room,
    ) -> None:
        self._sock, self._counts, self._cell = sock, counts, cell
        self._connect, self._connections = connect, connections
        self._room = room
        self._spares = SpareFiles()
        self._is_short = False  # of file descriptors
        self._loop = asyncio.get_running_loop()
        self._arriving: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._unchanged: int | None = None  # the others' fewest when our patience ended last
        self._left = 0  # how many we took then
        sock.setblocking(False)
        self.post()
        self._loop.add_reader(sock, self._readable)

    def close(self) -> None:
        """Accept no more. What waits at the socket is left to the others."""
        self._counts.clear(self._cell)
        self._loop.remove_reader(self._sock)
        if self._pause:
            self._pause.cancel()
        self._sock.close()
        self._spares.close()

    async def wait_for_arriving(self) -> None:
        """Wait until all that was accepted are connections."""
        await asyncio.gather(*self._arriving)

    def post(self) -> int:
        """Publish how many connections are open or about to be, and return that number."""
        if self._is_short and self._spares.refill():
            self._is_short = False
            self._room.restore()
        mine = self._connections() + len(self._arriving)
        self._counts.post(self._cell, mine)
        return mine

    def _readable(self) -> None:
        """Accept one and return to the loop, so that others have theirs; or step back. Without others, accept as many
        as there are: a turn of a busy loop is long, and who connects must not wait for one of each client before."""
        fewest = self._counts.fewest(self._cell)
        if fewest is None:
            self._accept_at_most(MOST_AT_ONCE)
        elif self._is_our_turn(fewest) or self._is_stuck(fewest):
            self._accept()
        else:
            self._step_back(fewest, self._loop.time() + PATIENCE_SECONDS)

    def _is_our_turn(self, fewest: int | None) -> bool:
        return fewest is None or self.post() <= fewest + fewest // SLACK

    def _is_stuck(self, fewest: int | None) -> bool:
        """Return whether the worker with the fewest connections has left so many to this one that it will leave the
        rest."""
        return fewest == self._unchanged and self._left > MOST_AT_ONCE

    def _step_back(self, fewest: int | None, until: float) -> None:
        self._look_away(STEP_SECONDS, lambda: self._look_again(fewest, until))

    def _look_again(self, fewest: int | None, until: float) -> None:
        """Check again later, with twice the pause each time, whether a worker with fewer connections took some."""
        if self._counts.fewest(self._cell) != fewest:
            self._unchanged = None
            self._return()
        elif self._is_our_turn(fewest):
            self._return()
        elif self._loop.time() < until:
            self._step_back(fewest, until)
        else:
            self._left = 2 * self._left if fewest == self._unchanged else 1
            self._unchanged = fewest
            self._return()
            self._accept_at_most(min(self._left, MOST_AT_ONCE))

    def _look_away(self, seconds: float, then: Callable[[], object]) -> None:
        self._loop.remove_reader(self._sock)
        self._pause = self._loop.call_later(seconds, then)

    def _return(self) -> None:
        self._pause = None
        self._loop.add_reader(self._sock, self._readable)

    def _accept_at_most(self, count: int) -> None:
        for _ in range(count):
            if not self._accept():
                return

    def _accept(self) -> bool:
        """Accept one connection; return whether there was one."""
        try:
            client, _ = self._sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        except OSError:  # EMFILE, ENFILE, ENOBUFS, ENOMEM
            if self._spares.release():  # for operators; for others as long as a connection rests that gives way
                self._is_short = True
                self._room.shrink()
                return self._accept()
            self._look_away(NO_ROOM_SECONDS, self._return)
            return False
        client.setblocking(False)
        task: asyncio.Task[None] = self._loop.create_task(begin(client, self._connect))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)
        self.post()
        return True
