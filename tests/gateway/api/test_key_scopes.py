"""The scope of a key on every endpoint: one list, held against the routes, of what a key of another agent is told.

A key that may not call the agent learns nothing of it: neither its name beyond the one it sent, nor a call's id.
"""

import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from starlette.routing import Route

from gateway.formats.registry import CLIENTS
from gateway.replica.routes import routes
from tests.gateway.api.keys import OPEN
from tests.support.calling import HELLO, Place
from tests.support.websockets import socket

Serve = Callable[..., Awaitable[Place]]
MINE, STRANGER, ROTATED = "my-key", "a-strangers-key", "a-strangers-new-key"
UPLOAD = {"purpose": "batch", "bytes": 1, "filename": "a", "mime_type": "text/plain"}
FORM = {"files": {"file": ("a.wav", b"x")}}
_GEMINI = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
_EMBED = {"content": {"parts": [{"text": "hello"}]}}

# By route: method, path, body, and the statuses that a key of another agent may get. `agent` stands for the agent's
# name, `call` for the id of a call that the agent has answered to its own key, `talk` for that call's conversation.
Asked = tuple[str, str, Any, tuple[int, ...]]
ASKED: dict[str, Asked] = {
    "/v1/chat/completions": ("POST", "/v1/chat/completions", {"model": "agent", "messages": HELLO}, (403, 404)),
    "/v1/responses": ("POST", "/v1/responses", {"model": "agent", "input": "hello"}, (403, 404)),
    "/v1/messages": ("POST", "/v1/messages", {"model": "agent", "messages": HELLO, "max_tokens": 9}, (403, 404)),
    "/v1beta/interactions": ("POST", "/v1beta/interactions", {"model": "agent", "input": "hello"}, (403, 404)),
    "/v1/interactions": ("POST", "/v1/interactions", {"model": "agent", "input": "hello"}, (403, 404)),
    "/v1/completions": ("POST", "/v1/completions", {"model": "agent", "prompt": "hello"}, (403, 404)),
    "/v1/embeddings": ("POST", "/v1/embeddings", {"model": "agent", "input": "hello"}, (403, 404)),
    "/v1/messages/count_tokens": (
        "POST",
        "/v1/messages/count_tokens",
        {"model": "agent", "messages": HELLO},
        (403, 404),
    ),
    "/v1/models": ("GET", "/v1/models", None, (200,)),
    "/v1/models/{model:path}": ("GET", "/v1/models/agent", None, (403, 404)),
    "/v1beta/models": ("GET", "/v1beta/models", None, (200,)),
    "/v1beta/models/{model:path}": ("GET", "/v1beta/models/agent", None, (403, 404)),
    **{
        f"{prefix}/models/{{model:path}}:{verb}": ("POST", f"{prefix}/models/agent:{verb}", body, (403, 404))
        for prefix in ("/v1beta", "/v1")
        for verb, body in (
            ("generateContent", _GEMINI),
            ("streamGenerateContent", _GEMINI),
            ("countTokens", _GEMINI),
            ("embedContent", _EMBED),
            ("batchEmbedContents", {"requests": [_EMBED]}),
        )
    },
    **{
        f"{prefix}/interactions/{{id}}{action}": (
            method,
            f"{prefix}/interactions/call{action}?model=agent",
            None,
            (403, 404),
        )
        for prefix in ("/v1beta", "/v1")
        for method, action in (("GET", ""), ("POST", "/cancel"))
    },
    "/v1/feedback": ("POST", "/v1/feedback", {"call_id": "call", "score": 1}, (403, 404)),
    "/v1/escalations": ("GET", "/v1/escalations?agent=agent", None, (401, 403, 404)),
    "/v1/escalations/{call_id}": ("GET", "/v1/escalations/call", None, (401, 403, 404)),
    "/v1/escalations/{call_id}/reply": (
        "POST",
        "/v1/escalations/call/reply",
        {"message": "hi", "actor": "x"},
        (401, 403),
    ),
    "/v1/{path:path}": ("GET", "/v1/files?model=agent", None, (403, 404)),
    "/v1beta/{path:path}": ("GET", "/v1beta/files?model=agent", None, (403, 404)),
    "/upload/v1beta/{path:path}": ("POST", "/upload/v1beta/files", {}, (400, 403, 404)),
    "/upload/v1/{path:path}": ("POST", "/upload/v1/files", {}, (400, 403, 404)),
    "/status": ("GET", "/status", None, (200,)),
    "/status/events": ("GET", "/status/events?agent=agent", None, (403, 404)),
    "/status/{agent}": ("GET", "/status/agent", None, (403, 404)),
    "/status/{agent}/history": ("GET", "/status/agent/history", None, (403, 404)),
    "/status/{agent}/act": ("POST", "/status/agent/act", None, (401, 403)),
    "/metrics": ("GET", "/metrics", None, (401,)),
    "/calls": ("GET", "/calls", None, (200,)),
    "/calls/{call_id}": ("GET", "/calls/call", None, (403, 404)),
    "/conversations": ("GET", "/conversations", None, (200,)),
    "/conversations/{conversation:path}": ("GET", "/conversations/talk", None, (403, 404)),
    "/review": ("GET", "/review", None, (200, 403)),
    "/review/{agent}": ("POST", "/review/agent", None, (401, 403, 404)),
    "/review/{agent}/labels": ("GET", "/review/agent/labels", None, (401, 403, 404)),
    "/review/{agent}/{lease}": ("GET", "/review/agent/any", None, (401, 403, 404)),
    "/costs": ("GET", "/costs", None, (200,)),
    "/keys": ("GET", "/keys", None, (401,)),
    "/keys/self": ("GET", "/keys/self", None, (200,)),
    "/report/{agent}": ("GET", "/report/agent", None, (401, 403)),
    "/audit/{agent}": ("GET", "/audit/agent", None, (401,)),
    "/admin/agents/{agent}/{verb}": ("POST", "/admin/agents/agent/pause", {}, (401,)),
    "/admin/conversations/{conversation}/forget": ("POST", "/admin/conversations/talk/forget", {}, (401,)),
    "/admin/judge/{agent}": ("POST", "/admin/judge/agent", {}, (401,)),
}
OF_ANYBODY = {"/openapi.json", "/docs"}  # the same for every key
# Endpoints behind /v1/ that ask a provider, beside the one in the list.
FORWARDED: dict[str, Asked] = {
    "response by id": ("GET", "/v1/responses/resp_1?model=agent", None, (403, 404)),
    "response to delete": ("DELETE", "/v1/responses/resp_1?model=agent", None, (403, 404)),
    "images": ("POST", "/v1/images/generations", {"model": "agent", "prompt": "a bird"}, (403, 404)),
    "speech": ("POST", "/v1/audio/speech", {"model": "agent", "input": "hi", "voice": "alloy"}, (403, 404)),
    "transcription": ("POST", "/v1/audio/transcriptions", {"model": "agent", **FORM}, (403, 404)),
    "moderation": ("POST", "/v1/moderations", {"model": "agent", "input": "hello"}, (403, 404)),
    "file": ("POST", "/v1/files?model=agent", {"purpose": "batch", **FORM}, (403, 404)),
    "upload": ("POST", "/v1/uploads?model=agent", UPLOAD, (403, 404)),
    "batch": ("POST", "/v1/batches", {"input_file_id": "file-1", "endpoint": "/v1/responses"}, (403,)),
    "vector store": ("POST", "/v1/vector_stores?model=agent", {"name": "a"}, (403, 404)),
}  # fmt: skip
EVERY = {**ASKED, **FORWARDED}


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def keys(agent: str, **stranger: Any) -> dict[str, Any]:
    """`gateway.yaml` with a key for the agent, and one with two digests for no agent that is there."""
    other = {"sha256s": [digest(ROTATED), digest(STRANGER)], "agents": [], **stranger}
    return {"keys": {"mine": {"sha256": digest(MINE), "agents": [agent]}, "stranger": other}}


async def ask(here: Place, asked: Asked, key: str, call: str = "none") -> httpx2.Response:
    """Ask an endpoint with that key, however its format takes one."""
    method, path, body, _ = asked
    path = re.sub(r"(?<=[=/])agent(?=$|[/:?&])", here.agent, path)
    path = re.sub(r"/call(?=$|[/?])", f"/{call}", path).replace("/talk", "/my-talk")
    url = here.running.url + path
    headers = {"authorization": f"Bearer {key}"}
    if body is None:
        return await here.http.request(method, url, headers=headers, timeout=5)
    body = {name: {"agent": here.agent, "call": call}.get(value, value) if isinstance(value, str) else value
            for name, value in body.items()}  # fmt: skip
    if files := body.pop("files", None):
        return await here.http.request(method, url, headers=headers, data=body, files=files, timeout=5)
    return await here.http.request(method, url, headers=headers, json=body, timeout=5)


async def test_the_list_has_every_endpoint(serve: Serve) -> None:
    """A new one must be added, with what a key of another agent may be told there."""
    here = await serve()
    paths = {route.path for route in routes(here.running.gateway.services) if isinstance(route, Route)}
    paths |= {path for side in CLIENTS.values() for path in side.door.paths}
    assert paths - OPEN - OF_ANYBODY == ASKED.keys()


async def test_a_key_of_another_agent_learns_nothing(serve: Serve, agent: str) -> None:
    """Whatever it asks for: it is refused, or told of its own alone; no provider hears of it."""
    here = await serve(gateway=keys(agent))
    mine = {"authorization": f"Bearer {MINE}", "x-conversation-id": "my-talk"}
    answer = await here.chat(headers=mine)
    assert answer.status_code == 200
    call, heard = answer.headers["x-serinus-call-id"], len(here.standin.requests)
    found = {}
    for name, asked in EVERY.items():
        reply = await ask(here, asked, STRANGER, call)
        shown = (
            reply.text.replace(f"'{agent}'", "").replace(f'"{agent}"', "") if reply.status_code != 200 else reply.text
        )
        if reply.status_code not in asked[3] or (reply.status_code == 200 and (agent in shown or call in shown)):
            found[name] = (reply.status_code, reply.text[:200])
    assert not found, "\n".join(f"{name} {each}" for name, each in found.items())
    assert len(here.standin.requests) == heard


@pytest.mark.parametrize("expires", [None, "2020-01-01"])
async def test_expiry_and_rotation_hold_at_every_door(serve: Serve, agent: str, expires: str | None) -> None:
    """An expired key gets 401 wherever a key is asked for; a rotated one is the same caller with both its keys."""
    here = await serve(gateway=keys(agent, **({"expires": expires} if expires else {})))
    found = {}
    for name, asked in EVERY.items():
        one, other = [(await ask(here, asked, key)).status_code for key in (STRANGER, ROTATED)]
        if one != other or (expires is not None and one != 401):
            found[name] = (one, other)
    assert not found, found


async def test_a_socket_hears_that_its_key_is_gone(serve: Serve, agent: str) -> None:
    """A call on it by another agent's key is refused; a key that ends while it is open ends it by its next call."""
    here = await serve(gateway=keys(agent))
    async with socket(f"{here.base_url}/responses", {"authorization": f"Bearer {STRANGER}"}) as line:
        line.create(agent, input="hello")
        refused = await line.event()
        assert (refused["type"], refused["status"]) == ("error", 403)
    async with socket(f"{here.base_url}/responses", {"authorization": f"Bearer {MINE}"}) as line:
        line.create(agent, input="hello")
        while (await line.event())["type"] != "response.completed":
            pass
        here.running.gateway.services.runtime.doorkeeper._expires["mine"] = 0.0
        line.create(agent, input="hello")
        ended = await line.event()
        assert (ended["type"], ended["status"], ended["error"]["code"]) == ("error", 401, "expired_api_key")
    assert json.dumps(ended).count(MINE) == 0
