"""Reservations of calls: what each holds of every ledger it falls under, until it is known what it took."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.calls import Attempt, Usage
from gateway.errors import NOT_SENT, CallerError
from gateway.limits.estimates import CallEstimate
from gateway.limits.ledger import Kind, LeaseLedger
from gateway.limits.refusals import limit_refusal, unpriced_refusal
from gateway.limits.rules import Rules
from gateway.pricing import PriceBook
from routing.chain import Target


@dataclass(slots=True)
class Holder:
    """A holder of limits, as one replica sees it: its ledgers, and its calls that run here."""

    name: str
    rules: Rules
    ledgers: tuple[LeaseLedger, ...]
    running: int = 0


@dataclass(slots=True)
class Hold:
    """An amount of one ledger, reserved in a slice; without a slice nothing is reserved, and all is charged later."""

    ledger: LeaseLedger
    amount: int
    slice: str


@dataclass(slots=True)
class Reservation:
    """A call's holds of every ledger that it falls under. `now` is monotonic, `unix` the time of prices."""

    holders: tuple[Holder, ...]
    estimate: CallEstimate
    prices: PriceBook
    now: Callable[[], float]
    unix: float
    refuses_unpriced: bool = False
    holds: list[Hold] = field(default_factory=list)
    is_settled: bool = False

    def usd(self, target: str) -> int | None:
        """Return the estimate in nano-USD at that target; None without a known price."""
        return self.prices.cost(target, Usage(self.estimate.input, 0, self.estimate.output), self.unix)

    def amount(self, kind: Kind, target: str) -> int:
        """Return what an attempt there may take of a limit of that kind."""
        if kind == "requests":
            return 1
        return self.estimate.input + self.estimate.output if kind == "tokens" else self.usd(target) or 0

    def cover(self, attempts: Sequence[Attempt], target: Target) -> None:
        """Reserve what one attempt more may take, beside those before it. Raises OverLimit, Forbidden.

        A failed attempt has given back its part, so a retry needs no more than the first one did.
        """
        now = self.now()
        for hold in self.holds:
            kind = hold.ledger.limit.kind
            if kind == "requests" or not hold.slice:
                continue
            if kind == "usd" and self.refuses_unpriced and self.usd(target.name) is None:
                raise unpriced_refusal(target.name, hold.ledger.limit)
            more = sum(self._taken(kind, each) for each in attempts) + self.amount(kind, target.name) - hold.amount
            if more <= 0:
                continue
            if hold.slice != hold.ledger.slice or not hold.ledger.reserve(more, now):
                raise limit_refusal(hold.ledger, more, now, self.unix)
            hold.amount += more

    def covers(self, attempts: Sequence[Attempt], target: Target) -> bool:
        """Reserve the same for a hedge, which is not made where there is no room for it."""
        try:
            self.cover(attempts, target)
        except CallerError:
            return False
        return True

    def settle(self, attempts: Sequence[Attempt]) -> None:
        """Turn what is held into what the attempts took, and end. Once; later calls change nothing."""
        if self.is_settled:
            return
        self.is_settled, now = True, self.now()
        for hold in self.holds:
            kind = hold.ledger.limit.kind
            if kind == "requests":
                spent = int(any(each.failure not in NOT_SENT for each in attempts))
            else:
                spent = sum(self._taken(kind, each) for each in attempts)
            if hold.slice:
                hold.ledger.settle(hold.amount, hold.slice, spent, now)
            else:
                hold.ledger.take_beyond(spent, now)
        self._leave()

    def release(self) -> None:
        """Give everything back: no provider was asked."""
        self.settle(())

    def keep(self) -> None:
        """Count the estimate as it is: nobody says what the call took."""
        if not self.is_settled:
            self.is_settled = True
            self._leave()

    def _leave(self) -> None:
        for holder in self.holders:
            holder.running -= 1

    def _taken(self, kind: Kind, attempt: Attempt) -> int:
        """Return what an attempt took, as far as it is known; its estimate while it runs, or where nobody says."""
        usage = attempt.usage
        if usage is None:
            return self.amount(kind, attempt.target) if attempt.failure is None else 0
        if kind == "tokens":
            return usage.input + usage.output
        nano = attempt.cost_nano_usd
        if nano is None:
            nano = self.prices.cost(attempt.target, usage, self.unix)
        return nano or 0
