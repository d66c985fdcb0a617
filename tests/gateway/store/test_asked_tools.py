"""Tool calls whose results are awaited, in the store: told once, bounded, and gone when nobody has asked for long."""

import asyncio

from gateway.store import RedisStore
from gateway.store.asked_tools import KEEP_SECONDS, SLOTS
from gateway.store.trace_seam import ToolKey
from tests.gateway.store.conftest import NewStore


def tool(agent: str, number: int) -> ToolKey:
    """The key of a tool call; numbers that differ by SLOTS share a slot."""
    return ToolKey(agent, f"{number:016x}")


async def test_told_once(new_store: NewStore, agent: str) -> None:
    """To whichever replica asks first, of several that ask at once."""
    tools = {tool(agent, number): f"text {number}" for number in range(250)}
    await new_store().keep_asked(tools)
    replies = await asyncio.gather(*(new_store().take_asked([*tools]) for _ in range(3)))
    assert sorted(text for reply in replies for text in reply.values()) == sorted(tools.values())
    assert await new_store().take_asked([*tools]) == {}


async def test_only_what_was_asked_for(store: RedisStore, agent: str) -> None:
    """Neither another agent's, nor what shares a slot with it."""
    await store.keep_asked({tool(agent, 1): "mine"})
    assert await store.take_asked([tool(f"{agent}-other", 1), tool(agent, 1 + SLOTS), tool(agent, 2)]) == {}
    assert await store.take_asked([tool(agent, 1)]) == {tool(agent, 1): "mine"}


async def test_bounded(store: RedisStore, agent: str) -> None:
    """Clients that ask for millions of tools and bring no result fill no memory; all ends by itself."""
    for first in range(0, 3 * SLOTS, SLOTS // 2):
        await store.keep_asked({tool(agent, first + number): "x" * 99 for number in range(SLOTS // 2)})
    (name,) = [name async for name in store._client.scan_iter(f"serinus:{{{agent}}}:*")]
    assert await store._client.hlen(name) == SLOTS and 0 < await store._client.ttl(name) <= KEEP_SECONDS
    latest = tool(agent, 3 * SLOTS - 1)
    assert await store.take_asked([latest]) == {latest: "x" * 99}
