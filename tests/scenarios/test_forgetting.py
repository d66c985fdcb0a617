"""Somebody asks that their data go: an operator deletes the recorded texts of a conversation."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.cli.main import main
from tests.support.calling import Place
from tests.support.crowd import Reply, ask
from tests.support.running import ADMIN_TOKEN
from tests.support.stored import stored

Serve = Callable[..., Awaitable[Place]]
ADMIN = f"authorization: Bearer {ADMIN_TOKEN}"
KEYS = {"web": "key-of-the-web-team-1", "app": "key-of-the-app-team-2"}
GATEWAY = {"keys": {name: {"sha256": hashlib.sha256(key.encode()).hexdigest()} for name, key in KEYS.items()}}
WHY = {"actor": "ann", "reason": "request 4711"}


async def say(here: Place, text: str, key: str, name: str = "") -> str:
    """Say something in a conversation; return the call's id."""
    headers = {"authorization": f"Bearer {KEYS[key]}", **({"x-conversation-id": name} if name else {})}
    answer = await here.chat(headers=headers, messages=[{"role": "user", "content": text}])
    return str(answer.headers["x-serinus-call-id"])


async def forget(here: Place, name: str, body: Any = WHY, header: str = ADMIN) -> Reply:
    path = f"/admin/conversations/{name}/forget"
    return await ask(here.running.url, "POST", path, json.dumps(body).encode(), [header])


async def settled(here: Place) -> None:
    await here.running.gateway.services.traces.catch_up()


async def test_its_texts_go(serve: Serve, redis_url: str) -> None:
    """Those of all its calls, and of no other conversation; the calls are still there."""
    here = await serve(routing={"record_content": "all"}, gateway=GATEWAY)
    ids = [await say(here, f"private-words-{turn}", "web", "chat-7") for turn in range(3)]
    other = await say(here, "other-words", "web", "chat-8")
    await settled(here)
    assert b"private-words-1" in await stored(redis_url)
    done = await forget(here, "chat-7")
    assert json.loads(done.body)["calls"] == 3
    kept = await stored(redis_url)
    assert b"private-words" not in kept and b"other-words" in kept
    for call_id, has_text in ((ids[0], False), (other, True)):
        call = json.loads((await ask(here.running.url, "GET", f"/calls/{call_id}", headers=[ADMIN])).body)
        assert (call["content"] is not None) is has_text and call["status"] == 200
    again = await forget(here, ids[1])
    assert again.status == 200 and json.loads(again.body)["calls"] == 0


async def test_by_the_id_of_a_call(serve: Serve, redis_url: str) -> None:
    """Where its client has no name for the conversation."""
    here = await serve(routing={"record_content": "all"})
    answer = await here.chat(messages=[{"role": "user", "content": "unnamed-words"}])
    await settled(here)
    assert json.loads((await forget(here, answer.headers["x-serinus-call-id"])).body)["calls"] == 1
    assert b"unnamed-words" not in await stored(redis_url)


async def test_a_name_of_several_callers(serve: Serve) -> None:
    """Two people's conversations: nobody's is deleted until it is said whose."""
    here = await serve(routing={"record_content": "all"}, gateway=GATEWAY)
    for key in KEYS:
        await say(here, "hello", key, "chat-1")
    await settled(here)
    refused = await forget(here, "chat-1")
    message = json.loads(refused.body)["error"]["message"]
    assert refused.status == 400 and "of web" in message and "of app" in message
    assert json.loads((await forget(here, message.rpartition(": ")[2].split(" ")[0])).body)["calls"] == 1


@pytest.mark.parametrize(
    ("body", "header", "status"),
    [
        (WHY, f"authorization: Bearer {KEYS['web']}", 401),
        ({"actor": "ann"}, ADMIN, 400),
        ({**WHY, "agent": "a"}, ADMIN, 400),
        (WHY, ADMIN, 404),
    ],
    ids=["key", "reason", "member", "unknown"],
)
async def test_refused(serve: Serve, body: Any, header: str, status: int) -> None:
    """A caller's key, a request without a reason, a member that nobody knows, and a conversation that is not there."""
    here = await serve(routing={"record_content": "all"}, gateway=GATEWAY)
    assert (await forget(here, "0123456789abcdef", body, header)).status == status


async def test_the_command(serve: Serve, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how much was deleted, and what is left; the log has who and why."""
    monkeypatch.setenv("SERINUS_ADMIN_TOKEN", ADMIN_TOKEN)
    here = await serve(routing={"record_content": "all"}, gateway=GATEWAY)
    await say(here, "hello", "web", "chat-9")
    await settled(here)
    asked = ["forget", "chat-9", "--reason", "request 4711", "--actor", "ann", "--url", here.running.url]
    assert await asyncio.to_thread(main, asked) == 0
    out = capsys.readouterr().out
    assert "the texts of 1 call deleted; times, names, ids and costs stay until they end" in out
    assert '"event":"contents_forgotten"' in out and '"actor":"ann"' in out and '"reason":"request 4711"' in out
    assert await asyncio.to_thread(main, [*asked, "--json"]) == 0
    assert '"calls": 0' in capsys.readouterr().out
    assert await asyncio.to_thread(main, ["forget", "nobody", *asked[2:]]) == 1
