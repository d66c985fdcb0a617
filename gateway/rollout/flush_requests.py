"""The agents whose counts are to be flushed at once: asked for where calls are recorded, done by the controller."""

import asyncio


class FlushRequests:
    """The requests that no flush has taken yet, in memory; to ask never waits."""

    def __init__(self) -> None:
        self._agents: set[str] = set()
        self._news = asyncio.Event()

    def __contains__(self, agent: object) -> bool:
        return agent in self._agents

    def ask(self, agent: str) -> None:
        """Ask for a flush of that agent. A flush under way may have left without the call, so another follows it."""
        self._agents.add(agent)
        self._news.set()

    def take(self, agent: str) -> None:
        """Take the agent's request, because a flush of it begins now."""
        self._agents.discard(agent)

    async def wait(self) -> list[str]:
        """Wait for a request; return the agents that one stands for."""
        await self._news.wait()
        self._news.clear()
        return list(self._agents)
