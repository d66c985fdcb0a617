"""The doors of all four client formats: keys, refusals in the client's own words, and a person as the last target."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx2
import pytest

from tests.gateway.api.doors import DOORS, KEY, Door
from tests.support.calling import Place, failing
from tests.support.running import write

Serve = Callable[..., Awaitable[Place]]
LOCKED = {"keys": {"app": {"sha256": hashlib.sha256(KEY.encode()).hexdigest()}}}
doors = pytest.mark.parametrize("name", DOORS)


async def call(
    here: Place, door: Door, headers: Mapping[str, str] | None = None, agent: str = "", stream: bool = False
) -> Any:
    path, body = door.request(agent or here.agent, stream)
    return await here.http.post(here.running.url + path, json=body, headers=headers)


@doors
async def test_an_answer(serve: Serve, name: str) -> None:
    """Every format is answered by a provider of chat completions, in its own shape."""
    here = await serve()
    answer = await call(here, DOORS[name])
    assert answer.status_code == 200 and DOORS[name].words(answer.json()) == "cheep " * 8
    assert answer.headers["x-serinus-version"] == "v1"


@doors
async def test_the_key(serve: Serve, name: str) -> None:
    """A format's clients show their key where they are used to; without a good one nothing reaches a provider."""
    here, door = await serve(gateway=LOCKED), DOORS[name]
    assert (await call(here, door, door.key)).status_code == 200
    assert (await call(here, door, {"authorization": f"Bearer {KEY}"})).status_code == 200
    for refused in (await call(here, door), await call(here, door, {next(iter(door.key)): "wrong"})):
        assert refused.status_code == 401 and door.error(refused.json())
    assert len(here.standin.requests) == 2


@doors
async def test_a_key_in_the_query_opens_nothing(serve: Serve, name: str) -> None:
    """Queries end up in logs."""
    here, door = await serve(gateway=LOCKED), DOORS[name]
    path, body = door.request(here.agent)
    assert (await here.http.post(f"{here.running.url}{path}?key={KEY}", json=body)).status_code == 401


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("openai", "invalid_request_error"),
        ("openai-responses", "invalid_request_error"),
        ("anthropic", "not_found_error"),
        ("gemini", "NOT_FOUND"),
        ("gemini-interactions", "model_not_found"),
    ],
)
async def test_an_unknown_model(serve: Serve, name: str, error: str) -> None:
    """It is 404, in the client's words."""
    here = await serve()
    refused = await call(here, DOORS[name], agent="nobody")
    assert (refused.status_code, DOORS[name].error(refused.json())) == (404, error)


@doors
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"\xff", b'{"model":7}', b'{"contents":7,"messages":7}'])
async def test_what_is_no_request(serve: Serve, name: str, body: bytes) -> None:
    """It is 400 in the client's words, and the next good call is served."""
    here, door = await serve(), DOORS[name]
    path, _ = door.request(here.agent)
    refused = await here.http.post(here.running.url + path, content=body)
    assert refused.status_code == 400 and door.error(refused.json())
    assert (await call(here, door)).status_code == 200


@doors
async def test_a_person_answers_in_the_clients_format(serve: Serve, name: str) -> None:
    """The last target's word comes whole or as a stream, and the person can read the conversation."""
    here = await serve(gateway={"escalation": {"message": "A person comes."}}, routing={"fallback": ["human"]})
    here.standin.behave("good", failing("reset"))
    answer = await call(here, DOORS[name])
    assert DOORS[name].words(answer.json()) == "A person comes."
    streamed = await call(here, DOORS[name], stream=True)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert "A person comes." in streamed.text and answer.headers["x-serinus-escalated"] == "human"


@doors
async def test_the_conversation_is_the_unit(serve: Serve, name: str) -> None:
    """Without any id, the first user message tells conversations apart, in every format."""
    trial = {"canary": "v2", "weight": "50%"}
    here, door = await serve(routing=trial, files={"v2.yaml": {"model": "standin/better"}}), DOORS[name]
    path, body = door.request(here.agent)

    async def version(opening: str) -> str:
        other = json.loads(json.dumps(body).replace("hello", opening))
        answer = await here.http.post(here.running.url + path, json=other)
        return str(answer.headers["x-serinus-version"])

    assert len({await version("hello") for _ in range(5)}) == 1
    assert len({await version(f"question {number}") for number in range(20)}) == 2


@pytest.mark.parametrize(
    ("api", "status", "told"),
    [
        ("anthropic", 429, ("rate_limit_error", "rate_limit_exceeded")),
        ("gemini", 400, ("invalid_request_error", None)),
        ("openai-responses", 429, ("requests", "rate_limit_exceeded")),
    ],
)
async def test_an_error_of_another_format(serve: Serve, api: str, status: int, told: tuple[str, str | None]) -> None:
    """A client compares type and code: they are its own format's, and OpenAI's own words where both are OpenAI's."""
    here = await serve(api=api)
    here.standin.behave("good", failing("status", status=status))
    refused = await call(here, DOORS["openai"])
    error = refused.json()["error"]
    assert (refused.status_code, error["type"], error["code"]) == (status, *told) and error["message"]


@pytest.mark.parametrize("name", ["anthropic", "gemini", "gemini-interactions"])
async def test_any_key_of_ours_will_do(serve: Serve, name: str) -> None:
    """A good Bearer token opens beside a foreign key in the format's own header, and the other way round."""
    here = await serve(gateway=LOCKED)
    [(own, _)] = DOORS[name].key.items()
    for headers, status in [
        ({own: "sk-ant-foreign", "authorization": f"Bearer {KEY}"}, 200),
        ({own: KEY, "authorization": "Bearer foreign"}, 200),
        ({own: "foreign", "authorization": "Bearer foreign"}, 401),
    ]:
        assert (await call(here, DOORS[name], headers)).status_code == status


async def test_responses_over_websocket_are_refused_at_once(serve: Serve) -> None:
    """Where WebSockets are switched off, a 426 with a JSON error lets Codex go on with HTTP; a plain GET is a 405."""
    here = await serve(gateway={"limits": {"websockets": 0}})
    asked = b"GET /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    url = httpx2.URL(here.base_url)
    for more in (b"sec-websocket-key: dGhl\r\nsec-websocket-version: 13\r\n", b""):
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(asked + more + b"\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        told = json.loads(await reader.readexactly(length))["error"]
        writer.close()
        assert head.startswith(b"http/1.1 426 ") and b"\r\nupgrade: http/1.1\r\n" in head
        assert (told["type"], told["code"]) == ("invalid_request_error", "websocket_not_supported")
    plain = await here.http.get(f"{here.base_url}/responses")
    assert (plain.status_code, plain.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("allowed", [False, True])
async def test_objects_in_the_clouds_storage(serve: Serve, allowed: bool) -> None:
    """A client names none, in Gemini's own format or another, unless the provider has `cloud_files`."""
    here = await serve(api="gemini")
    settings = json.loads((here.running.folder / "gateway.yaml").read_text())
    settings["providers"]["standin-gemini"]["cloud_files"] = allowed
    write(here.running.folder, {"gateway.yaml": settings})
    here.running.reload()
    url = f"{here.running.url}/v1beta/models/{here.agent}:generateContent"
    parts = [{"text": "what is it?"}, {"fileData": {"mimeType": "image/png", "fileUri": "gs://bucket/a.png"}}]
    native = await here.http.post(url, json={"contents": [{"role": "user", "parts": parts}]})
    image = {"type": "image_url", "image_url": {"url": "gs://bucket/a.png"}}
    chat = await here.chat(messages=[{"role": "user", "content": [image]}])
    assert {native.status_code, chat.status_code} == ({200} if allowed else {400})
    assert len(here.standin.requests) == (2 if allowed else 0)


@pytest.mark.parametrize("name", ["provider", "Models", "base_url", "api_base", "fallbacks"])
async def test_a_query_chooses_no_other_target(serve: Serve, name: str) -> None:
    """What a body may not say, a query may not either; an agent's name in it goes nowhere."""
    place = await serve()
    refused = await place.chat(query=f"?{name}=evil")
    assert (refused.status_code, list(place.standin.requests)) == (400, [])
    assert (await place.chat(query="?model=evil&api-version=1&agent=evil")).status_code == 200
    assert place.received().path.endswith("/chat/completions?api-version=1")
