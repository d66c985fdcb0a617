"""A replica's ledger of one limit: the lease that it may spend from, what it gives back, and what it knows of the rest.

Memory and arithmetic; who asks the store is `leasing`. A grant whose reply was lost counts as spent, as does the lease
of a replica that died. What the store has heard of for sure, or has lost again, is known by numbers: `journal`.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Literal, Protocol

from gateway.limits.journal import Journal, Question
from gateway.limits.windows import Window
from gateway.store.limits import Grant

Kind = Literal["requests", "tokens", "usd"]  # `usd` is counted in nano-dollars
Level = Literal["key", "group", "user", "agent", "canary", "conversation"]

_RECENT: Final = 10.0  # seconds of use that a lease goes by
_FLOOR: Final = 100  # a lease is at least this part of the limit, while a twentieth of the rest has it
_KEPT_LEASES: Final = 20  # leases without any use, after which none is had ahead
_KEPT_LEASES_AT_LEAST: Final = 1  # of holders that clients name, and where little is left
_KINDS: Final[tuple[Kind, ...]] = ("requests", "tokens", "usd")
NAMED_BY_CLIENTS: Final[tuple[Level, ...]] = ("user", "conversation")
_LEAST_PAUSE: Final = 0.2  # seconds between two questions that no call waits for
_MOST_WANTS: Final = 100  # calls that one question tells of; the others wait for the next
_LEASES_OF_REST: Final = 20  # what is had ahead is at most this part of what is left, as `limits.lua` says
_SCARCE: Final = 10  # with less left than this part of the limit, an idle lease goes back soon
FULL: Final = "full"  # told to a waiting call in place of a slice: nothing is left for it
UNKNOWN: Final = ""  # likewise: the store did not answer


def amount_index(kind: Kind) -> int:
    """Return where the amounts of a call have that of a limit's kind."""
    return _KINDS.index(kind)


@dataclass(frozen=True)
class Limit:
    """A limit of one holder. `amount` is the most in a window; `soft` the share of it that is told as a warning."""

    level: Level
    name: str
    kind: Kind
    window: Window
    amount: int
    soft: float | None = None

    @property
    def id(self) -> tuple[str, str, str, str]:
        """Return what names the count, which outlives a change of the amount."""
        zone = f"@{self.window.zone}" if self.window.calendar else ""
        return self.level, self.name, self.kind, self.window.text + zone

    def message(self, question: Question, period: tuple[int, int] | None) -> dict[str, object]:
        """Return a question as the store takes it; `period` is the calendar's."""
        window = self.window
        if period is None:
            span: dict[str, object] = {"seconds": window.seconds, "slice": window.slice}
        else:
            span = {"begins": period[0], "ends": period[1]}
        return {"limit": self.amount, "lease": window.lease, **span, **question._asdict()}


class Waiter(Protocol):
    """A call that waits until a lease carries it."""

    amount: int

    @property
    def is_waiting(self) -> bool:
        """Return whether it still waits: it may have been told, or have gone."""

    def tell(self, slice_: str) -> None:
        """Let the call go on: with the slice that it has its amount from, with FULL or with UNKNOWN."""


@dataclass(slots=True)
class LeaseLedger:
    """A ledger; times are monotonic seconds. `total` is what counts over all replicas, as last heard of."""

    limit: Limit
    free: int = 0
    slice: str = ""
    until: float = 0.0
    total: int = 0
    heard_at: float = 0.0
    frees_at: float = 0.0  # when the store will have what it last could not grant; 0 while it could
    is_soft: bool = False
    waiters: deque[Waiter] = field(default_factory=deque)  # first come, first served
    charge: int = 0
    back: dict[str, int] = field(default_factory=dict)
    used_at: float = 0.0
    asked_at: float = 0.0
    is_doubtful: bool = False  # the store was away, and may have come back without what it knew last
    journal: Journal = field(default_factory=Journal)
    store_ahead: float = 0.0  # of the store's clock before ours, by its last reply
    index: int = field(init=False)  # of its kind among the amounts of a call
    _seen: int = 0  # what was free when its use was last looked at, and was granted since
    _recent: deque[tuple[float, int]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.index = amount_index(self.limit.kind)

    def carries(self, amount: int, now: float) -> bool:
        """Return whether the lease holds as much."""
        return amount <= self.free and now < self.until

    def reserve(self, amount: int, now: float) -> bool:
        """Take an amount from the lease; False where it does not hold as much."""
        if amount > self.free or now >= self.until:
            return False
        self.free -= amount
        return True

    def settle(self, held: int, slice_: str, spent: int, now: float) -> None:
        """Turn a reservation into what was spent."""
        if spent > held:
            self.take_beyond(spent - held, now)
        else:
            self.give_back(held - spent, slice_)

    def give_back(self, amount: int, slice_: str) -> None:
        """Return what was reserved and not spent."""
        if not amount or not slice_:
            return
        if slice_ == self.slice:
            self.free += amount
        else:
            self.back[slice_] = self.back.get(slice_, 0) + amount

    def take_beyond(self, amount: int, now: float) -> None:
        """Count what was spent without a reservation: from the lease as far as it goes, and the rest as a charge."""
        covered = min(amount, self.free) if now < self.until else 0
        self.free -= covered
        self.charge += amount - covered

    def is_asleep(self, now: float) -> bool:
        """Return whether the store need not be asked until the next call."""
        return self._is_idle(now) and not (
            self.free or self.back or self.charge or self.waiters or self.journal.is_open
        )

    def is_due(self, now: float) -> bool:
        """Return whether the store should be asked."""
        if self.waiters or self.is_doubtful or self.journal.again:
            return True
        self._note_use(now)
        if now < self.asked_at + _LEAST_PAUSE:
            return False
        lease = self.limit.window.lease
        if self._is_idle(now):
            return bool(self.free or self.charge or self.back or self.journal.is_open)
        is_short = self.free < min(self._wanted() // 2, (self.limit.amount - self.total) // _LEASES_OF_REST)
        return bool(self.charge) or self.journal.is_open or is_short or now >= self.until - lease / 2

    def question(self, now: float) -> Question:
        """Return what to send. The lease goes on meanwhile, so that no call waits for the next one.

        What an earlier question told stays untold until it is known whether the store has heard of it.
        """
        self.asked_at = now
        self._note_use(now)
        wanted = 0 if self._is_idle(now) else self._wanted()
        kept = 2 * wanted if now < self.until else 0  # nobody can spend from a lease that is over
        if self.free > kept:
            kept = min(wanted, kept)
            self.back[self.slice] = self.back.get(self.slice, 0) + self.free - kept
            self.free = self._seen = kept
        back, charge, again = dict[str, int](), 0, dict[str, int]()
        if self.journal.unsure is None:
            back, self.back = self.back, back
            charge, self.charge = self.charge, charge
            again, self.journal.again = self.journal.again, again
        free, wants = self.free, list[int]()
        self.waiters = deque(each for each in self.waiters if each.is_waiting)
        for waiter in islice(self.waiters, _MOST_WANTS):
            own = min(free, waiter.amount)
            free -= own
            wants.append(waiter.amount - own)
        if self.is_doubtful:  # first it must be known what the store knows
            self.is_doubtful = False
            return Question(0, [], back, charge, self.journal.next_number(), again)
        ask = wanted if self._has_turned(now) else max(0, wanted - free)
        return Question(ask, wants, back, charge, self.journal.next_number(), again)

    def take(self, reply: Grant, sent_at: float, asked: Question | None = None) -> None:
        """Take the store's reply to a question that was sent then."""
        if asked is not None:
            self._restore(self.journal.close(asked, reply, sent_at))
        if reply.slice != self.slice and self.free:
            self.back[self.slice] = self.back.get(self.slice, 0) + self.free
            self.free = 0
        self.free += reply.granted
        self._seen = self.free
        self.slice, self.until = reply.slice, sent_at + self.limit.window.lease
        self.total, self.heard_at, self.store_ahead = reply.total, sent_at, reply.now - sent_at
        self.frees_at = sent_at + reply.frees_in if reply.frees_in > 0 else 0.0

    def serve(self, now: float) -> None:
        """Give waiting calls what a reply has brought, and refuse those for whom the store has nothing left."""
        for _ in range(len(self.waiters)):
            waiter = self.waiters.popleft()
            if not waiter.is_waiting:
                continue
            if self.reserve(waiter.amount, now):
                waiter.tell(self.slice)
            elif self.is_full(waiter.amount):
                waiter.tell(FULL)
            else:  # it came after the question, or another call was faster: it is asked for again
                self.waiters.append(waiter)

    def dismiss(self) -> None:
        """Let waiting calls go on without a lease: the store does not answer."""
        while self.waiters:
            if (waiter := self.waiters.popleft()).is_waiting:
                waiter.tell(UNKNOWN)

    def is_full(self, amount: int) -> bool:
        """Return whether the store could not grant all that was asked, and has less left than that amount."""
        return bool(self.frees_at) and self.left() < amount

    def lose(self, asked: Question) -> None:
        """Note that a question has no reply: by the next one it is known whether the store has heard of it."""
        self.journal.lose(asked, self.asked_at)

    def _restore(self, unheard: Question | None) -> None:
        """Tell again what the store has not heard of."""
        if unheard is not None:
            self.charge += unheard.charge
            for slice_, amount in unheard.back.items():
                self.back[slice_] = self.back.get(slice_, 0) + amount

    def passes_soft(self) -> bool:
        """Return whether the soft share is reached now and was not before; a window that empties begins anew."""
        soft, was = self.limit.soft, self.is_soft
        self.is_soft = soft is not None and self.used() >= soft * self.limit.amount
        return self.is_soft and not was

    def left(self) -> int:
        """Return what nobody has been granted, as last heard of, and what this replica has left or gives back."""
        return max(0, self.limit.amount - self.total + self.free + sum(self.back.values()))

    def used(self) -> int:
        """Return what counts now, without what is left of this replica's lease."""
        return max(0, self.total - self.free)

    def _has_turned(self, now: float) -> bool:
        """Return whether the store's clock has left the slice of the lease, whose rest cannot go on then."""
        width = self.limit.window.slice
        return bool(width and self.slice) and self.slice != str(math.floor((now + self.store_ahead) / width))

    def _is_idle(self, now: float) -> bool:
        is_scarce = self.limit.amount - self.total < self.limit.amount // _SCARCE
        is_brief = is_scarce or self.limit.level in NAMED_BY_CLIENTS
        kept = _KEPT_LEASES_AT_LEAST if is_brief else _KEPT_LEASES
        return now - self.used_at > kept * self.limit.window.lease

    def _wanted(self) -> int:
        recent = sum(amount for _, amount in self._recent)
        return max(2 * recent, self.limit.amount // _FLOOR, 1)

    def _note_use(self, now: float) -> None:
        """Note what has gone out of the lease since the last look."""
        if self.waiters:
            self.used_at = now
        if used := self._seen - self.free:
            self.used_at, self._seen = now, self.free
            if used > 0:
                self._recent.append((now, used))
        while self._recent and self._recent[0][0] < now - _RECENT:
            self._recent.popleft()
