"""Turns of conversations over processes: the client's history, and one that the provider keeps, count alike."""

import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from gateway.rehearsal.standin import Standin
from gateway.store.reaching import key_of
from policies.evidence.turns import WINDOW_MINUTES
from tests.support.processes import Served, serving
from tests.support.redis_servers import until
from tests.support.running import provider, trial, write

SIGNAL = "turns <= stable * 1.5"
CONVERSATIONS = 12


def asking(agent: str, number: int, before: Any, turn: int) -> dict[str, Any]:
    """The next request of a conversation that the provider keeps."""
    continued = {"previous_response_id": before["id"]} if before else {}
    return {"model": agent, "input": f"question {turn} of {number}", **continued}


def repeating(agent: str, number: int, before: Any, turn: int) -> dict[str, Any]:
    """The next request of a conversation that the client keeps: all that was said."""
    said = [{"role": "user", "content": f"hello, I am {number}"}]
    for past in range(turn):
        said += [{"role": "assistant", "content": f"answer {past}"}, {"role": "user", "content": f"and {past}?"}]
    return {"model": agent, "messages": said}


@pytest_asyncio.fixture
async def standin() -> AsyncIterator[Standin]:
    async with provider() as running:
        yield running


def files(agent: str, standin: Standin, api: str) -> dict[str, Any]:
    found: dict[str, Any] = trial(agent, standin, "50%", signals=[SIGNAL])
    found["gateway.yaml"]["providers"]["standin"]["api"] = api
    return found


@pytest.mark.parametrize(
    ("api", "path", "ask"),
    [("openai-responses", "/v1/responses", asking), ("openai", "/v1/chat/completions", repeating)],
)
async def test_conversations_over_two_replicas_are_counted_whole(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin, api: str, path: str, ask: Any
) -> None:
    """Three calls each on stable, six on the canary, every other one at the other replica. The signal shows it once
    their time is over, and holds nothing that it has not proven."""
    folder = write(tmp_path / "config", files(agent, standin, api))
    environ, lengths = {"SERINUS_STORE": redis_url}, {"v1": 3, "v2": 6}
    async with serving(folder, environ, "one") as one, serving(folder, environ, "two") as two:
        for served in (one, two):
            await until(partial(begins_in_trial, served, path, json.dumps(ask(agent, -1, None, 0)).encode()))
        arms = {"v1": 0, "v2": 0}
        for number in range(CONVERSATIONS):
            before, turn, version = None, 0, "v2"
            while turn < lengths[version]:
                reply = await (one, two)[turn % 2].ask(
                    "POST", path, json.dumps(ask(agent, number, before, turn)).encode()
                )
                assert reply.status == 200, reply.body
                before, version, turn = json.loads(reply.body), reply.version, turn + 1
            arms[version] += 1
        await until(partial(all_are_counted, redis_url, agent, lengths, arms))
        assert await signal_of(two, agent) == [None, None]
        expected = await let_pass(redis_url, agent, 2 * WINDOW_MINUTES)
        assert await signal_of(two, agent) == pytest.approx(expected)
        view = (await two.status()).agents[agent]
    assert view.phase == "running" and all(arms.values())


async def counted(redis_url: str, agent: str) -> dict[str, list[int]]:
    """The calls of each conversation that has begun, by version."""
    client = Redis.from_url(redis_url)
    held: dict[Any, Any] = {}
    async for key in client.scan_iter(match=key_of(agent, "turns", "*", "new")):
        held |= await client.hgetall(key)
    await client.aclose()
    found: dict[str, list[int]] = {"v1": [], "v2": []}
    for name, value in held.items():
        if name != b"window" and value.split()[1] == b"1":
            found["v1" if name.startswith(b"s") else "v2"].append(int(value.split()[0]))
    return found


async def all_are_counted(redis_url: str, agent: str, lengths: dict[str, int], arms: dict[str, int]) -> bool:
    """Return whether each conversation has all of its calls; those of one are questions whether it began."""
    found = await counted(redis_url, agent)
    assert all({*calls} <= {*range(1, lengths[version] + 1)} for version, calls in found.items())
    return all(found[version].count(lengths[version]) == count for version, count in arms.items())


async def begins_in_trial(served: Served, path: str, body: bytes) -> bool:
    """Return whether conversations begin in the trial at this replica, which waits until the others know of it."""
    await served.ask("POST", path, body, (f"x-conversation-id: {uuid4()}",))
    lines = [line for line in served.log() if line["event"] == "call"]
    return bool(lines) and lines[-1]["arm"] is not None and not lines[-1]["held"]


async def signal_of(served: Served, agent: str) -> list[float | None]:
    """The calls of a conversation of stable and of the canary."""
    (signal,) = (await served.status()).agents[agent].signals
    assert signal.unit == "calls"
    return [signal.stable, signal.canary]


async def let_pass(redis_url: str, agent: str, minutes: int) -> list[float]:
    """Let the step have begun so much earlier; return the mean number of calls of both arms' conversations."""
    client = Redis.from_url(redis_url, decode_responses=True)
    async for key in client.scan_iter(match=key_of(agent, "evidence", "*")):
        if began := await client.hget(key, "began"):
            await client.hset(key, "began", str(float(str(began)) - 60 * minutes))
    await client.aclose()
    return [sum(calls) / len(calls) for calls in (await counted(redis_url, agent)).values()]
