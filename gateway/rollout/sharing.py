"""Brings what one replica knows of the conversations under way to all others, through the store.

Two loops: one writes what is new here, ten times a second and at once just after a step has begun; the other waits for
what others write. A store that is away changes nothing for calls: what was not said waits, and is said later.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import orjson

from gateway.errors import StoreAway, StoreRefused
from gateway.logs import Log
from gateway.rollout.recent_units import ID_DIGITS, PAIRED, Begun
from gateway.rollout.recorder import Clock
from gateway.rollout.table import Table
from gateway.rollout.under_way import UnderWay
from gateway.store.seam import Store
from routing.plan import Beginning

SHARE_SECONDS = 0.1  # between two messages while nothing changes
HASTY_SECONDS = 0.002  # just after a step has begun
PAUSES = (SHARE_SECONDS, HASTY_SECONDS)
UNITS_AT_ONCE = 500  # of one message, 8 KB: what a replica reads without a pause that calls would notice
_UNITS_WITHOUT_PAUSE = 200  # a turn of the loop for each message would make the youngest conversations wait
_MESSAGES_AT_ONCE = 20
_FIRST_READ_SECONDS = 1.5  # each read of what others said before this replica began; calls are then served anyway
_CATCH_UP_SECONDS = 20.0  # all of these reads; the oldest messages come first, so the last are the most needed
_AWAY_SECONDS = 0.3
_REFUSED_SECONDS = 60.0


class Sharing:
    """The sharing of one replica."""

    def __init__(
        self,
        store: Store,
        table: Table,
        under_way: UnderWay,
        clock: Clock,
        log: Log,
        pauses: tuple[float, float] = PAUSES,
    ) -> None:
        self._usual, self._hasty = pauses
        self._store = store
        self._table = table
        self._under_way = under_way
        self._clock = clock
        self._log = log
        self._news = asyncio.Event()
        self._hurry = asyncio.Event()
        self._place = ""
        self._has_complained = False
        under_way.ask, under_way.hurry = self._news.set, self._be_quick

    async def catch_up(self) -> None:
        """Read what others have said before this replica began. A store that is away is read later."""
        with suppress(TimeoutError, StoreAway):
            async with asyncio.timeout(_CATCH_UP_SECONDS):
                while await asyncio.wait_for(self._read(wait=False), _FIRST_READ_SECONDS):
                    pass

    async def tell_for_ever(self) -> None:
        """Write what is new here, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            self._hurry.clear()
            pause = await self._tell()
            if pause > self._usual:  # the store is away
                await asyncio.sleep(pause)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._hurry.wait()

    async def follow_for_ever(self) -> None:
        """Read what others write, until cancelled."""
        while True:
            try:
                await self._read(wait=True)
            except StoreAway as error:
                await asyncio.sleep(self._complain(error))
                await self._look_for_loss()

    async def finish(self) -> None:
        """Write what is left; a store that is away hears nothing of it."""
        await self._tell()

    def _be_quick(self) -> None:
        """Write what is new without a pause: a turn that is expected may come at once, at another replica."""
        self._news.set()
        self._hurry.set()

    async def _read(self, wait: bool) -> bool:
        """Take what others have written; return whether there was something. Raises StoreAway."""
        after = self._place or f"{int((self._clock.unix() - self._memory_seconds()) * 1_000)}-0"
        self._place, messages = await self._store.read_messages(after, wait)
        self._has_complained = False
        units = 0
        for replica, message in messages:
            for begun in _decoded(message):
                units += len(begun.units)
                if (entry := self._table.entry(begun.agent)) and entry.split.kept:
                    self._under_way.learn(begun, entry.agent.idle, replica)
            if units >= _UNITS_WITHOUT_PAUSE:
                units = 0
                await asyncio.sleep(0)  # calls go first
        self._under_way.hear_again()
        return bool(self._place != after)

    async def _tell(self) -> float:
        """Write what is new; return the seconds until the next time."""
        for agent in self._under_way.take_forgetful():
            self._log.warning("conversations_not_remembered", agent=agent)
        left = self._under_way.take(UNITS_AT_ONCE)
        while left:
            messages = [_encoded(begun) for begun in left[:_MESSAGES_AT_ONCE]]
            try:
                await self._store.tell(messages, self._clock.unix() - self._memory_seconds())
            except StoreAway as error:
                self._under_way.give_back(left)
                self._news.set()
                return self._complain(error)
            left = left[_MESSAGES_AT_ONCE:]
        return self._hasty if self._under_way.is_hasty else self._usual

    async def _look_for_loss(self) -> None:
        """Say everything again where the store has lost what was said."""
        with suppress(StoreAway):
            if self._place and not await self._store.has_message(self._place):
                self._under_way.share_everything()
                self._news.set()

    def _memory_seconds(self) -> float:
        """Return how long conversations are remembered: the longest time of any agent."""
        entries = (self._table.entry(agent) for agent in self._table)
        return 2 * max((entry.agent.idle for entry in entries if entry), default=0.0)

    def _complain(self, error: StoreAway) -> float:
        """Say once that nothing is shared; return the seconds until it is tried again."""
        self._under_way.is_deaf = True
        if not self._has_complained:
            self._has_complained = True
            self._log.warning("conversations_not_shared", error=error.message)
        return _REFUSED_SECONDS if isinstance(error, StoreRefused) else _AWAY_SECONDS


def _encoded(begun: Begun) -> str:
    """Return the message. A step in quotes says that units are paired; who knows nothing of pairs reads two units."""
    agent, (step, digest, weight, drawn), units = begun
    return orjson.dumps([agent, str(step) if drawn else step, digest, weight, "".join(units)]).decode()


def _decoded(message: str) -> Iterator[Begun]:
    """Yield what a message says; nothing for a message of another kind."""
    with suppress(orjson.JSONDecodeError, TypeError, ValueError):
        agent, step, digest, weight, units, *_ = orjson.loads(message)
        digits, drawn = (2 * ID_DIGITS, PAIRED) if isinstance(step, str) else (ID_DIGITS, "")
        names = [units[first : first + digits] for first in range(0, len(units), digits)]
        yield Begun(str(agent), Beginning(int(step), str(digest), int(weight), drawn), names)
