"""HTTP as the clients in the field speak it."""

import asyncio
import logging

import pytest

from gateway.net.asgi import Message, PlainReceive, PlainSend
from gateway.net.server import ServerLimits
from tests.gateway.net.server.stage import GET, Echo, answer, begin_stream, eventually, read_refusal, stage, whole_body

UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"


async def test_request_arrives_as_sent() -> None:
    """Method, path, query and headers reach the application decoded as ASGI says."""
    echo = Echo()
    async with stage(echo) as on:
        client = await on.connect()
        client.send(b"PUT /a%20b?q=%20 HTTP/1.1\r\nHOST: a\r\nX-Odd: \xff\r\nContent-Length: 2\r\n\r\nhi")
        assert await client.answer() == (200, b"/a b hi")
    scope = echo.scopes[0]
    assert (scope["method"], scope["raw_path"], scope["query_string"]) == ("PUT", b"/a%20b", b"q=%20")
    assert scope["headers"] == [(b"host", b"a"), (b"x-odd", b"\xff"), (b"content-length", b"2")]
    assert scope["client"][0] == scope["server"][0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("target", "path"), [(b"http://evil:1/x?q", "/x"), (b"http://evil", "/"), (b"/x?q#f", "/x"), (b"*", "*")]
)
async def test_other_forms_of_target(target: bytes, path: str) -> None:
    """An absolute target, a fragment or a star leave nothing but the path."""
    echo = Echo()
    async with stage(echo) as on:
        client = await on.connect()
        client.send(b"OPTIONS " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.answer()
    assert echo.scopes[0]["path"] == path


@pytest.mark.parametrize("size", [1, 7, 4096])
async def test_request_in_pieces(size: int) -> None:
    """However the bytes are cut, the request is the same."""
    data = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;a=b\r\n!\r\n0\r\n\r\n"
    async with stage(Echo()) as on:
        client = await on.connect()
        for start in range(0, len(data), size):
            client.send(data[start : start + size])
            await asyncio.sleep(0.001)
        assert await client.answer() == (200, b"/x hello!")


async def test_pipelining_answers_in_order() -> None:
    """Requests sent at once, bodies and all, are answered one after the other, in one packet or in many."""
    requests = b"".join(
        b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nb%02d" % (number, number) for number in range(20)
    )
    async with stage(Echo()) as on:
        client = await on.connect()
        client.send(requests)
        client.send(requests[:500])
        await asyncio.sleep(0.01)
        client.send(requests[500:])
        answers = [await client.answer() for _ in range(40)]
    assert answers == [(200, b"/%d b%02d" % (number, number)) for number in range(20)] * 2


async def test_h2c_upgrade_keeps_its_body() -> None:
    """Java clients ask for h2c on every POST: it is served as HTTP/1.1, body whole, and the connection lives on."""
    echo = Echo()
    async with stage(echo) as on:
        client = await on.connect()
        client.send(b"POST /j HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n" + UPGRADE + b"\r\nhe")
        await asyncio.sleep(0.02)
        client.send(b"llo" + GET)
        assert await client.answer() == (200, b"/j hello")
        assert await client.answer() == (200, b"/ ")
    assert b"upgrade" not in dict(echo.scopes[0]["headers"])


async def test_chunked_h2c_upgrade_behind_another_request() -> None:
    """The same with a chunked body, pipelined behind a plain request in one packet."""
    async with stage(Echo()) as on:
        client = await on.connect()
        client.send(GET + b"POST /j HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" + UPGRADE)
        client.send(b"\r\n3\r\nabc\r\n0\r\n\r\n")
        assert await client.answer() == (200, b"/ ")
        assert await client.answer() == (200, b"/j abc")


async def test_websocket_upgrade_is_plain_http() -> None:
    """A websocket handshake is answered as the GET that it is."""
    async with stage(Echo()) as on:
        client = await on.connect()
        client.send(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert await client.answer() == (200, b"/ws ")


async def test_upgrade_hides_no_second_meaning() -> None:
    """A request that asks for an upgrade passes the same checks as any other."""
    echo = Echo()
    async with stage(echo) as on:
        assert await on.refused(b"POST / HTTP/1.1\r\n" + UPGRADE + b"\r\n") == (400, "bad_request")
    assert echo.scopes == []


async def test_expect_continue() -> None:
    """A client that waits for 100 gets it when the application asks for the body, then its answer."""
    async with stage(Echo()) as on:
        client = await on.connect()
        client.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"hi")
        assert await client.answer() == (200, b"/x hi")


async def test_answer_in_place_of_continue_closes() -> None:
    """Answered without a 100, nobody knows whether the body still comes: the connection closes."""

    async def deny(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        await answer(send, b"no", status=401)

    async with stage(deny) as on:
        data = await on.talk(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert data == b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno"


async def test_stream_is_chunked_for_http_1_1() -> None:
    """An answer without a length goes out in chunks, and the connection is kept."""
    async with stage(three_words) as on:
        client = await on.connect()
        for _ in range(2):
            client.send(GET)
            head = await client.until(b"\r\n\r\n")
            assert b"transfer-encoding: chunked" in head
            assert b"content-length" not in head
            assert await client.until(b"0\r\n\r\n") == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"


async def test_http_1_0_gets_no_chunks() -> None:
    """An HTTP/1.0 client gets the bare bytes, ended by the close, even if it asks to keep the connection."""
    async with stage(three_words) as on:
        data = await on.talk(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert body == b"onetwo"


async def three_words(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
    await begin_stream(send, b"one")
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    await send({"type": "http.response.body", "body": b"two", "more_body": False})


async def test_head_and_204_carry_no_body() -> None:
    """HEAD keeps the length and drops the body; 204 has neither."""

    async def app(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        if scope["method"] == "HEAD":
            await answer(send, b"body")
        else:
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})

    async with stage(app) as on:
        client = await on.connect()
        client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 204 No Content\r\n\r\n"


async def test_connection_close_is_obeyed() -> None:
    """Asked for by the client, the connection closes after the answer, and what it sent after that is void."""
    echo = Echo()
    async with stage(echo) as on:
        data = await on.talk(b"GET /one HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET)
    assert data == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\n/one "
    assert len(echo.scopes) == 1


async def test_framing_headers_of_the_application_are_ours() -> None:
    """Whatever the application says of framing, one framing header goes out; its close is obeyed."""

    async def app(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        odd = [(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"2"), (b"Connection", b"Close")]
        await send({"type": "http.response.start", "status": 200, "headers": odd})
        await send({"type": "http.response.body", "body": b"hi"})

    async with stage(app) as on:
        assert await on.talk(GET) == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi"


async def test_early_answer_reads_the_rest_of_the_body() -> None:
    """An answer sent before the body was read: the rest is thrown away and the connection can be used again."""

    async def early(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        await answer(send, b"yes")

    async with stage(early) as on:
        client = await on.connect()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 400_000)
        assert await client.answer() == (200, b"yes")
        client.send(b"x" * 600_000 + GET)
        assert await client.answer() == (200, b"yes")


async def test_a_refused_body_need_not_come() -> None:
    """A client that is refused before it sent its body reads the refusal, and its connection ends within seconds."""

    async def deny(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        await answer(send, b"no", status=401)

    async with stage(deny, ServerLimits(linger_seconds=0.1)) as on:
        client = await on.connect()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 400_000)
        head = await client.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 401") and b"connection: close" in head
        await eventually(lambda: on.server.connections == 0)


async def test_large_body_is_read_with_backpressure() -> None:
    """A body of 10 MB reaches an application that reads slowly, whole, in pieces of bounded size."""
    sizes = []

    async def app(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        more = True
        while more:
            message = await receive()
            sizes.append(len(message["body"]))
            more = message["more_body"]
            await asyncio.sleep(0.001)
        await answer(send, b"ok")

    async with stage(app) as on:
        client = await on.connect()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n" + bytes(10_000_000))
        assert await client.answer() == (200, b"ok")
    assert sum(sizes) == 10_000_000
    assert max(sizes) < 1_000_000


@pytest.mark.parametrize("early", [True, False], ids=["before its head", "with its head held"])
async def test_failure_before_the_first_byte_is_a_json_500(early: bool, caplog: pytest.LogCaptureFixture) -> None:
    """An application that raises or returns before the answer's first byte: 500 in OpenAI's shape, and a log line."""

    async def app(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        if early:
            raise ValueError("broken")
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async with stage(app) as on:
        assert read_refusal(await on.talk(GET)) == (500, "gateway_error")
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * len(caplog.records)
    assert caplog.records


async def test_failure_in_mid_answer_is_a_cut() -> None:
    """An answer that breaks off reaches the client as far as it went, and never looks whole."""

    async def app(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        await begin_stream(send, b"one")
        raise ValueError("broken")

    async with stage(app) as on:
        data = await on.talk(GET)
        with pytest.raises(ConnectionResetError):
            await on.talk(b"GET / HTTP/1.0\r\n\r\n")
    assert data.endswith(b"3\r\none\r\n")


BAD_ANSWERS: dict[str, tuple[bytes, bytes, bytes]] = {
    "a line break in a value": (b"x", b"a\r\nset-cookie: b", b""),
    "NUL in a value": (b"x", b"a\0b", b""),
    "a colon in a name": (b"x:y", b"a", b""),
    "a body beyond its length": (b"content-length", b"2", b"abc"),
    "a body short of its length": (b"content-length", b"2", b"a"),
}


@pytest.mark.parametrize("case", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
async def test_answers_that_break_http_do_not_go_out(case: tuple[bytes, bytes, bytes]) -> None:
    """A header that would split the answer, or a body that belies its length, is the application's failure: 500."""
    name, value, body = case

    async def app(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(name, value)]})
        await send({"type": "http.response.body", "body": body})

    async with stage(app) as on:
        assert read_refusal(await on.talk(GET)) == (500, "gateway_error")


async def test_asgi_messages_out_of_turn_are_errors() -> None:
    """A body before the head, a second head, or a body after the end raises in the application."""
    raised: list[str] = []

    async def app(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        async def attempt(message: Message) -> None:
            try:
                await send(message)
            except RuntimeError as error:
                raised.append(str(error))

        await attempt({"type": "http.response.body", "body": b"x"})
        await answer(send, b"ok")
        await attempt({"type": "http.response.start", "status": 200})
        await attempt({"type": "http.response.body", "body": b"x"})

    async with stage(app) as on:
        client = await on.connect()
        client.send(GET)
        assert await client.answer() == (200, b"ok")
        await asyncio.sleep(0.01)
    assert len(raised) == 3


async def test_two_watchers_of_one_request() -> None:
    """Two tasks may wait in receive; cancelling one leaves the other, which learns of the disconnect."""
    seen: list[str] = []

    async def app(scope: Message, receive: PlainReceive, send: PlainSend) -> None:
        await whole_body(receive)
        first, second = (asyncio.ensure_future(receive()) for _ in range(2))
        await asyncio.sleep(0.01)
        first.cancel()
        seen.append((await second)["type"])

    async with stage(app) as on:
        client = await on.connect()
        client.send(GET)
        await asyncio.sleep(0.03)
        client.writer.close()
        await asyncio.sleep(0.03)
    assert seen == ["http.disconnect"]
