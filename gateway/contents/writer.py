"""Writing of calls' contents to the store, off the path of every call.

Texts are read and redacted here, a few milliseconds at a time and with pauses in between, so that calls go first. What
waits is bounded where it is heard; a store that is away changes nothing for calls.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from gateway.contents.content import CallContent, encode
from gateway.contents.reading import read
from gateway.contents.redacting import ContentRedactor
from gateway.contents.sampling import is_chosen
from gateway.errors import StoreAway
from gateway.heard import HeardCall
from gateway.logs import Log
from gateway.store.background_writer import PAUSE_SECONDS, BackgroundWriter
from gateway.store.content_seam import ContentBounds, KeptContent
from gateway.store.seam import Store
from gateway.traces.record import CallRecord

_REST = 3.0  # seconds of rest for each second of work: a quarter of a processor's time at most
_AT_ONCE = 10
_MOST_WAITING = 4_000
_MOST_BYTES_OF_ALL = 256 << 20  # in the store, of all agents together
_LEAST_BYTES = 1 << 20
_ANSWERED = ("answered", "escalated", "broken", "client_gone")


ContentListener = Callable[[CallRecord, CallContent], None]
Listener = Callable[[Sequence[CallRecord]], None]


class _Prepared(NamedTuple):
    """A content that is to be written, with the record of its call."""

    bounds: ContentBounds
    content: KeptContent
    record: CallRecord


class ContentWriter(BackgroundWriter):
    """The writer of one replica. `dropped` counts calls whose texts were to be recorded, and were not.

    `listeners` get the records of calls whose texts the store has now, of one agent at a time. `content_listeners` get
    each call with its content once it is ready to be kept; they do not wait.
    """

    def __init__(self, store: Store, log: Log, pause: float = PAUSE_SECONDS) -> None:
        super().__init__(log, "contents_not_recorded", pause, _REST)
        self._store = store
        self._waiting: deque[tuple[CallRecord, HeardCall]] = deque()
        self._unwritten: list[_Prepared] = []
        self._writing = asyncio.Lock()
        self._share = _MOST_BYTES_OF_ALL
        self._reported = 0
        self.redactor = ContentRedactor()
        self.listeners: list[Listener] = []
        self.content_listeners: list[ContentListener] = []
        self.dropped = 0

    def share_among(self, agents: int) -> None:
        """Let the contents of so many agents take their share of the store each."""
        self._share = max(_LEAST_BYTES, _MOST_BYTES_OF_ALL // max(agents, 1))

    def note(self, record: CallRecord, heard: HeardCall) -> None:
        """Keep what was heard of a call until it is written; a full queue drops it."""
        if heard.request is None or len(self._waiting) >= _MOST_WAITING:
            self.dropped += 1
        else:
            self._waiting.append((record, heard))

    async def write_for_ever(self) -> None:
        """Write what was heard, until cancelled."""
        await self._write_regularly(_AT_ONCE)

    async def write(self, most: int) -> None:
        """Write at most so many contents. Raises StoreAway; then they wait for the next time."""
        async with self._writing:
            while self._unwritten or (self._waiting and most > 0):
                while self._waiting and most > 0 and len(self._unwritten) < _AT_ONCE:
                    most -= 1
                    await self._prepare_next()
                await self._write_batch()

    async def finish(self) -> None:
        """Write what is left; a store that is away gets nothing more."""
        await self._write_last(len(self._waiting))

    def _count_waiting(self) -> int:
        return len(self._waiting)

    async def _prepare_next(self) -> None:
        """Prepare the call that has waited longest. One that has a fault of ours is not tried again."""
        record, heard = self._waiting.popleft()
        try:
            await self._prepare(record, heard)
        except StoreAway:
            self._waiting.appendleft((record, heard))
            raise

    async def _prepare(self, record: CallRecord, heard: HeardCall) -> None:
        """Make the content of a call, if its conversation is one of those that are recorded."""
        rules, joins = heard.rules, record.joins
        joined = await self._store.find_joined([record.agent], joins) if joins else []
        thread = joined[0] if joined else record.conversation
        if not is_chosen(thread, rules):
            return
        bounds = ContentBounds(min(rules.total_bytes, self._share), round(rules.retention))
        content = await self.content_of(record, heard)
        kept, found = KeptContent(record.key, thread, encode(content)), replace(record, conversation=thread)
        self._unwritten.append(_Prepared(bounds, kept, found))
        for listen in self.content_listeners:
            listen(found, content)

    async def for_export(self, record: CallRecord, heard: HeardCall) -> CallContent | None:
        """Return the content of a call for somebody else; None where its conversation is not one of those.

        The store is not asked: what only a tool call or an answer tells of a conversation is not known here.
        """
        if heard.request is None or not is_chosen(record.conversation, heard.rules):
            return None
        return await self.content_of(record, heard)

    async def content_of(self, record: CallRecord, heard: HeardCall) -> CallContent:
        """Return the content of a call as it may be kept."""
        is_answered = record.end in _ANSWERED and bool(heard.answer)
        content = await read(heard, record.format, stream=record.stream, is_answered=is_answered)
        return await self.redactor.redact(content, record.caller, heard.rules.redact)

    async def _write_batch(self) -> None:
        while self._unwritten:
            alike = _alike(self._unwritten[0])
            same = [each for each in self._unwritten if _alike(each) == alike]
            agent, bounds = alike
            await self._store.keep_contents(agent, [each.content for each in same], bounds)
            self._unwritten = [each for each in self._unwritten if _alike(each) != alike]
            for listen in self.listeners:
                listen([each.record for each in same])

    def _tell_of_drops(self) -> None:
        if self.dropped > self._reported:
            why = "more texts are heard than are recorded"
            self._log.warning("contents_not_kept", dropped=self.dropped - self._reported, why=why)
            self._reported = self.dropped


def _alike(prepared: _Prepared) -> tuple[str, ContentBounds]:
    """Return what contents that are written together have in common."""
    return prepared.record.agent, prepared.bounds
