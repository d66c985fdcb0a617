"""Tool calls whose results are awaited: the replica that gets a result may not be the one whose answer asked for it.

A hash of so many slots for each agent: it is bounded by itself, and a slot that two tool calls share has the later one.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeVar

from gateway.store.reaching import Reaching, key_of
from gateway.store.trace_seam import ToolKey

SLOTS: Final = 4096
KEEP_SECONDS: Final = 24 * 3600  # behind the last tool call of an agent
_AT_ONCE = 100
_KEY_LENGTH = 16
_T = TypeVar("_T")


class AskedToolStore:
    """The operations of `RedisStore` on tool calls whose results are awaited."""

    async def keep_asked(self: Reaching, tools: Mapping[ToolKey, str]) -> None:
        async with self._reach():
            for portion in _portions([*tools.items()]):
                pipe = self._pipeline()
                for tool, text in portion:
                    pipe.hset(_hash(tool.agent), _slot(tool), tool.key + text)
                for agent in dict.fromkeys(tool.agent for tool, _ in portion):
                    pipe.expire(_hash(agent), KEEP_SECONDS)
                await self._execute(pipe)

    async def take_asked(self: Reaching, tools: Sequence[ToolKey]) -> dict[ToolKey, str]:
        taken: dict[ToolKey, str] = {}
        async with self._reach():
            for portion in _portions(tools):
                pipe = self._pipeline()
                for tool in portion:
                    pipe.hget(_hash(tool.agent), _slot(tool))
                kept = zip(portion, await self._execute(pipe), strict=True)
                found = [(tool, text) for tool, text in kept if text and text.startswith(tool.key)]
                pipe = self._pipeline()
                for tool, _ in found:
                    pipe.hdel(_hash(tool.agent), _slot(tool))
                removed = await self._execute(pipe) if found else []
                taken |= {
                    tool: text[_KEY_LENGTH:] for (tool, text), is_ours in zip(found, removed, strict=True) if is_ours
                }
        return taken


def _portions(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for first in range(0, len(values), _AT_ONCE):
        yield values[first : first + _AT_ONCE]


def _hash(agent: str) -> str:
    return key_of(agent, "trace", "asked")


def _slot(tool: ToolKey) -> str:
    return str(int(tool.key, 16) % SLOTS)
