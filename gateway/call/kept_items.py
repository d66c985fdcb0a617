"""Items of answers that no provider stores, kept for the requests that name them by their ids.

Vercel's AI SDK sends its second turn so. Each replica keeps what it wrote, within a bound in bytes, and shares it with
the others through the store (decision 46). Only the caller who got an item finds it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b

from gateway.errors import NotFound, StoreAway
from gateway.logs import Log
from gateway.store.seam import Store

SECONDS = 3600  # since it was last kept or named
MOST_BYTES = 64 * 1024**2  # of this replica's memory, and of what it shares in `SECONDS`
MOST_CHAINED_BYTES = 8 * 1024**2  # the same of tool calls in histories that providers keep: some 10,000 answers
_LARGEST = 1024**2  # bytes of one item
_ITEM_BYTES = 384  # of memory that an item takes beside its text
_MOST_WAITING = 16 * 1024**2  # bytes that wait for a store that is away
_PAUSES = (0.05, 0.1, 0.2)  # seconds between looks: another replica may have written the item just now
_MOST_ASKED = 1000  # names of one request that the store is asked for
_AWAY_SECONDS = 0.3
_MOST_ASKING = 100  # items that are looked for at a time, for calls that do not wait for them
_LOOK_SECONDS = 60.0  # between two looks for items whose hour is over, where no new ones come


@dataclass(slots=True)
class _Item:
    """A kept item; `used_at` is when it was last kept or named, `kept_at` when it was last given to the store."""

    text: str
    used_at: float
    kept_at: float


class KeptItems:
    """The items of one replica. `now` is in monotonic seconds, `look` the seconds between looks for expired ones."""

    def __init__(
        self,
        store: Store,
        log: Log,
        now: Callable[[], float],
        most_bytes: int = MOST_BYTES,
        look: float = _LOOK_SECONDS,
    ) -> None:
        self._store = store
        self._log = log
        self._now = now
        self._most = most_bytes
        self._look = look
        self._items: OrderedDict[str, _Item] = OrderedDict()
        self._size = 0
        self._waiting: OrderedDict[str, str] = OrderedDict()
        self._news = asyncio.Event()
        self._shared, self._shared_since = 0, now()
        self._waiting_size = 0
        self._asking: set[asyncio.Task[None]] = set()

    @property
    def size(self) -> int:
        """Return the bytes of memory in use."""
        return self._size

    def keep(self, caller: str, items: Mapping[str, str]) -> None:
        """Keep a caller's items, as JSON in ASCII by their ids."""
        for name, text in items.items():
            if len(text) <= _LARGEST:
                self._keep(_key(caller, name), text)

    async def find(self, caller: str, names: Iterable[str]) -> dict[str, str]:
        """Return a caller's items by their ids. Raises NotFound where one of them is not known."""
        keys = {_key(caller, name): name for name in names}
        found = {key: text for key in keys if (text := self._find_here(key)) is not None}
        missing = [key for key in keys if key not in found]
        if missing and len(missing) <= _MOST_ASKED:
            found |= await self._find_elsewhere(missing)
        if missing := [keys[key] for key in keys if key not in found]:
            raise NotFound(
                f"Item with id {missing[0]!r} not found: it is kept for an hour. Send whole items instead of "
                "references (Vercel's AI SDK does with `store: false`).",
                param="input",
            )
        return {keys[key]: text for key, text in found.items()}

    def peek(self, caller: str, name: str) -> str | None:
        """Return a caller's item, if it is known here."""
        return self._find_here(_key(caller, name))

    def ask_for(self, caller: str, name: str) -> None:
        """Let an item that is not known here be looked for elsewhere, now and a moment later; never waits.

        Too many at a time are not looked for.
        """
        key = _key(caller, name)
        if key not in self._items and len(self._asking) < _MOST_ASKING:
            task = asyncio.create_task(self._ask_elsewhere(key))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def share_for_ever(self) -> None:
        """Give new items to the store, and forget old ones, until cancelled: then nothing is looked for any more."""
        try:
            while True:
                await self._share()
        finally:
            for task in self._asking:
                task.cancel()
            await asyncio.gather(*self._asking, return_exceptions=True)

    async def _share(self) -> None:
        """Wait for new items, and give them to the store."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), self._look)
        self._forget_expired()
        if not self._news.is_set():
            return
        self._news.clear()
        items, self._waiting, self._waiting_size = self._waiting, OrderedDict(), 0
        try:
            await self._store.keep_items(items, SECONDS)
        except StoreAway:
            for key, text in items.items():
                self._wait(key, text)
            await asyncio.sleep(_AWAY_SECONDS)

    def _keep(self, key: str, text: str) -> None:
        self._put_here(key, text)
        if self._may_share(_size(text)):
            self._wait(key, text)

    def _put_here(self, key: str, text: str) -> None:
        if (old := self._items.pop(key, None)) is not None:
            self._size -= _size(old.text)
        now = self._now()
        self._items[key] = _Item(text, now, now)
        self._size += _size(text)
        while self._size > self._most:
            self._forget_oldest()
        self._forget_expired()

    def _find_here(self, key: str) -> str | None:
        self._forget_expired()
        item = self._items.get(key)
        if item is None:
            return None
        self._items.move_to_end(key)
        item.used_at = self._now()
        if item.used_at - item.kept_at > SECONDS / 2:
            self._keep(key, item.text)
        return item.text

    def _forget_expired(self) -> None:
        """Forget what was last used more than an hour ago; the items stand in the order of their use."""
        expired = self._now() - SECONDS
        while self._items and next(iter(self._items.values())).used_at < expired:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        _, oldest = self._items.popitem(last=False)
        self._size -= _size(oldest.text)

    async def _ask_elsewhere(self, key: str) -> None:
        """Take an item that another replica has kept, which may have given it to the store just now."""
        for pause in (0.0, _PAUSES[1]):
            await asyncio.sleep(pause)
            with suppress(StoreAway):
                if (text := (await self._store.find_items([key])).get(key)) is not None:
                    self._put_here(key, text)
                    return

    async def _find_elsewhere(self, keys: list[str]) -> dict[str, str]:
        """Return those of these items that other replicas have kept."""
        found: dict[str, str] = {}
        for pause in (0.0, *_PAUSES):
            await asyncio.sleep(pause)
            try:
                found |= await self._store.find_items([key for key in keys if key not in found])
            except StoreAway:
                break
            if len(found) == len(keys):
                break
        for key, text in found.items():
            self._put_here(key, text)
        return found

    def _may_share(self, size: int) -> bool:
        """Return whether that many more bytes may be shared now, so that the store is not filled."""
        now = self._now()
        if now - self._shared_since >= SECONDS:
            self._shared, self._shared_since = 0, now
        before, self._shared = self._shared, self._shared + size
        if before <= self._most < self._shared:
            self._log.warning("items_not_shared", bytes=self._most, seconds=SECONDS)
        return self._shared <= self._most

    def _wait(self, key: str, text: str) -> None:
        if (old := self._waiting.pop(key, None)) is not None:
            self._waiting_size -= _size(old)
        self._waiting[key] = text
        self._waiting_size += _size(text)
        while self._waiting_size > _MOST_WAITING:
            _, dropped = self._waiting.popitem(last=False)
            self._waiting_size -= _size(dropped)
        self._news.set()


def _size(text: str) -> int:
    return _ITEM_BYTES + len(text)


def _key(caller: str, name: str) -> str:
    return blake2b(f"{caller}\0{name}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
