"""`/calls` and `/conversations`: found by id and by filter, from any replica, by those who may see them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.rehearsal.standin import ModelBehaviour
from tests.support.crowd import Reply, ask
from tests.support.running import ADMIN_TOKEN, Running, provider, running, trial, write

ADMIN = f"authorization: Bearer {ADMIN_TOKEN}"
KEYS = {"web": "a-clients-key", "app": "another-clients-key", "elsewhere": "key-of-another-agent"}


@pytest.fixture
async def two(tmp_path: Path, redis_url: str, agent: str) -> AsyncIterator[tuple[Running, Running]]:
    """Two replicas of a gateway with an agent, one that fails, and keys for one or the other."""
    async with AsyncExitStack() as stack:
        standin = await stack.enter_async_context(provider(good=ModelBehaviour(), bad=ModelBehaviour(error_rate=1.0)))
        files: dict[str, Any] = trial(agent, standin, "0%") | {f"agents/{agent}-b/v1.yaml": {"model": "standin/bad"}}
        scopes = {"web": [agent, f"{agent}-b"], "app": [agent], "elsewhere": [f"{agent}-b"]}
        files["gateway.yaml"] |= {
            "retries": {"per_target": 0},
            "prices": [{"target": "standin/good", "from": "2020-01-01", "input": 1.0, "output": 2.0}],
            "keys": {
                name: {"sha256": hashlib.sha256(key.encode()).hexdigest(), "agents": scopes[name]}
                for name, key in KEYS.items()
            },
        }
        files["routing.yaml"]["agents"][f"{agent}-b"] = {"stable": "v1"}
        folder = write(tmp_path, files)
        one, other = [await stack.enter_async_context(running(folder, redis_url)) for _ in range(2)]
        yield one, other


async def chat(at: Running, agent: str, text: str, name: str = "", key: str = "web") -> Reply:
    body = orjson.dumps({"model": agent, "messages": [{"role": "user", "content": text}]})
    headers = [f"authorization: Bearer {KEYS[key]}", *([f"x-conversation-id: {name}"] if name else ())]
    return await ask(at.url, "POST", "/v1/chat/completions", body, headers)


async def seen(at: Running, path: str, key: str = "", status: int = 200) -> Any:
    reply = await ask(at.url, "GET", path, headers=[f"authorization: Bearer {KEYS[key]}" if key else ADMIN])
    assert reply.status == status, (path, reply.body)
    return orjson.loads(reply.body)


async def kept(at: Running) -> None:
    """Let the replica write what has ended there."""
    await at.gateway.traces.write(1_000)


async def test_a_call_is_found_at_any_replica(two: tuple[Running, Running], agent: str) -> None:
    """By the id that its answer bears, with its attempt, tokens and cost."""
    said = await chat(two[0], agent, "hello")
    await kept(two[0])
    call = await seen(two[1], f"/calls/{said.headers['x-serinus-call-id']}")
    assert (call["agent"], call["version"], call["end"], call["finish"]) == (agent, "v1", "answered", "stop")
    assert call["cost_usd"] == call["answer_usd"] == float(said.headers["x-serinus-cost-usd"]) > 0
    assert [each["kind"] for each in call["attempts"]] == ["first"] and call["tokens"]["output"] > 0


async def test_a_call_is_found_at_once_where_it_was_made(two: tuple[Running, Running], agent: str) -> None:
    """The replica writes what waits before it reads."""
    said = await chat(two[0], agent, "hello")
    assert await seen(two[0], f"/calls/{said.headers['x-serinus-call-id']}")


async def test_conversations_that_begin_alike_are_apart(two: tuple[Running, Running], agent: str) -> None:
    """Of two agents, and of two callers: each call's tree has that call alone."""
    said = [await chat(two[0], agent, "hello"), await chat(two[0], f"{agent}-b", "hello")]
    said.append(await chat(two[1], agent, "hello", key="app"))
    for each in two:
        await kept(each)
    for reply in said:
        call_id = reply.headers["x-serinus-call-id"]
        tree = await seen(two[0], f"/conversations/{call_id}")
        assert [step["call"]["id"] for step in tree["steps"]] == [call_id] and tree["sub_agents"] == []


async def test_more_tool_results_than_are_shown(two: tuple[Running, Running], agent: str) -> None:
    """The latest are shown, on the page too, and how many there were."""
    function = {"name": "find", "arguments": "{}"}
    tools = [{"id": f"t{number}", "type": "function", "function": function} for number in range(70)]
    asked = {"role": "assistant", "content": "", "tool_calls": tools}
    results = [{"role": "tool", "tool_call_id": f"t{number}", "content": "4"} for number in range(70)]
    body = orjson.dumps({"model": agent, "messages": [{"role": "user", "content": "hi"}, asked, *results]})
    said = await ask(two[0].url, "POST", "/v1/chat/completions", body, [f"authorization: Bearer {KEYS['web']}"])
    path = f"/calls/{said.headers['x-serinus-call-id']}"
    call = await seen(two[0], path)
    assert (len(call["brought"]), call["brought"][-1]["id"], call["brought_count"]) == (64, "t69", 70)
    page = await ask(two[0].url, "GET", path, headers=[ADMIN, "accept: text/html"])
    assert b"and 6 before them" in page.body


async def test_a_conversation_over_two_replicas(two: tuple[Running, Running], agent: str) -> None:
    """Found by its key, by the client's name for it, and by each of its calls."""
    said = [await chat(two[turn % 2], agent, f"turn {turn}", "chat-7") for turn in range(4)]
    for each in two:
        await kept(each)
    found = await seen(two[0], "/conversations/chat-7")
    ids = [step["call"]["id"] for step in found["steps"] if step["kind"] == "call"]
    assert ids == [each.headers["x-serinus-call-id"] for each in said] and found["summary"]["name"] == "chat-7"
    for name in (found["summary"]["id"], ids[2]):
        assert (await seen(two[1], f"/conversations/{name}"))["summary"] == found["summary"]


async def test_who_sees_what(two: tuple[Running, Running], agent: str) -> None:
    """A key sees the calls of its agents; a client's names are for the key that made the call."""
    at, said = two[0], await chat(two[0], agent, "hello", "chat-7")
    path = f"/calls/{said.headers['x-serinus-call-id']}"
    assert (await seen(at, path, "web"))["conversation_name"] == "chat-7"
    assert (await seen(at, path, "app"))["conversation_name"] is None
    await seen(at, path, "elsewhere", 404)
    await seen(at, "/conversations/chat-7", "app", 404)
    assert (await seen(at, "/conversations/chat-7", "web"))["summary"]["calls"] == 1
    assert (await seen(at, "/calls", "elsewhere"))["calls"] == []
    assert (await ask(at.url, "GET", path)).status == 401


@pytest.mark.parametrize(
    "path", ["/calls/nobody", "/calls/" + "A" * 52, "/conversations/nobody", "/conversations/" + "0" * 16]
)
async def test_what_nobody_keeps(two: tuple[Running, Running], path: str) -> None:
    """Is not found, whatever it looks like."""
    assert (await seen(two[0], path, "", 404))["error"]["code"].startswith("unknown_")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 5),
        ("?unanswered=true", 2),
        ("?unanswered=false", 3),
        ("?version=v2", 0),
        ("?min_cost=1", 0),
        ("?since=1h", 5),
    ],
)
async def test_lists_are_filtered(two: tuple[Running, Running], agent: str, query: str, count: int) -> None:
    """Of all agents, or of one."""
    at = two[0]
    for number in range(3):
        await chat(at, agent, f"hello {number}")
    for number in range(2):
        await chat(at, f"{agent}-b", f"good evening {number}")
    for what in ("calls", "conversations"):
        found = [each for each in (await seen(at, f"/{what}{query}"))[what] if agent in str(each)]
        assert len(found) == count
        one = (await seen(at, f"/{what}{query}{'&' if query else '?'}agent={agent}"))[what]
        assert len(one) == (0 if query == "?unanswered=true" else min(count, 3))


@pytest.mark.parametrize(
    "query", ["?unanswered=perhaps", "?min_cost=-1", "?limit=x", "?since=soon", "?before=x", "?color=red"]
)
async def test_a_query_that_is_not_understood(two: tuple[Running, Running], query: str) -> None:
    """Is an error that names the member."""
    for what in ("calls", "conversations"):
        assert (await seen(two[0], f"/{what}{query}", "", 400))["error"]["param"] in query


async def test_a_limit_beyond_the_most_is_the_most(two: tuple[Running, Running], agent: str) -> None:
    """A program that asks for a thousand gets a page and `next`, and no error; nobody gets a page of nothing."""
    for number in range(102):
        await chat(two[0], agent, f"hello {number}")
    await kept(two[0])
    page = await seen(two[0], "/calls?limit=1000")
    assert len(page["calls"]) == 100 and page["next"]
    assert len((await seen(two[0], "/calls?limit=0"))["calls"]) == 1


@pytest.mark.parametrize("what", ["calls", "conversations"])
async def test_pages_have_everything_once(two: tuple[Running, Running], agent: str, what: str) -> None:
    """Over several agents, newest first."""
    for number in range(7):
        await chat(two[number % 2], f"{agent}{'-b' if number == 3 else ''}", f"hello {number}")
        await asyncio.sleep(0.002)
    await kept(two[1])
    found: list[str] = []
    path: str | None = f"/{what}?limit=2"
    while path:
        page = await seen(two[0], path, "web")
        found += [each["id"] for each in page[what]]
        path = page["next"] and f"/{what}?limit=2&before={page['next']}"
    assert len(found) == len(set(found)) == 7


async def test_a_store_that_is_away(two: tuple[Running, Running], agent: str) -> None:
    """Calls are served all the same; whoever looks for one is told why it cannot be found."""
    at = two[0]
    with at.store.faulty("keep_calls", "find_calls"):
        said = await chat(at, agent, "hello")
        assert said.status == 200
        await seen(at, f"/calls/{said.headers['x-serinus-call-id']}", "", 503)
    assert await seen(at, f"/calls/{said.headers['x-serinus-call-id']}")


async def test_a_browser_gets_pages(two: tuple[Running, Running], agent: str) -> None:
    """Of a call, of a conversation, and of the lists; a form's empty fields ask for nothing."""
    call_id = (await chat(two[0], agent, "hello", "chat-8")).headers["x-serinus-call-id"]
    fields = "agent=&version=&min_cost=&since=1h"
    for path in (f"/calls/{call_id}", "/conversations/chat-8", f"/calls?{fields}", f"/conversations?{fields}"):
        reply = await ask(two[0].url, "GET", path, headers=[ADMIN, "accept: text/html"])
        assert reply.status == 200 and reply.headers["content-type"].startswith("text/html"), path
        assert "form-action 'self'" in reply.headers["content-security-policy"] and agent.encode() in reply.body
