"""The shared state in Redis: one server, Sentinel or Cluster, embedded or remote.

All keys of an agent carry its hash tag, so they share a cluster slot and a script may touch them together. Whatever
changes more than one of them is a script; each of these lies in its own .lua file and lists its keys and arguments.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import chain
from time import monotonic
from typing import Any

import orjson
from redis.asyncio.client import Pipeline
from redis.asyncio.cluster import ClusterPipeline, RedisCluster
from redis.exceptions import ConnectionError as ConnectionFailed
from redis.exceptions import NoScriptError
from redis.exceptions import TimeoutError as SocketTimeout

from gateway.errors import StoreAway, StoreRefused
from gateway.store import shared_key
from gateway.store.alerts import AlertStore
from gateway.store.announcements import CHANNEL, announcement, listen
from gateway.store.asked_tools import AskedToolStore
from gateway.store.beginnings import BeginningStore
from gateway.store.bounds import BOUNDS, Bounds
from gateway.store.calls import CallStore
from gateway.store.codec import decode_state, decode_tallies, encode_event, encode_state
from gateway.store.connect import MAX_IN_FLIGHT, Client, close, disconnect, forget_certificates, know_nodes, renew
from gateway.store.contents import KeptContents
from gateway.store.costs import CostStore, cost_keys
from gateway.store.deliveries import DeliveryStore
from gateway.store.failures import CALLS, MOST, ReasonsByVersion, decode_reasons
from gateway.store.faults import FAILURES, away_on_failure, heeding_cancellation
from gateway.store.feedback import FeedbackStore
from gateway.store.handovers import HandoverStore
from gateway.store.intervals import IntervalStore, history_keys, read_recent
from gateway.store.items import ItemStore
from gateway.store.key_prefix import renamed
from gateway.store.key_uses import KeyUseStore
from gateway.store.limits import LimitStore
from gateway.store.notices import GROUP, pending, take, taken
from gateway.store.reaching import key_of
from gateway.store.receivers import ReceiverStore
from gateway.store.reviews import ReviewKeeping, waiting_key
from gateway.store.scripts import COMMIT, FLUSH, LEASE, PROBE, READ, RECENT, Script
from gateway.store.seam import (
    MAX_FAILING_UNITS,
    MAX_UNITS,
    Batch,
    Committed,
    FlushReply,
    Notice,
    Snapshot,
)
from gateway.store.server_faults import RiskStore
from gateway.store.sums import components, decode_sides, encode_batch
from gateway.store.verdicts import KeptVerdicts
from gateway.timings import USUAL, Timings
from policies.evidence.turns import MARKS, WINDOW_MINUTES
from policies.rollout.rollout import Decision
from policies.rollout.state import State
from routing.models import MODELS

DEADLINE_SECONDS = 2.0
_LEAST = 0.25  # of its time an operation must have left when its place is free: with less it would dial in vain
DIAL_SECONDS = 1.0  # between two times that all connections are given up because the server refuses
PROBE_SECONDS = 60  # after which nothing is left of a probe that was refused halfway
SEQUENCE_SECONDS = 24 * 3600  # a batch is repeated within seconds; a day outlasts every outage worth the memory
SUMS_SECONDS = 14 * 24 * 3600  # sums of past rollouts may be looked at for two weeks
ENDED_SECONDS = 3600  # the evidence of a step that has ended stands in the audit event of its end
SPENT_SECONDS = 2 * 24 * 3600  # a day's spending is asked for on that day, by clocks that need not agree
EPOCHS_AT_ONCE = 100  # some 3 ms of work
AGENTS_AT_ONCE = 50  # whose notices are asked for together: two commands each
_LIMITS = orjson.dumps(
    {
        "remember": SEQUENCE_SECONDS, "keep": SUMS_SECONDS, "ended": ENDED_SECONDS,
        "bad": MAX_FAILING_UNITS, "units": MAX_UNITS, "turns": MAX_FAILING_UNITS, "marks": (1, *MARKS),
        "window": WINDOW_MINUTES, "reasons": MOST, "calls": CALLS,
    }
)  # fmt: skip


class RedisStore(
    AlertStore,
    AskedToolStore,
    BeginningStore,
    CostStore,
    CallStore,
    FeedbackStore,
    DeliveryStore,
    HandoverStore,
    IntervalStore,
    ItemStore,
    KeptContents,
    KeptVerdicts,
    KeyUseStore,
    LimitStore,
    ReceiverStore,
    ReviewKeeping,
    RiskStore,
):
    """Implements `Store` over a client of `connect`, which it closes with itself.

    `replica` names this process start and no other: it keys the sequence of applied batches. An operation that takes
    longer than `deadline` seconds raises StoreAway; what it sent may still be carried out.
    """

    def __init__(
        self,
        client: Client,
        replica: str,
        *,
        deadline: float = DEADLINE_SECONDS,
        timings: Timings = USUAL,
        bounds: Bounds = BOUNDS,
    ) -> None:
        self._client = client
        self._replica = replica
        self._deadline = deadline
        self._timings = timings
        self._bounds = bounds
        self._in_flight = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._proven: set[str] = set()  # agents whose server has let the probe pass since it last refused anything
        self._dialled_at = -DIAL_SECONDS

    async def read(self, agent: str) -> tuple[State | None, float]:
        async with self._reach():
            return await self._read(agent)

    async def snapshot(self, agent: str) -> Snapshot:
        """The sums are those of the epochs in the record, so they fit it although they are read after it."""
        async with self._reach():
            keys = (key_of(agent, "state"), *history_keys(agent))
            clock, record, *counted = await self._run(RECENT, keys, ())
            state, now = decode_state(agent, _pairs(record)), float(clock)
            rollout, evidence = (state.rollout, state.evidence) if state else (0, 0)
            pipe = self._pipeline()
            pipe.hgetall(key_of(agent, "evidence", evidence))
            pipe.hgetall(key_of(agent, "tally", rollout))
            pipe.hgetall(key_of(agent, "reasons", rollout))
            pipe.hlen(waiting_key(agent))
            sums, tallies, found, reviews = await self._execute(pipe)
        sides, recent, reasons = decode_sides(sums, now), read_recent(now, *counted), decode_reasons(found)
        return Snapshot(state, sides, decode_tallies(tallies), now, recent, reasons, int(reviews))

    async def failure_reasons(self, agent: str, rollout: int) -> ReasonsByVersion:
        async with self._reach():
            fields: Any = await self._client.hgetall(key_of(agent, "reasons", rollout))
        return decode_reasons(fields)

    async def epochs(self, agents: Sequence[str]) -> dict[str, int]:
        """Read the epochs in portions, so that packing and parsing never block the event loop for long."""
        found: dict[str, int] = {}
        async with self._reach():
            for first in range(0, len(agents), EPOCHS_AT_ONCE):
                portion = agents[first : first + EPOCHS_AT_ONCE]
                pipe = self._pipeline()
                for agent in portion:
                    pipe.hget(key_of(agent, "state"), "epoch")
                found.update(zip(portion, map(_epoch, await self._execute(pipe)), strict=True))
        return found

    async def flush(self, agent: str, sequence: int, batch: Batch) -> FlushReply:
        keys = _flush_keys(agent, self._replica, batch)
        async with self._reach():
            await self._prove(agent)
            epoch, clock, sums = await self._run(
                FLUSH, keys, (sequence, _LIMITS, *encode_batch(batch, agent != MODELS))
            )
        now = float(clock)
        return FlushReply(int(epoch), None if sums is None else decode_sides(_pairs(sums), now), now)

    async def commit(self, agent: str, decision: Decision, config_digest: str) -> Committed:
        event = encode_event(agent, decision, config_digest)
        published = (renamed(self._client, CHANNEL), announcement(agent, decision.state.epoch), GROUP)
        change = (str(decision.expected_epoch), *event, *published)
        arguments = (*change, *chain.from_iterable(encode_state(decision.state).items()))
        async with self._reach():
            await self._prove(agent)
            won, record = await self._run(COMMIT, (key_of(agent, "state"), key_of(agent, "audit")), arguments)
        return Committed(bool(won), decode_state(agent, _pairs(record)))

    async def audit(self, agent: str, count: int) -> list[dict[str, Any]]:
        async with self._reach():
            entries: Any = await self._client.xrevrange(key_of(agent, "audit"), count=count)
        return [json.loads(fields["event"]) for _, fields in entries]

    async def audit_all(self, agent: str) -> AsyncGenerator[dict[str, Any], None]:
        first, at_once = "-", self._bounds.events_at_once
        while first:
            async with self._reach():
                entries: Any = await self._client.xrange(key_of(agent, "audit"), min=first, count=at_once)
            for _, fields in entries:
                yield json.loads(fields["event"])
            first = f"({entries[-1][0]}" if len(entries) == at_once else ""

    async def claim_notices(self, agents: Sequence[str], idle_ms: int, count: int) -> list[Notice]:
        found: list[Notice] = []
        async with self._reach():
            for first in range(0, len(agents), AGENTS_AT_ONCE):
                portion = agents[first : first + AGENTS_AT_ONCE]
                pipe = self._pipeline()
                for agent in portion:
                    take(pipe, key_of(agent, "audit"), idle_ms, count)
                replies = await self._execute(pipe, raise_on_error=False)
                for agent, left, new in zip(portion, replies[::2], replies[1::2], strict=True):
                    found += taken(agent, left, new)
        return found

    async def pending_notices(self, agents: Sequence[str]) -> int:
        count = 0
        async with self._reach():
            for first in range(0, len(agents), AGENTS_AT_ONCE):
                pipe = self._pipeline()
                for agent in agents[first : first + AGENTS_AT_ONCE]:
                    pipe.xpending(key_of(agent, "audit"), GROUP)
                count += sum(map(pending, await self._execute(pipe, raise_on_error=False)))
        return count

    async def mark_delivered(self, notice: Notice) -> None:
        async with self._reach():
            await self._client.xack(key_of(notice.agent, "audit"), GROUP, notice.id)

    async def lease(self, agent: str, seconds: float) -> bool:
        async with self._reach():
            held = await self._run(LEASE, (key_of(agent, "lease"),), (self._replica, round(seconds * 1000)))
        return bool(held)

    async def spend(self, agent: str, day: str, nano_usd: int) -> int:
        async with self._reach():
            pipe, key = self._pipeline(), key_of(agent, "spent", day)
            pipe.incrby(key, nano_usd)
            pipe.expire(key, SPENT_SECONDS)
            total, _ = await self._execute(pipe)
        return int(total)

    def turns(self) -> AsyncGenerator[str, None]:
        return listen(self._client, self._timings.quiet)

    async def share_key(self, proposed: bytes) -> bytes:
        async with self._reach():
            pipe = self._pipeline()
            shared_key.ask(pipe, proposed)
            _, found = await self._execute(pipe)
        return shared_key.decoded(found)

    async def ping(self) -> None:
        """Read a key to check the store: in a cluster a PING goes to every node, also to those not needed."""
        async with self._reach():
            await self._client.exists("serinus:ping")

    async def probe(self, agent: str) -> None:
        async with self._reach():
            self._proven.discard(agent)
            await self._prove(agent)

    async def aclose(self) -> None:
        await close(self._client)

    @asynccontextmanager
    async def _reach(self) -> AsyncIterator[None]:
        """Run one operation, bounded in time and number, and map its failures. A refusal makes the client reconnect."""
        try:
            with heeding_cancellation(), away_on_failure():
                async with asyncio.timeout(self._deadline) as limit, self._in_flight:
                    if (ends := limit.when()) and ends - asyncio.get_running_loop().time() < _LEAST * self._deadline:
                        raise TimeoutError  # it was spent on waiting for a place
                    await renew(self._client)
                    await know_nodes(self._client)
                    yield
        except StoreRefused:
            await self._dial_anew()
            raise
        except StoreAway:
            forget_certificates(self._client)
            raise

    async def _dial_anew(self) -> None:
        """Give up the connections: a server that was demoted or filled up refuses on them for ever."""
        self._proven.clear()
        if (now := monotonic()) - self._dialled_at >= DIAL_SECONDS:
            self._dialled_at = now
            with heeding_cancellation(), suppress(*FAILURES):
                await disconnect(self._client)

    async def _prove(self, agent: str) -> None:
        """Before a script that changes several keys: a user who lacks one permission would see it end halfway."""
        if agent not in self._proven:
            keys = [key_of(agent, "probe", kind) for kind in ("string", "hash", "set", "stream")]
            await self._run(PROBE, keys, (PROBE_SECONDS,))
            self._proven.add(agent)

    async def _read(self, agent: str) -> tuple[State | None, float]:
        clock, record = await self._run(READ, (key_of(agent, "state"),), ())
        return decode_state(agent, _pairs(record)), float(clock)

    async def _run(self, script: Script, keys: Sequence[str], arguments: Sequence[str | int | bytes]) -> Any:
        """Run a script by its digest. If the server does not know it, nothing has run yet, and the text is sent."""
        try:
            return await self._client.evalsha(script.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self._client.eval(script.text, len(keys), *keys, *arguments)

    def _pipeline(self) -> Pipeline | ClusterPipeline:
        return self._client.pipeline(transaction=False)

    async def _execute(self, pipe: Pipeline | ClusterPipeline, raise_on_error: bool = True) -> list[Any]:
        try:
            return await pipe.execute(raise_on_error=raise_on_error)
        except (ConnectionFailed, SocketTimeout):
            # redis-py looks for a cluster's new primary when a command fails, but not when a pipeline does.
            if isinstance(self._client, RedisCluster):
                await self._client.nodes_manager.initialize()
            raise


def _flush_keys(agent: str, replica: str, batch: Batch) -> list[str]:
    """KEYS of flush.lua."""
    sets = [("bad", step, arm, component) for step, component in components(batch) for arm in ("stable", "canary")]
    return [
        key_of(agent, "state"),
        key_of(agent, "batch", replica),
        key_of(agent, "tally", batch.rollout),
        key_of(agent, "evidence", batch.evidence),
        key_of(agent, "units", batch.evidence),
        key_of(agent, "parties"),
        *history_keys(agent),
        key_of(agent, "reasons", batch.rollout),
        *cost_keys(agent),
        key_of(agent, "turns", batch.evidence, "new"),
        key_of(agent, "turns", batch.evidence, "old"),
        *(key_of(agent, *parts) for parts in sets),
    ]


def _epoch(text: str | None) -> int:
    return int(text or 0)


def _pairs(flat: Sequence[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
