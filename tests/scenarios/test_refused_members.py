"""A provider refuses what the gateway wrote, and not what the client asked for: the client does not pay for that."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.calling import HELLO, Place, Provider, standing_in

Serve = Callable[..., Awaitable[Place]]
DETAIL = {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs"}]}
CHUNK = {"id": "c", "choices": [{"index": 0, "delta": {"content": "cheep"}, "finish_reason": None}]}
END = {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
STREAM = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in (CHUNK, END)) + b"data: [DONE]\n\n"


def refusing(seen: list[Any], told: Any, status: int = 422, without: str = "stream_options") -> Provider:
    """A server of chat completions that takes a stream only without that member; notes what it was asked."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.split("content-length:")[1].split("\r\n")[0])
            asked = json.loads(await reader.readexactly(length))
            seen.append(asked)
            refused = without in asked
            body, kind = (json.dumps(told).encode(), b"application/json") if refused else (STREAM, b"text/event-stream")
            writer.write(b"HTTP/1.1 %d X\r\ncontent-type: %s\r\n" % (status if refused else 200, kind))
            writer.write(b"content-length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()

    return answer


def paths(here: Place) -> list[tuple[str, dict[str, Any]]]:
    """The same stream as clients of each format ask for it."""
    chat = {"model": here.agent, "messages": HELLO, "stream": True}
    responses = {"model": here.agent, "input": "hello", "stream": True}
    return [("chat/completions", chat), ("messages", {**chat, "max_tokens": 9}), ("responses", responses)]


@pytest.mark.parametrize("told", [DETAIL, {"error": {"message": "stream_options is not supported"}}])
@pytest.mark.parametrize("index", [0, 1, 2])
async def test_usage_is_not_asked_for_where_that_is_refused(serve: Serve, told: Any, index: int) -> None:
    """A stream is asked for again without `stream_options`, as one attempt, and from then on without it at once."""
    here = await serve()
    seen: list[Any] = []
    path, body = paths(here)[index]
    async with standing_in(here, refusing(seen, told)):
        for _ in range(2):
            answer = await here.http.post(f"{here.base_url}/{path}", json=body)
            assert answer.status_code == 200 and "cheep" in answer.text
            assert answer.headers["x-serinus-attempts"] == "1"
    assert ["stream_options" in each for each in seen] == [True, False, False]
    assert (await here.books(requests=2)).errors == 0


async def test_a_clients_own_stream_options_are_its_own(serve: Serve) -> None:
    """A client that asks for the usage itself gets the provider's refusal as it is."""
    here = await serve()
    seen: list[Any] = []
    async with standing_in(here, refusing(seen, DETAIL)):
        answer = await here.chat(stream=True, stream_options={"include_usage": True})
    assert (answer.status_code, answer.json(), len(seen)) == (422, DETAIL, 1)
    assert (await here.books()).errors == 0


@pytest.mark.parametrize(
    ("param", "status", "errors"),
    [
        ("user", 200, 0),
        ("store", 200, 1),
        ("tools[0].function.parameters", 200, 0),
        (None, 200, 0),
        ("temperature", 400, 0),
    ],
)
async def test_the_next_target_is_asked_for_what_the_gateway_wrote(
    serve: Serve, param: str | None, status: int, errors: int
) -> None:
    """A 400 about a member that a client of Messages has not sent under that name goes on along the chain."""
    here = await serve(routing={"fallback": ["standin/backup"]})
    seen: list[Any] = []
    told = {"error": {"message": "no", "type": "invalid_request_error", "param": param, "code": None}}
    asked = {"model": here.agent, "messages": HELLO, "max_tokens": 9, "temperature": 0.5, "metadata": {"user_id": "u"}}
    asked["tools"] = [{"name": "f", "input_schema": {"type": "object"}}]

    async with standing_in(here, refusing(seen, told, 400, without="temperature")):
        settings = json.loads((here.running.folder / "gateway.yaml").read_text())
        settings["providers"]["spare"] = {
            "api": "openai",
            "base_url": here.standin.base_url,
            "api_key": "${PROVIDER_KEY}",
        }
        routing = json.loads((here.running.folder / "routing.yaml").read_text())
        routing["agents"][here.agent]["fallback"] = ["spare/backup"]
        for name, content in (("gateway.yaml", settings), ("routing.yaml", routing)):
            (here.running.folder / name).write_text(json.dumps(content))
        here.running.reload()
        answer = await here.http.post(f"{here.base_url}/messages", json=asked)
    assert answer.status_code == status
    assert (await here.books()).errors == errors


async def test_a_refusal_that_nobody_can_place_is_not_for_people(serve: Serve) -> None:
    """Where every target refuses a translated request without a word on the member, the client hears of it."""
    here = await serve(routing={"fallback": ["human"]})
    seen: list[Any] = []
    told = {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": None}}
    async with standing_in(here, refusing(seen, told, 400, without="messages")):
        answer = await here.http.post(
            f"{here.base_url}/messages", json={"model": here.agent, "messages": HELLO, "max_tokens": 9}
        )
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "no")
