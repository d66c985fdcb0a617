"""The installation's memory of its store: kept on its own disk, where a loss of the store cannot take it.

For each agent the newest record, and the epochs and hashes of the latest audit events; and the fingerprint key that
the replicas share. A store that comes back empty, older, or as another one is recognised by these over restarts, too.
Replicas of one host share a folder: the newer record holds.
"""

import asyncio
import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

from gateway.config.fields import EMBEDDED
from gateway.config.store_url import read_store_url
from gateway.errors import StoreAway
from gateway.store.codec import decode_state, encode_state
from gateway.store.data_folder import make_private
from gateway.store.files import write_whole
from gateway.store.server_binary import EmbeddedRedisFailed
from gateway.store.shared_key import key_of_hex
from policies.rollout.state import State

EVENTS_KEPT = 32  # of the latest audit events; some 60 bytes each
RETRY_SECONDS = 2.0  # until the store tells the hash of an event whose record was seen
KEY_FILE = "fingerprint-key"
LOOK_SECONDS = 2.0  # after so long it is noticed that somebody has deleted the folder
DELETED = "the memory of the store was deleted from the disk; the gateway writes it again"
STRANGE_KEY = "the store's fingerprint key is damaged; delete it there, and a replica puts its own in place"
_LONGEST_NAME = 60

# What a file of another hand may raise: nested too deep, of other types, with numbers that are none.
UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, StoreAway)

Log = Callable[[str, Mapping[str, object]], None]
SeenEvent = tuple[int, str]


class LatestEvents(Protocol):
    """The store's operation that the memory needs: an agent's latest audit events."""

    async def audit(self, agent: str, count: int) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest record of an agent, and the epoch and hash of its latest audit events, oldest first."""

    state: State
    events: tuple[SeenEvent, ...] = ()

    def merged(self, other: "Seen") -> "Seen":
        """Both, where they differ the one with the later record; of equally late ones `other`."""
        newer = other if other.state.epoch >= self.state.epoch else self
        return Seen(newer.state, tuple(sorted({*self.events, *other.events})[-EVENTS_KEPT:]))


class Memory:
    """The memory of one store in `folder`; without a folder nothing outlives the process.

    `log` is called with a sentence and its fields when the folder cannot be read or written; all else goes on.
    """

    def __init__(self, folder: Path | None = None, log: Log | None = None) -> None:
        self._folder = folder
        self._log = log or (lambda *_: None)
        self._seen: dict[str, Seen] = {}
        self._key: bytes | None = None
        self._noted: dict[str, State] = {}
        self._news = asyncio.Event()
        self._known_at_start: frozenset[str] = frozenset()
        self._is_broken = False
        self._written: set[str] = set()  # the files that were on the disk
        self._has_strange_key = False

    def load(self) -> None:
        """Read what is there, in a folder of our user alone. Blocks; call it before anything else."""
        folder = self._folder
        if folder is None:
            return
        try:
            make_private(folder)
        except EmbeddedRedisFailed as error:
            self._complain("cannot be used", error)
            self._folder = None
            return
        for path in sorted(folder.glob("*.json")):
            if seen := self._read(path):
                self._seen[path.stem] = seen
                self._written.add(path.name)
        self._known_at_start = frozenset(self._seen)
        try:
            self._key = key_of_hex((folder / KEY_FILE).read_text("ascii"))
            self._written.add(KEY_FILE)
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            self._complain("cannot be read", error)

    @property
    def key(self) -> bytes | None:
        """The fingerprint key that the replicas of this store share, as last seen."""
        return self._key

    @property
    def folder(self) -> Path | None:
        """The folder of the memory; None where nothing outlives the process."""
        return self._folder

    @property
    def was_empty(self) -> bool:
        """Return whether nothing of any agent was stored when this process began."""
        return not self._known_at_start

    def knew(self, agent: str) -> bool:
        """Return whether something of the agent was stored when this process began."""
        return agent in self._known_at_start

    def state(self, agent: str) -> State | None:
        """The newest record that was seen of the agent, before this process began or since."""
        seen = self._seen.get(agent)
        return seen.state if seen else None

    def events(self, agent: str) -> tuple[SeenEvent, ...]:
        """Epoch and hash of the latest audit events that were seen, oldest first."""
        seen = self._seen.get(agent)
        return seen.events if seen else ()

    def note(self, agent: str, state: State) -> None:
        """Keep that record, in the background."""
        if self.state(agent) != state or not self.events(agent):
            self._noted[agent] = state
            self._news.set()

    async def keep_key(self, key: bytes) -> None:
        """Keep the fingerprint key."""
        if key != self._key:
            self._key = key
            await asyncio.to_thread(self._write, KEY_FILE, key.hex().encode())

    def warn_of_key(self, error: StoreAway) -> None:
        """Say, once, that the store's fingerprint key is not taken."""
        if not self._has_strange_key:
            self._has_strange_key = True
            self._log(STRANGE_KEY, {"error": error.message})

    async def keep_for_ever(self, trail: LatestEvents) -> None:
        """Write down what is noted, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._news.wait()
            self._news.clear()
            await self.keep(trail)
            if self._noted:
                await asyncio.sleep(RETRY_SECONDS)
                self._news.set()

    async def keep(self, trail: LatestEvents) -> None:
        """Write down what is noted now, and what was deleted. Without the store an agent stays noted, for the hash."""
        await asyncio.to_thread(self._write_deleted)
        for agent, state in list(self._noted.items()):
            events = await _latest(trail, agent)
            await asyncio.to_thread(self._merge, agent, Seen(state, events))
            if events and self._noted.get(agent) == state:
                del self._noted[agent]

    def _write_deleted(self) -> None:
        """Write anew what somebody has deleted of the folder since it was written."""
        folder, there = self._folder, set[str]()
        if folder is None or not self._written:
            return
        with suppress(OSError):
            there = set(os.listdir(folder))
        gone = self._written - there
        if not gone:
            return
        if not self._is_broken:
            self._log(DELETED, {"folder": str(folder), "files": len(gone)})
        for agent, seen in list(self._seen.items()):
            if f"{agent}.json" in gone:
                self._merge(agent, seen)
        if self._key is not None and KEY_FILE in gone:
            self._write(KEY_FILE, self._key.hex().encode())

    def _merge(self, agent: str, new: Seen) -> None:
        """Into what this process knows, and into what another replica of this host may have written."""
        self._seen[agent] = merged = self._seen[agent].merged(new) if agent in self._seen else new
        if self._folder is None:
            return
        name = f"{agent}.json"
        with self._locked(self._folder):
            written = self._read(self._folder / name)
            merged = written.merged(merged) if written else merged
            if merged != written:
                self._write(name, _encode(merged))

    @contextmanager
    def _locked(self, folder: Path) -> Iterator[None]:
        """Alone among the replicas of this host, where the folder can be written."""
        descriptor = self._open_lock(folder)
        try:
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _open_lock(self, folder: Path) -> int | None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            self._complain("cannot be written", error)
            return None
        return descriptor

    def _write(self, name: str, content: bytes) -> None:
        if self._folder is None:
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self._folder / name, content)
            self._written.add(name)
            self._is_broken = False
        except OSError as error:
            self._complain("cannot be written", error)

    def _read(self, path: Path) -> Seen | None:
        try:
            return _decode(path.stem, path.read_bytes())
        except FileNotFoundError:
            return None
        except UNREADABLE as error:
            self._complain(f"cannot be read: {path.name}", error)
            return None

    def _complain(self, what: str, error: Exception) -> None:
        """Once, until it works again."""
        if not self._is_broken:
            self._is_broken = True
            message = f"the memory of the store {what}; a restart will not recognise a lost store"
            self._log(message, {"folder": str(self._folder), "error": str(error)})


def memory_folder(data: Path, store: str) -> Path:
    """Return the folder of that store's memory within the data folder. The URL's user and password do not change it.

    Raises ValueError, which shows nothing of the URL.
    """
    if store == EMBEDDED:
        return data / "seen" / store
    url = read_store_url(store)
    place = "_".join([url.scheme, *(f"{host}_{port}" for host, port in url.hosts), url.name, str(url.db)])
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", place).strip("_.")[:_LONGEST_NAME]
    return data / "seen" / f"{readable}-{blake2b(place.encode(), digest_size=4).hexdigest()}"


async def _latest(trail: LatestEvents, agent: str) -> tuple[SeenEvent, ...]:
    """Epoch and hash of the agent's latest audit event; nothing where the store is away, or the event has no hash."""
    try:
        events: Sequence[Mapping[str, Any]] = await trail.audit(agent, 1)
    except StoreAway:
        return ()
    return tuple((int(event["epoch_after"]), str(event["hash"])) for event in events if "hash" in event)


def _encode(seen: Seen) -> bytes:
    record = {**encode_state(seen.state), "changed_at": repr(seen.state.changed_at)}
    return json.dumps({"record": record, "events": seen.events}, indent=1).encode() + b"\n"


def _decode(agent: str, content: bytes) -> Seen:
    """Raise one of UNREADABLE when it is no such file."""
    found = json.loads(content)
    state = decode_state(agent, found["record"])
    if state is None:
        raise ValueError("the record is empty")
    return Seen(state, tuple((int(epoch), str(hash_)) for epoch, hash_ in found["events"]))
