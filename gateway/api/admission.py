"""Admission of requests: how many are answered at once, counted only after the head of a request was authenticated."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from gateway.errors import Overloaded, RequestTimeout

BUSY = "The gateway is busy; try again in a second."


class Places:
    """A number of requests that may be answered at the same time; each is answered `with` them."""

    __slots__ = ("most", "taken")

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0

    def __enter__(self) -> None:
        """Count one more request. Raises Overloaded when all places are taken."""
        if self.taken >= self.most:
            raise Overloaded(BUSY)
        self.taken += 1

    def __exit__(self, *_: object) -> None:
        """Give the place back."""
        self.taken -= 1


class SharedPlaces:
    """Places of which each key, by its name, may take a share at most, so that one does not keep the others out.

    `what` says in the plural what takes a place. `all` are the places without shares.
    """

    def __init__(self, most: int, share: int, what: str) -> None:
        self.all = Places(most)
        self._share = share
        self._what = what
        self._taken: dict[str, int] = {}  # by name, without zeros

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Take one place for that key. Raises Overloaded when its share, or all places, are taken."""
        taken = self._taken.get(name, 0)
        if taken >= self._share:
            raise Overloaded(f"This key has {taken} {self._what}, as many as one key may have.")
        with self.all:
            self._taken[name] = taken + 1
            try:
                yield
            finally:
                self._taken[name] -= 1
                if not self._taken[name]:
                    del self._taken[name]


class UnprovenReaders:
    """Body readers for clients that prove who they are only by a signature over the body.

    At most `most` bodies are read at once, each for `seconds`. One more takes the place of the one that has been read
    for the longest time: a client that sends its body at once is served while others hold theirs back.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._open: dict[asyncio.Timeout, None] = {}  # in the order of their arrival

    @property
    def reading(self) -> int:
        """The number of bodies that are being read."""
        return len(self._open)

    async def read(self, body: Callable[[], Awaitable[bytes]]) -> bytes:
        """Return the body that `body()` reads. Raises RequestTimeout."""
        while len(self._open) >= self._most:
            self._end(next(iter(self._open)))
        try:
            async with asyncio.timeout(self._seconds) as limit:
                self._open[limit] = None
                try:
                    return await body()
                finally:
                    self._open.pop(limit, None)
        except TimeoutError:
            raise RequestTimeout(f"The signed body took longer than {self._seconds:g} seconds.") from None

    def _end(self, oldest: asyncio.Timeout) -> None:
        del self._open[oldest]
        oldest.reschedule(asyncio.get_running_loop().time())
