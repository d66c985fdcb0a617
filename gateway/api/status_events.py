"""`GET /status/events`: what has changed on a page of the status, as server-sent events (HTML standard, 9.2).

An event holds the fragments that have changed and the page's state as its id. Whoever comes back with the state that
holds gets nothing but heartbeats; with any other, the whole page. A reader that hangs holds one event in memory and a
place, nothing else: what it misses meanwhile is left out. A key has a share of the places and of the time that pages
take; operators have places and time of their own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import orjson

from gateway.api.admission import Places, SharedPlaces
from gateway.api.endpoint import CALLER, Services, caller_of, header
from gateway.api.status import Status
from gateway.auth import OPEN
from gateway.calls import Caller
from gateway.errors import SerinusError
from gateway.net.asgi import Receive, Scope, Send

if TYPE_CHECKING:  # loaded with the first page that somebody opens
    from gateway.pages.frame import LivePage

MOST_READERS = 64  # with keys; as many with the admin token, and as many where no keys are configured
MOST_OF_A_KEY = 8
_NAME = "events"  # an agent may be called so, too
_RENEW_SECONDS = 1.0  # how often numbers are read anew
_LOOKS = 5  # in that time, at the records in memory: a rollback is shown at once
_HEARTBEAT_SECONDS = 15.0
_SHARE_OF_TIME = 20  # pages that take long to make are made more rarely: a twentieth for operators, one for all keys
_LATE_SECONDS = 10.0  # what nobody has wanted for so long has no share
_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # a proxy that holds events back would make the page late
]
_RETRY = b"retry: 2000\n\n"
_HEARTBEAT = b": still here\n\n"

Key = tuple[object, object]
Make = Callable[[], Awaitable["LivePage"]]


@dataclass(slots=True)
class _Made:
    """A page that was made, when, and how long that took (seconds of a monotonic clock)."""

    page: "LivePage"
    at: float
    took: float


class SharedPages:
    """The latest pages: many readers of one page cost as much as one, and all pages together a share of the time.

    A key is what is wanted, and the state of the records that it shows: a page is made anew for another state.
    Operators' pages have a share of the time of their own. Keys divide theirs evenly, whatever each of them wants.
    """

    def __init__(self, now: Callable[[], float] = monotonic, most: int = MOST_READERS) -> None:
        self._now = now
        self._most = most
        self._made: dict[Key, _Made] = {}
        self._making: dict[Key, asyncio.Task[LivePage]] = {}
        self._wished: dict[str | None, dict[object, float]] = {}  # by reader what it wants of late, and when last

    async def page(self, key: Key, make: Make, reader: str | None = None) -> "LivePage":
        """Return the page for that key, made within the last second or as rarely as it is slow to make.

        `reader` is the name of a configured key, None for operators.
        """
        made, now = self._made.get(key), self._now()
        self._wished.setdefault(reader, {})[key[0]] = now
        if made is None or now - made.at >= self._interval(made, now, reader):
            task = self._making.get(key)
            if task is None:
                task = self._making[key] = asyncio.create_task(self._make(key, make))
                task.add_done_callback(_retrieve)
            return await asyncio.shield(task)
        return made.page

    def _interval(self, made: _Made, now: float, reader: str | None) -> float:
        """Return the seconds from one making to the next, so that the reader's pages take its share of the time."""
        for name, wishes in list(self._wished.items()):
            self._wished[name] = {wish: at for wish, at in wishes.items() if now - at < _LATE_SECONDS}
            if not self._wished[name]:
                del self._wished[name]
        rivals = 1 if reader is None else len(self._wished.keys() - {None})
        return max(_RENEW_SECONDS, _SHARE_OF_TIME * made.took * len(self._wished[reader]) * rivals)

    async def _make(self, key: Key, make: Make) -> "LivePage":
        began = self._now()
        try:
            page = await make()
            while len(self._made) >= self._most:
                del self._made[next(iter(self._made))]
            self._made.pop(key, None)
            self._made[key] = _Made(page, self._now(), self._now() - began)
            return page
        finally:
            del self._making[key]


def _retrieve(task: "asyncio.Task[LivePage]") -> None:
    """Take the error of a page that nobody waits for any more."""
    if not task.cancelled():
        task.exception()


@dataclass(slots=True)
class _Shown:
    """The state that one reader has been sent, and the fragments of it by a hash of each."""

    state: str
    fragments: Mapping[str, int] = field(default_factory=dict)


class StatusEvents(Status):
    """The stream of one page: of the overview, or with `?agent=` of that agent."""

    is_page = False

    def __init__(self, services: Services, heartbeat_seconds: float = _HEARTBEAT_SECONDS) -> None:
        super().__init__(services)
        self._heartbeat_seconds = heartbeat_seconds
        self._operators, self._anyone = Places(MOST_READERS), Places(MOST_READERS)
        self._keys = SharedPlaces(MOST_READERS, MOST_OF_A_KEY, "streams of pages open")
        self._shared = SharedPages()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if b"text/event-stream" not in (header(scope, b"accept") or b"") and _NAME in self.services.table:
            scope["path_params"] = {"agent": _NAME}
            with nullcontext() if (caller := scope[CALLER]) is None else super().places(caller):
                await super().serve(scope, receive, send)
            return
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        last = (header(scope, b"last-event-id") or query.get("state", "").encode()).decode("latin-1")
        with self._place_of(scope[CALLER]):
            page = await self._page(scope, query)  # an agent that is not there is a 404, not a stream
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await send(_body(_RETRY))
            shown = _Shown(last, _hashes(page) if last == page.state() else {})
            await self._follow(scope, query, send, page, shown)
            await send({"type": "http.response.body", "body": b""})

    def places(self, caller: Caller) -> AbstractContextManager[None]:
        """Return no places: `serve` takes one, of those that the reader has."""
        return nullcontext()

    def _place_of(self, reader: Caller | None) -> AbstractContextManager[None]:
        if reader is None:
            return self._operators
        return self._anyone if reader is OPEN else self._keys.of(reader.name)

    async def _follow(
        self, scope: Scope, query: Mapping[str, str], send: Send, page: "LivePage", shown: _Shown
    ) -> None:
        """Send what changes until the reader leaves, may read no longer, or the gateway drains."""
        sent_at = monotonic()
        while not self.services.draining:
            if page.state() != shown.state:
                await send(_body(_event(page, shown)))
                shown, sent_at = _Shown(page.state(), _hashes(page)), monotonic()
            elif monotonic() - sent_at >= self._heartbeat_seconds:
                await send(_body(_HEARTBEAT))
                sent_at = monotonic()
            await self._wait_for_news(scope, query)
            try:
                scope[CALLER] = self.authenticate(scope)
                page = await self._page(scope, query)
            except SerinusError:  # the agent, or the reader's key, is gone
                return

    async def _wait_for_news(self, scope: Scope, query: Mapping[str, str]) -> None:
        """Wait until numbers are due, or until a record has changed."""
        before = self._records(scope, query)
        for _ in range(_LOOKS):
            await asyncio.sleep(_RENEW_SECONDS / _LOOKS)
            if self.services.draining or self._records(scope, query) != before:
                return

    def _records(self, scope: Scope, query: Mapping[str, str]) -> tuple[object, ...]:
        """Return the epochs of the agents that the page shows, and what is wrong with the gateway."""
        table, services = self.services.table, self.services
        names = [query["agent"]] if "agent" in query else self.reading.known(caller_of(scope))
        epochs = (state.epoch if (state := table.seen(name)) else 0 for name in names)
        return (*names, *epochs, services.config_error(), services.controller.store_ok)

    async def _page(self, scope: Scope, query: Mapping[str, str]) -> "LivePage":
        """Return the page as it is now, shared by all who may read the same. Raises NotFound."""
        reader, host = caller_of(scope), header(scope, b"host")
        asked = tuple((name, query.get(name)) for name in ("agent", "range", "filter", "trouble"))
        # A key may have any name: who may see prompts is told by itself.
        wish = (asked, host, reader is OPEN, reader.name, self.services.runtime.digest)
        key = (wish, self._records(scope, query))
        name = None if reader is OPEN else reader.name
        return await self._shared.page(key, lambda: self.pages.page(scope, query.get("agent")), name)


def _body(data: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": data, "more_body": True}


def _event(page: "LivePage", shown: _Shown) -> bytes:
    """Return the event with what the reader does not have."""
    hashes = _hashes(page)
    changed = {name: html for name, html in page.live.items() if shown.fragments.get(name) != hashes[name]}
    data = {"title": page.head_title, "level": page.level, "live": changed, "lists": page.lists}
    return b"id: %b\nevent: page\ndata: %b\n\n" % (page.state().encode(), orjson.dumps(data))


def _hashes(page: "LivePage") -> dict[str, int]:
    return {name: hash(html) for name, html in page.live.items()}
