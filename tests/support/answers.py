"""A gateway that only answers: each request with the next of some values as JSON, the last one again and again."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.cli.main import main
from tests.support.listening import listening


@asynccontextmanager
async def answering_json(*values: object) -> AsyncIterator[str]:
    """The URL of a server that says these; None breaks the connection."""
    left = [*values]

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        value = left.pop(0) if len(left) > 1 else left[0]
        if value is not None:
            body = json.dumps(value).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (len(body), body))

    async with listening(say) as port:
        yield f"http://127.0.0.1:{port}"


async def run(*arguments: str) -> int:
    """The exit code of the command, run beside the server that it asks."""
    return await asyncio.to_thread(main, arguments)
