"""Texts without end in every place where a client may put one: none is kept once its call has ended."""

import gc
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.gateway.api.doors import DOORS
from tests.support.calling import HELLO, Place

Serve = Callable[..., Awaitable[Place]]
LONG = 200_000  # characters of a text in a body; a head may be 64 kB
CALLS = 8
MOST_KEPT = 2 * LONG  # bytes; if each call left its text behind it were four times as much


def in_body(text: str) -> list[dict[str, Any]]:
    """Bodies of chat completions that hold that text where it names something."""
    return [
        {"user": text},
        {"safety_identifier": text},
        {"prompt_cache_key": text},
        {"conversation": text},
        {"conversation": {"id": text}},
        {"metadata": {"conversation_id": text}},
        {"previous_response_id": text},
        {"messages": [{"role": "user", "content": text}]},
        {"model": text},
        {"tools": [{"type": "function", "function": {"name": text}}]},
        {text: 1},
    ]


def in_head(text: str) -> list[dict[str, str]]:
    """Headers that hold it."""
    names = ("x-conversation-id", "x-request-id", "x-team", "authorization", "idempotency-key", "openai-organization")
    return [*({name: text} for name in names), {f"x-{text}": "1"}]


async def kept(here: Place, send: Callable[[str], Awaitable[Any]], length: int) -> int:
    """The bytes that are kept of calls with texts of that length."""
    await send("a" * length)  # what the first call of its kind leaves for good
    here.standin.requests.clear()
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(CALLS):
            await send(f"{number}".ljust(length, "a"))
            here.standin.requests.clear()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("sticky", ["conversation", "user"])
async def test_texts_in_a_body(serve: Serve, sticky: str) -> None:
    """Whatever a body's texts name, no cache is keyed by them."""
    here = await serve(routing={"sticky": sticky})
    for place in range(len(in_body(""))):

        async def send(text: str, place: int = place) -> None:
            body = {"model": here.agent, "messages": HELLO, **in_body(text)[place]}
            await here.http.post(f"{here.base_url}/chat/completions", json=body)

        assert await kept(here, send, LONG) < MOST_KEPT, in_body("…")[place]


async def test_texts_in_a_head(serve: Serve) -> None:
    """The same of headers, which a trial may be sticky by."""
    here = await serve(routing={"sticky": "header:x-team"})
    for place in range(len(in_head(""))):

        async def send(text: str, place: int = place) -> None:
            assert (await here.chat(in_head(text)[place])).status_code in (200, 431)

        assert await kept(here, send, 50_000) < 4 * 50_000, in_head("…")[place]


async def test_texts_in_a_path_and_in_feedback(serve: Serve) -> None:
    """The same of ids in a path, and of what feedback names."""
    here = await serve(api="openai-responses")

    async def send(text: str) -> None:
        await here.http.get(f"{here.base_url}/responses/{text[:15_000]}?agent={here.agent}")
        for name in ("call_id", "conversation_id"):
            await here.http.post(f"{here.base_url}/feedback", json={name: text[:30_000], "score": 1})

    assert await kept(here, send, 30_000) < 4 * 30_000


def wrong(text: str) -> list[dict[str, Any]]:
    """Members that are refused, and hold that text, in one format or another."""
    turns: list[dict[str, Any]] = [
        {"role": text, "content": "x", "parts": [{"text": "x"}]},
        {"role": "user", "type": text, "content": [{"type": text}], "parts": [{text: text}]},
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": f"{text}:"}, "source": {"type": text}}],
        },
        {"role": "user", "parts": [{"inlineData": {"mimeType": text, "data": "AA=="}}]},
        {"role": "tool", "tool_call_id": text, "content": text, "parts": [{"functionResponse": {"name": text}}]},
    ]
    bodies: list[dict[str, Any]] = [{"messages": [turn], "contents": [turn], "input": [turn]} for turn in turns]
    tool = {"type": text, "name": text, "function": {"name": text}, "functionDeclarations": [{"name": text}]}
    more: list[dict[str, Any]] = [{"model": text}, {"tools": [tool]}, {"tool_choice": text, "toolConfig": {text: text}}]
    return [*bodies, *more, {"response_format": {"type": text}, "text": {"format": {"type": text}}}, {text: {}}]


@pytest.mark.parametrize("api", ["openai", "anthropic"])
@pytest.mark.parametrize("name", DOORS)
async def test_errors_do_not_repeat_long_texts(
    serve: Serve, name: str, api: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """An error quotes the beginning of what is wrong; neither it nor the log grows with what the client wrote."""
    here, door = await serve(api=api, gateway={"escalation": {"desk": True}}), DOORS[name]
    refusals = 0
    for members in wrong("\x01\u2028" * 20_000):
        path, body = door.request(here.agent)
        answer = await here.http.post(here.running.url + path, json={**body, **members})
        refusals += answer.status_code != 200
        assert len(answer.content) < 40_000 or answer.status_code == 200, members.keys()
    assert refusals >= 2 or name == api  # where both sides speak one format, the provider judges
    assert max(map(len, capfdbinary.readouterr().out.splitlines())) < 40_000
