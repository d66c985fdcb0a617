"""A gate between one replica and its Redis, which shuts at a chosen moment of a commit and never opens again.

It stops the replica in a window that is otherwise some microseconds wide, so that it can be killed there.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal
from urllib.parse import unquote, urlsplit

from gateway.store.scripts import COMMIT
from tests.support.listening import listening

Moment = Literal[
    "before",  # the commit has left the replica, and does not arrive
    "unanswered",  # it is applied; the replica does not hear of it
    "answered",  # the replica has heard of it, and nothing that it says afterwards arrives
]
_CHUNK = 65536
_WON = b"*2\r\n:1\r\n"  # how the answer to a commit that won begins


class Gate:
    """Passes everything between its `url` and the Redis on a unix socket, until a commit after `watch`.

    `shut` is set once the replica stands in the window; `won` says then whether its commit was the one that won.
    """

    def __init__(self, url: str) -> None:
        self.url = ""
        self.shut = asyncio.Event()
        self._upstream = unquote(urlsplit(url).path)
        self._moment: Moment | None = None
        self._committing: asyncio.StreamWriter | None = None  # towards the replica, once it has begun to commit
        self._answer = b""  # to that commit; Redis writes it in pieces

    @property
    def won(self) -> bool:
        return self._answer.startswith(_WON)

    def watch(self, moment: Moment) -> None:
        """Shut at that moment of the next commit."""
        self._moment = moment

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Gate"]:
        async with listening(self._carry) as port:
            self.url = f"redis://127.0.0.1:{port}/0"
            yield self

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, upstream = await asyncio.open_unix_connection(self._upstream)
        back = asyncio.create_task(self._back(answers, writer))
        try:
            with suppress(OSError):
                while data := await reader.read(_CHUNK):
                    if self._committing is None and self._moment and COMMIT.sha.encode() in data:
                        self._committing = writer
                    if self._lets_in(writer):
                        upstream.write(data)
        finally:
            upstream.close()
            await back

    async def _back(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await answers.read(_CHUNK):
                if writer is self._committing:
                    self._answer += data
                    if len(self._answer) >= len(_WON):
                        self.shut.set()
                if self._lets_out(writer):
                    writer.write(data)
        writer.close()

    def _lets_in(self, writer: asyncio.StreamWriter) -> bool:
        if self._committing is None:
            return True
        if self._moment == "before":
            self.shut.set()
            return False
        return writer is self._committing and not self.shut.is_set()

    def _lets_out(self, writer: asyncio.StreamWriter) -> bool:
        return self._committing is None or (writer is self._committing and self._moment == "answered")
