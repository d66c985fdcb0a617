"""A worker's side: what it inherits from its parent, and what it hears from it."""

import asyncio
import json
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass

from gateway.net.server import ConnectionCounts

READY = b"ready"
RETIRE = b"retire\n"


@dataclass(frozen=True, slots=True)
class Post:
    """A worker's inheritance: descriptors, its cell of the connection counts, the URL of the parent's private Redis.

    `line` is for the parent's word, `reports` for what the workers have counted.
    """

    listener: int
    counts: int
    cells: int
    cell: int
    line: int
    embedded: str | None
    reports: int | None = None  # None from a parent that adds up no metrics

    def written(self) -> str:
        """Return the value as an argument of the worker's command line; nothing in it is secret."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> "Post":
        fields = json.loads(text)
        fields.setdefault("counts", fields.pop("board", None))  # what a parent of before 0.2 writes
        return cls(**fields)


class PostedWorker:
    """A worker at its post. `is_retiring` after it was told to retire, once the whole port is ready again."""

    def __init__(self, post: Post) -> None:
        self.embedded = post.embedded
        self.sock = socket.socket(fileno=post.listener)
        self.share = ConnectionCounts(post.counts, post.cells), post.cell
        self.is_retiring = False
        self.reports = None if post.reports is None else socket.socket(fileno=post.reports)
        self._line = socket.socket(fileno=post.line)
        self._line.setblocking(False)

    @property
    def host(self) -> str:
        """The address that the parent listens on."""
        return str(self.sock.getsockname()[0])

    def attend(self, stop: Callable[[], object]) -> None:
        """Call `stop` once, as soon as the parent asks for it or is gone."""

        def hear() -> None:
            with suppress(ConnectionResetError):  # the parent died without having read our last word
                self.is_retiring = self._line.recv(len(RETIRE)) == RETIRE
            loop.remove_reader(self._line)
            stop()

        loop = asyncio.get_running_loop()
        loop.add_reader(self._line, hear)

    def be_ready(self, replica: str) -> None:
        """Tell the parent that this replica takes calls."""
        with suppress(BrokenPipeError):  # that the parent is gone is heard in a moment
            self._line.send(b"%s %s\n" % (READY, replica.encode()))

    def leave(self) -> None:
        """Hear nothing more."""
        asyncio.get_running_loop().remove_reader(self._line)
