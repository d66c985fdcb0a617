"""A replica's ledger of one limit: the lease that it may spend from, what it gives back, and what it knows of the rest.

Memory and arithmetic; who asks the store is `leasing`. Whatever is not known for sure counts as spent: a grant whose
reply was lost, and the lease of a replica that died.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from gateway.limits.windows import Window
from gateway.store.limits import Grant

Kind = Literal["requests", "tokens", "usd"]  # `usd` is counted in nano-dollars
Level = Literal["key", "group", "user", "agent", "canary", "conversation"]

_RECENT: Final = 10.0  # seconds of use that a lease goes by
_FLOOR: Final = 100  # a lease is at least this part of the limit, while a twentieth of the rest has it
_KEPT_LEASES: Final = 20  # leases without any use, after which none is had ahead
_KEPT_LEASES_OF_MANY: Final = 1  # of holders that clients name
_KINDS: Final[tuple[Kind, ...]] = ("requests", "tokens", "usd")
NAMED_BY_CLIENTS: Final[tuple[Level, ...]] = ("user", "conversation")
_LEAST_PAUSE: Final = 0.2  # seconds between two questions that no call waits for


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

    def message(self, question: "Question", period: tuple[int, int] | None) -> dict[str, object]:
        """Return a question as the store takes it; `period` is the calendar's."""
        window = self.window
        if period is None:
            span: dict[str, object] = {"seconds": window.seconds, "slice": window.slice}
        else:
            span = {"begins": period[0], "ends": period[1]}
        return {"limit": self.amount, "lease": window.lease, **span, **question._asdict()}


class Question(NamedTuple):
    """A ledger's message to the store."""

    ask: int
    least: int
    back: dict[str, int]
    charge: int


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
    is_never: bool = False  # the last call wanted more than the limit
    waiting: int = 0  # what calls wait for
    charge: int = 0
    back: dict[str, int] = field(default_factory=dict)
    used_at: float = 0.0
    asked_at: float = 0.0
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
        return self._is_idle(now) and not (self.free or self.back or self.charge or self.waiting)

    def is_due(self, now: float) -> bool:
        """Return whether the store should be asked."""
        if self.waiting:
            return True
        self._note_use(now)
        if now < self.asked_at + _LEAST_PAUSE:
            return False
        lease = self.limit.window.lease
        if self._is_idle(now):
            return bool(self.free or self.charge or self.back)
        is_short = not self.frees_at and self.free < self._wanted() // 2
        return bool(self.charge) or is_short or now >= self.until - lease / 2

    def question(self, now: float) -> Question:
        """Return what to send, and forget it: what may have been given back is never given back again.

        The lease goes on meanwhile, so that no call waits for the next one.
        """
        self.asked_at = now
        self._note_use(now)
        wanted = 0 if self._is_idle(now) else self._wanted()
        if self.free > 2 * wanted:
            self.back[self.slice] = self.back.get(self.slice, 0) + self.free - wanted
            self.free = self._seen = wanted
        back, self.back = self.back, {}
        charge, self.charge = self.charge, 0
        return Question(max(0, wanted - self.free), self.waiting, back, charge)

    def take(self, reply: Grant, sent_at: float) -> None:
        """Take the store's reply to a question that was sent then."""
        if reply.slice != self.slice and self.free:
            self.back[self.slice] = self.back.get(self.slice, 0) + self.free
            self.free = 0
        self.free += reply.granted
        self._seen = self.free
        self.slice, self.until = reply.slice, sent_at + self.limit.window.lease
        self.total, self.heard_at = reply.total, sent_at
        self.is_never = reply.frees_in < 0
        self.frees_at = sent_at + reply.frees_in if reply.frees_in > 0 else 0.0

    def lose(self, asked: Question) -> None:
        """The question has no reply: what it gave back counts as spent, what it charged is charged again."""
        self.charge += asked.charge

    def passes_soft(self) -> bool:
        """Return whether the soft share is reached now and was not before; a window that empties begins anew."""
        soft, was = self.limit.soft, self.is_soft
        self.is_soft = soft is not None and self.used() >= soft * self.limit.amount
        return self.is_soft and not was

    def left(self) -> int:
        """Return what nobody has been granted, as last heard of, and what is left of this replica's lease."""
        return max(0, self.limit.amount - self.total + self.free)

    def used(self) -> int:
        """Return what counts now, without what is left of this replica's lease."""
        return max(0, self.total - self.free)

    def _is_idle(self, now: float) -> bool:
        kept = _KEPT_LEASES_OF_MANY if self.limit.level in NAMED_BY_CLIENTS else _KEPT_LEASES
        return now - self.used_at > kept * self.limit.window.lease

    def _wanted(self) -> int:
        recent = sum(amount for _, amount in self._recent)
        return max(2 * recent, self.limit.amount // _FLOOR, 1)

    def _note_use(self, now: float) -> None:
        """Note what has gone out of the lease since the last look."""
        if self.waiting:
            self.used_at = now
        if used := self._seen - self.free:
            self.used_at, self._seen = now, self.free
            if used > 0:
                self._recent.append((now, used))
        while self._recent and self._recent[0][0] < now - _RECENT:
            self._recent.popleft()
