"""`/v1/escalations`: who may look and reply, what is shown, and which replies are refused."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

import pytest
import pytest_asyncio

from gateway.webhook.signature import signed
from tests.support.canaries import WEBHOOK_SECRET
from tests.support.crowd import ask
from tests.support.running import ADMIN_TOKEN, Running, running, write

TOKEN = f"authorization: Bearer {ADMIN_TOKEN}"
SECRET = WEBHOOK_SECRET.encode()


@dataclass(frozen=True, slots=True)
class Served:
    """A gateway with one agent, whose store has two conversations that went to people: c-1, then c-2."""

    running: Running
    agent: str

    async def get(self, path: str, *headers: str) -> tuple[int, Any]:
        reply = await ask(self.running.url, "GET", f"/v1/escalations{path}", headers=headers or (TOKEN,))
        return reply.status, json.loads(reply.body)

    async def reply(self, body: Any, *headers: str, call_id: str = "c-1") -> tuple[int, Any]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        path = f"/v1/escalations/{call_id}/reply"
        reply = await ask(self.running.url, "POST", path, raw, headers or (TOKEN,))
        return reply.status, json.loads(reply.body)


def event(call_id: str, agent: str, at: str, messages: str) -> dict[str, str]:
    return {"call_id": call_id, "agent": agent, "version": "v1", "caller": "app", "at": at, "failure": "down",
            "conversation": call_id.ljust(32, "0"), "messages": messages}  # fmt: skip


@pytest_asyncio.fixture(params=[{"secret": "${DESK_SECRET}"}])
async def served(tmp_path: Path, redis_url: str, agent: str, request: Any) -> AsyncIterator[Served]:
    provider = {"api": "openai", "base_url": "http://127.0.0.1:9/v1"}
    files = {
        "gateway.yaml": {"providers": {"p": provider}, "escalation": request.param},
        "routing.yaml": {"agents": {agent: {"stable": "v1"}}},
        f"agents/{agent}/v1.yaml": {"model": "p/m"},
    }
    async with running(write(tmp_path, files), redis_url, {"DESK_SECRET": SECRET.decode()}) as served:
        store = served.gateway.services.store
        await store.escalate(agent, event("c-1", agent, "1.000", '[{"role":"user","content":"hello"}]'))
        await store.escalate(agent, event("c-2", agent, "2.000", '["\\ud83d"]'))
        yield Served(served, agent)


def signature(body: bytes, secret: bytes = SECRET, at: float = 0.0) -> list[str]:
    return [f"{name.decode()}: {value.decode()}" for name, value in signed(secret, body, at or time())]


async def test_the_list(served: Served) -> None:
    """Newest first, of one agent or of all, and without what was said."""
    status, listed = await served.get(f"?agent={served.agent}")
    assert status == 200 and [each["call_id"] for each in listed["escalations"]] == ["c-2", "c-1"]
    assert (await served.get(""))[1] == listed and listed["next"] is None
    assert listed["escalations"][1] == {
        "call_id": "c-1", "agent": served.agent, "version": "v1", "caller": "app", "failure": "down",
        "request_id": None, "at": "1970-01-01T00:00:01.000Z", "reply": None,
        "state": "expired", "accepted_at": None, "calls": 1,
    }  # fmt: skip


async def test_pages_of_the_list(served: Served) -> None:
    """`limit` and `before` lead through all of it; what they cannot be is said."""
    first = (await served.get("?limit=1"))[1]
    second = (await served.get(f"?limit=1&before={first['next']}"))[1]
    assert [page["escalations"][0]["call_id"] for page in (first, second)] == ["c-2", "c-1"]
    assert (await served.get(f"?limit=1&before={second['next']}"))[1] == {"escalations": [], "next": None}
    for query in (
        "limit=0",
        "limit=101",
        "limit=x",
        "limit=%C2%B2",
        "before=x",
        "before=1-2",
        f"before={'9' * 5000}-0-a",
        "agnet=mistyped",
    ):
        status, error = await served.get(f"?{query}")
        assert (status, error["error"]["param"]) == (400, query.partition("=")[0])


async def test_one(served: Served) -> None:
    """With what was said: as JSON, or as the text that it came as where JSON in UTF-8 cannot hold it."""
    status, view = await served.get("/c-1")
    assert status == 200 and view["messages"] == [{"role": "user", "content": "hello"}]
    assert (await served.get("/c-2"))[1]["messages"] == '["\\ud83d"]'


async def test_a_later_call_of_a_handover(served: Served) -> None:
    """Its id leads to the handover, with the latest messages; one reply is for all of its calls."""
    store = served.running.gateway.services.store
    later = {**event("c-9", served.agent, f"{time():.3f}", "[1]"), "conversation": "c-1".ljust(32, "0")}
    assert (await store.escalate(served.agent, later)).escalation_id == "c-1"
    await store.mark_escalation_accepted(served.agent, "c-1", 3.0)
    status, view = await served.get("/c-9")
    assert status == 200 and (view["call_id"], view["messages"], view["calls"]) == ("c-1", [1], 2)
    assert view["accepted_at"] == "1970-01-01T00:00:03.000Z"
    assert (await served.reply({"message": "Hello."}, call_id="c-9"))[0] == 200
    assert (await served.reply({"message": "Hello."}, call_id="c-1"))[0] == 409
    assert (await served.get("/c-1"))[1]["state"] == "replied"


@pytest.mark.parametrize("path", ["/c-3", "?agent=nobody", "/%00"])
async def test_unknown(served: Served, path: str) -> None:
    """A call that handed nothing over, an agent that is not there."""
    assert (await served.get(path))[0] == 404


async def test_a_reply_by_the_token(served: Served) -> None:
    """Line breaks and all; it stands beside the conversation from then on, not delivered yet."""
    status, view = await served.reply({"message": "Hello,\nit is me.", "actor": "kim"})
    reply = view["reply"]
    assert status == 200 and (reply["message"], reply["actor"]) == ("Hello,\nit is me.", "kim")
    assert reply["delivered_at"] is None and (await served.get("/c-1"))[1] == view
    await served.running.gateway.services.store.mark_reply_delivered(served.agent, "c-1", 7.0)
    assert (await served.get("/c-1"))[1]["reply"]["delivered_at"] == "1970-01-01T00:00:07.000Z"


async def test_a_signed_reply(served: Served) -> None:
    """The webhook's receiver needs no token: it signs with the secret that it checks our signature by."""
    body = json.dumps({"message": "Hello.", "call_id": "c-1"}).encode()
    status, view = await served.reply(body, *signature(body))
    assert status == 200 and view["reply"]["actor"] == "webhook"


@pytest.mark.parametrize("secret", [SECRET, b"another"])
async def test_a_signature_that_does_not_hold(served: Served, secret: bytes) -> None:
    """Of long ago, or by another secret; and the token beside it does not help."""
    body = b'{"message":"Hello."}'
    at = time() - 301 if secret == SECRET else time()
    assert (await served.reply(body, TOKEN, *signature(body, secret, at)))[0] == 401


@pytest.mark.parametrize("served", [{}], indirect=True)
async def test_without_a_secret(served: Served) -> None:
    """No signature is good enough, not even one by nothing."""
    body = b'{"message":"Hello."}'
    assert (await served.reply(body, *signature(body, b"")))[0] == 401


@pytest.mark.parametrize("headers", [("authorization: Bearer x",), (TOKEN, "origin: https://evil.example")])
async def test_nobody_else_may(served: Served, headers: tuple[str, ...]) -> None:
    """Neither look nor reply."""
    answers = [await served.get("", *headers), await served.get("/c-1", *headers)]
    answers.append(await served.reply({"message": "x"}, *headers))
    assert {status for status, _ in answers} <= {401, 403}


async def test_the_first_reply_counts(served: Served) -> None:
    """Who comes second is told so."""
    assert (await served.reply({"message": "first"}))[0] == 200
    status, answer = await served.reply({"message": "second"})
    assert (status, answer["error"]["code"]) == (409, "already_replied")
    assert (await served.get("/c-1"))[1]["reply"]["message"] == "first"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "message"),
        ({"message": " "}, "message"),
        ({"message": ["x"]}, "message"),
        ({"message": "x" * 32_001}, "message"),
        ({"message": "x", "actor": 7}, "actor"),
        ({"message": "x", "actor": "x" * 501}, "actor"),
        ({"message": "x", "call_id": "c-2"}, "call_id"),
    ],
)
async def test_refused_replies(served: Served, body: Any, param: str) -> None:
    """The answer names the field."""
    status, answer = await served.reply(body)
    assert (status, answer["error"]["param"]) == (400, param)


async def test_reply_to_nothing(served: Served) -> None:
    """A call that handed nothing over."""
    assert (await served.reply({"message": "x"}, call_id="c-3"))[0] == 404


async def test_half_a_character(served: Served) -> None:
    """What UTF-8 cannot hold is spelled out."""
    assert (await served.reply({"message": "half \ud83d"}))[1]["reply"]["message"] == "half \\ud83d"
