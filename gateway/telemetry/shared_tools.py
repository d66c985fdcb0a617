"""Tool calls whose answer and result meet different workers or replicas: what one asked for, another sees come back.

An answer's tool calls that are still unanswered after a moment go into the store, off the path of calls. A result
that nobody here has asked for is looked up there, some seconds later, when whoever asked has written. All that waits
is bounded, and a store that is away only delays it.
"""

from collections import deque
from collections.abc import Callable
from hashlib import blake2b
from itertools import islice
from typing import Any, NamedTuple

import orjson

from gateway.errors import StoreAway
from gateway.store.trace_seam import ToolKey, TraceStore
from gateway.telemetry.tool_spans import MOST_ASKED, Key, PendingTool, ToolSpan
from gateway.telemetry.trace_context import TraceContext
from gateway.tool_use import ReturnedTool

_AT_ONCE = 500  # of one exchange: some milliseconds here and in the store


class _Arrival(NamedTuple):
    """A result that came here; `at` is when, in monotonic seconds."""

    key: ToolKey
    returned: ReturnedTool
    at: float


class SharedTools:
    """The part of one replica. `offset` says what Unix time is ahead of the monotonic clock, `wait` how many seconds a
    result waits before it is looked up."""

    def __init__(self, monotonic: Callable[[], float], offset: Callable[[], float], wait: float) -> None:
        self.store: TraceStore | None = None  # set by whoever has one
        self._monotonic = monotonic
        self._offset = offset
        self._wait = wait
        self._fresh: dict[ToolKey, PendingTool] = {}
        self._unwritten: dict[ToolKey, PendingTool] = {}
        self._settled: deque[ToolKey] = deque(maxlen=MOST_ASKED)
        self._arrived: deque[_Arrival] = deque(maxlen=MOST_ASKED)

    def ask(self, agent: str, key: Key, asked: PendingTool) -> None:
        """Note a tool call that an answer asked for."""
        if len(self._fresh) < MOST_ASKED:
            self._fresh[shared_key(agent, key)] = asked

    def settle(self, agent: str, key: Key) -> None:
        """Note that the result came to the replica that asked: nobody else is to find it."""
        shared = shared_key(agent, key)
        if self._fresh.pop(shared, None) is None and self._unwritten.pop(shared, None) is None:
            self._settled.append(shared)

    def arrive(self, agent: str, key: Key, returned: ReturnedTool, at: float) -> None:
        """Note a result of which nobody here knows."""
        self._arrived.append(_Arrival(shared_key(agent, key), returned, at))

    async def exchange(self, *, is_last: bool = False) -> list[ToolSpan]:
        """Write what others may need, and return the tools whose results came here. `is_last`: without waiting."""
        if self.store is None:
            return []
        try:
            await self._write(self.store, is_last)
            return await self._look_up(self.store, is_last)
        except StoreAway:
            return []

    async def _write(self, store: TraceStore, is_last: bool) -> None:
        ripe = {**self._unwritten, **(self._fresh if is_last else {})}
        portion = dict(islice(ripe.items(), _AT_ONCE))
        if portion:
            offset = self._offset()
            await store.keep_asked({key: _text_of(asked, offset) for key, asked in portion.items()})
            for key in portion:
                self._unwritten.pop(key, None)
        room = MOST_ASKED - len(self._unwritten)
        self._unwritten |= dict(islice(self._fresh.items(), max(room, 0)))
        self._fresh = {}
        settled = [*islice(self._settled, _AT_ONCE)]
        if settled:
            await store.take_asked(settled)
            for _ in settled:
                self._settled.popleft()

    async def _look_up(self, store: TraceStore, is_last: bool) -> list[ToolSpan]:
        until = self._monotonic() - (0.0 if is_last else self._wait)
        due = []
        for arrival in islice(self._arrived, _AT_ONCE):
            if arrival.at > until:
                break
            due.append(arrival)
        if not due:
            return []
        texts = await store.take_asked([arrival.key for arrival in due])
        for _ in due:
            self._arrived.popleft()
        offset, found = self._offset(), []
        for arrival in due:
            asked = _read(texts.pop(arrival.key, ""), offset)  # sent twice at once: the first one counts
            if asked is not None:
                found.append(ToolSpan(asked, arrival.returned, arrival.at))
        return found


def shared_key(agent: str, key: Key) -> ToolKey:
    """Return what tells a tool call to all replicas; it names nobody."""
    text = "\0".join(key).encode("utf-8", "surrogatepass")
    return ToolKey(agent, blake2b(text, digest_size=8, person=b"asked").hexdigest())


def _text_of(asked: PendingTool, offset: float) -> str:
    values = [asked.name, asked.context.trace_id, asked.nonce.hex(), asked.call_id, asked.at + offset]
    return orjson.dumps(values).decode()


def _read(text: str, offset: float) -> PendingTool | None:
    """Read what a replica wrote, which may be of another release."""
    try:
        values: list[Any] = orjson.loads(text)
        name, trace_id, nonce, call_id, at = values[:5]
        bytes.fromhex(trace_id)
        return PendingTool(str(name), TraceContext(trace_id, "", True), bytes.fromhex(nonce), str(call_id), at - offset)
    except (ValueError, TypeError):  # a JSONDecodeError is a ValueError
        return None
