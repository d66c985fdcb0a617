"""A server of a test's own over real sockets, which leaves nothing open behind it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_LEFT = (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, asyncio.CancelledError)
_TURNS_TO_ACCEPT = 3  # of the loop, from a connection in the kernel's queue to the task that answers it


@asynccontextmanager
async def listening(
    answer: Answer, *, tls: ssl.SSLContext | None = None, unix: Path | None = None
) -> AsyncIterator[int]:
    """Answer every connection so; yields the port of 127.0.0.1, or 0 where it is a unix socket.

    A client may leave at any point. What `answer` itself does wrong is raised at the end; whoever is still being
    answered then is cut off.
    """
    answering: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []
    wrong: list[Exception] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        answering.add(task)
        writers.append(writer)
        try:
            await answer(reader, writer)
        except _LEFT:
            pass
        except Exception as error:
            wrong.append(error)
        finally:
            answering.discard(task)
            writer.close()

    if unix:
        server = await asyncio.start_unix_server(serve, unix)
    else:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls, backlog=512, limit=1 << 20)
    try:
        yield 0 if unix else server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for _ in range(_TURNS_TO_ACCEPT):
            await asyncio.sleep(0)
        for task in list(answering):
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)  # the loop closes the sockets
    if wrong:
        raise wrong[0]
