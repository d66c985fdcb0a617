"""The real store on virtual time: scripts that ask the loop's clock in place of the server's, one operation at a time.

Records, sums and audit events lie in a real Redis, changed by the gateway's own scripts. Three things differ: the clock
in the scripts; operations of all replicas wait for one another, so that a seed gives one history; and changes of a
record and conversations under way are announced within the process, as soon as the server would announce them. Leases
run out by the server's own clock.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from bench.calibration.clock import VirtualLoop
from gateway.store import Client, Committed, RedisStore
from gateway.store.beginnings import LONGEST_WAIT_SECONDS
from gateway.store.scripts import Script
from policies.rollout.rollout import Decision

ANNOUNCED_SECONDS = 0.003  # from a commit until every replica hears of it (bench.propagation)
_ASKED = "redis.call('TIME')"
_TAKEN = "local virtual_us, virtual_s = table.remove(ARGV), table.remove(ARGV)\n"


@dataclass(slots=True)
class Line:
    """What the stores of one simulation share: the turn to operate, and who listens for announcements."""

    loop: VirtualLoop
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    listeners: list[asyncio.Queue[str]] = field(default_factory=list)
    told: asyncio.Condition = field(default_factory=asyncio.Condition)

    def announce(self, agent: str) -> None:
        """Tell every listener that the agent's record has changed."""
        for listener in self.listeners:
            self.loop.call_later(ANNOUNCED_SECONDS, listener.put_nowait, agent)


class VirtualStore(RedisStore):
    """A replica's store on the line's virtual clock."""

    def __init__(self, client: Client, replica: str, line: Line) -> None:
        super().__init__(client, replica)
        self._line = line

    async def commit(self, agent: str, decision: Decision, config_digest: str) -> Committed:
        committed = await super().commit(agent, decision, config_digest)
        if committed.won:
            self._line.announce(agent)
        return committed

    async def turns(self) -> AsyncGenerator[str, None]:
        heard: asyncio.Queue[str] = asyncio.Queue()
        self._line.listeners.append(heard)
        while True:
            yield await heard.get()

    async def tell(self, messages: Sequence[str], since: float) -> None:
        await super().tell(messages, since)
        async with self._line.told:
            self._line.told.notify_all()

    async def read_messages(self, after: str, wait: bool) -> tuple[str, list[tuple[str, str]]]:
        """Wait on the virtual clock for what others tell, as the real store waits for it on its own."""
        if wait:
            with suppress(TimeoutError):
                async with asyncio.timeout(LONGEST_WAIT_SECONDS), self._line.told:
                    await self._line.told.wait()
        return await super().read_messages(after, wait=False)

    @asynccontextmanager
    async def _reach(self) -> AsyncIterator[None]:
        loop = self._line.loop
        async with self._line.turn:
            loop.waiting += 1
            try:
                async with super()._reach():
                    yield
            finally:
                loop.waiting -= 1

    async def _run(self, script: Script, keys: Sequence[str], arguments: Sequence[str | int | bytes]) -> Any:
        seconds, fraction = divmod(self._line.loop.unix(), 1)
        virtual = (int(seconds), int(fraction * 1e6))
        return await super()._run(_on_virtual_time(script), keys, (*arguments, *virtual))


@cache
def _on_virtual_time(script: Script) -> Script:
    """The script with the clock as its last two arguments: seconds, and the microseconds of the running one."""
    text = _TAKEN + script.text.replace(_ASKED, "({virtual_s, virtual_us})")
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
