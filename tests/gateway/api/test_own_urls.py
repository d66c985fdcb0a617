"""URLs of a provider in forwarded JSON, whatever its size and wherever its pieces are cut."""

import tracemalloc
from typing import Any

import pytest

from gateway.api.own_urls import WithOwnUrls
from gateway.formats.anthropic import NAME
from gateway.formats.registry import CLIENTS
from gateway.net.asgi import MessageSend

OTHERS = CLIENTS[NAME].others
ENTRY = b'{"id": "b", "results_url": "https://api.anthropic.com/v1/messages/batches/b/results", "type": "x"}, '
OWN = b'{"id": "b", "results_url": "/v1/messages/batches/b/results", "type": "x"}, '
JSON = (b"content-type", b"application/json")


class Client:
    """A client that notes what it gets."""

    def __init__(self) -> None:
        self.heads: list[Any] = []
        self.size = 0
        self.body = bytearray()
        self.keeps = True

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.heads.append(message["headers"])
        body = message.get("body", b"")
        self.size += len(body)
        self.body += body if self.keeps else b""


def rewriting(client: Client) -> WithOwnUrls:
    assert OTHERS is not None and OTHERS.own_url is not None
    return WithOwnUrls(MessageSend(client), OTHERS.own_url, OTHERS.prefix)


async def begin(send: WithOwnUrls, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [*headers, (b"content-length", b"9")]})


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 5000, 100_000])
async def test_urls_are_found_across_pieces(size: int) -> None:
    """Each URL becomes a path of ours, also where a piece ends within it."""
    client, given = Client(), ENTRY * 100
    send = rewriting(client)
    await begin(send, JSON)
    for at in range(0, len(given), size):
        await send({"type": "http.response.body", "body": given[at : at + size], "more_body": True})
    await send({"type": "http.response.body", "body": b""})
    assert client.body == OWN * 100 and client.heads == [[JSON]]


async def test_a_long_answer_goes_out_as_it_comes() -> None:
    """A list of 20 MB takes no more memory than its pieces, and its last URL is ours as well."""
    client, piece = Client(), ENTRY * 600
    client.keeps = False
    send = rewriting(client)
    await begin(send, JSON)
    tracemalloc.start()
    try:
        for _ in range(330):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    client.keeps = True
    await send({"type": "http.response.body", "body": piece})
    assert peak < 8 * len(piece) and b"anthropic.com" not in client.body
    assert client.size == 331 * 600 * len(OWN)


async def test_a_query_is_left_out() -> None:
    """What stands behind the path may be a provider's signature, and means nothing here."""
    client = Client()
    send = rewriting(client)
    await begin(send, JSON)
    await send({"type": "http.response.body", "body": ENTRY.replace(b'/results"', b'/results?sig=secret"')})
    assert client.body == OWN


async def test_other_content_is_left_alone() -> None:
    """A file that holds such a URL is the client's."""
    client = Client()
    send = rewriting(client)
    await begin(send, (b"content-type", b"application/octet-stream"))
    await send({"type": "http.response.body", "body": ENTRY})
    assert client.body == ENTRY and len(client.heads[0]) == 2
