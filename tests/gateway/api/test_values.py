"""Bodies that hold more values than a request or an answer may: refused at every door before they are decoded."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.gateway.api.doors import DOORS
from tests.support.calling import Place, standing_in

Serve = Callable[..., Awaitable[Place]]
LIMITS = {"limits": {"values": 10_000}}
OTHERS = ["/v1/embeddings", "/v1/completions", "/v1/moderations", "/v1/messages/count_tokens"]


def hostile(count: int = 10_000) -> bytes:
    return b'{"model":"%s","input":[' + b"[]," * count + b"[]]}"


@pytest.mark.parametrize("path", [door.path for door in DOORS.values()] + OTHERS)
async def test_a_request_of_too_many_values(serve: Serve, path: str) -> None:
    """Every endpoint that reads JSON answers 413 in its own format, and asks no provider."""
    here = await serve(gateway=LIMITS)
    url = here.running.url + path.format(agent=here.agent, verb="generateContent")
    refused = await here.http.post(url, content=hostile() % here.agent.encode())
    assert refused.status_code == 413 and "10000 values" in refused.json()["error"]["message"]
    assert not here.standin.requests


async def test_a_limit_takes_effect_at_once(serve: Serve) -> None:
    """What one configuration refuses the default lets through."""
    here = await serve()
    answer = await here.http.post(
        f"{here.base_url}/embeddings", content=b'{"model":"%s","input":[%s0]}' % (here.agent.encode(), b"0," * 20_000)
    )
    assert answer.status_code == 200


async def test_an_answer_of_too_many_values(serve: Serve) -> None:
    """A provider's answer that would fill the memory is malformed, and the client learns of it."""

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"choices":[{"message":{"content":"x"}}],"more":[' + b"[]," * 20_000 + b"[]]}"
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body))
        writer.write(body)
        await writer.drain()
        writer.close()

    here = await serve(gateway=LIMITS)
    async with standing_in(here, answers):
        refused = await here.chat()
    assert refused.status_code == 502 and refused.json()["error"]["code"] == "upstream_malformed"
