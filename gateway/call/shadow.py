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
from gateway.call.shadow_budget import Purse
from gateway.call.streaming import OpenStream, StreamLimits, close, relay
from gateway.calls import Answer, Call
from gateway.errors import ProviderError
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

Dropped = Literal["queue_full", "budget", "spent", "circuit_open", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Copy:
    """A call as a shadow is to get it. `size` is the request's, in characters."""

    call: Call
    plan: Plan
    entry: Entry
    runtime: Runtime
    size: int


class Shadows:
    """The copies of one replica. `offer` is for calls, `work` for as many background tasks as `WORKERS` says."""

    def __init__(self, table: Table, attempts: Attempts, recorder: Recorder, clock: Clock, purse: Purse) -> None:
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
        size = sum(map(len, call.document.texts.values()))
        if self._waiting.full() or self._characters + size > MAX_WAITING_CHARACTERS:
            self._dropped["queue_full"] += 1
        elif self._purse.is_empty(call.agent, entry.agent.shadow.max_nano_usd_per_day):
            self._dropped["spent"] += 1
        elif not self._spend(call.agent, entry.agent.shadow.max_per_minute):
            self._dropped["budget"] += 1
        else:
            self._characters += size
            self._waiting.put_nowait(Copy(call, copied, entry, runtime, size))

    async def work(self) -> None:
        """Take copies upstream, one after the other, for ever."""
        while True:
            copy = await self._waiting.get()
            self._characters -= copy.size
            if why := await self._find_refusal(copy):
                self._dropped[why] += 1
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

        Return its cost in nano-USD, as far as there is a price.
        """
        run = self._run(copy)
        run.outcome.end = "client_gone"  # for a stop of the gateway, which leaves the answer
        try:
            await self._read(run)
            run.outcome.end, run.outcome.status = "answered", 200
        except ProviderError as error:
            run.outcome.end = "failed" if run.outcome.failed else "refused"
            run.outcome.status = error.status
        finally:
            self._recorder.close(run.outcome, run.runtime.prices)
        return sum(attempt.cost_nano_usd or 0 for attempt in run.outcome.attempts)

    def _run(self, copy: Copy) -> Run:
        """The copy as a call of its own: its time begins now, and nothing in it is the client's alone."""
        now = self._clock.monotonic()
        headers = [header for header in copy.call.headers if header[0] not in _CLIENTS_OWN]
        call = replace(copy.call, headers=headers, received_at=now)
        outcome = self._recorder.open(call, copy.plan, copy.entry)
        applied = copy.entry.applied[copy.plan.version.name]
        return Run(call, copy.plan, applied, copy.runtime, outcome, now + copy.runtime.timeouts.total)

    async def _read(self, run: Run) -> None:
        """Make one attempt at the version's own target, and read its answer to the end. Raises ProviderError."""
        reply = await self._attempts.once(run, run.plan.version.target)
        if isinstance(reply, Answer):
            return
        try:
            await self._read_stream(run, reply)
        finally:
            reply.attempt.usage = reply.usage
            reply.attempt.ended_at = self._clock.monotonic()
            await close(reply)

    async def _read_stream(self, run: Run, stream: OpenStream) -> None:
        run.outcome.first_token_at = stream.attempt.first_token_at
        try:
            limits = StreamLimits(run.runtime.timeouts.between_chunks, run.deadline - self._clock.monotonic())
            await relay(MessageSend(_nowhere), stream, (), limits, _no_error_event)
        except ProviderError as error:
            stream.attempt.failure, stream.attempt.message, stream.attempt.counts = error.kind, error.message, True
            raise


async def _nowhere(_message: object) -> None:
    """Discard a shadow's answer."""


def _no_error_event(_error: ProviderError) -> bytes:
    """Return no error body: a shadow has no client."""
    return b""
