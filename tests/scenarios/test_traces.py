"""Conversations as trees, of apps that know nothing of the gateway: tool times, costs, fallbacks, hedges, streams."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from openai import AsyncOpenAI

from gateway.rehearsal.standin import ModelBehaviour
from gateway.rollout.openings import SHARED_FROM
from tests.support.calling import Place
from tests.support.clients import run
from tests.support.crowd import ask
from tests.support.running import ADMIN_TOKEN, Running, provider, running, write

Serve = Callable[..., Awaitable[Place]]
PRICE = {"target": "standin/good", "from": "2020-01-01", "input": 300.0, "output": 900.0}  # USD for a million tokens
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("look_up", "find")
]
NEAR = 0.010  # seconds, beside a bare round trip; a busy machine may hold up one turn, not every one


async def seen(url: str, path: str) -> Any:
    reply = await ask(url, "GET", path, headers=[f"authorization: Bearer {ADMIN_TOKEN}"])
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


async def trees(url: str, agent: str) -> list[Any]:
    """Return the trees of all conversations of an agent."""
    found = (await seen(url, f"/conversations?agent={agent}"))["conversations"]
    return [await seen(url, f"/conversations/{each['id']}") for each in found]


def calls(tree: Any) -> list[Any]:
    return [step["call"] for step in tree["steps"] if step["kind"] == "call"]


def tools(tree: Any) -> list[Any]:
    return [step["tool"] for step in tree["steps"] if step["kind"] == "tool"]


async def test_langgraph_in_each_format(serve: Serve) -> None:
    """An agent that is changed in its base URL alone: a tree, the times of its tools, its cost to the cent."""
    here = await serve(gateway={"prices": [PRICE]})
    found = await run("with_langgraph.py", here)
    by_kind = {
        (call["format"], call["stream"]): tree
        for tree in await trees(here.running.url, here.agent)
        for call in calls(tree)
    }
    for name, app in found.items():
        format_, mode = name.split()
        tree = by_kind[format_, mode == "streamed"]
        assert tree["summary"]["calls"] == app["calls"] == 10, name
        assert [(each["name"], each["state"]) for each in tools(tree)] == [("look_up", "ok")] * 5, name
        measured = zip(tools(tree), app["seconds"], app["trips"], strict=True)
        apart = [abs(each["seconds"] - seconds) - trip for each, seconds, trip in measured]
        assert min(apart) <= NEAR, (name, apart)
        given, made = app["tokens"]
        assert (tree["summary"]["tokens"]["input"], tree["summary"]["tokens"]["output"]) == (given, made), name
        assert tree["summary"]["cost_usd"] == pytest.approx((300 * given + 900 * made) / 1e6, abs=0.005), name


@dataclass(slots=True)
class Two:
    """Two replicas with one agent, which an app's requests reach in turn."""

    agent: str
    at: tuple[Running, Running]
    sdks: tuple[AsyncOpenAI, AsyncOpenAI]

    async def turn(self, number: int, messages: list[Any], **more: Any) -> Any:
        sdk = self.sdks[number % 2]
        return await sdk.chat.completions.create(model=self.agent, messages=messages, tools=TOOLS, **more)

    async def tree(self) -> Any:
        for each in self.at:
            await each.gateway.traces.write(1_000)
        (tree,) = await trees(self.at[0].url, self.agent)
        return tree


@pytest.fixture
async def two(tmp_path: Path, redis_url: str, agent: str) -> AsyncIterator[Two]:
    async with AsyncExitStack() as stack:
        standin = await stack.enter_async_context(
            provider(
                good=ModelBehaviour(),
                bad=ModelBehaviour(error_rate=1.0),
                slow=ModelBehaviour(latency_seconds=0.5),
                drip=ModelBehaviour(chunk_seconds=0.05, chunks=100),
            )
        )
        files = {
            "gateway.yaml": {
                "providers": {"standin": {"api": "openai", "base_url": standin.base_url}},
                "retries": {"per_target": 0},
                "prices": [PRICE, *(PRICE | {"target": f"standin/{model}"} for model in ("slow", "drip"))],
            },
            "routing.yaml": {
                "agents": {
                    agent: {"stable": "v1"},
                    f"{agent}-bad": {"stable": "v1", "fallback": ["standin/good"]},
                    f"{agent}-drip": {"stable": "v1"},
                    f"{agent}-slow": {
                        "stable": "v1", "fallback": ["standin/good"], "hedge": {"after": "20ms", "budget": "50%"},
                    },
                }
            },
            **{
                f"agents/{agent}{more}/v1.yaml": {"model": f"standin/{model}"}
                for more, model in (("", "good"), ("-bad", "bad"), ("-slow", "slow"), ("-drip", "drip"))
            },
        }  # fmt: skip
        folder = write(tmp_path, files)
        one, other = [await stack.enter_async_context(running(folder, redis_url)) for _ in range(2)]
        sdks = [AsyncOpenAI(base_url=each.base_url, api_key="a-key", max_retries=0) for each in (one, other)]
        for each in sdks:
            stack.push_async_callback(each.close)
        yield Two(agent, (one, other), (sdks[0], sdks[1]))


async def test_a_loop_of_tools_over_two_replicas(two: Two) -> None:
    """Parallel tools, one of which never answers; the client names no conversation, and each turn is elsewhere."""
    messages: list[Any] = [{"role": "user", "content": "call look_up and call find"}]
    asked = (await two.turn(0, messages)).choices[0].message
    began = monotonic()
    await asyncio.sleep(0.2)
    result = {"role": "tool", "tool_call_id": asked.tool_calls[0].id, "content": "Error: no such order"}
    measured = monotonic() - began  # and what the SDK takes to send the next request
    await two.turn(1, [*messages, asked, result])
    tree = await two.tree()
    assert [step["kind"] for step in tree["steps"]] == ["call", "tool", "tool", "call"]
    first, second = sorted(tools(tree), key=lambda each: each["name"], reverse=True)
    assert (first["name"], first["state"], second["name"], second["state"]) == ("look_up", "error", "find", "no answer")
    assert measured - NEAR <= first["seconds"] < measured + 0.1 and second["seconds"] is None


async def test_equal_beginnings_are_told_by_their_tools(two: Two) -> None:
    """Two runs of a template are two conversations, each with its own tool, once it is known as one."""
    messages: list[Any] = [{"role": "user", "content": "call look_up"}]
    for number in range(2 * SHARED_FROM):
        await two.turn(number, messages)
    runs = [(await two.turn(0, messages)).choices[0].message for _ in range(2)]
    for number, asked in enumerate(reversed(runs)):
        result = {"role": "tool", "tool_call_id": asked.tool_calls[0].id, "content": "4"}
        await two.turn(number, [*messages, asked, result])
    for each in two.at:
        await each.gateway.traces.write(1_000)
    continued = [tree for tree in await trees(two.at[0].url, two.agent) if len(calls(tree)) == 2]
    assert [[each["state"] for each in tools(tree)] for tree in continued] == [["ok"]] * 2


async def test_a_conversation_that_is_handed_to_another_agent(two: Two) -> None:
    """The agent that brings the result of a tool call, which another asked for, has a tree beside that one's."""
    messages: list[Any] = [{"role": "user", "content": "call look_up"}]
    asked = (await two.turn(0, messages)).choices[0].message
    result = {"role": "tool", "tool_call_id": asked.tool_calls[0].id, "content": "over to you"}
    first, two.agent = two.agent, f"{two.agent}-drip"
    await two.turn(1, [*messages, asked, result])
    for each in two.at:
        await each.gateway.traces.write(1_000)
    for agent, other in ((first, two.agent), (two.agent, first)):
        (tree,) = await trees(two.at[0].url, agent)
        (beside,) = tree["sub_agents"]
        assert [calls(each)[0]["agent"] for each in (tree, beside)] == [agent, other]


async def test_a_fallback_is_a_branch(two: Two) -> None:
    """One logical call with two attempts, why the first failed, and whose answer the client got."""
    two.agent += "-bad"
    await two.turn(0, [{"role": "user", "content": "hello"}])
    ((call,), summary) = calls(tree := await two.tree()), tree["summary"]
    assert [(each["kind"], each["target"], each["answered"]) for each in call["attempts"]] == [
        ("first", "standin/bad", False), ("fallback", "standin/good", True),
    ]  # fmt: skip
    assert call["attempts"][0]["status"] == 500 and call["attempts"][0]["message"]
    assert summary["cost_usd"] == summary["answer_usd"] > 0 and summary["unanswered"] == 0


async def test_a_hedge_is_a_branch(two: Two) -> None:
    """The attempt that was overtaken costs us, and is no part of what the answer cost."""
    two.agent += "-slow"
    await two.turn(0, [{"role": "user", "content": "hello"}])
    ((call,), summary) = calls(tree := await two.tree()), tree["summary"]
    assert [(each["kind"], each["failure"], each["answered"]) for each in call["attempts"]] == [
        ("first", "overtaken", False), ("hedge", None, True),
    ]  # fmt: skip
    assert summary["cost_usd"] > summary["answer_usd"] > 0 and summary["tokens"]["estimated"]


async def first_calls(two: Two) -> list[Any]:
    """Return the calls of the agent's only conversation, once one has ended."""
    for _ in range(500):
        if (await seen(two.at[0].url, f"/calls?agent={two.agent}"))["calls"]:
            break
        await asyncio.sleep(0.01)
    return calls(await two.tree())


async def test_a_stream_that_its_client_leaves(two: Two) -> None:
    """The tokens that were counted so far are its cost, marked as estimated."""
    two.agent += "-drip"
    messages: Any = [{"role": "user", "content": "hello"}]
    stream = await two.sdks[0].chat.completions.create(model=two.agent, messages=messages, stream=True)
    async for _ in stream:
        break
    await stream.close()
    (call,) = await first_calls(two)
    assert (call["end"], call["tokens"]["estimated"]) == ("client_gone", True) and call["cost_usd"] > 0
