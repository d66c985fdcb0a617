"""Reservations of calls: what each holds of every ledger it falls under, until it is known what it took.

Every call passes here: the usual one, which its leases carry, takes a few steps for each ledger.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from gateway.calls import Attempt, Usage
from gateway.errors import NOT_SENT, FailureKind, Forbidden
from gateway.limits.estimates import CallEstimate, usd_estimate
from gateway.limits.ledger import LeaseLedger, amount_index
from gateway.limits.refusals import unpriced_refusal
from gateway.limits.rules import Rules
from gateway.limits.speeds import Speeds
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


# Kinds of failures after which no provider sends a bill.
_UNBILLED: frozenset[FailureKind | None] = NOT_SENT | {"connect", "status"}


class Desk(Protocol):
    """The limits of a replica, as its reservations need them."""

    speeds: Speeds

    def now(self) -> float:
        """Return monotonic seconds."""

    def unix(self) -> float:
        """Return Unix seconds, the time of prices."""

    def lease(self, ledger: LeaseLedger, amount: int, rules: Rules) -> Awaitable[str]:
        """Reserve what the lease does not hold, where the limit has room. Raises OverLimit, StoreAway."""


class Hold(NamedTuple):
    """An amount of one ledger that is held for a further attempt."""

    ledger: LeaseLedger
    slice: str
    amount: int


@dataclass(slots=True)
class Reservation:
    """A call's hold of each ledger of its group. `slices` are those that it was taken from; there are fewer while some
    have no lease that carries it. `is_timed` says that the output grows with time: one stream. `further` is held for
    attempts after the first."""

    group: HolderGroup
    estimate: CallEstimate
    amounts: Amounts
    prices: PriceBook
    desk: Desk
    slices: list[str]
    is_timed: bool = False
    is_whole: bool = False
    is_settled: bool = False
    further: tuple[Hold, ...] = ()

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

    async def cover(self, attempts: Sequence[Attempt], target: Target) -> None:
        """Reserve what one attempt more may take, beside those before it. Raises OverLimit, Forbidden, StoreAway.

        An attempt that was not billed has given back its part, so what follows it needs no more than it did.
        """
        now, held = self.desk.now(), list[Hold]()
        try:
            for ledger, rules, amount in self._lacking(attempts, target):
                slice_ = ledger.slice if ledger.reserve(amount, now) else await self.desk.lease(ledger, amount, rules)
                if slice_ != CHARGED:
                    held.append(Hold(ledger, slice_, amount))
        except BaseException:
            for each in held:
                each.ledger.give_back(each.amount, each.slice)
            raise
        self.further = (*self.further, *held)

    def covers(self, attempts: Sequence[Attempt], target: Target) -> bool:
        """Reserve the same for a hedge, which is not made where the leases do not carry it."""
        try:
            lacking = self._lacking(attempts, target)
        except Forbidden:
            return False
        now = self.desk.now()
        if not all(ledger.carries(amount, now) for ledger, _, amount in lacking):
            return False
        for ledger, _, amount in lacking:
            ledger.reserve(amount, now)
            self.further = (*self.further, Hold(ledger, ledger.slice, amount))
        return True

    def settle(self, attempts: Sequence[Attempt]) -> None:
        """Turn what is held into what the attempts took, and end. Once; later calls change nothing."""
        if self.is_settled:
            return
        if len(attempts) == 1 and not self.further:  # as a rule, with its usage and its price
            attempt = attempts[0]
            usage, nano = attempt.usage, attempt.cost_nano_usd
            if usage is not None and nano is not None and not usage.estimated:
                if self.is_timed:
                    self.desk.speeds.note(attempt)
                self._end((1, usage.input + usage.output, nano))
                return
        self._end(self._taken(attempts))

    def settle_usage(self, usage: Usage, nano: int) -> None:
        """Turn what is held into what one question took."""
        if not self.is_settled:
            self._end((0, usage.input + usage.output, nano))

    def release(self) -> None:
        """Give everything back: no provider was asked."""
        if not self.is_settled:
            self._end((0, 0, 0))

    def keep(self) -> None:
        """Count all that is held: nobody says what the call took."""
        if not self.is_settled:
            self._end(self.amounts)

    def _lacking(self, attempts: Sequence[Attempt], target: Target) -> list[tuple[LeaseLedger, Rules, int]]:
        """Return what is to be reserved of which ledgers for one attempt more. Raises Forbidden."""
        usd = usd_estimate(self.estimate, self.prices, target.name, self.desk.unix()) if self.group.has_budget else 0
        if usd is None and (budget := self.group.refusing_unpriced()) is not None:
            raise unpriced_refusal(target.name, budget.limit)
        _, tokens, nano = self._taken(attempts)
        most = (1, tokens + sum(self.estimate), nano + (usd or 0))
        found = []
        for ledger, rules, slice_ in zip(self.group.ledgers, self.group.rules, self.slices, strict=True):
            held = self.amounts[ledger.index] + sum(each.amount for each in self.further if each.ledger is ledger)
            if slice_ != CHARGED and (amount := most[ledger.index] - held) > 0:
                found.append((ledger, rules, amount))
        return found

    def _end(self, spent: Amounts) -> None:
        self.is_settled, amounts = True, self.amounts
        if self.further:
            self._end_further(spent)
        else:
            left = (amounts[0] - spent[0], amounts[1] - spent[1], amounts[2] - spent[2])
            for ledger, slice_ in zip(self.group.ledgers, self.slices, strict=False):
                rest = left[ledger.index]
                if rest >= 0 and slice_ is ledger.slice:  # as a rule: it is the lease that it was taken from
                    ledger.free += rest
                elif slice_ is CHARGED:
                    ledger.take_beyond(spent[ledger.index], self.desk.now())
                else:
                    ledger.settle(amounts[ledger.index], slice_, spent[ledger.index], self.desk.now())
        for holder in self.group.bounded:
            holder.running -= 1

    def _end_further(self, spent: Amounts) -> None:
        """End with what is held for further attempts: of each ledger the first holds are used up first."""
        for ledger, slice_ in zip(self.group.ledgers, self.slices, strict=True):
            rest = spent[ledger.index]
            first = Hold(ledger, slice_, 0 if slice_ == CHARGED else self.amounts[ledger.index])
            for held in (first, *(each for each in self.further if each.ledger is ledger)):
                used = min(rest, held.amount)
                ledger.give_back(held.amount - used, held.slice)
                rest -= used
            ledger.take_beyond(rest, self.desk.now())

    def _taken(self, attempts: Sequence[Attempt]) -> Amounts:
        """Return what attempts took, as their providers say; the most that may be billed where they have not said."""
        requests = tokens = nano = 0
        for attempt in attempts:
            requests |= attempt.failure not in NOT_SENT
            usage = attempt.usage
            if usage is not None and not usage.estimated:
                tokens += usage.input + usage.output
                nano += self._cost(attempt)
            elif attempt.failure not in _UNBILLED and (usage is not None or attempt.failure != "error_in_answer"):
                most = self._most(attempt)
                tokens += sum(most)
                nano += usd_estimate(most, self.prices, attempt.target, self.desk.unix()) or 0
        return requests, tokens, nano

    def _most(self, attempt: Attempt) -> CallEstimate:
        """Return the most that an attempt took: of a stream that was left, what its target makes in that time."""
        given, made = self.estimate
        if (usage := attempt.usage) is None:
            return self.estimate
        if self.is_timed and attempt.ended_at and attempt.failure in (None, "overtaken"):
            most = self.desk.speeds.most_output(attempt.target, attempt.ended_at - attempt.started_at)
            made = int(min(made, most))
        return max(given, usage.input), max(made, usage.output)

    def _cost(self, attempt: Attempt) -> int:
        nano = attempt.cost_nano_usd
        if nano is None and self.group.has_budget:
            nano = self.prices.cost(attempt.target, attempt.usage, self.desk.unix())
        return nano or 0
