"""Limits of one replica: which a call falls under, what it reserves of each, and why it is refused.

All levels must have room. A refusal is nobody's failure: it comes before the call is one of a version.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final, Literal

from gateway.calls import Call, Caller
from gateway.conversation import conversation_key, name_of, user_of
from gateway.errors import StoreAway
from gateway.formats.applied import AppliedVersion
from gateway.limits.estimates import PICO_PER_NANO, CallEstimate, choices, dearest, estimate_call, usd_estimate
from gateway.limits.leasing import Leases
from gateway.limits.ledger import FULL, UNKNOWN, LeaseLedger, Level
from gateway.limits.refusals import holder_text, in_flight_refusal, limit_refusal, unpriced_refusal
from gateway.limits.reservations import CHARGED, Holder, HolderGroup, Reservation
from gateway.limits.rules import RuleBook, Rules
from gateway.limits.speeds import Speeds
from gateway.pricing import PriceBook
from routing.chain import Target

_FRESH: Final = 0.5  # seconds for which a refusal goes by what was last heard of the store
_PATIENCE: Final = 1.0  # seconds that a call waits for a lease
_MOST_HOLDERS: Final = 20_000
_LONGEST_NAME: Final = 256
_MOST_RATES, _RATES_SECONDS = 1024, 60.0  # a price changes at midnight at the earliest
_NOTHING: Final[CallEstimate] = (0, 0)
_NOBODY: Final = HolderGroup(())


class Limits:
    """The limits of one replica."""

    def __init__(self, leases: Leases, monotonic: Callable[[], float], unix: Callable[[], float]) -> None:
        self.leases = leases
        self.speeds = Speeds()
        self._monotonic = monotonic
        self._unix = unix
        self._book = RuleBook()
        self._holders: dict[tuple[Level, str], Holder] = {}
        self._groups: dict[tuple[str, str, bool], HolderGroup] = {}
        self._rates: dict[str, tuple[int, int, int, float]] = {}  # of targets with one rate, and until when
        self.refused: dict[tuple[str, str], int] = {}
        self.spent: dict[str, LeaseLedger] = {}  # budgets of canaries without room, by agent
        self.is_spent = asyncio.Event()
        self.is_on = self._has_named = False

    def follow(self, book: RuleBook) -> None:
        """Take the limits of a new configuration. Calls in flight settle with the ledgers that they began with."""
        if book != self._book:
            self._book, self._holders, self._groups = book, {}, {}
        self._rates = {}
        self._has_named = book.users is not None or bool(book.conversations)
        self.is_on = not book.is_empty

    def now(self) -> float:
        """Return monotonic seconds."""
        return self._monotonic()

    def unix(self) -> float:
        """Return Unix seconds."""
        return self._unix()

    def begin(
        self,
        call: Call,
        target: Target,
        applied: AppliedVersion | None,
        prices: PriceBook,
        *,
        of_canary: bool = False,
    ) -> Reservation | None:
        """Reserve what a call may take, as far as leases carry it; None where nothing limits it.

        `of_canary` says that the canary of a trial serves it. Raises OverLimit, Forbidden. Who gets less than all of it
        must `complete` it.
        """
        group = self._groups.get((call.caller.name, call.agent, of_canary)) or self._new_group(call, of_canary)
        if self._has_named:
            group = self._with_named(call, group)
        if not group.holders:
            return None
        estimate, usd, now = _NOTHING, 0, self._monotonic()
        if group.is_spending:
            estimate = estimate_call(call, applied, target, group.assume_output)
            if group.has_budget:
                usd = self._usd(estimate, target.name, group, prices, now)
        if group.bounded:
            self._enter(group.bounded)
        made = Reservation(group, estimate, (1, estimate[0] + estimate[1], usd), prices, self, [])
        if call.stream:
            made.is_timed = choices(call.document.values) == 1
        made.take(now)
        return made

    async def complete(self, made: Reservation) -> None:
        """Wait for the leases that a reservation lacks. Raises OverLimit, StoreAway, after all was given back."""
        try:
            while not made.take(self._monotonic()):
                index = len(made.slices)
                ledger = made.group.ledgers[index]
                made.slices.append(await self.lease(ledger, made.amounts[ledger.index], made.group.rules[index]))
        except BaseException:
            made.release()
            raise

    async def admit(
        self, call: Call, target: Target, applied: AppliedVersion | None, prices: PriceBook
    ) -> Reservation | None:
        """Reserve all of what a call may take; None where nothing limits it. Raises OverLimit, Forbidden, StoreAway."""
        made = self.begin(call, target, applied, prices)
        if made is not None:
            await self.complete(made)
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
        group = HolderGroup(tuple(self._of_caller(caller))) if self.is_on else _NOBODY
        if group.bounded:
            self._enter(group.bounded)
        made = Reservation(group, _NOTHING, (1, 0, 0), prices, self, [])
        await self.complete(made)
        return made

    def admit_copy(
        self, call: Call, target: Target, applied: AppliedVersion, prices: PriceBook
    ) -> Reservation | Literal["spent"] | None:
        """Reserve what a shadow's copy may take of its agent's limits, which alone it falls under. Never waits."""
        rules = self._book.agents.get(call.agent)
        if rules is None:
            return None
        group = HolderGroup((self._holder("agent", call.agent, rules),))
        estimate = estimate_call(call, applied, target, rules.assume_output)
        usd = usd_estimate(estimate, prices, target.name, self._unix())
        if usd is None and group.refusing_unpriced() is not None:
            return "spent"
        made = Reservation(group, estimate, (1, sum(estimate), usd or 0), prices, self, [])
        for holder in group.bounded:
            holder.running += 1
        if not made.take(self._monotonic()):
            made.release()
            return "spent"
        return made

    async def admit_question(
        self, agent: str, target: Target, estimate: CallEstimate, prices: PriceBook
    ) -> Reservation | None:
        """Reserve what a question about an agent's calls may take, such as a judge's. It counts for the agent alone, in
        tokens and money, and is no request of a client. Raises OverLimit, Forbidden, StoreAway."""
        if (rules := self._book.agents.get(agent)) is None:
            return None
        group = HolderGroup((self._holder("agent", agent, rules),))
        usd = self._usd(estimate, target.name, group, prices, self._monotonic()) if group.has_budget else 0
        for holder in group.bounded:
            holder.running += 1
        made = Reservation(group, estimate, (0, sum(estimate), usd), prices, self, [])
        await self.complete(made)
        return made

    def spends(self, caller: Caller) -> bool:
        """Return whether what the caller's calls take is bounded in tokens or money."""
        return HolderGroup(tuple(self._of_caller(caller))).is_spending

    def holders(self, caller: Caller) -> list[Holder]:
        """Return the holders that every call of the caller falls under."""
        return list(self._of_caller(caller))

    def named_holders(self) -> Iterator[Holder]:
        """Yield the holders whose names the configuration has: keys, groups, agents and canaries."""
        book = self._book
        for rules in (*book.keys.values(), *book.groups.values(), *book.agents.values(), *book.canaries.values()):
            yield self._holder(rules.level, rules.name, rules)

    def _enter(self, holders: tuple[Holder, ...]) -> None:
        """Count a call that begins. Raises OverLimit where as many as may are in flight."""
        for holder in holders:
            if holder.running >= (most := holder.rules.in_flight or 0):
                self._count(holder.rules.level, "in_flight")
                raise in_flight_refusal(f"{holder.rules.level} {holder.name}", most)
        for holder in holders:
            holder.running += 1

    def _usd(self, estimate: CallEstimate, target: str, group: HolderGroup, prices: PriceBook, now: float) -> int:
        known = self._rates.get(target)
        if known is not None and now < known[3]:
            return (estimate[0] * known[0] + estimate[1] * known[1] + known[2]) // PICO_PER_NANO + 1
        unix = self._unix()
        usd = usd_estimate(estimate, prices, target, unix)
        if usd is None and (budget := group.refusing_unpriced()) is not None:
            raise unpriced_refusal(target, budget.limit)
        rates = prices.rates(target, unix)
        if len(rates) == 1 and len(self._rates) < _MOST_RATES:
            self._rates[target] = (*dearest(rates[0]), now + _RATES_SECONDS)
        return usd or 0

    async def lease(self, ledger: LeaseLedger, amount: int, rules: Rules) -> str:
        """Reserve an amount that the lease does not hold, where the limit has room; return its slice, or CHARGED.

        Raises OverLimit, StoreAway.
        """
        if ledger.limit.level == "canary":
            self._look_at_canary(ledger, amount)
            return CHARGED
        slice_ = FULL if amount > ledger.limit.amount or self._is_known_full(ledger, amount) else UNKNOWN
        if slice_ != FULL and self.leases.is_away:
            self.leases.rouse(ledger)
        elif slice_ != FULL:
            slice_ = await self.leases.wait(ledger, amount, _PATIENCE)
        if slice_ == FULL:
            self._count(ledger.limit.level, ledger.limit.kind)
            raise limit_refusal(ledger, amount, self._monotonic(), self._unix())
        if slice_ == UNKNOWN and not rules.serves_without_store:
            raise StoreAway(f"the limits of {holder_text(ledger.limit)} cannot be checked now: try again later")
        return slice_ or CHARGED

    def _look_at_canary(self, ledger: LeaseLedger, amount: int) -> None:
        """Note that a canary's budget has no room for a call, which goes on, and is charged afterwards."""
        self.leases.wake(ledger)
        is_known = bool(ledger.heard_at) and self._monotonic() < ledger.heard_at + ledger.limit.window.lease
        if is_known and ledger.left() < amount:
            self.spent[ledger.limit.name.partition("/")[0]] = ledger
            self.is_spent.set()

    def _is_known_full(self, ledger: LeaseLedger, amount: int) -> bool:
        """Return whether the store has just said that there is no room for as much, and when there is."""
        return self._monotonic() < ledger.heard_at + _FRESH and ledger.is_full(amount)

    def _count(self, level: str, kind: str) -> None:
        self.refused[level, kind] = self.refused.get((level, kind), 0) + 1

    def _new_group(self, call: Call, of_canary: bool) -> HolderGroup:
        """Return the holders whose names the configuration has, and remember them."""
        holders = [*self._of_caller(call.caller)]
        if (rules := self._book.agents.get(call.agent)) is not None:
            holders.append(self._holder("agent", call.agent, rules))
        if of_canary and (rules := self._book.canaries.get(call.agent)) is not None:
            holders.append(self._holder("canary", rules.name, rules))
        group = self._groups[call.caller.name, call.agent, of_canary] = HolderGroup(tuple(holders))
        return group

    def _with_named(self, call: Call, group: HolderGroup) -> HolderGroup:
        more = tuple(self._named_by(call))
        return HolderGroup((*group.holders, *more)) if more else group

    def _named_by(self, call: Call) -> Iterator[Holder]:
        """Yield the holders whose names a client gives: its user, its conversation."""
        book, caller = self._book, call.caller
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
