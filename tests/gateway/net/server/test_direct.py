"""What the server's own `receive` and `send` can do beyond ASGI: a whole body, a whole answer, a part, at once."""

import asyncio

import pytest

from gateway.net.asgi import Message, PlainReceive, PlainSend
from gateway.net.server.body import RequestBody
from gateway.net.server.exchange import Exchange
from tests.gateway.net.server.stage import GET, begin_stream, stage, whole_body

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"


async def test_body_that_is_there_is_read_whole() -> None:
    """A body that came with its head is had without waiting; one that is on its way comes as messages."""

    async def app(_: Message, receive: PlainReceive, send: PlainSend) -> None:
        assert isinstance(receive, RequestBody) and isinstance(send, Exchange)
        whole = receive.whole()
        said = b"late " + (await whole_body(receive) or b"") if whole is None else b"there " + whole
        assert send.answer(200, [(b"x-a", b"b")], said)

    async with stage(app) as on:
        client = await on.connect()
        client.send(POST + b"abc")
        assert await client.answer() == (200, b"there abc")
        client.send(POST + b"a")
        await asyncio.sleep(0.05)
        client.send(b"bc")
        assert await client.answer() == (200, b"late abc")


async def test_answer_at_once_is_one_answer() -> None:
    """Head and body go out as they would in messages; a second answer is not taken."""

    async def app(_: Message, receive: PlainReceive, send: PlainSend) -> None:
        assert isinstance(send, Exchange)
        begun.append(send.begun)
        assert send.answer(201, [(b"X-A", b"b"), (b"Content-Length", b"99"), (b"connection", b"close")], b"hi")
        begun.append(send.begun)
        assert not send.answer(200, [], b"again")

    begun: list[bool] = []
    async with stage(app) as on:
        data = await on.talk(GET)
    assert begun == [False, True]
    assert data == b"HTTP/1.1 201 Created\r\nx-a: b\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi"


@pytest.mark.parametrize("pair", [(b"x", b"a\r\nset-cookie: b"), (b"x", b"a\0"), (b"x\r\ny", b"a"), (b"", b"a")])
async def test_nothing_begins_a_line_of_its_own(pair: tuple[bytes, bytes]) -> None:
    """A value or name with a control character is refused before anything went out, so an error can still be told."""

    async def app(_: Message, receive: PlainReceive, send: PlainSend) -> None:
        assert isinstance(send, Exchange)
        with pytest.raises(RuntimeError, match="invalid header"):
            send.answer(200, [pair], b"")
        assert not send.begun
        send.answer(500, [], b"told")

    async with stage(app) as on:
        client = await on.connect()
        client.send(GET)
        assert await client.answer() == (500, b"told")


async def test_parts_at_once_are_chunks() -> None:
    """A part of a stream goes out at once; an empty one, one before the head, and one of another framing do not."""

    async def app(_: Message, receive: PlainReceive, send: PlainSend) -> None:
        assert isinstance(send, Exchange)
        assert not send.part(b"early")
        await begin_stream(send, b"one")
        assert send.part(b"two")
        assert not send.part(b"")
        await send({"type": "http.response.body", "body": b""})
        assert not send.part(b"late")

    async with stage(app) as on:
        client = await on.connect()
        client.send(GET)
        assert (await client.until(b"0\r\n\r\n")).endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


async def test_client_that_left_is_sent_nothing() -> None:
    """Once the client is gone neither an answer nor a part is taken, and no body is handed over."""
    seen: list[bool] = []
    done = asyncio.Event()

    async def app(_: Message, receive: PlainReceive, send: PlainSend) -> None:
        assert isinstance(receive, RequestBody) and isinstance(send, Exchange)
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        seen.extend([send.answer(200, [], b"hi"), send.part(b"hi"), receive.whole() is not None])
        done.set()

    async with stage(app) as on:
        client = await on.connect()
        client.send(GET)
        await asyncio.sleep(0.05)
        client.vanish()
        async with asyncio.timeout(5):
            await done.wait()
    assert seen == [False, False, False]


async def test_an_answer_is_out_before_the_client_is_taken_to_be_gone() -> None:
    """A client that closes its side in the turn of the loop in which it is answered still gets the answer."""

    async def app(_: Message, receive: PlainReceive, send: PlainSend) -> None:
        assert isinstance(send, Exchange)
        assert send.answer(200, [], b"said")
        client.end()

    async with stage(app) as on:
        client = await on.connect()
        client.send(GET)
        assert (await client.rest()).endswith(b"\r\n\r\nsaid")
