"""A client's request decides neither the model, nor the account, nor the address of its call, past `model`."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.gateway.api.doors import DOORS
from tests.gateway.api.keys import digest_of
from tests.support.calling import Place
from tests.support.websockets import socket

Serve = Callable[..., Awaitable[Place]]
FORM = {"content-type": "multipart/form-data; boundary=cut"}


def field(name: str, value: str) -> bytes:
    return f'--cut\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "member", [{"models": ["x"]}, {"fallbacks": [{"model": "x"}]}, {"api_key": "x"}, {"extra_body": {"model": "x"}}]
)
async def test_every_door_refuses_them(serve: Serve, door: str, member: dict[str, Any]) -> None:
    """400 in the client's own format, whoever would serve the call; no provider is asked."""
    here = await serve()
    path, body = DOORS[door].request(here.agent)
    answer = await here.http.post(here.running.url + path, json={**body, **member}, headers=DOORS[door].key)
    assert answer.status_code == 400 and next(iter(member)) in answer.text
    assert DOORS[door].error(answer.json()) in ("invalid_request_error", "INVALID_ARGUMENT", "invalid_request")
    assert not here.standin.requests


@pytest.mark.parametrize("path", ["completions", "embeddings", "messages/count_tokens", "images/generations", "new"])
async def test_other_endpoints_refuse_them(serve: Serve, path: str) -> None:
    """What has no conversation, and what is passed on, is looked at alike."""
    here = await serve()
    body = {"model": here.agent, "prompt": "x", "input": "x", "messages": [], "max_tokens": 1, "api_base": "http://x"}
    answer = await here.http.post(f"{here.base_url}/{path}", json=body, headers={"authorization": "Bearer a-key"})
    assert answer.status_code == 400 and "api_base" in answer.text and not here.standin.requests


@pytest.mark.parametrize("late", [False, True])
async def test_forms_and_queries_refuse_them(serve: Serve, late: bool) -> None:
    """A form's field before or behind its model, and a name in the query."""
    here = await serve()
    fields = [field("model", here.agent), field("custom_llm_provider", "azure")]
    form = b"".join(fields if late else reversed(fields)) + b"--cut--\r\n"
    url = f"{here.base_url}/audio/transcriptions"
    answer = await here.http.post(url, content=form, headers=FORM)
    assert answer.status_code == 400 and "custom_llm_provider" in answer.text
    answer = await here.http.get(f"{here.base_url}/files?custom_llm_provider=azure&model={here.agent}")
    assert answer.status_code == 400 and not here.standin.requests


async def test_a_socket_refuses_them(serve: Serve) -> None:
    """Calls on a socket are calls like any others."""
    here = await serve(api="openai-responses")
    async with socket(f"{here.base_url}/responses") as calls:
        calls.create(here.agent, input="hi", models=["x"])
        assert "'models'" in json.dumps(await calls.event())
    assert not here.standin.requests


@pytest.mark.parametrize("api", ["openai", "anthropic"])
async def test_a_version_may_set_them(serve: Serve, api: str) -> None:
    """What the operator writes into a version goes up."""
    here = await serve(api=api, version={"extra": {"fallbacks": [{"model": "other"}]}})
    door = DOORS[api]
    path, body = door.request(here.agent)
    answer = await here.http.post(here.running.url + path, json=body, headers=door.key)
    assert answer.status_code == 200, answer.text
    assert here.received_json()["fallbacks"] == [{"model": "other"}]


@pytest.mark.parametrize("path", ["responses", "messages", "chat/completions", "images/generations"])
async def test_a_limited_keys_tools_name_no_model(serve: Serve, path: str) -> None:
    """403 for a key that is for some agents; a key for everything may call any model anyway."""
    here = await serve(gateway={"keys": {"one": {"sha256": digest_of("one"), "agents": []}}})
    tools = [{"type": "image_generation", "model": "gpt-image-2"}]
    body = {"model": here.agent, "input": "x", "messages": [], "max_tokens": 1, "prompt": "x", "tools": tools}
    answer = await here.http.post(f"{here.base_url}/{path}", json=body, headers={"authorization": "Bearer one"})
    assert answer.status_code == 403 and "tool" in answer.text and not here.standin.requests
