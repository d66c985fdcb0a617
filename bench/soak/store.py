"""The way to the store: a proxy that can be slow or cut, before a real server that keeps an append-only file."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.support.listening import listening

_PIECE = 65_536


class StoreProxy:
    """Stands between the replicas and the store. `delay` is in seconds, for each piece."""

    def __init__(self, port: int) -> None:
        self.delay = 0.0
        self._is_cut = False
        self._target = port
        self._open: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Listen; yields the port."""
        async with listening(self._serve) as port:
            yield port

    def cut(self) -> None:
        """End every connection, and refuse new ones until `mend`."""
        self._is_cut = True
        for writer in list(self._open):
            writer.transport.abort()

    def mend(self) -> None:
        self._is_cut = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            return
        try:
            behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:  # the server is away: so is its proxy
            return
        self._open |= {writer, behind_writer}
        back = asyncio.create_task(self._pump(behind_reader, writer))
        try:
            await self._pump(reader, behind_writer)
        finally:
            self._open -= {writer, behind_writer}
            behind_writer.close()
            back.cancel()
            await asyncio.wait([back])

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_PIECE):
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(data)
        writer.close()
