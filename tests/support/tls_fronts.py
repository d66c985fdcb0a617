"""TLS before servers that speak none: the bundled one is built without it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from tests.support.listening import listening


@asynccontextmanager
async def tls_fronts(ports: Iterable[int], context: ssl.SSLContext) -> AsyncIterator[dict[int, int]]:
    """Yield the port with TLS of each plain port. What servers tell of a plain port becomes the one with TLS."""
    fronts: dict[int, int] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plain = next(plain for plain, port in fronts.items() if port == writer.get_extra_info("sockname")[1])
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", plain)
        back = asyncio.create_task(_pump_back(behind_reader, writer, fronts))
        try:
            while data := await reader.read(65536):
                behind_writer.write(data)
        finally:
            behind_writer.close()
            back.cancel()
            await asyncio.wait([back])

    async with AsyncExitStack() as stack:
        for plain in ports:
            fronts[plain] = await stack.enter_async_context(listening(serve, tls=context))
        yield fronts


async def _pump_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fronts: dict[int, int]) -> None:
    while data := await reader.read(65536):
        for plain, port in fronts.items():  # both of five digits, so that no length changes
            data = data.replace(str(plain).encode(), str(port).encode())
        writer.write(data)
    writer.close()
