"""The shared state in Redis: one server, Sentinel or Cluster, embedded or remote.

All keys of an agent carry its hash tag, so they share a cluster slot and a script may touch them together. Whatever
changes more than one of them is a script; each of these lies in its own .lua file and lists its keys and arguments.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain
from typing import Any

from redis.asyncio.client import Pipeline
from redis.asyncio.cluster import ClusterPipeline, RedisCluster
from redis.exceptions import ConnectionError as ConnectionFailed
from redis.exceptions import NoScriptError
from redis.exceptions import TimeoutError as SocketTimeout

from gateway.store.codec import (
    EVIDENCE_FIELDS,
    decode_state,
    decode_tallies,
    decode_totals,
    encode_event,
    encode_state,
    encode_tallies,
)
from gateway.store.connect import MAX_IN_FLIGHT, Client, close, know_nodes
from gateway.store.faults import away_on_failure, heeding_cancellation
from gateway.store.seam import MAX_FAILING_UNITS, Batch, Committed, FlushReply, Snapshot
from gateway.store.turns import CHANNEL, announcement, listen
from policies.rollout import Decision, State

DEADLINE_SECONDS = 2.0
SEQUENCE_SECONDS = 24 * 3600  # a batch is repeated within seconds; a day outlasts every outage worth the memory
SUMS_SECONDS = 14 * 24 * 3600  # sums of past rollouts may be looked at for two weeks
EPOCHS_AT_ONCE = 100  # some 3 ms of work
MAX_ESCALATIONS = 100_000
UNIT_BYTES = 12  # 2^96 digests: a million units collide with a probability below 1e-17


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the SHA-1 that Redis knows it by."""

    text: str
    sha: str

    @classmethod
    def load(cls, name: str) -> "Script":
        text = (files("gateway.store") / name).read_text("utf-8")
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


READ = Script.load("read.lua")
FLUSH = Script.load("flush.lua")
COMMIT = Script.load("commit.lua")


class RedisStore:
    """Implements `Store` over a client of `connect`, which it closes with itself.

    `replica` names this process start and no other: it keys the sequence of applied batches. An operation that takes
    longer than `deadline` seconds raises StoreAway; what it sent may still be carried out.
    """

    def __init__(self, client: Client, replica: str, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._client = client
        self._replica = replica
        self._deadline = deadline
        self._in_flight = asyncio.Semaphore(MAX_IN_FLIGHT)

    async def read(self, agent: str) -> tuple[State | None, float]:
        async with self._reach():
            return await self._read(agent)

    async def snapshot(self, agent: str) -> Snapshot:
        """The sums are those of the epochs in the record, so they fit it although they are read after it."""
        async with self._reach():
            state, now = await self._read(agent)
            rollout, evidence = (state.rollout, state.evidence) if state else (0, 0)
            pipe = self._pipeline()
            pipe.hmget(_key(agent, "evidence", evidence), list(EVIDENCE_FIELDS))
            pipe.scard(_key(agent, "failing", evidence, "stable"))
            pipe.scard(_key(agent, "failing", evidence, "canary"))
            pipe.hgetall(_key(agent, "tally", rollout))
            values, stable_failing, canary_failing, tallies = await self._execute(pipe)
        totals = decode_totals(values, (stable_failing, canary_failing), now)
        return Snapshot(state, totals, decode_tallies(tallies), now)

    async def epochs(self, agents: Sequence[str]) -> dict[str, int]:
        """In portions, so that packing and parsing never hold up the event loop for long."""
        found: dict[str, int] = {}
        async with self._reach():
            for first in range(0, len(agents), EPOCHS_AT_ONCE):
                portion = agents[first : first + EPOCHS_AT_ONCE]
                pipe = self._pipeline()
                for agent in portion:
                    pipe.hget(_key(agent, "state"), "epoch")
                found.update(zip(portion, map(_epoch, await self._execute(pipe)), strict=True))
        return found

    async def flush(self, agent: str, sequence: int, batch: Batch) -> FlushReply:
        keys = (
            _key(agent, "state"),
            _key(agent, "batch", self._replica),
            _key(agent, "tally", batch.rollout),
            _key(agent, "evidence", batch.evidence),
            _key(agent, "failing", batch.evidence, "stable"),
            _key(agent, "failing", batch.evidence, "canary"),
        )
        async with self._reach():
            reply = await self._run(FLUSH, keys, _flush_arguments(sequence, batch))
        epoch, clock, values, stable_failing, canary_failing = reply
        now = float(clock)
        return FlushReply(int(epoch), decode_totals(values, (stable_failing, canary_failing), now), now)

    async def commit(self, agent: str, decision: Decision, config_digest: str) -> Committed:
        event = encode_event(agent, decision, config_digest)
        change = (str(decision.expected_epoch), event, CHANNEL, announcement(agent, decision.state.epoch))
        arguments = (*change, *chain.from_iterable(encode_state(decision.state).items()))
        async with self._reach():
            won, record = await self._run(COMMIT, (_key(agent, "state"), _key(agent, "audit")), arguments)
        return Committed(bool(won), decode_state(agent, _pairs(record)))

    async def audit(self, agent: str, count: int) -> list[dict[str, Any]]:
        async with self._reach():
            entries: Any = await self._client.xrevrange(_key(agent, "audit"), count=count)
        return [json.loads(fields["event"]) for _, fields in entries]

    async def escalate(self, agent: str, event: Mapping[str, str]) -> str:
        fields: dict[Any, Any] = dict(event)
        async with self._reach():
            entry = await self._client.xadd(_key(agent, "escalations"), fields, maxlen=MAX_ESCALATIONS)
        return str(entry)

    def turns(self) -> AsyncGenerator[str, None]:
        return listen(self._client)

    async def ping(self) -> None:
        """Asks with a read of a key, for in a cluster a PING goes to every node, also to those not needed."""
        async with self._reach():
            await self._client.exists("serinus:ping")

    async def aclose(self) -> None:
        await close(self._client)

    @asynccontextmanager
    async def _reach(self) -> AsyncIterator[None]:
        """One operation: bounded in time and number, its failures mapped."""
        with heeding_cancellation(), away_on_failure():
            async with asyncio.timeout(self._deadline), self._in_flight:
                await know_nodes(self._client)
                yield

    async def _read(self, agent: str) -> tuple[State | None, float]:
        clock, record = await self._run(READ, (_key(agent, "state"),), ())
        return decode_state(agent, _pairs(record)), float(clock)

    async def _run(self, script: Script, keys: Sequence[str], arguments: Sequence[str | int | bytes]) -> Any:
        """By its digest; where the server does not know it, nothing ran yet and the text may be sent."""
        try:
            return await self._client.evalsha(script.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self._client.eval(script.text, len(keys), *keys, *arguments)

    def _pipeline(self) -> Pipeline | ClusterPipeline:
        return self._client.pipeline(transaction=False)

    async def _execute(self, pipe: Pipeline | ClusterPipeline) -> list[Any]:
        try:
            return await pipe.execute()
        except (ConnectionFailed, SocketTimeout):
            # redis-py looks for a cluster's new primary when a command fails, but not when a pipeline does.
            if isinstance(self._client, RedisCluster):
                await self._client.nodes_manager.initialize()
            raise


def _key(agent: str, *parts: str | int) -> str:
    return ":".join((f"serinus:{{{agent}}}", *map(str, parts)))


def _flush_arguments(sequence: int, batch: Batch) -> list[str | int | bytes]:
    """ARGV of flush.lua."""
    sums = encode_tallies(batch.tallies)
    stable, canary = batch.stable, batch.canary
    return [
        *(sequence, SEQUENCE_SECONDS, SUMS_SECONDS, MAX_FAILING_UNITS),
        *(stable.requests, stable.errors, canary.requests, canary.errors),
        *(len(sums) // 2, len(stable.failing)),
        *sums,
        *map(_unit, stable.failing),
        *map(_unit, canary.failing),
    ]


def _unit(unit: str) -> bytes:
    """A unit's id as a digest: of bounded size, and nobody's name lies in the store."""
    return hashlib.blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=UNIT_BYTES).digest()


def _epoch(text: str | None) -> int:
    return int(text or 0)


def _pairs(flat: Sequence[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
