"""`POST /v1/messages/count_tokens`: asked of Anthropic's own API, estimated for all others."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.support.calling import PROVIDER_KEY, Place
from tests.support.listening import listening
from tests.support.running import write

Serve = Callable[..., Awaitable[Place]]
HI = [{"role": "user", "content": "Hi"}]
VERSION = {"model": "standin/claude-sonnet-4-5", "system_prompt": "Be kind.", "temperature": 0.5}


@dataclass(slots=True)
class Counter:
    """A provider of Anthropic's format, and what it was asked."""

    status: int = 200
    body: bytes = b'{"input_tokens":42}'
    head: bytes = b""
    silent: bool = False
    seen: list[Any] = field(default_factory=list)
    url: str = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if self.silent:
            await reader.read()
            return
        length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
        self.seen.append((head.partition("\r\n")[0], head.lower(), json.loads(await reader.readexactly(length))))
        lines = f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(self.body)}\r\nconnection: close\r\n".encode()
        writer.write(lines + self.head + b"content-type: application/json\r\n\r\n" + self.body)
        await writer.drain()


@asynccontextmanager
async def counting(serve: Serve, counter: Counter, **gateway: Any) -> AsyncIterator[Place]:
    """An agent whose version is at that provider."""
    async with listening(counter.answer) as port:
        counter.url = f"http://127.0.0.1:{port}/v1"
        provider = {"api": "anthropic", "base_url": counter.url, "api_key": "${PROVIDER_KEY}"}
        yield await serve(gateway={"providers": {"standin": provider}, **gateway}, version=VERSION)


async def count(here: Place, headers: dict[str, str] | None = None, **members: Any) -> httpx2.Response:
    body = {"model": here.agent, "messages": HI, **members}
    return await here.http.post(f"{here.base_url}/messages/count_tokens", json=body, headers=headers)


async def test_anthropics_own_count(serve: Serve) -> None:
    """The version's model and prompt are counted, and what only says how to answer is left out."""
    counter = Counter()
    async with counting(serve, counter) as here:
        answer = await count(here, {"anthropic-beta": "b-1"}, tools=[{"type": "web_search_20250305", "name": "w"}])
    assert (answer.status_code, answer.json()) == (200, {"input_tokens": 42})
    assert answer.headers["x-serinus-version"] == "v1"
    ((line, head, body),) = counter.seen
    assert line == "POST /v1/messages/count_tokens HTTP/1.1"
    assert f"x-api-key: {PROVIDER_KEY}" in head and "anthropic-beta: b-1" in head and "anthropic-version" in head
    assert body == {
        "model": "claude-sonnet-4-5",
        "messages": HI,
        "tools": [{"type": "web_search_20250305", "name": "w"}],
        "system": [{"type": "text", "text": "Be kind."}],
    }


async def test_a_count_is_no_call(serve: Serve) -> None:
    """Nothing is booked on the version, however it ends."""
    async with counting(serve, Counter(status=500, body=b"{}")) as here:
        assert (await count(here)).status_code >= 500
        agents = await here.running.gateway.services.status.agents([here.agent])
    assert agents[here.agent].versions["v1"].requests == 0


async def test_a_providers_error_keeps_its_shape(serve: Serve) -> None:
    """Its status, its words, and when to come again."""
    told = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
    limited = Counter(status=429, body=json.dumps(told).encode(), head=b"retry-after: 7\r\n")
    async with counting(serve, limited) as here:
        answer = await count(here)
    assert (answer.status_code, answer.headers["retry-after"], answer.json()) == (429, "7", told)


async def test_a_refused_key_and_a_broken_count_are_not_shown(serve: Serve) -> None:
    """In Anthropic's shape, in the gateway's words."""
    for counter in (Counter(status=401, body=b'{"error":{"message":"sk-1"}}'), Counter(body=b'{"input_tokens":"x"}')):
        async with counting(serve, counter) as here:
            answer = await count(here)
        assert (answer.status_code, answer.json()["error"]["type"]) == (502, "api_error")
        assert "sk-1" not in answer.text


async def test_a_provider_that_does_not_answer(serve: Serve) -> None:
    """After the time for a whole answer it is a timeout."""
    async with counting(serve, Counter(silent=True), timeouts={"answer": "200ms"}) as here:
        late = await count(here)
    assert (late.status_code, late.json()["error"]["type"]) == (504, "timeout_error")


async def test_an_agents_own_time_for_counting(serve: Serve) -> None:
    """It holds in place of the gateway's."""
    counter = Counter(silent=True)
    async with counting(serve, counter) as here:
        agents = {here.agent: {"stable": "v1", "timeouts": {"answer": "200ms"}}}
        write(here.running.folder, {"routing.yaml": {"agents": agents}})
        here.running.reload()
        assert (await count(here)).status_code == 504


async def test_other_providers_have_an_estimate(serve: Serve) -> None:
    """About four bytes a token of all that is said, by the version too; the provider hears nothing of it."""
    here = await serve(version={"system_prompt": "x" * 400})
    answer = await count(here, messages=[{"role": "user", "content": "é" * 200}])
    assert (answer.status_code, answer.json()) == (200, {"input_tokens": 100 + 100 + 2 * 4})
    assert not here.standin.requests


async def test_wrong_questions(serve: Serve) -> None:
    """Unknown agents, missing messages and other methods are refused in Anthropic's shape."""
    here = await serve()
    wrong = [await count(here, model="nobody"), await count(here, messages=7), await count(here, messages=[7])]
    got = await here.http.get(f"{here.base_url}/messages/count_tokens")
    assert [answer.status_code for answer in (*wrong, got)] == [404, 400, 400, 405]
    kinds = [answer.json()["error"]["type"] for answer in (*wrong, got)]
    assert kinds == ["not_found_error", *["invalid_request_error"] * 3]
