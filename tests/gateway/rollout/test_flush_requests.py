"""Requests for a flush at once: none is lost between the calls that ask and the controller that flushes."""

import asyncio

from gateway.rollout.flush_requests import FlushRequests


async def test_a_request_wakes_whoever_waits() -> None:
    """Once for all that were asked for meanwhile, however often."""
    requests = FlushRequests()
    waiting = asyncio.create_task(requests.wait())
    await asyncio.sleep(0)
    for agent in ("a", "b", "a"):
        requests.ask(agent)
    assert sorted(await waiting) == ["a", "b"]


async def test_a_request_stands_until_a_flush_takes_it() -> None:
    """So a flush that is under way finds what was asked for since it left."""
    requests = FlushRequests()
    requests.ask("a")
    assert await requests.wait() == ["a"] and "a" in requests
    requests.take("a")
    assert "a" not in requests
    requests.ask("a")
    assert await requests.wait() == ["a"]
