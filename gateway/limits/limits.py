"""Limits of one replica: which a call falls under, what it reserves of each, and why it is refused.

All levels must have room. A refusal is nobody's failure: it comes before the call is one of a version.
"""

from collections.abc import Callable, Iterator
from typing import Final, Literal

from gateway.calls import Call, Caller
from gateway.conversation import conversation_key, name_of, user_of
from gateway.errors import StoreAway
from gateway.formats.applied import AppliedVersion
from gateway.limits.estimates import CallEstimate, estimate_call
from gateway.limits.leasing import Leases
from gateway.limits.ledger import LeaseLedger, Level
from gateway.limits.refusals import in_flight_refusal, limit_refusal, unpriced_refusal
from gateway.limits.reservations import Hold, Holder, Reservation
from gateway.limits.rules import RuleBook, Rules
from gateway.pricing import PriceBook
from routing.chain import Target

_FRESH: Final = 0.5  # seconds for which a refusal goes by what was last heard of the store
_MOST_HOLDERS: Final = 20_000
_LONGEST_NAME: Final = 256


class Limits:
    """The limits of one replica."""

    def __init__(self, leases: Leases, monotonic: Callable[[], float], unix: Callable[[], float]) -> None:
        self.leases = leases
        self._monotonic = monotonic
        self._unix = unix
        self._book = RuleBook()
        self._holders: dict[tuple[Level, str], Holder] = {}
        self.refused: dict[tuple[str, str], int] = {}
        self.is_on = False

    def follow(self, book: RuleBook) -> None:
        """Take the limits of a new configuration. Calls in flight settle with the ledgers that they began with."""
        if book != self._book:
            self._book, self._holders = book, {}
        self.is_on = not book.is_empty

    async def admit(
        self, call: Call, target: Target, applied: AppliedVersion | None, prices: PriceBook
    ) -> Reservation | None:
        """Reserve what a call may take; None where nothing limits it. Raises OverLimit, Forbidden, StoreAway."""
        holders = tuple(self._holders_of(call))
        if not holders:
            return None
        assumed = min(holder.rules.assume_output for holder in holders)
        estimate = estimate_call(call, applied, target, assumed)
        return await self._reserve(holders, estimate, target.name, prices)

    def admit_copy(
        self, call: Call, target: Target, applied: AppliedVersion, prices: PriceBook
    ) -> Reservation | Literal["spent"] | None:
        """Reserve what a shadow's copy may take of its agent's limits, which alone it falls under. Never waits."""
        rules = self._book.agents.get(call.agent)
        if rules is None:
            return None
        holder = self._holder("agent", call.agent, rules)
        made = self._begin((holder,), estimate_call(call, applied, target, rules.assume_output), prices)
        for ledger in holder.ledgers:
            amount = made.amount(ledger.limit.kind, target.name)
            is_unpriced = ledger.limit.kind == "usd" and made.usd(target.name) is None
            if (is_unpriced and rules.refuses_unpriced) or not ledger.reserve(amount, made.now()):
                made.release()
                return "spent"
            made.holds.append(Hold(ledger, amount, ledger.slice))
        return made

    async def admit_forwarded(
        self, call: Call, target: Target, prices: PriceBook, *, is_asking: bool
    ) -> Reservation | None:
        """Reserve for a call that is handed through; one that is not `is_asking` a model is a request, and no more."""
        if not is_asking:
            return await self.admit_request(call.caller, prices)
        return await self.admit(call, target, None, prices) if self.is_on else None

    async def admit_request(self, caller: Caller, prices: PriceBook) -> Reservation:
        """Reserve a request that takes no tokens. Raises OverLimit, StoreAway."""
        holders = tuple(self._of_caller(caller)) if self.is_on else ()
        return await self._reserve(holders, CallEstimate(0, 0), "", prices)

    def spends(self, caller: Caller) -> bool:
        """Return whether what the caller's calls take is bounded in tokens or money."""
        return any(ledger.limit.kind != "requests" for holder in self._of_caller(caller) for ledger in holder.ledgers)

    def holders(self, caller: Caller) -> list[Holder]:
        """Return the holders that every call of the caller falls under."""
        return list(self._of_caller(caller))

    async def _reserve(
        self, holders: tuple[Holder, ...], estimate: CallEstimate, target: str, prices: PriceBook
    ) -> Reservation:
        for holder in holders:
            most = holder.rules.in_flight
            if most is not None and holder.running >= most:
                self._count(holder.rules.level, "in_flight")
                raise in_flight_refusal(f"{holder.rules.level} {holder.name}", most)
        made = self._begin(holders, estimate, prices)
        try:
            for holder in holders:
                for ledger in holder.ledgers:
                    await self._hold(made, holder.rules, ledger, target)
        except BaseException:
            made.release()
            raise
        return made

    def _begin(self, holders: tuple[Holder, ...], estimate: CallEstimate, prices: PriceBook) -> Reservation:
        for holder in holders:
            holder.running += 1
        return Reservation(holders, estimate, prices, self._monotonic, self._unix())

    async def _hold(self, made: Reservation, rules: Rules, ledger: LeaseLedger, target: str) -> None:
        kind = ledger.limit.kind
        if kind == "usd" and target:
            made.refuses_unpriced |= rules.refuses_unpriced
            if rules.refuses_unpriced and made.usd(target) is None:
                raise unpriced_refusal(target, ledger.limit)
        amount = made.amount(kind, target) if target or kind == "requests" else 0
        if not amount:
            made.holds.append(Hold(ledger, 0, ledger.slice))
            return
        if ledger.reserve(amount, self._monotonic()) or await self._wait(ledger, amount):
            made.holds.append(Hold(ledger, amount, ledger.slice))
            return
        if self._knows(ledger):
            self._count(ledger.limit.level, kind)
            raise limit_refusal(ledger, amount, self._monotonic(), self._unix())
        if not rules.serves_without_store:
            raise StoreAway(
                f"the limits of {ledger.limit.level} {ledger.limit.name} cannot be checked: try again later"
            )
        made.holds.append(Hold(ledger, 0, ""))

    async def _wait(self, ledger: LeaseLedger, amount: int) -> bool:
        """Have a lease that carries the call, where there may be one. A refusal stands for half a second."""
        for _ in range(2):
            if self.leases.is_away or self._is_known_full(ledger, amount):
                return False
            await self.leases.wait(ledger, amount)
            if ledger.reserve(amount, self._monotonic()):
                return True
        return False

    def _is_known_full(self, ledger: LeaseLedger, amount: int) -> bool:
        """Return whether the store has just said that there is no room for as much, and when there is."""
        is_fresh = bool(ledger.heard_at) and self._monotonic() < ledger.heard_at + _FRESH
        return is_fresh and ledger.left() < amount and bool(ledger.frees_at or ledger.is_never)

    def _knows(self, ledger: LeaseLedger) -> bool:
        """Return whether the store was heard of a moment ago."""
        return bool(ledger.heard_at) and self._monotonic() < ledger.heard_at + ledger.limit.window.lease

    def _count(self, level: str, kind: str) -> None:
        self.refused[level, kind] = self.refused.get((level, kind), 0) + 1

    def _holders_of(self, call: Call) -> Iterator[Holder]:
        book, caller = self._book, call.caller
        yield from self._of_caller(caller)
        if (rules := book.agents.get(call.agent)) is not None:
            yield self._holder("agent", call.agent, rules)
        if book.users is not None and (user := user_of(call.document)):
            yield self._holder("user", f"{caller.name}/{user[:_LONGEST_NAME]}", book.users)
        if (rules := book.conversations.get(call.agent)) is not None and (name := name_of(call) or call.named):
            yield self._holder("conversation", f"{call.agent}/{conversation_key(caller.name, name)}", rules)

    def _of_caller(self, caller: Caller) -> Iterator[Holder]:
        if (rules := self._book.keys.get(caller.name)) is not None:
            yield self._holder("key", caller.name, rules)
        if (rules := self._book.groups.get(caller.group)) is not None:
            yield self._holder("group", caller.group, rules)

    def _holder(self, level: Level, name: str, rules: Rules) -> Holder:
        found = self._holders.get((level, name))
        if found is None:
            if len(self._holders) >= _MOST_HOLDERS:
                self._holders = {key: each for key, each in self._holders.items() if each.running}
            found = self._holders[level, name] = Holder(name, rules, tuple(map(self.leases.ledger, rules.of(name))))
        return found
