"""Recorded texts of calls: in every format, whole and streamed, over two replicas, and for nobody else's eyes."""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.rehearsal.standin import ModelBehaviour
from gateway.store import RedisStore
from tests.support.calling import Place, events, saying, standing_in
from tests.support.crossing import FORMATS
from tests.support.crowd import ask
from tests.support.dialects import DIALECTS, FOUND, SYSTEM
from tests.support.processes import Served, serving
from tests.support.running import ADMIN_TOKEN, provider, write
from tests.support.stored import stored
from tests.support.websockets import socket

Serve = Callable[..., Awaitable[Place]]
ADMIN = f"authorization: Bearer {ADMIN_TOKEN}"
ALL = {"record_content": "all"}
WEB, APP = "key-of-the-web-team-1", "key-of-the-app-team-2"
KEYS = {
    "keys": {name: {"sha256": hashlib.sha256(key.encode()).hexdigest()} for name, key in (("web", WEB), ("app", APP))}
}


async def seen(url: str, path: str, *headers: str) -> Any:
    reply = await ask(url, "GET", path, headers=headers or [ADMIN])
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


async def content_of(url: str, call_id: str, *headers: str) -> Any:
    return (await seen(url, f"/calls/{call_id}", *headers))["content"]


async def talk(here: Place, text: str, **more: Any) -> Any:
    """Say something, and return what is recorded of it."""
    answer = await here.chat(messages=[{"role": "user", "content": text}], **more)
    return await content_of(here.running.url, answer.headers["x-serinus-call-id"])


def said(message: Any) -> list[tuple[str, str, str]]:
    return [(part["kind"], part["name"], part["text"]) for part in message["parts"]]


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("client", FORMATS)
async def test_every_format(serve: Serve, client: str, stream: bool) -> None:
    """What was asked, a tool's call and its result, and what was answered: one shape, whatever the client speaks."""
    here, dialect = await serve(routing=ALL), DIALECTS[client]
    url = here.running.url + dialect.path(here.agent, stream)
    whole = here.running.url + dialect.path(here.agent, False)
    answer = (await here.http.post(whole, json=dialect.ask(here.agent, "call look_up", False))).json()
    asked = dialect.after(dialect.ask(here.agent, "call look_up", stream), answer)
    second = await here.http.post(url, json=asked)
    content = await content_of(here.running.url, second.headers["x-serinus-call-id"])
    system, user, called, result = content["messages"]
    assert [each["role"] for each in content["messages"]] == ["system", "user", "assistant", "tool"]
    assert said(system) == [("text", "", SYSTEM)] and ("text", "", "call look_up") in said(user)
    assert ("media", "", "image image/png") in said(user)
    assert [each[:2] for each in said(called)] == [("tool_call", "look_up")]
    assert said(result) == [("tool_result", "look_up", FOUND)]
    spoken = dialect.streamed(events(second.content)) if stream else dialect.whole(second.json())
    assert said(content["answer"]) == [("text", "", spoken.text)] and spoken.text
    assert (content["cut"], content["complete"], content["left_out"]) == (False, True, 0)


async def test_nothing_is_kept_unless_it_is_wanted(serve: Serve, redis_url: str) -> None:
    """No text is in the record of a call, and none in the store."""
    here = await serve()
    assert await talk(here, "an unrecorded-prompt-5f1") is None
    assert b"unrecorded-prompt-5f1" not in await stored(redis_url)


async def test_the_answer_that_the_client_got(serve: Serve) -> None:
    """Of a fallback it is the one that answered; what a target that failed said is no answer."""
    here = await serve(routing={**ALL, "fallback": ["standin/spare"]})
    here.standin.behave("good", ModelBehaviour(error_rate=1, fault="status"))
    here.standin.behave("spare", ModelBehaviour())
    assert (await talk(here, "hello"))["answer"]["parts"][0]["text"].startswith("cheep")
    here.standin.behave("spare", ModelBehaviour(error_rate=1, fault="status"))
    content = await talk(here, "hello again")
    assert content["answer"] is None and said(content["messages"][0]) == [("text", "", "hello again")]


async def test_a_hedge_and_a_shadow(serve: Serve) -> None:
    """The answer that won is kept, once; a shadow's is nobody's."""
    routing = {**ALL, "fallback": ["standin/spare"], "hedge": {"after": "20ms", "budget": "50%"}}
    shadow = {"version": "v2", "sample": "100%"}
    here = await serve(routing={**routing, "shadow": shadow}, files={"v2.yaml": {"model": "standin/shadow"}})
    here.standin.behave("good", ModelBehaviour(latency_seconds=0.5, chunk_text="slow "))
    here.standin.behave("spare", ModelBehaviour(chunk_text="quick "))
    here.standin.behave("shadow", ModelBehaviour(chunk_text="unseen "))
    content = await talk(here, "hello")
    assert content["answer"]["parts"][0]["text"].startswith("quick") and "unseen" not in json.dumps(content)


async def test_a_stream_that_breaks_or_is_left(serve: Serve) -> None:
    """What the client had got by then is kept, and said to be no whole answer."""
    here = await serve(routing=ALL)
    here.standin.behave("good", ModelBehaviour(error_rate=1, fault="truncate"))
    url, body = f"{here.base_url}/chat/completions", here.body(stream=True)
    with pytest.raises(httpx2.RemoteProtocolError):
        async with here.http.stream("POST", url, json=body) as broken:
            await broken.aread()
    here.standin.behave("good", ModelBehaviour(chunks=1_000, chunk_seconds=0.01))
    async with here.http.stream("POST", url, json=body) as left:
        await anext(left.aiter_raw())
    await here.books(requests=2)
    for answer in (broken, left):
        content = await content_of(here.running.url, answer.headers["x-serinus-call-id"])
        assert content["answer"]["parts"] and not content["complete"]


async def test_for_nobody_else_s_eyes(serve: Serve) -> None:
    """For the admin, and for the key that made the call: another key sees the call, and none of its words."""
    here = await serve(routing=ALL, gateway=KEYS)
    answer = await here.chat(headers={"authorization": f"Bearer {WEB}"})
    call_id = answer.headers["x-serinus-call-id"]
    conversation = (await seen(here.running.url, f"/calls/{call_id}"))["conversation"]
    for path in (f"/calls/{call_id}", f"/conversations/{conversation}?content=true"):
        own, others, admin = [
            json.dumps(await seen(here.running.url, path, f"authorization: Bearer {key}"))
            for key in (WEB, APP, ADMIN_TOKEN)
        ]
        assert '"hello"' in own and '"hello"' in admin and '"hello"' not in others and '"content": null' in others
    assert (await ask(here.running.url, "GET", f"/calls/{call_id}")).status == 401


async def test_content_is_asked_for(serve: Serve) -> None:
    """A conversation's JSON has it on request alone, for it may be long."""
    here = await serve(routing=ALL)
    answer = await here.chat()
    conversation = (await seen(here.running.url, f"/calls/{answer.headers['x-serinus-call-id']}"))["conversation"]
    plain = await seen(here.running.url, f"/conversations/{conversation}")
    full = await seen(here.running.url, f"/conversations/{conversation}?content=true")
    assert plain["steps"][0]["call"]["content"] is None
    assert said(full["steps"][0]["call"]["content"]["messages"][0]) == [("text", "", "hello")]
    assert (
        await ask(here.running.url, "GET", f"/conversations/{conversation}?content=maybe", headers=[ADMIN])
    ).status == 400


@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", "\x1b]0;owned\x07\x1b[31mred", "\u202egnp.exe\u2066", "\ud83d lone", "\ufdd0123 x"],
    ids=["markup", "ansi", "bidi", "surrogate", "mark"],
)  # fmt: skip
async def test_hostile_texts(serve: Serve, text: str) -> None:
    """They are kept as what they are: it is for whoever shows them to make them harmless."""
    here = await serve(routing=ALL)
    body = json.dumps(here.body(messages=[{"role": "user", "content": text}])).encode()
    answer = await here.send(body, {"content-type": "application/json"})
    content = await content_of(here.running.url, answer.headers["x-serinus-call-id"])
    expected = text.encode("utf-8", "replace").decode().replace("\ufdd0", "")
    assert said(content["messages"][0]) in ([("text", "", expected)], [("text", "", text.replace("\ud83d", "?"))])


async def test_what_is_too_long_is_cut(serve: Serve) -> None:
    """A megabyte of one text; of thousands of messages the latest are kept, and the rest is counted."""
    here = await serve(routing={"record_content": {"max_call": "4KB"}})
    (part,) = (await talk(here, "begin " * 200_000))["messages"][0]["parts"]
    assert len(part["text"]) < 4_096 and part["text"].endswith("characters cut]")
    messages = [{"role": "system", "content": "Be brief."}]
    messages += [{"role": "user", "content": f"message {number}"} for number in range(20_000)]
    answer = await here.chat(messages=messages)
    content = await content_of(here.running.url, answer.headers["x-serinus-call-id"])
    assert content["cut"] and content["left_out"] == 20_001 - len(content["messages"])
    first, *_, last = content["messages"]
    assert (said(first)[0][2], said(last)[0][2]) == ("Be brief.", "message 19999")


async def test_what_nobody_can_read_stands_as_it_came(serve: Serve) -> None:
    """A message of a kind that no format of ours knows, beside others that are read."""
    here = await serve(routing=ALL)
    odd = {"role": "user", "content": [{"type": "hologram", "hologram": {"id": "h1"}}]}
    async with standing_in(here, saying(json.dumps(ANSWER).encode())):
        answer = await here.chat(messages=[odd, {"role": "user", "content": "hello"}])
        content = await content_of(here.running.url, answer.headers["x-serinus-call-id"])
    assert said(content["messages"][0])[0][0] == "unread" and "hologram" in said(content["messages"][0])[0][2]
    assert said(content["messages"][1]) == [("text", "", "hello")]


ANSWER = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi."}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}  # fmt: skip


async def test_a_store_that_is_away(serve: Serve) -> None:
    """Calls are answered meanwhile; what was heard is kept once the store is back."""
    here = await serve(routing=ALL)
    with here.running.store.faulty("keep_contents", "find_contents"):
        answer = await here.chat()
        assert answer.status_code == 200
        await asyncio.sleep(0.5)
    content = await content_of(here.running.url, answer.headers["x-serinus-call-id"])
    assert said(content["messages"][0]) == [("text", "", "hello")]


@asynccontextmanager
async def replicas(
    folder: Path, redis_url: str, agent: str, record: object, count: int = 2, **gateway: object
) -> AsyncIterator[list[Served]]:
    """Processes over one store, whose provider is the stand-in."""
    async with AsyncExitStack() as stack:
        standin = await stack.enter_async_context(provider(good=ModelBehaviour()))
        files: dict[str, object] = {
            "gateway.yaml": {"providers": {"standin": {"api": "openai", "base_url": standin.base_url}}, **gateway},
            "routing.yaml": {
                "agents": {agent: {"stable": "v1", "record_content": record}, f"{agent}-off": {"stable": "v1"}}
            },
            f"agents/{agent}/v1.yaml": {"model": "standin/good"},
            f"agents/{agent}-off/v1.yaml": {"model": "standin/good"},
        }
        config = write(folder / "config", files)
        environ = {"SERINUS_STORE": redis_url}
        yield [await stack.enter_async_context(serving(config, environ)) for _ in range(count)]


async def test_a_conversation_is_sampled_whole(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Half of the conversations, whichever replica serves a turn, and whether or not the client names them."""
    async with replicas(tmp_path, redis_url, agent, {"sample": "50%"}) as served:
        recorded: list[set[bool]] = []
        for number in range(24):
            named = (f"x-conversation-id: chat-{number}",) if number % 2 else ()
            messages, found = list[Any](), set[bool]()
            for turn in range(3):
                messages.append({"role": "user", "content": f"conversation {number} turn {turn}"})
                body = json.dumps({"model": agent, "messages": messages}).encode()
                reply = await served[turn % 2].ask("POST", "/v1/chat/completions", body, named)
                messages.append(json.loads(reply.body)["choices"][0]["message"])
                content = await content_of(served[turn % 2].url, reply.headers["x-serinus-call-id"])
                found.add(content is not None)
            recorded.append(found)
        assert all(len(found) == 1 for found in recorded)
        assert 2 < sum(True in found for found in recorded) < 22


SECRET = "sk-planted-7Gh2Kq9LmZx4Vb8N"
PROMPT = (
    f"planted-words {SECRET} {WEB} {ADMIN_TOKEN} ann@birds.example 4111 1111 1111 1111 ACME-123456 "
    "order 4111111111111112 plain-words"
)


async def test_planted_secrets(tmp_path: Path, redis_url: str, agent: str) -> None:
    """In a prompt: without recording they are nowhere, and with it the words are in contents alone, secrets in none."""
    record = {"redact": ["ACME-[0-9]{6}"]}
    async with replicas(tmp_path, redis_url, agent, record, count=1, **KEYS) as (served,):
        own = (f"authorization: Bearer {WEB}", "x-planted: planted-header", "cookie: planted-header")
        for name in (f"{agent}-off", agent):
            for stream in (False, True):
                messages = [{"role": "user", "content": PROMPT}, {"role": "user", "content": "again"}]
                body = json.dumps({"model": name, "messages": messages, "stream": stream}).encode()
                reply = await served.ask("POST", "/v1/chat/completions", body, own)
                call_id = reply.headers["x-serinus-call-id"]
                content = await content_of(served.url, call_id)
                assert (content is None) == name.endswith("-off")
        assert said(content["messages"][0])[0][2] == (
            f"planted-words [redacted: key] {'*' * len(WEB)} [redacted: key] [redacted: e-mail] "
            "[redacted: card number] [redacted] order 4111111111111112 plain-words"
        )
        assert content["redacted"] == 6
        paths = ("/status", f"/status/{agent}", f"/audit/{agent}", "/metrics", "/costs", "/calls", "/conversations")
        outside = b"".join([(await served.ask("GET", path, headers=(ADMIN,))).body for path in paths])
        outside += b"".join(
            [(await served.ask("GET", path, headers=(ADMIN, "accept: text/html"))).body for path in paths]
        )
        kept = (await stored(redis_url)).split(b"\n")
        await served.end()
    outside += served.out.read_bytes() + served.errors.read_bytes()
    assert b"planted-words" not in outside
    assert {line.rpartition(b":content:")[0].rpartition(b":")[0] for line in kept if b"planted-words" in line} == {
        f"serinus:{{{agent}}}".encode()
    }
    everything = outside + b"".join(kept)
    assert not re.search(rb"sk-planted|key-of-the-web|ann@birds|4111 1111 1111 1111|ACME-1", everything)
    assert ADMIN_TOKEN.encode() not in everything and b"planted-header" not in everything


async def test_retention(serve: Serve, redis_url: str) -> None:
    """The store itself lets go of a text when its time is over."""
    here = await serve(routing={"record_content": {"retention": "1m"}})
    await talk(here, "hello")
    store: RedisStore = here.running.store
    names = [name async for name in store._client.scan_iter(f"serinus:{{{here.agent}}}:trace:content*")]
    assert len(names) == 3
    for name in names:
        assert 0 < await store._client.ttl(name) <= 60


async def test_over_a_websocket(serve: Serve) -> None:
    """Responses over a socket are kept like others."""
    here = await serve(routing=ALL)
    async with socket(f"{here.running.url}/v1/responses") as open_socket:
        open_socket.create(here.agent, input="hello over a socket")
        await open_socket.response()
        open_socket.writer.close()
    await here.books()
    (call,) = (await seen(here.running.url, f"/calls?agent={here.agent}"))["calls"]
    content = await content_of(here.running.url, call["id"])
    assert said(content["messages"][0]) == [("text", "", "hello over a socket")]
    assert content["complete"] and content["answer"]["parts"][0]["text"].startswith("cheep")
