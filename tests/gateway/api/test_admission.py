"""Who is let in, by the head of a request alone: nobody else's body is read, or counted among the calls."""

import asyncio
import json
import socket
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import time

import pytest
import pytest_asyncio
from starlette.routing import Route

from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.replica.routes import routes
from gateway.webhook.signature import signed
from tests.gateway.api.keys import ADMIN, BEARER, KEY, OPEN, digest_of
from tests.support.canaries import WEBHOOK_SECRET
from tests.support.crowd import Reply, ask
from tests.support.running import Running, running, trial, write
from tests.support.waiting import within

SECRET = WEBHOOK_SECRET
MIB = 1 << 20
REPLY = "/v1/escalations/x/reply"


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    standin = Standin({"good": ModelBehaviour(), "slow": ModelBehaviour(latency_seconds=30)})
    await standin.start()
    yield standin
    await standin.stop()


@pytest_asyncio.fixture(params=[{}])
async def served(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin, request: pytest.FixtureRequest
) -> AsyncIterator[Running]:
    """A gateway with one key, that answers 20 calls at once."""
    files = trial(agent, standin, weight="0%")
    files["gateway.yaml"] = {
        "providers": {"standin": {"api": "openai", "base_url": standin.base_url}},
        "keys": {"web": {"sha256": digest_of(KEY)}},
        "limits": {"in_flight": 20},
        **request.param,
    }
    files["routing.yaml"] = {"agents": {agent: {"stable": "v1"}}}
    files[f"agents/{agent}/v2.yaml"] = {"model": "standin/slow"}
    async with running(write(tmp_path, files), redis_url, {"DESK_SECRET": SECRET}) as served:
        yield served


def head(path: str, *headers: str, method: str = "POST", length: int = 32 * MIB) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {length}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def port_of(served: Running) -> int:
    return int(served.url.rpartition(":")[2])


@asynccontextmanager
async def begun(served: Running, count: int, data: bytes) -> AsyncIterator[list[asyncio.StreamReader]]:
    """So many connections on which these bytes were sent; what comes back of each."""
    streams = [await asyncio.open_connection("127.0.0.1", port_of(served)) for _ in range(count)]
    for _, writer in streams:
        writer.write(data)
    try:
        yield [reader for reader, _ in streams]
    finally:
        for _, writer in streams:
            writer.transport.abort()


async def status_of(reader: asyncio.StreamReader) -> int:
    async with asyncio.timeout(5):
        return int((await reader.readuntil(b"\r\n\r\n")).split()[1])


async def chat(served: Running, agent: str) -> Reply:
    body = json.dumps({"model": agent, "messages": [{"role": "user", "content": "hello"}]}).encode()
    return await ask(served.url, "POST", "/v1/chat/completions", body, (BEARER,))


def targets(served: Running) -> Iterator[tuple[str, str]]:
    """Method and path of every endpoint but the open ones, and some that are not there."""
    paths = {route.path for route in routes(served.gateway.services) if isinstance(route, Route)} - OPEN
    paths |= {"/v1/chat/completions", "/v1/messages", "/v1/responses", REPLY, "/v1/files", "/v1/responses/x/cancel"}
    for path in sorted(paths):
        for method in ("POST", "GET", "PUT", "PATCH", "DELETE"):
            yield method, path.replace("{", "").replace("}", "").replace(":path", "")


async def test_no_endpoint_reads_before_it_knows_who_asks(served: Running) -> None:
    """Every method of every path is refused at its head: 401, 403, 404 or 405, the connection closed, nothing taken."""
    for method, path in targets(served):
        async with begun(served, 1, head(path, method=method)) as [reader]:
            found = await reader.readuntil(b"\r\n\r\n")
            assert int(found.split()[1]) in (401, 403, 404, 405), (method, path)
            assert b"connection: close" in found.lower(), (method, path)
            assert served.gateway.services.calls.taken == 0


@pytest.mark.parametrize("served", [{}, {"escalation": {"secret": "${DESK_SECRET}"}}], indirect=True)
@pytest.mark.parametrize(
    "signature",
    [
        ["x-serinus-signature: any"],
        ["x-serinus-signature: v1=" + "0" * 64],
        ["x-serinus-signature: v1=" + "0" * 64, "x-serinus-timestamp: 1"],
        ["x-serinus-signature: v1=" + "0" * 63, f"x-serinus-timestamp: {int(time())}"],
        ["x-serinus-signature: v1=" + "0" * 64, "x-serinus-timestamp: soon"],
        ["x-serinus-signature;: v1"],
        ["x-serinus-signature: "],
    ],
    ids=["malformed", "no time", "old", "short", "no number", "no header", "empty"],
)
async def test_a_signature_that_cannot_hold_is_refused_at_the_head(served: Running, signature: list[str]) -> None:
    """What its form or its age says needs no body."""
    async with begun(served, 1, head(REPLY, *signature)) as [reader]:
        assert await status_of(reader) in (400, 401)


@pytest.mark.parametrize("served", [{}, {"escalation": {"secret": "${DESK_SECRET}"}}], indirect=True)
async def test_forty_bodies_of_32_mb_under_false_signatures(served: Running, agent: str) -> None:
    """They take up less memory than one of them, while 20 calls at most are served; callers with keys are answered."""
    fresh = head(REPLY, "x-serinus-signature: v1=" + "0" * 64, f"x-serinus-timestamp: {int(time())}")
    piece = bytes(MIB)
    await chat(served, agent)  # what the first call loads is not measured
    tracemalloc.start()
    try:
        async with begun(served, 40, fresh) as readers:
            async with asyncio.timeout(5):
                assert await asyncio.gather(*map(status_of, readers)) == [413 if served_secret(served) else 401] * 40
            await asyncio.gather(*(flood(port_of(served), fresh, piece) for _ in range(40)))
            assert (await chat(served, agent)).status == 200
        assert tracemalloc.get_traced_memory()[1] < 24 * MIB
    finally:
        tracemalloc.stop()


def served_secret(served: Running) -> bool:
    return served.gateway.services.runtime.signing_secret is not None


async def flood(port: int, first: bytes, piece: bytes) -> None:
    """Send the head and 32 MB behind it, as far as it is taken."""
    loop = asyncio.get_running_loop()
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setblocking(False)
        try:
            async with asyncio.timeout(1):
                await loop.sock_sendall(sock, first)
                for _ in range(32):
                    await loop.sock_sendall(sock, piece)
        except (OSError, TimeoutError):
            return


@pytest.mark.parametrize("served", [{"escalation": {"secret": "${DESK_SECRET}"}}], indirect=True)
async def test_signed_bodies_that_do_not_come(served: Running, agent: str) -> None:
    """A hundred heads that look signed: calls, health, operators and a reply that really is signed are all served."""
    false = ("x-serinus-signature: v1=" + "0" * 64, f"x-serinus-timestamp: {int(time())}")
    await served.gateway.services.store.escalate(agent, handed(agent))
    async with begun(served, 100, head(REPLY, *false, length=1000)):
        await within(5, lambda: served.gateway.services.unproven.reading == 32)
        assert (await chat(served, agent)).status == 200
        assert (await ask(served.url, "GET", "/healthz")).status == 200
        assert (await ask(served.url, "GET", "/status", headers=(ADMIN,))).status == 200
        body = b'{"message": "Hello.", "call_id": "c-1"}'
        mark = [f"{name.decode()}: {value.decode()}" for name, value in signed(SECRET.encode(), body, time())]
        assert (await ask(served.url, "POST", "/v1/escalations/c-1/reply", body, mark)).status == 200


def handed(agent: str) -> dict[str, str]:
    return {"call_id": "c-1", "agent": agent, "version": "v1", "caller": "app", "at": "1.000", "failure": "down",
            "conversation": "0" * 32, "messages": "[]"}  # fmt: skip


@pytest.mark.parametrize("served", [{"escalation": {"secret": "${DESK_SECRET}"}}], indirect=True)
async def test_a_signed_reply_is_for_one_conversation(served: Running, agent: str) -> None:
    """It names it in its body, so that whoever overhears it cannot send it to another one."""
    await served.gateway.services.store.escalate(agent, handed(agent))
    body = b'{"message": "Hello."}'
    mark = [f"{name.decode()}: {value.decode()}" for name, value in signed(SECRET.encode(), body, time())]
    reply = await ask(served.url, "POST", "/v1/escalations/c-1/reply", body, mark)
    assert (reply.status, json.loads(reply.body)["error"]["param"]) == (400, "call_id")


@pytest.mark.parametrize(
    ("path", "header", "most"),
    [
        ("/v1/feedback", BEARER, 64 * 1024),
        ("/admin/agents/{agent}/pause", ADMIN, 64 * 1024),
        ("/v1/escalations/x/reply", ADMIN, 512 * 1024),
    ],
)
async def test_small_bodies_have_a_small_bound(served: Running, agent: str, path: str, header: str, most: int) -> None:
    """413 at the head where it tells the length, and else as soon as more has come."""
    path = path.format(agent=agent)
    async with begun(served, 1, head(path, header, length=most + 1)) as [reader]:
        assert await status_of(reader) == 413
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", "transfer-encoding: chunked", header, "", ""]
    chunks = b"10000\r\n" + bytes(65536) + b"\r\n"
    async with begun(served, 1, "\r\n".join(lines).encode() + chunks * 9) as [reader]:
        assert await status_of(reader) == 413


async def test_a_full_gateway(served: Running, agent: str) -> None:
    """One call too many gets 503 with Retry-After in its own dialect; health and operators are served all the same."""
    body = json.dumps(
        {"model": f"{agent}@v2", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}
    ).encode()
    async with begun(served, 20, head("/v1/chat/completions", BEARER, length=len(body)) + body):
        await within(5, lambda: served.gateway.services.calls.taken == 20)
        reply = await ask(served.url, "POST", "/v1/messages", body, (BEARER,))
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        assert json.loads(reply.body)["type"] == "error"
        for path in ("/healthz", "/readyz"):
            assert (await ask(served.url, "GET", path)).status == 200
        for path in ("/status", f"/audit/{agent}", "/v1/escalations"):
            assert (await ask(served.url, "GET", path, headers=(ADMIN,))).status == 200
        assert (await ask(served.url, "GET", "/status", headers=(BEARER,))).status == 200
        assert (await ask(served.url, "GET", "/status")).status == 401
    await within(5, lambda: served.gateway.services.calls.taken == 0)


async def test_heads_without_a_key_fill_nothing(served: Running, agent: str) -> None:
    """Two hundred unauthenticated heads in one burst: each is told 401, and a call with its key is answered."""
    async with begun(served, 200, head("/v1/chat/completions")) as readers:
        assert (await chat(served, agent)).status == 200
        async with asyncio.timeout(5):
            assert set(await asyncio.gather(*map(status_of, readers))) == {401}
