"""Conversations that went to people, and what these replied, as the store keeps them.

What is told of a conversation without reading it lies in the agent's stream, its messages in a hash beside it, by the
digest of the call's id. The reply, and the time when a turn first saw it, have keys of their own.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from heapq import nlargest
from itertools import chain
from typing import Any, NamedTuple

from gateway.store.deliveries import OUTBOX, place_of
from gateway.store.handover_seam import FOLLOWED_SECONDS, Handed, HandoverPlace, HumanReply, Place
from gateway.store.reaching import Reaching, key_of
from gateway.store.scripts import ESCALATE, REPLY
from gateway.store.sums import digest

MOST_DELIVERED = 20  # calls of one handover that the webhook is told of; the store has the latest messages all the same
MAX_REPLIES = 10_000  # an agent's, in the stream that replicas follow
MOST_BYTES = 32 << 20  # an agent's escalations with their messages: a thousand of the largest
AGENTS_AT_ONCE = 50  # of which a page is gathered; each has a page's worth of entries, some hundred bytes each
REPLIES_AT_ONCE = 100


_OPEN, _TURNS = "open_handovers", "handover_turns"
_PARTS = ("escalations", "handed", "escalation_bytes", _OPEN, _TURNS, *OUTBOX)  # in the order of escalate.lua
_REPLY = ("call_id", "conversation", "message", "actor", "at")  # members of a stored reply
_SHARE_OF_OUTBOX = 4  # the outbox may take a fourth of what the handovers may
_JOINED = "@"  # begins what is kept of a call that joined a handover


class _Keys(NamedTuple):
    """The keys of what became of one handover."""

    reply: str
    delivered: str
    accepted: str


class HandoverStore:
    """The handover operations of `RedisStore`."""

    async def escalate(
        self: Reaching,
        agent: str,
        event: Mapping[str, str],
        most_bytes: int = MOST_BYTES,
        held_seconds: float = 0.0,
    ) -> HandoverPlace:
        head = {name: text for name, text in event.items() if name not in ("messages", "message_count")}
        name, messages = digest(event["call_id"]).hex(), event.get("messages", "[]")
        bounds = (most_bytes, self._bounds.escalations, self._bounds.escalation_seconds)
        conversation = (event.get("conversation", ""), event.get("message_count", "-1"))
        outbox = (round(held_seconds * 1000), most_bytes // _SHARE_OF_OUTBOX)
        given = (name, messages, *bounds, *conversation, FOLLOWED_SECONDS, MOST_DELIVERED, *outbox)
        keys = [key_of(agent, part) for part in _PARTS]
        async with self._reach():
            place: Any = await self._run(ESCALATE, keys, (*given, *chain.from_iterable(head.items())))
        return place_of(place)

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

    async def handovers(self: Reaching, agent: str, call_ids: Sequence[str]) -> dict[str, Handed]:
        if not call_ids:
            return {}
        async with self._reach():
            pipe = self._pipeline()
            for call_id in call_ids:
                pipe.hget(key_of(agent, "handed"), digest(call_id).hex())
            kept = zip(call_ids, await self._execute(pipe), strict=True)
            entries = {call_id: text.partition(" ")[0] for call_id, text in kept if text}
            pages = await _entries(self, agent, list(dict.fromkeys(entries.values())))
            handed = dict(
                zip(pages, await _read_handovers(self, ((agent, pages[each]) for each in pages)), strict=True)
            )
        return {call_id: handed[entry] for call_id, entry in entries.items() if entry in handed}

    async def reply(self: Reaching, agent: str, reply: HumanReply) -> bool:
        key = _keys_of(agent, reply.call_id).reply
        kept = self._bounds.escalation_seconds
        bounds = (kept, FOLLOWED_SECONDS, MAX_REPLIES)
        async with self._reach():
            if not reply.conversation:  # no later turn can be told to be of it
                return bool(await self._client.set(key, _encoded(reply), nx=True, ex=kept))
            keys = (key, key_of(agent, "replies"), key_of(agent, _OPEN))
            given = (_encoded(reply), *bounds, reply.conversation, digest(reply.call_id).hex())
            first = await self._run(REPLY, keys, given)
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

    async def mark_escalation_accepted(self: Reaching, agent: str, call_id: str, at: float) -> None:
        async with self._reach():
            key = _keys_of(agent, call_id).accepted
            await self._client.set(key, f"{at:.3f}", nx=True, ex=self._bounds.escalation_seconds)


async def _one(store: Reaching, agent: str, entry: str, messages: str) -> Handed | None:
    """The conversation of that entry of the agent's stream."""
    if messages.startswith(_JOINED):
        kept = await store._client.hget(key_of(agent, "handed"), messages.removeprefix(_JOINED))
        messages = str(kept or "").partition(" ")[2]
    entries: Any = await store._client.xrange(key_of(agent, "escalations"), min=entry, max=entry)
    events = [(agent, {**fields, "messages": messages}) for _, fields in entries]
    return next(iter(await _read_handovers(store, events)), None)


async def _entries(store: Reaching, agent: str, names: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """Return the fields of these entries of the agent's stream, as far as they are kept."""
    if not names:
        return {}
    pipe = store._pipeline()
    for name in names:
        pipe.xrange(key_of(agent, "escalations"), min=name, max=name)
    return {name: fields for page in await store._execute(pipe) for name, fields in page}


async def _read_handovers(store: Reaching, events: Iterable[tuple[str, Mapping[str, str]]]) -> list[Handed]:
    """Conversations of agents with what there is beside them."""
    found = list(events)
    if not found:
        return []
    pipe = store._pipeline()
    for agent, fields in found:
        for key in _keys_of(agent, fields["call_id"]):
            pipe.get(key)
        pipe.hget(key_of(agent, _TURNS), digest(fields["call_id"]).hex())
    beside = await store._execute(pipe)
    size = len(_Keys._fields) + 1
    each = (beside[index : index + size] for index in range(0, len(beside), size))
    return [_handed(fields, *values) for (_, fields), values in zip(found, each, strict=True)]


def _handed(fields: Mapping[str, str], reply: Any, delivered: Any, accepted: Any, turns: Any) -> Handed:
    """Return a handover of what its keys hold."""
    return Handed(
        fields,
        _decoded(reply) if reply else None,
        float(delivered) if delivered else None,
        float(accepted) if accepted else None,
        1 + (int(turns.split(" ", 3)[2]) if turns else 0),
    )


def _keys_of(agent: str, call_id: str) -> _Keys:
    name = digest(call_id).hex()
    return _Keys(*(key_of(agent, part, name) for part in _Keys._fields))


def _encoded(reply: HumanReply) -> str:
    """Return one line of JSON in ASCII."""
    return json.dumps({name: getattr(reply, name) for name in _REPLY})


def _decoded(text: str) -> HumanReply:
    """Read back a line that `_encoded` wrote; a newer release may have written more."""
    members = json.loads(text)
    return HumanReply(**{name: members[name] for name in _REPLY})


def _first_id(now: float) -> str:
    """The id behind which a replica that knows nothing begins to follow; `now` in Unix seconds."""
    return f"{max(int((now - FOLLOWED_SECONDS) * 1000), 0)}-0"
