"""One client's appetite ends somewhere, in bytes, time and number; others do not notice."""

import asyncio
import time
from dataclasses import replace

import pytest

from gateway.net.asgi import Message, PlainReceive, PlainSend
from gateway.net.server import ServerLimits
from tests.gateway.net.server.stage import (
    GET,
    Client,
    Echo,
    Stage,
    answer,
    eventually,
    read_refusal,
    stage,
    whole_body,
)
from tests.support.call_count import CallCount

POST = b"POST /x HTTP/1.1\r\nHost: a\r\n"
BRIEF = ServerLimits(
    first_byte_seconds=0.3,
    head_seconds=0.1,
    body_seconds=0.2,
    keep_alive_seconds=0.3,
    write_seconds=0.3,
    linger_seconds=0.1,
)


async def test_header_line_of_32_mb() -> None:
    """One endless header line is refused with 431 after some 64 kB, long before it was read."""
    echo = Echo()
    async with stage(echo) as on:
        client = await on.connect()
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * (32 << 20))
        assert read_refusal(await client.rest()) == (431, "headers_too_large")
    assert echo.scopes == []


@pytest.mark.parametrize(
    "data",
    [
        GET[:-2] + b"".join(b"X-%d: y\r\n" % number for number in range(200)) + b"\r\n",
        GET[:-2] + b"X: " + b"x" * 65_000 + b"\r\n" + b"Y: " + b"y" * 500 + b"\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"x" * 400_000,
        POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 400_000,
        b"\r\n" * 40_000,
    ],
    ids=["201 headers", "65.5 kB in two headers", "endless trailer", "endless chunk extension", "endless empty lines"],
)
async def test_endless_heads(data: bytes) -> None:
    """Too many headers, too large a block, and every other place where a client could go on for ever: 431."""
    async with stage(Echo()) as on:
        assert await on.refused(data) == (431, "headers_too_large")


async def test_header_block_just_inside() -> None:
    """60 kB in 199 headers, and a target of 16 kB, are served."""
    headers = b"".join(b"X-%d: %b\r\n" % (number, b"y" * 200) for number in range(199))
    async with stage(Echo()) as on:
        client = await on.connect()
        client.send(b"GET /" + b"p" * 16_000 + b" HTTP/1.1\r\nHost: a\r\n" + headers + b"\r\n")
        assert (await client.answer())[0] == 200


async def test_target_too_long() -> None:
    """A target beyond 16 kB is 414, whether or not it ever ends."""
    async with stage(Echo()) as on:
        assert await on.refused(b"GET /" + b"p" * 17_000) == (414, "uri_too_long")


async def test_content_length_above_the_limit() -> None:
    """413 before a byte of the body was read, in place of a 100, and the application sees nothing."""
    echo = Echo()
    head = POST + b"Content-Length: 33554433\r\n"
    async with stage(echo) as on:
        assert await on.refused(head + b"\r\n") == (413, "request_too_large")
        assert await on.refused(head + b"Expect: 100-continue\r\n\r\n") == (413, "request_too_large")
    assert echo.scopes == []


async def test_413_is_readable_while_the_body_is_still_coming() -> None:
    """A client that goes on sending its body reads the refusal, not a reset."""
    async with stage(Echo(), ServerLimits(body_bytes=1000)) as on:
        client = await on.connect()
        client.send(POST + b"Content-Length: 9000000\r\n\r\n")
        client.send(b"x" * 4_000_000)
        await asyncio.sleep(0.05)
        client.send(b"x" * 4_000_000)
        assert read_refusal(await client.rest()) == (413, "request_too_large")


async def test_chunked_body_that_grows_past_the_limit() -> None:
    """413 once the chunks add up to more; the application never gets the whole of it."""
    echo = Echo()
    async with stage(echo, ServerLimits(body_bytes=1000)) as on:
        client = await on.connect()
        client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            client.send(b"190\r\n" + b"x" * 400 + b"\r\n")
            await asyncio.sleep(0.01)
        assert read_refusal(await client.rest()) == (413, "request_too_large")
    assert echo.bodies == []


async def test_slowloris_headers() -> None:
    """A head that drips in is cut off with 408 at the deadline, which the drips do not move."""
    async with stage(Echo(), BRIEF) as on:
        client = await on.connect()
        begun = time.monotonic()
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        drip = asyncio.create_task(_drip(client.send, b"X: y\r\n"))
        assert read_refusal(await client.rest()) == (408, "request_timeout")
        assert time.monotonic() - begun > 0.09
        drip.cancel()


async def test_slowloris_body() -> None:
    """The same for a body: 408, and the application learns that the client is gone."""
    echo = Echo()
    async with stage(echo, BRIEF) as on:
        client = await on.connect()
        client.send(POST + b"Content-Length: 1000\r\n\r\n")
        drip = asyncio.create_task(_drip(client.send, b"x"))
        assert read_refusal(await client.rest()) == (408, "request_timeout")
        drip.cancel()
    assert echo.departed == ["/x"]


async def _drip(send: object, data: bytes) -> None:
    assert callable(send)
    while True:
        send(data)
        await asyncio.sleep(0.02)


async def test_second_head_has_its_own_deadline() -> None:
    """The head deadline runs from the first byte of each request on a kept connection."""
    async with stage(Echo(), BRIEF) as on:
        client = await on.connect()
        client.send(GET)
        await client.answer()
        await asyncio.sleep(0.2)
        client.send(b"GET /late")
        assert read_refusal(await client.rest()) == (408, "request_timeout")


async def test_head_begun_behind_another_request() -> None:
    """The deadline also runs for a head whose first bytes came in one packet with the request before it."""
    async with stage(Echo(), BRIEF) as on:
        client = await on.connect()
        client.send(GET + b"GET /late")
        await client.answer()
        assert read_refusal(await client.rest()) == (408, "request_timeout")


async def test_refused_client_that_stays() -> None:
    """A client that was refused and does not close its side is closed on after the linger time."""
    async with stage(Echo(), BRIEF) as on:
        reader, writer = await asyncio.open_connection("127.0.0.1", on.server.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await reader.readuntil(b"}}")
        assert on.server.connections == 1
        await eventually(lambda: on.server.connections == 0)
        writer.close()


async def test_body_that_grows_too_large_after_its_answer() -> None:
    """The answer is out already: the connection ends without a second one."""

    async def deny(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        await answer(send, b"no", status=401)

    async with stage(deny, ServerLimits(body_bytes=10)) as on:
        client = await on.connect()
        client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        assert await client.answer() == (401, b"no")
        client.send(b"14\r\n" + b"x" * 20 + b"\r\n")
        assert await client.rest() == b""


@pytest.mark.parametrize("before", [b"", GET], ids=["never used", "used before"])
async def test_idle_connection_is_closed_without_a_word(before: bytes) -> None:
    """Without a request under way there is nothing to answer: the connection just closes after the keep-alive time."""
    async with stage(Echo(), BRIEF) as on:
        client = await on.connect()
        begun = time.monotonic()
        client.send(before)
        if before:
            await client.answer()
        assert await client.rest() == b""
        assert time.monotonic() - begun > 0.25


async def test_application_may_take_its_time() -> None:
    """No deadline runs while the application works on an answer, and none while a stream flows."""

    async def slow(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        await whole_body(receive)
        await asyncio.sleep(0.8)
        await answer(send, b"ok")

    async with stage(slow, BRIEF) as on:
        client = await on.connect()
        client.send(GET)
        assert await client.answer() == (200, b"ok")


async def test_unread_body_after_an_early_answer_is_not_waited_for_for_ever() -> None:
    """Answered already, a client that never ends its body is dropped after the body's time, without a second answer."""

    async def deny(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        await answer(send, b"no", status=401)

    async with stage(deny, BRIEF) as on:
        client = await on.connect()
        client.send(POST + b"Content-Length: 1000\r\n\r\n")
        assert await client.answer() == (401, b"no")
        assert await client.rest() == b""


class Waiting:
    """Answers `/healthz` at once, every other path when `release` is set."""

    def __init__(self) -> None:
        self.release = asyncio.Event()

    async def __call__(self, scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        if scope["path"] != "/healthz":
            await self.release.wait()
        await answer(send, scope["path"].encode())


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


async def busy(on: Stage, count: int) -> list[Client]:
    """So many connections on which a request waits for its answer."""
    clients = [await on.connect() for _ in range(count)]
    for client in clients:
        client.send(GET)
    await eventually(lambda: on.server.in_flight == count)
    return clients


async def test_connection_cap() -> None:
    """One connection too many is told 503 with Retry-After once it asks; those inside, and later ones, are served."""
    app = Waiting()
    async with stage(app, ServerLimits(max_connections=2)) as on:
        inside = await busy(on, 2)
        late = await on.connect()
        late.send(GET)
        data = await late.rest()
        assert read_refusal(data) == (503, "overloaded")
        assert b"retry-after: 1\r\n" in data
        app.release.set()
        assert [await client.answer() for client in inside] == [(200, b"/")] * 2
        again = await on.connect()
        again.send(GET)
        assert await again.answer() == (200, b"/")


async def test_the_reserve() -> None:
    """With every connection taken, and silent ones in the reserve, health is served, on one request a connection."""
    async with stage(Waiting(), ServerLimits(max_connections=3, reserve=2)) as on:
        await busy(on, 3)
        silent = [await on.connect() for _ in range(20)]
        for _ in range(5):
            operator = await on.connect()
            operator.send(HEALTH)
            assert b"connection: close" in (await operator.until(b"\r\n\r\n"))
            assert await operator.rest() == b"/healthz"
        assert on.server.connections <= 5
        assert read_refusal(await silent[0].rest()) == (503, "overloaded")


async def test_half_a_head_does_not_hold_the_reserve() -> None:
    """Nor does a refusal that a client leaves unread."""
    async with stage(Waiting(), ServerLimits(max_connections=1, reserve=2)) as on:
        await busy(on, 1)
        for data in (b"GET /heal", b"GET /healthz HTTP/1.1\r\nHost", GET, GET):
            (await on.connect()).send(data)
        operator = await on.connect()
        operator.send(HEALTH)
        assert await operator.answer() == (200, b"/healthz")


async def test_a_connection_that_rests_gives_way() -> None:
    """Silent connections at the cap keep nobody out: the one that has rested longest is closed without a word."""
    async with stage(Echo(), ServerLimits(max_connections=3)) as on:
        silent = [await on.connect() for _ in range(2)]
        served = await on.connect()
        served.send(GET)
        await served.answer()
        for _ in range(2):
            newcomer = await on.connect()
            newcomer.send(GET)
            assert await newcomer.answer() == (200, b"/ ")
        assert [await client.rest() for client in silent] == [b"", b""]
        served.send(GET)
        assert await served.answer() == (200, b"/ ")
        assert on.server.connections == 3


async def test_a_reserved_connection_moves_up() -> None:
    """Where there is room by the time that it asks, it is served like any other."""
    app = Waiting()
    async with stage(app, ServerLimits(max_connections=1)) as on:
        [inside] = await busy(on, 1)
        late = await on.connect()
        await eventually(lambda: on.server.connections == 2)
        inside.vanish()
        await eventually(lambda: on.server.connections == 1)
        app.release.set()
        late.send(GET)
        assert await late.answer() == (200, b"/")
        late.send(GET)
        assert await late.answer() == (200, b"/")


async def test_flood_above_the_cap_is_just_closed() -> None:
    """Of very many connections too many only the first hundred get their 503 in words."""
    async with stage(Waiting(), ServerLimits(max_connections=1, reserve=0)) as on:
        await busy(on, 1)
        flood = [await on.connect() for _ in range(130)]
        ends = await asyncio.gather(*(client.rest() for client in flood), return_exceptions=True)
    told = [end for end in ends if isinstance(end, bytes) and b"503" in end]
    assert 90 <= len(told) <= 110


async def test_the_first_byte_has_a_deadline() -> None:
    """A connection on which nothing ever comes is closed long before the keep-alive time is over."""
    async with stage(Echo(), ServerLimits(first_byte_seconds=0.1)) as on:
        client = await on.connect()
        assert await client.rest() == b""
        used = await on.connect()
        used.send(GET)
        await used.answer()
        await asyncio.sleep(0.3)
        used.send(GET)
        assert await used.answer() == (200, b"/ ")


async def test_requests_pipelined_without_end() -> None:
    """More requests in one packet than may wait: those that may are answered, then 503."""
    async with stage(Echo(), ServerLimits(max_pipelined=3)) as on:
        client = await on.connect()
        client.send(GET * 100)
        assert [await client.answer() for _ in range(4)] == [(200, b"/ ")] * 4
        assert read_refusal(await client.rest()) == (503, "overloaded")


async def test_bytes_sent_ahead_are_bounded() -> None:
    """While an answer is pending, what a client sends ahead is taken up to a bound, and served when its turn comes."""
    release = asyncio.Event()

    async def app(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        body = await whole_body(receive)
        await release.wait()
        await answer(send, b"%d" % len(body or b""))

    async with stage(app) as on:
        client = await on.connect()
        client.send(GET)
        await asyncio.sleep(0.02)
        client.send(POST + b"Content-Length: 9000000\r\n\r\n" + bytes(9_000_000))
        await asyncio.sleep(0.1)
        assert client.writer.transport.get_write_buffer_size() > 1_000_000
        release.set()
        assert [await client.answer() for _ in range(2)] == [(200, b"0"), (200, b"9000000")]


async def test_idle_crowd_does_not_slow_others() -> None:
    """A thousand silent connections cost the others nothing that one could see."""
    steps = list[int]()
    async with stage(Echo()) as on:
        for others in (1, 1000):
            for _ in range(others):
                await on.connect()
            client, calls = await on.connect(), CallCount()
            with calls:
                for _ in range(100):
                    client.send(GET)
                    await client.answer()
            steps.append(calls.total)
    assert steps[1] < 1.2 * steps[0]


# Uploads: bodies that are handed on as they come


def _is_up(path: str) -> bool:
    return path.startswith("/up")


UPLOADS = replace(BRIEF, body_bytes=1000, upload_bytes=300_000, takes_uploads=_is_up, upload_step=100)
UP = b"POST /up HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize("framing", [b"Content-Length: 200000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n30d40\r\n"])
async def test_an_upload_has_a_limit_of_its_own(framing: bytes) -> None:
    """What would be too large elsewhere is taken where uploads are."""
    echo = Echo()
    async with stage(echo, UPLOADS) as on:
        client = await on.connect()
        client.send(UP + framing + b"x" * 200_000 + (b"\r\n0\r\n\r\n" if b"chunked" in framing else b""))
        assert (await client.answer())[0] == 200
        assert (await on.refused(POST + framing))[0] == 413 or b"chunked" in framing
    assert [len(body) for body in echo.bodies] == [200_000]


async def test_an_upload_that_is_too_large() -> None:
    """413: by its length before a byte is read, or once its chunks add up to more."""
    echo = Echo()
    async with stage(echo, UPLOADS) as on:
        assert await on.refused(UP + b"Content-Length: 300001\r\n\r\n") == (413, "request_too_large")
        assert echo.scopes == []
        chunk = b"186a0\r\n" + b"x" * 100_000 + b"\r\n"
        assert await on.refused(UP + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 4) == (413, "request_too_large")
    assert echo.bodies == []


async def test_an_upload_has_time_while_it_goes_on() -> None:
    """Its deadline moves with what comes, though not with a drip."""
    async with stage(Echo(), UPLOADS) as on:
        client = await on.connect()
        client.send(UP + b"Content-Length: 1000\r\n\r\n")
        for _ in range(10):
            client.send(b"x" * 100)
            await asyncio.sleep(0.08)
        assert (await client.answer())[0] == 200
        client.send(UP + b"Content-Length: 1000\r\n\r\n")
        drip = asyncio.create_task(_drip(client.send, b"x"))
        assert read_refusal(await client.rest()) == (408, "request_timeout")
        drip.cancel()


async def test_an_upload_that_waits_for_us_has_time() -> None:
    """A client is not to blame for bytes that nobody reads."""

    async def slow(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        await asyncio.sleep(0.7)
        body = await whole_body(receive)
        await answer(send, str(len(body or b"")).encode())

    async with stage(slow, UPLOADS) as on:
        client = await on.connect()
        client.send(UP + b"Content-Length: 300000\r\n\r\n" + b"x" * 250_000)
        await asyncio.sleep(0.6)
        client.send(b"x" * 50_000)
        assert await client.answer() == (200, b"300000")
