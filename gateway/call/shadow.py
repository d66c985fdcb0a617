"""Copies of calls for an agent's shadow: a version whose replies nobody waits for and nobody sees.

Offering a copy is memory and arithmetic: it fits the queue and the agent's budget, or it is dropped and counted. A few
workers take the copies upstream, one try each. What becomes of them is booked apart, as evidence of nothing, and no
target's circuit hears of it.
"""

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import Literal

from gateway.call.attempt import Attempts, Run
from gateway.call.recording import Recording, end_by, relay_recorded
from gateway.call.shadow_budget import Purse
from gateway.call.streaming import OpenStream
from gateway.calls import Call
from gateway.errors import CallerError, ProviderError
from gateway.formats.applied import AppliedVersion
from gateway.limits.limits import Limits
from gateway.limits.reservations import Reservation
from gateway.net.asgi import MessageSend
from gateway.rollout.recorder import Clock, Recorder
from gateway.rollout.status_view import ShadowQueueView
from gateway.rollout.table import Entry, Table
from gateway.runtime import Runtime
from routing.agents import Shadow
from routing.plan import Plan, shadowed

WORKERS = 8  # copies under way at the same time: what hanging shadows may hold of connections and memory
MAX_WAITING = 100
MAX_WAITING_CHARACTERS = 8 << 20  # of requests: a hundred pictures would be too much to keep
_MINUTE = 60.0
_CLIENTS_OWN = (b"idempotency-key",)  # under it a provider would take the copy for the call itself

Dropped = Literal["queue_full", "budget", "spent", "circuit_open", "withdrawn", "inputs"]


@dataclass(frozen=True, slots=True)
class Copy:
    """A call as a shadow is to get it, with the version's prompt filled. `size` is in characters."""

    call: Call
    plan: Plan
    entry: Entry
    runtime: Runtime
    applied: AppliedVersion
    size: int
    held: Reservation | None = None


class Shadows:
    """The copies of one replica. `offer` is for calls, `work` for as many background tasks as `WORKERS` says."""

    def __init__(
        self, table: Table, attempts: Attempts, recorder: Recorder, clock: Clock, purse: Purse, limits: Limits
    ) -> None:
        self._limits = limits
        self._table = table
        self._attempts = attempts
        self._recorder = recorder
        self._clock = clock
        self._purse = purse
        self._waiting: asyncio.Queue[Copy] = asyncio.Queue(MAX_WAITING)
        self._characters = 0
        self._copied: dict[str, deque[float]] = {}
        self._dropped: Counter[Dropped] = Counter()

    def offer(self, call: Call, plan: Plan, entry: Entry, runtime: Runtime) -> None:
        """Queue a copy of the call if the agent's shadow is to get one, or drop it. Never waits."""
        copied = shadowed(entry.agent, plan)
        if copied is None or entry.agent.shadow is None:
            return
        try:
            applied = entry.applied[copied.version.name].for_call(call)
        except CallerError:  # a client need not know what a shadow's prompt takes
            self._dropped["inputs"] += 1
            return
        size = sum(map(len, call.document.texts.values())) + applied.filled_characters
        if self._waiting.full() or self._characters + size > MAX_WAITING_CHARACTERS:
            self._dropped["queue_full"] += 1
        elif self._purse.is_empty(call.agent, entry.agent.shadow.max_nano_usd_per_day):
            self._dropped["spent"] += 1
        elif not self._spend(call.agent, entry.agent.shadow.max_per_minute):
            self._dropped["budget"] += 1
        elif (held := self._limits.admit_copy(call, copied.version.target, applied, runtime.prices)) == "spent":
            self._dropped["spent"] += 1
        else:
            self._characters += size
            self._waiting.put_nowait(Copy(call, copied, entry, runtime, applied, size, held))

    async def work(self) -> None:
        """Take copies upstream, one after the other, for ever."""
        while True:
            copy = await self._waiting.get()
            self._characters -= copy.size
            if why := await self._find_refusal(copy):
                self._dropped[why] += 1
                if copy.held is not None:
                    copy.held.release()
                continue
            cost = await self._carry(copy)
            if copy.entry.agent.shadow and copy.entry.agent.shadow.max_nano_usd_per_day is not None:
                await self._purse.pay(copy.call.agent, cost)

    def view(self) -> ShadowQueueView:
        """Return how many copies wait here, and how many were dropped since the start, by reason."""
        return ShadowQueueView(self._waiting.qsize(), {why: count for why, count in self._dropped.items()})

    def _spend(self, agent: str, most: int) -> bool:
        """Take one copy from the agent's budget; False when the last minute has used it up."""
        now = self._clock.monotonic()
        copied = self._copied.get(agent)
        if copied is None or copied.maxlen != most:
            copied = self._copied[agent] = deque(copied or (), most)
        if len(copied) == most and now - copied[0] < _MINUTE:
            return False
        copied.append(now)
        return True

    async def _find_refusal(self, copy: Copy) -> Dropped | None:
        """Return why a copy that has waited is not sent; None if it is sent."""
        shadow = self._configured(copy)
        if shadow is None:
            return "withdrawn"
        if not self._attempts.circuits.is_closed(copy.plan.version.target):
            return "circuit_open"
        return None if await self._purse.has_left(copy.call.agent, shadow.max_nano_usd_per_day) else "spent"

    def _configured(self, copy: Copy) -> Shadow | None:
        """The copy's shadow as the configuration has it now: one that is taken out gets nothing more, queued or not."""
        entry = self._table.entry(copy.call.agent)
        shadow = entry.agent.shadow if entry else None
        if entry is None or shadow is None:
            return None
        return shadow if entry.agent.versions[shadow.version].digest == copy.plan.version.digest else None

    async def _carry(self, copy: Copy) -> int:
        """Send one copy, read its answer to the end and record it exactly once.

        Return its cost in nano-USD, as far as there is a price.
        """
        call, plan, entry, runtime = (
            _as_own_call(copy.call, self._clock.monotonic()),
            copy.plan,
            copy.entry,
            copy.runtime,
        )
        with Recording(self._recorder, call, plan, entry, runtime.prices, copy.held) as outcome:
            timeouts = entry.agent.timeouts or runtime.timeouts
            deadline = call.received_at + timeouts.total
            run = Run(call, plan, copy.applied, runtime, outcome, deadline, timeouts)
            try:
                await self._read(run)
                outcome.end, outcome.status = "answered", 200
            except ProviderError as error:
                end_by(outcome, error)
        return sum(attempt.cost_nano_usd or 0 for attempt in outcome.attempts)

    async def _read(self, run: Run) -> None:
        """Make one attempt at the version's own target, and read its answer to the end. Raises ProviderError."""
        reply = await self._attempts.once(run, run.plan.version.target)
        if isinstance(reply, OpenStream):
            await relay_recorded(run, reply, MessageSend(_nowhere), (), _no_error_event, self._clock.monotonic)


def _as_own_call(call: Call, now: float) -> Call:
    """Return a copy whose time begins now, and in which nothing is the client's alone."""
    return replace(
        call, headers=[pair for pair in call.headers if pair[0] not in _CLIENTS_OWN], received_at=now, keep_items=None
    )


async def _nowhere(_message: object) -> None:
    """Discard a shadow's answer."""


def _no_error_event(_error: ProviderError) -> bytes:
    """Return no error body: a shadow has no client."""
    return b""
