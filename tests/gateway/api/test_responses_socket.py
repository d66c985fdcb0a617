"""Responses over WebSocket: Codex-like frames at every provider format, and what clients do wrong."""

import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.rehearsal.standin import ModelBehaviour
from gateway.replica.replica import Seams
from gateway.rollout.recorder import Clock
from tests.gateway.api.doors import KEY
from tests.support.calling import PROVIDERS, Place, eventually, failing
from tests.support.running import write
from tests.support.websockets import socket

Serve = Callable[..., Awaitable[Place]]
TOOL = {
    "type": "function",
    "name": "shell",
    "description": "Runs it.",
    "parameters": {"type": "object"},
    "strict": False,
}
CODEX = {  # as Codex 0.13x sends it
    "instructions": "You are Codex.",
    "tools": [TOOL],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "0199-thread",
    "client_metadata": {"x-codex-turn-metadata": "{}"},
}
CODEX_HEADERS = {
    "openai-beta": "responses_websockets=2026-02-06",
    "session_id": "0199-thread",
    "user-agent": "codex_cli_rs/0.130.0",
    "x-client-request-id": "0199-thread",
}


def says(text: str) -> list[Any]:
    return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}]


def url(here: Place) -> str:
    return f"{here.base_url}/responses"


def words(event: Any) -> str:
    """What the model says in the response that an event ends with."""
    items = [item for item in event["response"]["output"] if item["type"] == "message"]
    return "".join(part["text"] for item in items for part in item["content"])


@pytest.mark.parametrize("api", PROVIDERS)
async def test_codex_at_every_provider(serve: Serve, api: str) -> None:
    """A warm-up, a turn and one that goes on from it, each with its new items alone; the books count two calls."""
    here = await serve(api=api)
    async with socket(url(here), CODEX_HEADERS) as client:
        assert client.status == 101
        client.create(here.agent, **CODEX, input=says("look around"), generate=False)
        warm = await client.response()
        assert [event["type"] for event in warm] == ["response.created", "response.in_progress", "response.completed"]
        assert not here.standin.requests
        client.create(here.agent, **CODEX, input=[], previous_response_id=warm[-1]["response"]["id"])
        first = await client.response()
        assert words(first[-1]) == "cheep " * 8 and "response.output_text.delta" in {event["type"] for event in first}
        client.create(here.agent, **CODEX, input=says("and then?"), previous_response_id=first[-1]["response"]["id"])
        assert words((await client.response())[-1]) == "cheep " * 8
    sent = here.received().raw_body.decode()
    assert sent.index("look around") < sent.index("cheep cheep") < sent.index("and then?")
    assert "client_metadata" not in sent and "previous_response_id" not in sent
    assert not [name for name in here.received().headers if "websocket" in str(name) or "openai-beta" in str(name)]
    assert (await here.books(requests=2)).requests == 2


async def test_one_after_the_other(serve: Serve) -> None:
    """A second frame waits for the first; events carry the client's `stream_id`."""
    here = await serve()
    async with socket(url(here)) as client:
        for name in ("a", "b"):
            client.create(here.agent, input="hello", stream_id=name)
        first, second = await client.response(), await client.response()
    assert [{event["stream_id"] for event in events} for events in (first, second)] == [{"a"}, {"b"}]


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ("{", "invalid_json", None),
        ("[]", "invalid_json", None),
        ({"type": "session.update"}, None, "type"),
        ({"type": "response.cancel"}, "response_not_active", None),
        ({"type": "response.create", "input": "x"}, None, "model"),
        ({"type": "response.create", "model": "nobody", "input": "x"}, "model_not_found", "model"),
        ({"type": "response.create", "model": "nobody", "generate": False}, "model_not_found", "model"),
        ({"type": "response.create", "model": "{}", "background": True, "input": "x"}, None, "background"),
        ({"type": "response.create", "model": "{}", "stream_id": 1, "input": "x"}, None, "stream_id"),
        (
            {"type": "response.create", "model": "{}", "previous_response_id": "resp_serinus_1", "input": "x"},
            "previous_response_not_found",
            "previous_response_id",
        ),
        ('{"type": "response.create", "input": [' + "[]," * 200_000 + "0]}", "too_many_values", None),
        ('{"type": "response.create", "input": ' + "[" * 30_000 + "]" * 30_000 + "}", "invalid_json", None),
    ],
)
async def test_mistakes_are_error_events(serve: Serve, event: Any, code: str | None, param: str | None) -> None:
    """A frame that cannot be served is answered with an `error` event, and the socket lives on."""
    here = await serve()
    if isinstance(event, dict) and event.get("model") == "{}":
        event = event | {"model": here.agent}
    async with socket(url(here)) as client:
        client.send(event)
        error = await client.event()
        assert error["type"] == "error" and error["status"] in (400, 404, 413)
        assert (error["error"]["code"], error["error"]["param"]) == (code, param)
        client.create(here.agent, input="hello")
        assert (await client.response())[-1]["type"] == "response.completed"


async def test_failures_of_the_provider(serve: Serve) -> None:
    """An error before the stream, or inside it, is an `error` event with a status; headers say which call it was."""
    here = await serve()
    async with socket(url(here)) as client:
        here.standin.behave("good", failing("status", status=500))
        client.create(here.agent, input="hello")
        error = await client.event()
        assert (error["type"], error["status"], error["headers"]["x-serinus-version"]) == ("error", 500, "v1")
        here.standin.behave("good", failing("error_mid_stream"))
        client.create(here.agent, input="hello")
        last = (await client.response())[-1]
        assert (last["type"], last["status"]) == ("error", 502) and last["error"]["message"]


async def test_cancel(serve: Serve) -> None:
    """`response.cancel` ends the provider's stream, and the socket serves the next call; so does one sent at once."""
    here = await serve()
    here.standin.behave("good", failing("hang_mid_stream"))
    async with socket(url(here)) as client:
        for early in (False, True):
            client.create(here.agent, input="hello")
            if not early:
                while (await client.event())["type"] != "response.output_text.delta":
                    pass
            client.send({"type": "response.cancel"})
            assert (await client.response())[-1]["error"]["code"] == "response_cancelled"
        await eventually(lambda: here.running.gateway.services.calls.taken == 0)
        here.standin.behave("good", ModelBehaviour())
        client.create(here.agent, input="hello")
        assert (await client.response())[-1]["type"] == "response.completed"


async def test_a_client_that_leaves(serve: Serve) -> None:
    """Its call ends at the provider, and its places are free again."""
    here = await serve()
    services = here.running.gateway.services
    here.standin.behave("good", failing("hang_mid_stream"))
    async with socket(url(here)) as client:
        client.create(here.agent, input="hello")
        await client.event()
        assert (services.calls.taken, services.sockets.taken) == (1, 1)
    await eventually(lambda: (services.calls.taken, services.sockets.taken) == (0, 0))
    assert (await here.books(requests=0)).requests == 0


async def test_keys(serve: Serve) -> None:
    """The handshake needs a key; one that is taken away ends the socket with 1008 at the next frame."""
    locked = {"keys": {"app": {"sha256": hashlib.sha256(KEY.encode()).hexdigest()}}}
    here = await serve(gateway=locked)
    async with socket(url(here)) as refused:
        assert refused.status == 401
    async with socket(url(here), {"authorization": f"Bearer {KEY}"}) as client:
        client.create(here.agent, input="hello")
        assert (await client.response())[-1]["type"] == "response.completed"
        path = here.running.folder / "gateway.yaml"
        settings = json.loads(path.read_text())
        settings["keys"] = {"app": {"sha256": hashlib.sha256(b"other").hexdigest()}}
        write(here.running.folder, {"gateway.yaml": settings})
        here.running.reload()
        client.create(here.agent, input="hello")
        assert ((await client.event())["status"], await client.closed()) == (401, 1008)


async def test_web_pages(serve: Serve) -> None:
    """No page of another site opens a socket of a gateway without keys; a listed origin does."""
    here = await serve(gateway={"cors": ["https://app.example"]})
    for origin, status in (("https://evil.example", 403), ("https://app.example", 101)):
        async with socket(url(here), {"origin": origin}) as client:
            assert client.status == status


async def test_places(serve: Serve) -> None:
    """Open sockets are bounded, and each call takes a place among all others."""
    here = await serve(gateway={"limits": {"websockets": 1, "in_flight": 1}})
    async with socket(url(here)) as client:
        async with socket(url(here)) as second:
            assert second.status == 503
        here.running.gateway.services.calls.taken = 1
        client.create(here.agent, input="hello")
        error = await client.event()
        assert (error["status"], error["headers"]["retry-after"]) == (503, "1")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-websocket-version": "12"}, 426),
        ({"sec-websocket-key": "dGhl"}, 400),
        ({"sec-websocket-key": ""}, 400),
        ({"upgrade": "h2c"}, 426),
    ],
)
async def test_handshakes_that_are_none(serve: Serve, headers: dict[str, str], status: int) -> None:
    """Another version or protocol is answered 426, a wrong key 400."""
    here = await serve()
    async with socket(url(here), headers) as client:
        assert client.status == status
        assert (b"sec-websocket-version: 13" in client.head) == ("sec-websocket-version" in headers)


async def test_what_is_stored_nowhere_is_bounded(serve: Serve) -> None:
    """A response that had to be forgotten is not found, and the client sends the whole conversation."""
    here = await serve(api="anthropic")
    memories = here.running.gateway.services.memories
    async with socket(url(here)) as client:
        client.create(here.agent, input="hello")
        name = (await client.response())[-1]["response"]["id"]
        await eventually(lambda: 0 < memories.size < 1000)
        for _ in range(4):
            client.create(here.agent, input="hello")
            await client.response()
        client.create(here.agent, input="and?", previous_response_id=name)
        assert (await client.event())["error"]["code"] == "previous_response_not_found"
    await eventually(lambda: memories.size == 0)


async def test_an_hour(serve: Serve) -> None:
    """A socket that is an hour old serves no further call, as at OpenAI."""
    ahead = [0.0]
    here = await serve(seams=Seams(clock=Clock(lambda: time.monotonic() + ahead[0], time.time)))
    async with socket(url(here)) as client:
        client.create(here.agent, input="hello")
        await client.response()
        ahead[0] = 3601
        client.create(here.agent, input="hello")
        assert (await client.event())["error"]["code"] == "websocket_connection_limit_reached"
        assert await client.closed() == 1000
