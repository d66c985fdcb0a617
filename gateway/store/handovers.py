"""Conversations that went to people, and what these replied, as the store keeps them.

What is told of a conversation without reading it lies in the agent's stream, its messages in a hash beside it, by the
digest of the call's id. The reply, and the time when a turn first saw it, have keys of their own.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from heapq import nlargest
from itertools import chain
from typing import Any, NamedTuple

from gateway.store.reaching import Reaching, key_of
from gateway.store.scripts import ESCALATE, REPLY
from gateway.store.seam import Handed, HumanReply, Place
from gateway.store.sums import digest

FOLLOWED_SECONDS = 7 * 24 * 3600  # for so long a reply goes into later turns
MAX_REPLIES = 10_000  # an agent's, in the stream that replicas follow
MOST_BYTES = 32 << 20  # an agent's escalations with their messages: a thousand of the largest
AGENTS_AT_ONCE = 50  # of which a page is gathered; each has a page's worth of entries, some hundred bytes each
REPLIES_AT_ONCE = 100


class _Keys(NamedTuple):
    """The keys of what was replied to one call."""

    reply: str
    delivered: str


class HandoverStore:
    """The handover operations of `RedisStore`."""

    async def escalate(self: Reaching, agent: str, event: Mapping[str, str], most_bytes: int = MOST_BYTES) -> str:
        head = {name: text for name, text in event.items() if name != "messages"}
        name, messages = digest(event["call_id"]).hex(), event.get("messages", "[]")
        bounds = (most_bytes, self._bounds.escalations, self._bounds.escalation_seconds)
        keys = [key_of(agent, part) for part in ("escalations", "handed", "escalation_bytes")]
        async with self._reach():
            entry = await self._run(ESCALATE, keys, (name, messages, *bounds, *chain.from_iterable(head.items())))
        return str(entry)

    async def escalations(
        self: Reaching, agents: Sequence[str], count: int, before: Place | None = None
    ) -> list[tuple[Place, Handed]]:
        found: list[tuple[Place, Mapping[str, str]]] = []
        async with self._reach():
            for first in range(0, len(agents), AGENTS_AT_ONCE):
                portion = agents[first : first + AGENTS_AT_ONCE]
                pipe = self._pipeline()
                for agent in portion:
                    pipe.xrevrange(key_of(agent, "escalations"), max=before.entry if before else "+", count=count + 1)
                page = zip(portion, await self._execute(pipe), strict=True)
                new = ((Place.of(entry, agent), fields) for agent, entries in page for entry, fields in entries)
                candidates = [*found, *(each for each in new if before is None or each[0] < before)]
                found = nlargest(count, candidates, key=lambda each: each[0])
            handed = await _read_handovers(self, [(place.agent, fields) for place, fields in found])
        return list(zip((place for place, _ in found), handed, strict=True))

    async def escalation(self: Reaching, agents: Sequence[str], call_id: str) -> Handed | None:
        name = digest(call_id).hex()
        async with self._reach():
            for first in range(0, len(agents), AGENTS_AT_ONCE):
                portion = agents[first : first + AGENTS_AT_ONCE]
                pipe = self._pipeline()
                for agent in portion:
                    pipe.hget(key_of(agent, "handed"), name)
                for agent, kept in zip(portion, await self._execute(pipe), strict=True):
                    if kept:
                        return await _one(self, agent, *kept.split(" ", 1))
        return None

    async def reply(self: Reaching, agent: str, reply: HumanReply) -> bool:
        key = _keys_of(agent, reply.call_id).reply
        kept = self._bounds.escalation_seconds
        bounds = (kept, FOLLOWED_SECONDS, MAX_REPLIES)
        async with self._reach():
            if not reply.conversation:  # no later turn can be told to be of it
                return bool(await self._client.set(key, _encoded(reply), nx=True, ex=kept))
            first = await self._run(REPLY, (key, key_of(agent, "replies")), (_encoded(reply), *bounds))
        return bool(first)

    async def replies(self: Reaching, seen: Mapping[str, str], now: float) -> dict[str, list[tuple[str, HumanReply]]]:
        agents, found = list(seen), {}
        async with self._reach():
            for first in range(0, len(agents), REPLIES_AT_ONCE):
                portion = agents[first : first + REPLIES_AT_ONCE]
                pipe = self._pipeline()
                for agent in portion:
                    behind = f"({seen[agent] or _first_id(now)}"
                    pipe.xrange(key_of(agent, "replies"), min=behind, count=REPLIES_AT_ONCE)
                for agent, entries in zip(portion, await self._execute(pipe), strict=True):
                    if entries:
                        found[agent] = [(name, _decoded(fields["reply"])) for name, fields in entries]
        return found

    async def mark_reply_delivered(self: Reaching, agent: str, call_id: str, at: float) -> None:
        async with self._reach():
            key = _keys_of(agent, call_id).delivered
            await self._client.set(key, f"{at:.3f}", nx=True, ex=self._bounds.escalation_seconds)


async def _one(store: Reaching, agent: str, entry: str, messages: str) -> Handed | None:
    """The conversation of that entry of the agent's stream."""
    entries: Any = await store._client.xrange(key_of(agent, "escalations"), min=entry, max=entry)
    events = [(agent, {**fields, "messages": messages}) for _, fields in entries]
    return next(iter(await _read_handovers(store, events)), None)


async def _read_handovers(store: Reaching, events: Iterable[tuple[str, Mapping[str, str]]]) -> list[Handed]:
    """Conversations of agents with what there is beside them."""
    found = list(events)
    if not found:
        return []
    pipe = store._pipeline()
    for agent, fields in found:
        for key in _keys_of(agent, fields["call_id"]):
            pipe.get(key)
    beside = await store._execute(pipe)
    both = zip(found, beside[::2], beside[1::2], strict=True)
    return [
        Handed(fields, _decoded(reply) if reply else None, float(delivered) if delivered else None)
        for (_, fields), reply, delivered in both
    ]


def _keys_of(agent: str, call_id: str) -> _Keys:
    name = digest(call_id).hex()
    return _Keys(key_of(agent, "reply", name), key_of(agent, "delivered", name))


def _encoded(reply: HumanReply) -> str:
    """Return one line of JSON in ASCII."""
    members = ("call_id", "conversation", "message", "actor", "at")
    return json.dumps({name: getattr(reply, name) for name in members})


def _decoded(text: str) -> HumanReply:
    """Read back a line that `_encoded` wrote."""
    return HumanReply(**json.loads(text))


def _first_id(now: float) -> str:
    """The id behind which a replica that knows nothing begins to follow; `now` in Unix seconds."""
    return f"{max(int((now - FOLLOWED_SECONDS) * 1000), 0)}-0"
