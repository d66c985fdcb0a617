"""`POST /v1/chat/completions`: from a request to a call, and its ends that are nobody's answer."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic, time
from typing import Any

import pytest

from gateway.errors import GatewayError
from gateway.rehearsal.standin import ModelBehaviour
from gateway.rollout.recorder import Clock
from tests.support.calling import Place, eventually

Serve = Callable[..., Awaitable[Place]]
V2 = {"v2.yaml": {"model": "standin/better"}}


async def connected(here: Place) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = here.running.url.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))


@pytest.mark.parametrize(
    ("when", "headers"),
    [
        ({"header:x-country": "DE"}, {"x-country": "DE", "x-other": "1"}),
        ({"conversation": "c-7"}, {"x-session-id": "c-7"}),
        ({"conversation": "c-7"}, {"x-conversation-id": "c-7"}),
    ],
)
async def test_facts_in_headers(serve: Serve, when: dict[str, str], headers: dict[str, str]) -> None:
    """Rules see the headers they ask for, and the conversation that a header names."""
    rules = [{"when": when, "use": "v2"}]
    here = await serve(routing={"rules": rules}, files=V2, gateway={"fingerprint_key": "${PROVIDER_KEY}"})
    answers = [await here.chat(headers=each) for each in (headers, {})]
    assert [answer.headers["x-serinus-version"] for answer in answers] == ["v2", "v1"]


async def test_half_an_upload(serve: Serve) -> None:
    """A client that leaves in the middle of its body never reaches a provider."""
    here = await serve()
    _, writer = await connected(here)
    writer.write(b'POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{"model":')
    await asyncio.sleep(0.05)
    writer.close()
    assert (await here.chat()).status_code == 200
    assert len(here.standin.requests) == 1


async def test_client_that_reads_nothing(serve: Serve) -> None:
    """A client that holds its stream up until the deadline is given up: the provider is let go, nobody is blamed."""
    here = await serve(gateway={"timeouts": {"total": "500ms"}})
    here.standin.behave("good", ModelBehaviour(chunks=2000, chunk_text="x" * 60_000))
    reader, writer = await connected(here)
    body = b'{"model":"%b","messages":[],"stream":true}' % here.agent.encode()
    body = body.replace(b'"messages":[]', b'"messages":[{"role":"user","content":"hi"}]')
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    )
    await reader.read(1)
    await eventually(lambda: here.standin.counts("good").cancelled == 1)
    books = await here.books()
    assert (books.errors, books.unjudged) == (0, 1)
    writer.close()


class Broken:
    """In the place of the proxy: an error after, or before, the answer has begun."""

    def __init__(self, proxy: Any, error: Exception, *, begun: bool) -> None:
        self.clock, self.recorder, self.limits = Clock(monotonic, time), proxy.recorder, proxy.limits
        self._error, self._begun = error, begun

    async def handle(self, call: object, runtime: object, send: Any) -> None:
        if self._begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise self._error


@pytest.mark.parametrize("error", [ZeroDivisionError("secret"), GatewayError("known")])
async def test_bug(serve: Serve, error: Exception) -> None:
    """A bug of ours is a 500 in OpenAI's shape that tells nothing of it; a failure that we know says what it is."""
    here = await serve()
    services: Any = here.running.gateway.services
    services.proxy = Broken(services.proxy, error, begun=False)
    answer = await here.chat()
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "gateway_error"
    assert "secret" not in answer.text


@pytest.mark.parametrize("error", [ZeroDivisionError("secret"), GatewayError("known")])
async def test_bug_after_the_first_byte(serve: Serve, error: Exception) -> None:
    """Too late for a status: the answer is cut off, and never looks whole."""
    here = await serve()
    services: Any = here.running.gateway.services
    services.proxy = Broken(services.proxy, error, begun=True)
    reader, writer = await connected(here)
    body = b'{"model":"%b","messages":[]}' % here.agent.encode()
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    )
    got = await reader.read()
    assert got.endswith(b"4\r\nhalf\r\n")
    writer.close()


async def test_odd_query(serve: Serve) -> None:
    """Bytes beyond ASCII in a query are spelled so that they can go on."""
    here = await serve()
    reader, writer = await connected(here)
    body = b'{"model":"%b","messages":[{"role":"user","content":"hi"}]}' % here.agent.encode()
    head = (
        b'POST /v1/chat/completions?b=|"<> HTTP/1.1\r\nhost: [::1]\r\nconnection: close\r\ncontent-length: %d\r\n\r\n'
    )
    writer.write(head % len(body) + body)
    got = await reader.read()
    assert b" 200 " in got.split(b"\r\n")[0] or b" 400 " in got.split(b"\r\n")[0]
    writer.close()
