"""Records of calls that have ended, as the store keeps them: two bounded streams in the order of time, and a hash.

What is looked through to find a call lies in the streams, the records in the hash. `keep_calls.lua` changes them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from gateway.store.reaching import Reaching, key_of
from gateway.store.scripts import KEEP_CALLS
from gateway.store.trace_seam import CallBounds, CallEntry, CallPlace, KeptCall, StreamCursor

MOST_IN_THREAD: Final = 400  # calls of one conversation that are found by it: the latest
_CALLS_AT_ONCE = 50  # in one script: some milliseconds in which the server does nothing else
_KEYS_AT_ONCE = 100
_STREAMS_AT_ONCE = 100
_STREAMS = ("calls", "notable")
_KEYS = (*_STREAMS, "records", "threads", "joins", "calls_bytes", "notable_bytes")


class CallStore:
    """The operations of `RedisStore` on records of calls."""

    async def keep_calls(self: Reaching, agent: str, calls: Sequence[KeptCall], bounds: CallBounds) -> None:
        keys = [key_of(agent, "trace", part) for part in _KEYS]
        limits = (bounds.bytes, MOST_IN_THREAD, bounds.seconds)
        async with self._reach():
            for first in range(0, len(calls), _CALLS_AT_ONCE):
                portion = [list(call) for call in calls[first : first + _CALLS_AT_ONCE]]
                await self._run(KEEP_CALLS, keys, (*limits, orjson.dumps(portion)))

    async def find_calls(self: Reaching, agent: str, keys: Sequence[str]) -> list[str]:
        found: list[str] = []
        async with self._reach():
            for first in range(0, len(keys), _KEYS_AT_ONCE):
                pipe = self._pipeline()
                for key in keys[first : first + _KEYS_AT_ONCE]:
                    pipe.hget(key_of(agent, "trace", "records"), key)
                found += filter(None, await self._execute(pipe))
        return found

    async def find_threads(
        self: Reaching, agents: Sequence[str], keys: Sequence[str]
    ) -> Mapping[str, Mapping[str, list[str]]]:
        async with self._reach():
            found = await _look_up(self, "threads", agents, keys)
        by_agent: dict[str, dict[str, list[str]]] = {}
        for agent, key, words in found:
            by_agent.setdefault(agent, {})[key] = words.split()
        return by_agent

    async def find_joined(self: Reaching, agents: Sequence[str], joins: Sequence[str]) -> list[str]:
        async with self._reach():
            found = await _look_up(self, "joins", agents, joins)
        return list(dict.fromkeys(key for _, _, words in found for key in words.split()))

    async def latest_calls(self: Reaching, cursors: Sequence[StreamCursor], count: int) -> list[list[CallEntry]]:
        found: list[list[CallEntry]] = []
        async with self._reach():
            for first in range(0, len(cursors), _STREAMS_AT_ONCE):
                portion = cursors[first : first + _STREAMS_AT_ONCE]
                pipe = self._pipeline()
                for agent, stream, before in portion:
                    last = "+" if before is None else f"{before.at_ms}-{before.number}"
                    pipe.xrevrange(key_of(agent, "trace", _STREAMS[stream]), max=last, count=count)
                pages = zip(portion, await self._execute(pipe), strict=True)
                found += [_before(cursor, (_entry(cursor, each) for each in page)) for cursor, page in pages]
        return found


def _before(cursor: StreamCursor, entries: Iterable[CallEntry]) -> list[CallEntry]:
    """Return the entries without the one at which the page before ended."""
    return [each for each in entries if cursor.before is None or each.place < cursor.before]


async def _look_up(
    store: Reaching, part: str, agents: Sequence[str], fields: Sequence[str]
) -> list[tuple[str, str, str]]:
    """Return what there is under these fields of each agent's hash: agent, field and text."""
    asked = [(agent, each) for agent in agents for each in fields]
    found: list[tuple[str, str, str]] = []
    for first in range(0, len(asked), _KEYS_AT_ONCE):
        portion = asked[first : first + _KEYS_AT_ONCE]
        pipe = store._pipeline()
        for agent, each in portion:
            pipe.hget(key_of(agent, "trace", part), each)
        texts = await store._execute(pipe)
        found += [(*each, text) for each, text in zip(portion, texts, strict=True) if text]
    return found


def _entry(cursor: StreamCursor, entry: tuple[str, Mapping[str, Any]]) -> CallEntry:
    name, fields = entry
    at_ms, _, number = name.partition("-")
    place = CallPlace(int(at_ms), int(number), cursor.stream, cursor.agent)
    return CallEntry(place, fields["key"], fields["thread"], fields["summary"])
