"""A passed call's provider of raw bytes, its books and its log line."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.rollout.status_view import ApartSums
from tests.support.calling import SOON, Place


def once(answer: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """A provider that answers each connection with these bytes and leaves."""

    async def provider(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length or 0))
        writer.write(answer)
        await writer.drain()
        writer.close()

    return provider


async def booked(here: Place) -> ApartSums:
    """What the status says of the version's passed calls, once there is one."""
    for _ in range(100):
        found = (await here.books(requests=0)).apart
        if found.requests:
            return found
        await asyncio.sleep(SOON / 100)
    raise TimeoutError


async def logged(capfd: pytest.CaptureFixture[str], event: str = "call") -> dict[str, Any]:
    """The first log line of that event."""
    seen = ""
    async with asyncio.timeout(SOON):
        while True:
            seen += capfd.readouterr().out
            lines = [json.loads(line) for line in seen.splitlines() if line.endswith("}")]
            if found := [line for line in lines if line["event"] == event]:
                return dict(found[0])
            await asyncio.sleep(0.01)
