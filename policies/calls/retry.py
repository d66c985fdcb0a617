"""Next step after a failed attempt: the same target again, the next target, or none.

Also the two things that keep retries from making an outage worse: the budget that ties retries to calls, and the
circuit that stops calling a target which answers nothing. All pure: `now` is a monotonic time in seconds.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

Move = Literal["retry", "next", "give_up"]

# Nothing of the request reached the provider, or it said that it did not serve it: another try cannot bill twice.
_RETRYABLE_KINDS = frozenset({"connect"})
_RETRYABLE_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504, 529})

_BUSY_STATUSES = frozenset({408, 425, 429})

# Answers that another provider may well serve. A plain 4xx is the client's and ends the call.
_NEXT_STATUSES = frozenset({401, 402, 403, 404, 405, 408, 409, 425, 429})


def next_move(kind: str, status: int | None, should_retry: bool | None, blames_version: bool = False) -> Move:
    """Return what follows a failure of that kind, when there is time, budget and a next target.

    `should_retry` is what upstream's `x-should-retry` said, None where it said nothing. A timeout is not retried at
    the same target: the provider has the request and may be working on it.
    """
    if kind in _RETRYABLE_KINDS:
        return "retry"
    if kind != "status" or status is None:
        return "next"
    if should_retry or (should_retry is None and status in _RETRYABLE_STATUSES):
        return "retry"
    return "next" if status >= 500 or status in _NEXT_STATUSES or blames_version else "give_up"


def is_outage(status: int) -> bool:
    """Return whether an HTTP status says that the provider fails or is busy, and not what is wrong with the request."""
    return (status >= 500 and status != 501) or status in _BUSY_STATUSES


def tells_ill_health(kind: str, status: int | None) -> bool:
    """Return whether a failure says that the target itself is unwell, so that its circuit should hear of it."""
    if kind != "status" or status is None:
        return kind in ("connect", "lost", "timeout")
    return status >= 500 and status != 501  # a server that does not do what a request asks for is well


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter (Amazon, "Exponential backoff and jitter"): uniform in 0…min(cap, base·2^n). Seconds."""

    base: float = 0.25
    cap: float = 5.0

    def delay(self, failures: int, draw: float, retry_after: float | None) -> float:
        """Seconds to wait after that many failures; `draw` is uniform in 0…1. Retry-After is a lower bound."""
        jitter = draw * min(self.cap, self.base * 2.0 ** (failures - 1))
        return max(jitter, retry_after or 0.0)


@dataclass(slots=True)
class RetryBudget:
    """Retries may be at most `ratio` of the calls, plus a `reserve` for quiet hours, so that they never storm."""

    ratio: float = 0.2
    reserve: float = 10.0
    _tokens: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._tokens = self.reserve

    def deposit(self) -> None:
        """A call came in."""
        self._tokens = min(self._tokens + self.ratio, self.reserve)

    def withdraw(self) -> bool:
        """Take one retry from the budget; False when it is spent."""
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


IDLE = 6  # times `open_for` without an attempt: nobody uses the target

CircuitState = Literal["closed", "open", "half_open"]


@dataclass(slots=True)
class Circuit:
    """Circuit of one target: `failures` in a row open it for `open_for` seconds; then one probe at a time decides.

    Only failures that say something of the target's health belong in here; an answered 4xx is a success. One party
    alone opens no circuit while another is served well: its own requests may be what makes the target fail.
    """

    failures: int = 5
    open_for: float = 10.0
    _in_a_row: int = field(default=0, init=False)
    _opened_at: float | None = field(default=None, init=False)
    _probe_at: float | None = field(default=None, init=False)
    _failing: str = field(default="", init=False)  # the party of all failures in the row; '' for several, or nobody
    _served: str = field(default="", init=False)  # the party of the latest success
    _served_at: float = field(default=-math.inf, init=False)

    def state(self, now: float) -> CircuitState:
        if self._opened_at is None:
            return "closed"
        return "half_open" if now - self._opened_at >= self.open_for else "open"

    def is_idle(self, now: float) -> bool:
        """Return whether nothing is lost with the circuit: it is closed, or nobody has asked for the target since."""
        return self._opened_at is None or now - max(self._opened_at, self._probe_at or 0.0) >= IDLE * self.open_for

    def allows(self, now: float) -> bool:
        """Return whether an attempt may go out. When half open this grants the one probe; a probe that never reports
        back stops blocking after another `open_for` seconds."""
        if self._opened_at is None:
            return True
        if self.state(now) == "open":
            return False
        if self._probe_at is not None and now - self._probe_at < self.open_for:
            return False
        self._probe_at = now
        return True

    def succeeded(self, party: str = "", now: float = -math.inf) -> None:
        self._in_a_row, self._opened_at, self._probe_at = 0, None, None
        self._served, self._served_at = party, now

    def failed(self, now: float, party: str = "") -> None:
        self._failing = party if self._in_a_row == 0 or party == self._failing else ""
        self._in_a_row += 1
        if self._opened_at is not None or (self._in_a_row >= self.failures and not self._is_one_partys(now)):
            self._opened_at, self._probe_at = now, None

    def abandoned(self) -> None:
        """The attempt ended without a word on the target's health (the client left): the probe is free again."""
        self._probe_at = None

    def _is_one_partys(self, now: float) -> bool:
        """Return whether one party alone fails, and another was served a short while ago."""
        is_another = bool(self._failing and self._served) and self._failing != self._served
        return is_another and now - self._served_at < IDLE * self.open_for
