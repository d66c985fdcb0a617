"""Secrets that tests plant in every gateway, and the search of whatever leaves it for one of them.

Each secret holds `MARK`, so one search finds them all: as they are, and in base64 at any offset. What is searched:
answers of gateways (heads, bodies, streams, pages, sockets), what webhooks and receivers of spans get, what a test and
its processes print and log, the files that a test leaves, and the store. A secret is right where configurations name
it: in the environment, in a `.env`, and in requests to its own provider.
"""

import asyncio
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.net.server import Server
from gateway.net.server.protocol import BoundedProtocol

MARK: Final = b"-planted-canary-"
PROVIDER_KEY: Final = "sk-planted-canary-4b5c6d7e8f"
ADMIN_TOKEN: Final = "admin-planted-canary-9d2e6c71b0"
CLIENT_KEY: Final = "client-planted-canary-3f8a1b22c4"
FINGERPRINT_KEY: Final = "prints-planted-canary-77aa01be5d"
WEBHOOK_SECRET: Final = "hook-planted-canary-8c41d0a7e2"
STORE_PASSWORD: Final = "store-planted-canary-51c0ffee9a"
PLANTED: Final = {
    "PLANTED_PROVIDER_KEY": PROVIDER_KEY,
    "PLANTED_FINGERPRINT_KEY": FINGERPRINT_KEY,
    "PLANTED_WEBHOOK_SECRET": WEBHOOK_SECRET,
    "PLANTED_STORE_PASSWORD": STORE_PASSWORD,
}
"""In the environment of every gateway, whether or not its configuration names them: children may inherit them."""

_CORE = MARK[1:-1]  # its base64 is looked for without the characters that its neighbours decide
_FORMS: Final = (
    MARK,
    *(b64encode(b"\0" * shift + _CORE)[-(-shift * 8 // 6) : (shift + len(_CORE)) * 8 // 6] for shift in range(3)),
)
_LONGEST = max(map(len, _FORMS))
_AROUND = 60  # bytes that a finding shows on each side
_MOST_BYTES = 4 << 20  # of a file; longer ones are uploads and bodies of tests
_RIGHT_PLACES = frozenset({".env"})


@dataclass(slots=True)
class Watch:
    """What was found where it should not be, since the last look."""

    found: list[str] = field(default_factory=list)

    def search(self, where: str, data: bytes) -> None:
        """Note a secret in what left a gateway."""
        for form in _FORMS:
            at = data.find(form)
            if at >= 0:
                self.found.append(f"{where}: {data[max(0, at - _AROUND) : at + len(form) + _AROUND]!r}")

    def search_files(self, folder: Path) -> None:
        """Note the files that hold a secret, but for those that are meant to."""
        for path in _files(folder):
            self.search(f"file {path.name}", path.read_bytes())

    def take(self) -> list[str]:
        """Return what was found, and forget it."""
        found, self.found = self.found, []
        return found

    @contextmanager
    def expecting(self) -> Iterator[list[str]]:
        """Yield a list that has, behind the block, what was found in it: a test of the search itself."""
        found: list[str] = []
        before = self.take()
        try:
            yield found
        finally:
            found += self.take()
            self.found = before


WATCH: Final = Watch()


class SearchedServer(Server):
    """A server whose answers are searched, byte for byte."""

    @property
    def protocol(self) -> type[BoundedProtocol]:
        return _SearchedProtocol


class _SearchedProtocol(BoundedProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_SearchedTransport(transport))  # type: ignore[arg-type]


class _SearchedTransport:
    """A transport that searches what is written, also over the border of two writes."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._tail = b""

    def write(self, data: bytes) -> None:
        self._search(bytes(data))
        self._transport.write(data)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        whole = b"".join(pieces)
        self._search(whole)
        self._transport.write(whole)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _search(self, data: bytes) -> None:
        WATCH.search("answer", self._tail + data)
        self._tail = (self._tail + data)[-_LONGEST + 1 :]


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.name not in _RIGHT_PLACES and path.is_file() and path.stat().st_size <= _MOST_BYTES:
            yield path
