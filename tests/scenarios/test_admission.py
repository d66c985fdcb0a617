"""The attacks of clients without a key, on a running gateway: its memory, and who is served meanwhile."""

import asyncio
import hashlib
import json
import resource
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from time import time

import pytest

from gateway.rehearsal.standin import Standin
from tests.support.canaries import CLIENT_KEY
from tests.support.processes import Served, command, serving
from tests.support.running import ADMIN_TOKEN, trial, write

KEY = CLIENT_KEY
BEARER = (f"authorization: Bearer {KEY}",)
ADMIN = (f"authorization: Bearer {ADMIN_TOKEN}",)
MIB = 1 << 20
REPLY = "/v1/escalations/x/reply"


@pytest.fixture
async def served(tmp_path: Path, redis_url: str, agent: str) -> AsyncIterator[Served]:
    """`serinus serve` with one key, room for 20 calls and 100 connections."""
    async with AsyncExitStack() as stack:
        standin = Standin()
        await standin.start()
        stack.push_async_callback(standin.stop)
        files = trial(agent, standin) | {"routing.yaml": {"agents": {agent: {"stable": "v1"}}}}
        files["gateway.yaml"] = {
            "providers": {"standin": {"api": "openai", "base_url": standin.base_url}},
            "keys": {"app": {"sha256": hashlib.sha256(KEY.encode()).hexdigest()}},
            "limits": {"in_flight": 20, "connections": 100},
            "escalation": {"secret": "${DESK_SECRET}"},
        }
        folder = write(tmp_path / "config", files)
        environ = {"SERINUS_STORE": redis_url, "DESK_SECRET": "shared"}
        yield await stack.enter_async_context(serving(folder, environ))


@asynccontextmanager
async def connected(served: Served, count: int, data: bytes) -> AsyncIterator[list[asyncio.StreamWriter]]:
    """So many connections on which these bytes were sent."""
    host, port = served.url.removeprefix("http://").split(":")
    writers = [(await asyncio.open_connection(host, port))[1] for _ in range(count)]
    for writer in writers:
        writer.write(data)
    try:
        yield writers
    finally:
        for writer in writers:
            writer.transport.abort()


def head(path: str, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {32 * MIB}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def resident_bytes(served: Served) -> int:
    pages = int(Path(f"/proc/{served.process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


async def chat(served: Served, agent: str) -> int:
    body = json.dumps({"model": agent, "messages": [{"role": "user", "content": "hello"}]}).encode()
    return (await served.ask("POST", "/v1/chat/completions", body, BEARER)).status


async def flood(writer: asyncio.StreamWriter) -> None:
    """Send 32 MB, as far as they are taken."""
    piece = bytes(MIB)
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(2):
            for _ in range(32):
                writer.write(piece)
                await writer.drain()


@pytest.mark.parametrize("path", [REPLY, "/v1/chat/completions", "/v1/feedback", "/v1/files", "/nothing"])
async def test_forty_bodies_of_32_mb(served: Served, agent: str, path: str) -> None:
    """The process grows by less than one of them; calls with a key and operators are served."""
    assert await chat(served, agent) == 200
    before = resident_bytes(served)
    mark = ("x-serinus-signature: v1=" + "0" * 64, f"x-serinus-timestamp: {int(time())}")
    async with connected(served, 40, head(path, *mark)) as writers:
        await asyncio.gather(*map(flood, writers))
        assert resident_bytes(served) - before < 32 * MIB
        assert await chat(served, agent) == 200
        assert (await served.ask("GET", "/status", headers=ADMIN)).status == 200


@pytest.mark.parametrize("data", [b"", b"POST /v1/chat/comp", head(REPLY)], ids=["silent", "half a head", "refused"])
async def test_two_hundred_connections_that_hold_still(served: Served, agent: str, data: bytes) -> None:
    """Twice the cap: health and operators are answered throughout."""
    async with connected(served, 200, data):
        for _ in range(5):
            assert (await served.ask("GET", "/healthz")).status == 200
            assert (await served.ask("GET", "/status", headers=ADMIN)).status == 200
        if not data:  # what rests gives way to calls, too
            assert await chat(served, agent) == 200


async def test_the_status_on_loopback_with_keys(served: Served) -> None:
    """It wants a key or the admin token; the command takes the token from its environment, and else says so."""
    assert [(await served.ask("GET", "/status", headers=each)).status for each in ((), BEARER, ADMIN)] == [
        401,
        200,
        200,
    ]
    assert (await command("status", "--url", served.url)).code == 0
    refused = await command("status", "--url", served.url, SERINUS_ADMIN_TOKEN="")
    assert refused.code == 1 and "SERINUS_ADMIN_TOKEN" in refused.errors
