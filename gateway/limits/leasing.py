"""Leases of one replica: asks the store ahead of need, in the background, for every ledger that is due.

A call that its lease cannot carry waits for a reply of the store in place of a refusal that would be false: first come,
first served, until it has its amount or nothing is left. No other call waits.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from gateway.errors import StoreAway
from gateway.limits.ledger import FULL, UNKNOWN, LeaseLedger, Limit
from gateway.limits.refusals import holder_text
from gateway.logs import Log
from gateway.store.seam import Store

_PAUSE: Final = 0.1  # between two rounds
_AWAY_PAUSE: Final = 1.0  # after which a store that was away is asked again
_SWEEP: Final = 5.0  # between two looks at ledgers that are asleep
_AT_ONCE: Final = 32  # questions under way at the same time
_MOST: Final = 20_000  # ledgers of one replica: users and conversations are named by clients
_FRESH: Final = 1.0  # seconds for which a look need not ask again
_IDLE: Final = 900.0  # seconds after which a ledger without use, debt or lease is forgotten


class WaitingCall:
    """A call that waits for a lease."""

    __slots__ = ("_answer", "amount")

    def __init__(self, amount: int) -> None:
        self.amount = amount
        self._answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def is_waiting(self) -> bool:
        """Return whether nobody has told it yet, and it has not gone."""
        return not self._answer.done()

    def tell(self, slice_: str) -> None:
        """Let the call go on."""
        self._answer.set_result(slice_)

    async def wait(self, seconds: float) -> None:
        """Wait until it is told, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._answer

    def leave(self) -> str:
        """Wait no longer, and return what it was told."""
        if self._answer.cancel() or self._answer.cancelled():
            return UNKNOWN
        return self._answer.result()


class Leases:
    """The ledgers of one replica. `now` is monotonic, `unix` in Unix seconds, until the store's clock is known."""

    def __init__(self, store: Store, now: Callable[[], float], unix: Callable[[], float], log: Log) -> None:
        self._log = log
        self._store = store
        self._now = now
        self._unix = unix
        self._ledgers: dict[Limit, LeaseLedger] = {}
        self._awake: dict[Limit, LeaseLedger] = {}  # had a lease lately
        self._asking: set[Limit] = set()
        self._wake = asyncio.Event()
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._ahead = 0.0  # of the store's clock before ours
        self._ask_again_at = self._sweep_at = 0.0
        self.is_away = False  # the store did not answer when it was last asked
        self._numbered = 0  # questions of ledgers that are forgotten
        self.waits = 0  # of calls, since the start

    def ledger(self, limit: Limit) -> LeaseLedger:
        """Return the ledger of a limit."""
        found = self._ledgers.get(limit)
        if found is None:
            if len(self._ledgers) >= _MOST:
                self._forget(self._now())
            found = self._ledgers[limit] = LeaseLedger(limit)
            found.journal.number = self._numbered
        return found

    async def wait(self, ledger: LeaseLedger, amount: int, seconds: float) -> str:
        """Reserve what a call needs as soon as the store has granted it. Return its slice, FULL where nothing is left,
        or UNKNOWN where the store has not said so in time."""
        self.waits += 1
        call = WaitingCall(amount)
        ledger.waiters.append(call)
        self.rouse(ledger)
        is_whole = False
        try:
            await call.wait(seconds)
            is_whole = True
        finally:
            slice_ = call.leave()
            if not is_whole and slice_ not in (FULL, UNKNOWN):  # it is cancelled, and has its amount already
                ledger.give_back(amount, slice_)
        return slice_

    def wake(self, ledger: LeaseLedger) -> None:
        """Have the store asked for a ledger that no call waits for, though it has no lease."""
        ledger.used_at = self._now()
        if ledger.limit not in self._awake:
            self._awake[ledger.limit] = ledger
            self._wake.set()

    def rouse(self, ledger: LeaseLedger) -> None:
        """Have the store asked for a ledger, as soon as it is there."""
        ledger.used_at = self._now()
        self._awake[ledger.limit] = ledger
        self._wake.set()

    async def lease_for_ever(self) -> None:
        """Ask for every ledger that is due, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                now = self._now()
                self._sweep(now)
                for ledger in list(self._awake.values()):
                    if ledger.limit in self._asking or (self.is_away and now < self._ask_again_at):
                        continue
                    if self.is_away or ledger.is_due(now):
                        self._ask_again_at = now + _AWAY_PAUSE  # while it is away, one question asks for all
                        self._asking.add(ledger.limit)
                        tasks.create_task(self.ask(ledger))
                    elif ledger.is_asleep(now):
                        del self._awake[ledger.limit]
                self._wake.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PAUSE if self._awake else _SWEEP if self._ledgers else None):
                        await self._wake.wait()

    def _sweep(self, now: float) -> None:
        """Find ledgers that had fallen asleep before a long call of theirs ended."""
        if now >= self._sweep_at:
            self._sweep_at = now + _SWEEP
            self._awake |= {limit: each for limit, each in self._ledgers.items() if each.charge or each.back}

    async def ask(self, ledger: LeaseLedger) -> None:
        """Ask the store once for one ledger, and let those who wait go on."""
        try:
            async with self._room:
                await self._ask(ledger)
            self._have_heard()
            ledger.serve(self._now())
        except StoreAway:
            self.is_away, self._ask_again_at = True, self._now() + _AWAY_PAUSE
            self._awake[ledger.limit] = (
                ledger  # it asks until the store is back: calls do not, they are refused at once
            )
            ledger.dismiss()
        finally:
            self._asking.discard(ledger.limit)
            if ledger.waiters:
                self._wake.set()

    async def refresh(self, ledgers: Iterable[LeaseLedger], fresh: float = _FRESH) -> None:
        """Hear of the store what counts now, for someone who looks; what was heard so many seconds ago will do."""
        now = self._now()
        for ledger in ledgers:
            is_old = not ledger.heard_at or now - ledger.heard_at > fresh
            if is_old and not self.is_away and ledger.limit not in self._asking:
                self._asking.add(ledger.limit)
                await self.ask(ledger)

    async def finish(self) -> None:
        """Give back what is left at the stop."""
        for ledger in list(self._ledgers.values()):
            ledger.used_at = -1e9  # idle: it gives all of it back
            if ledger.free or ledger.back or ledger.charge or ledger.journal.is_open:
                await self.ask(ledger)

    def ledgers(self) -> Iterable[LeaseLedger]:
        """Return the ledgers that had a lease lately."""
        return self._awake.values()

    async def _ask(self, ledger: LeaseLedger) -> None:
        limit, sent_at = ledger.limit, self._now()
        question = ledger.question(sent_at)
        for _ in range(2):  # once more where our clock had another period than the store's
            period = limit.window.period(self._unix() + self._ahead)
            sent_at = self._now()
            try:
                reply = await self._store.grant(limit.id, limit.message(question, period))
            except (StoreAway, asyncio.CancelledError):
                ledger.lose(question)
                raise
            if reply.slice:
                ledger.take(reply, sent_at, question)
                if ledger.passes_soft():
                    self._warn(ledger)
                return
            if reply.had >= question.number:  # the numbers of this replica are further than this ledger knows
                question = question._replace(number=ledger.journal.skip(reply.had))
            self._ahead = reply.now - self._unix()
        ledger.lose(question)
        ledger.dismiss()

    def _have_heard(self) -> None:
        """Note that the store has replied. One that was away may have lost its last second: every ledger asks it.

        It is told of that second before it grants it again."""
        if self.is_away:
            self.is_away = False
            for each in self._awake.values():
                each.is_doubtful = True
            self._wake.set()

    def _warn(self, ledger: LeaseLedger) -> None:
        limit = ledger.limit
        self._log.warning(
            "limit_soft", holder=holder_text(limit), kind=limit.kind, window=limit.window.text,
            used=round(ledger.used() / limit.amount, 4),
        )  # fmt: skip

    def _forget(self, now: float) -> None:
        idle = [limit for limit, each in self._ledgers.items() if now - each.used_at > _IDLE and not each.charge]
        for limit in idle or list(self._ledgers)[: _MOST // 10]:
            self._numbered = max(self._numbered, self._ledgers.pop(limit).journal.number)
            self._awake.pop(limit, None)
