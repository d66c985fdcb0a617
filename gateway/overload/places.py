"""Places for calls: bounded, shared among callers so that none keeps the others out, and shut while there is too much.

A caller may hold `_SHARE` times as many places as are free (the dynamic thresholds of shared switch buffers; Choudhury
and Hahne, 1998). One alone gets three of four, and whoever comes later finds room without a fixed quota for each.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Literal, get_args

from gateway.errors import Overloaded

ShedReason = Literal["in_flight", "share", "provider", "sockets", "delay", "memory", "files", "connections"]

BUSY: Final = "The gateway is busy; try again in a second."
_SHARE: Final = 3
HOLD_SECONDS: Final = 0.06  # a shed answer of a caller that floods: it cannot ask again before it has it
_MOST_NAMES: Final = 10_000  # of callers and providers, which are configured: a bound against a mistake
_MESSAGES: Final[dict[ShedReason, str]] = {
    "memory": "The gateway is short of memory; try again in a second.",
    "files": "The gateway is short of file descriptors; try again in a second.",
}


class Share:
    """The places of one name. A call is answered `with` it. `asked` and `shed` count calls since the start, and
    `is_flooding` says that so many of late were shed that nobody can have waited before asking again."""

    __slots__ = ("_all", "asked", "is_flooding", "name", "shed", "taken", "used")

    def __init__(self, places: "FairPlaces", name: str) -> None:
        self._all = places
        self.name = name
        self.taken = self.asked = self.shed = 0
        self.is_flooding = False
        self.used = 0  # of what it is sure of while the gateway is behind, in this window

    def __enter__(self) -> None:
        """Take one place. Raises Overloaded when there is none for this name."""
        places = self._all
        self.asked += 1
        if places.is_guarded or self.taken >= places.factor * (places.most - places.taken):
            places.check(self)
        places.taken += 1
        self.taken += 1

    def __exit__(self, *_: object) -> None:
        """Give the place back."""
        self._all.taken -= 1
        self.taken -= 1


class FairPlaces:
    """Bounded number of places. `words` say whose share there is, and in the plural what takes a place; `reasons` are
    those of a refusal where all places are taken, and where a share is.

    `shed` counts by reason what was refused. `guard` decides on each call while the places are guarded: it returns why
    the call is shed, or None.
    """

    def __init__(
        self,
        most: int,
        words: tuple[str, str] = ("key", "calls in flight"),
        reasons: tuple[ShedReason, ShedReason] = ("in_flight", "share"),
        shed: dict[ShedReason, int] | None = None,
    ) -> None:
        self.most = most
        self.taken = 0
        self.factor = most  # without others there is nobody to keep room for
        self.is_guarded = False
        self.guard: Callable[[Share], ShedReason | None] = _let_in
        self.shed: dict[ShedReason, int] = dict.fromkeys(get_args(ShedReason), 0) if shed is None else shed
        self.shares: dict[str, Share] = {}
        self._words = words
        self._full, self._shared = reasons

    def follow(self, names: int) -> None:
        """Take the number of names there are by the configuration: one alone may have all places."""
        self.factor = _SHARE if names > 1 else self.most

    def of(self, name: str) -> Share:
        """Return the share of that name."""
        share = self.shares.get(name)
        if share is None:
            if len(self.shares) >= _MOST_NAMES:
                self.shares = {known: each for known, each in self.shares.items() if each.taken}
            share = self.shares[name] = Share(self, name)
        return share

    async def hold(self, name: str) -> None:
        """Let whoever floods wait a moment for the answer to a shed call."""
        share = self.shares.get(name)
        if share is not None and share.is_flooding:
            await asyncio.sleep(HOLD_SECONDS)

    def check(self, share: Share) -> None:
        """Raise Overloaded where a call is to be shed."""
        if self.taken >= self.most:
            raise self._shed(share, self._full)
        if share.taken >= self.factor * (self.most - self.taken):
            raise self._shed(share, self._shared)
        if self.is_guarded and (reason := self.guard(share)) is not None:
            raise self._shed(share, reason)

    def _shed(self, share: Share, reason: ShedReason) -> Overloaded:
        share.shed += 1
        self.shed[reason] += 1
        if reason == self._shared:
            whose, what = self._words
            return Overloaded(f"This {whose} has {share.taken} {what}, all that the others leave it; try again later.")
        return Overloaded(_MESSAGES.get(reason, BUSY))


def _let_in(_share: Share) -> None:
    """Shed nothing."""
