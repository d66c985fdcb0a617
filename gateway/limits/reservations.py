"""Reservations of calls: what each holds of every ledger it falls under, until it is known what it took.

Every call passes here: the usual one, which its leases carry, takes a few steps for each ledger.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.calls import Attempt
from gateway.errors import NOT_SENT, CallerError
from gateway.limits.estimates import CallEstimate, usd_estimate
from gateway.limits.ledger import LeaseLedger, amount_index
from gateway.limits.refusals import limit_refusal, unpriced_refusal
from gateway.limits.rules import Rules
from gateway.pricing import PriceBook
from routing.chain import Target

TOKENS, USD = amount_index("tokens"), amount_index("usd")
Amounts = tuple[int, int, int]  # of each kind of limit
CHARGED = "charged"  # stands for the slice of a ledger of which nothing is held: what the call takes is charged later


@dataclass(slots=True)
class Holder:
    """A holder of limits, as one replica sees it: its ledgers, and its calls that run here, where these are bounded."""

    name: str
    rules: Rules
    ledgers: tuple[LeaseLedger, ...]
    running: int = 0


@dataclass(frozen=True, slots=True)
class HolderGroup:
    """The holders that a call falls under, and what its reservation needs of them at once."""

    holders: tuple[Holder, ...]
    ledgers: tuple[LeaseLedger, ...] = field(init=False)
    rules: tuple[Rules, ...] = field(init=False)  # of each ledger
    bounded: tuple[Holder, ...] = field(init=False)
    assume_output: int = field(init=False)
    is_spending: bool = field(init=False)
    has_budget: bool = field(init=False)

    def __post_init__(self) -> None:
        pairs = [(ledger, holder.rules) for holder in self.holders for ledger in holder.ledgers]
        kinds = {ledger.limit.kind for ledger, _ in pairs}
        found = {
            "ledgers": tuple(ledger for ledger, _ in pairs), "rules": tuple(rules for _, rules in pairs),
            "bounded": tuple(each for each in self.holders if each.rules.in_flight is not None),
            "assume_output": min((each.rules.assume_output for each in self.holders), default=0),
            "is_spending": not kinds <= {"requests"}, "has_budget": "usd" in kinds,
        }  # fmt: skip
        for name, value in found.items():
            object.__setattr__(self, name, value)

    def refusing_unpriced(self) -> LeaseLedger | None:
        """Return the budget that lets no model without a price through; None where none minds."""
        pairs = zip(self.ledgers, self.rules, strict=True)
        return next((each for each, rules in pairs if each.index == USD and rules.refuses_unpriced), None)


@dataclass(slots=True)
class Reservation:
    """A call's hold of each ledger of its group. `slices` are those that it was taken from; there are fewer while some
    have no lease that carries it. `unix` is the time of prices."""

    group: HolderGroup
    estimate: CallEstimate
    amounts: Amounts
    prices: PriceBook
    now: Callable[[], float]
    unix: float
    slices: list[str]
    is_whole: bool = False
    is_settled: bool = False

    def take(self, now: float) -> bool:
        """Reserve of one ledger after the other; False at the first whose lease does not carry the call."""
        amounts, slices, ledgers = self.amounts, self.slices, self.group.ledgers
        for ledger in ledgers[len(slices) :] if slices else ledgers:
            amount = amounts[ledger.index]
            left = ledger.free - amount
            if left >= 0 and now < ledger.until:
                ledger.free = left
            elif amount:
                return False
            slices.append(ledger.slice)
        self.is_whole = True
        return True

    def cover(self, attempts: Sequence[Attempt], target: Target) -> None:
        """Reserve what one attempt more may take, beside those before it. Raises OverLimit, Forbidden.

        A failed attempt has given back its part, so a retry needs no more than the first one did.
        """
        usd = usd_estimate(self.estimate, self.prices, target.name, self.unix) if self.group.has_budget else 0
        if usd is None and (budget := self.group.refusing_unpriced()) is not None:
            raise unpriced_refusal(target.name, budget.limit)
        _, tokens, nano = self._taken(attempts)
        most = (1, tokens + self.estimate.input + self.estimate.output, nano + (usd or 0))
        more: Amounts = (0, max(0, most[TOKENS] - self.amounts[TOKENS]), max(0, most[USD] - self.amounts[USD]))
        now, taken = self.now(), list[LeaseLedger]()
        for ledger, slice_ in zip(self.group.ledgers, self.slices, strict=True):
            amount = more[ledger.index]
            if not amount or slice_ == CHARGED:
                continue
            if slice_ != ledger.slice or not ledger.reserve(amount, now):
                for each in taken:
                    each.give_back(more[each.index], each.slice)
                raise limit_refusal(ledger, amount, now, self.unix)
            taken.append(ledger)
        self.amounts = (1, self.amounts[TOKENS] + more[TOKENS], self.amounts[USD] + more[USD])

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
        if len(attempts) == 1:  # as a rule, with its usage and its price
            attempt = attempts[0]
            if (usage := attempt.usage) is not None and (nano := attempt.cost_nano_usd) is not None:
                self._end((1, usage.input + usage.output, nano))
                return
        self._end(self._taken(attempts))

    def release(self) -> None:
        """Give everything back: no provider was asked."""
        if not self.is_settled:
            self._end((0, 0, 0))

    def keep(self) -> None:
        """Count all that is held: nobody says what the call took."""
        if not self.is_settled:
            self._end(self.amounts)

    def _end(self, spent: Amounts) -> None:
        self.is_settled, amounts = True, self.amounts
        left = (amounts[0] - spent[0], amounts[1] - spent[1], amounts[2] - spent[2])
        for ledger, slice_ in zip(self.group.ledgers, self.slices, strict=False):
            rest = left[ledger.index]
            if rest >= 0 and slice_ is ledger.slice:  # as a rule: it is the lease that it was taken from
                ledger.free += rest
            elif slice_ is CHARGED:
                ledger.take_beyond(spent[ledger.index], self.now())
            else:
                ledger.settle(amounts[ledger.index], slice_, spent[ledger.index], self.now())
        for holder in self.group.bounded:
            holder.running -= 1

    def _taken(self, attempts: Sequence[Attempt]) -> Amounts:
        """Return what attempts took, as far as it is known; its estimate of one that runs, or of which nobody says."""
        requests = tokens = nano = 0
        for attempt in attempts:
            requests |= attempt.failure not in NOT_SENT
            if (usage := attempt.usage) is not None:
                tokens += usage.input + usage.output
                nano += self._cost(attempt)
            elif attempt.failure is None:
                tokens += self.estimate.input + self.estimate.output
                nano += usd_estimate(self.estimate, self.prices, attempt.target, self.unix) or 0
        return requests, tokens, nano

    def _cost(self, attempt: Attempt) -> int:
        nano = attempt.cost_nano_usd
        if nano is None and self.group.has_budget:
            nano = self.prices.cost(attempt.target, attempt.usage, self.unix)
        return nano or 0
