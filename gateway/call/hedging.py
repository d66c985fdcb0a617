"""A second attempt beside a late first one: two targets race, the client gets the first answer, the loser is cancelled.

When an attempt is late is said by `policies.calls.hedge`, for which calls and where to by `routing.plan`. This module
keeps what they go by, as this replica has seen it, and runs the race. The version's own attempt stays the one that
counts.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from gateway.call.attempt import Attempts, Run
from gateway.call.chain import move_after
from gateway.call.streaming import OpenStream, close
from gateway.calls import Answer, Attempt, Operation, Outcome, Usage, estimated_usage
from gateway.errors import NOT_SENT, ProviderError, SerinusError
from gateway.rollout.recorder import Clock
from gateway.rollout.table import Entry
from policies.calls.hedge import Pace, late_after
from policies.calls.retry import RetryBudget
from routing.agents import Hedge
from routing.chain import Target
from routing.plan import hedge_targets, is_seen

Reply = Answer | OpenStream
Try = asyncio.Task[Reply]
KeepItems = Callable[[Mapping[str, str]], None]

_CLIENTS_OWN = b"idempotency-key"  # under it a provider would take the second request for a repetition of the first


@dataclass(frozen=True, slots=True)
class Terms:
    """The conditions under which a call may be hedged: its targets, the delay in seconds, and the budget.

    `late_after` is None where it is not known yet, and for calls that are not to be hedged. `pace` learns how soon the
    first attempt answers.
    """

    targets: tuple[Target, ...]
    late_after: float | None
    budget: RetryBudget
    pace: Pace


class PendingItems:
    """The items of one attempt's answer, held until the client gets that answer: both attempts write the same ids."""

    def __init__(self, keep: KeepItems) -> None:
        self._keep = keep
        self._held: list[Mapping[str, str]] | None = []

    def __call__(self, items: Mapping[str, str]) -> None:
        if self._held is None:
            self._keep(items)
        else:
            self._held.append(items)

    def release(self) -> None:
        """Keep what was held, and what follows at once."""
        held, self._held = self._held, None
        for items in held or ():
            self._keep(items)


@dataclass(slots=True)
class Race:
    """The attempts of one call that run at the same time: the version's own, and the hedge."""

    run: Run
    targets: tuple[Target, Target]
    tries: tuple[Try, Try]
    items: tuple[PendingItems | None, PendingItems | None]

    def attempt(self, index: int) -> Attempt | None:
        """The record of one of the two; None for one that was cancelled before it began."""
        attempts = self.run.outcome.attempts
        return attempts[index] if index < len(attempts) else None

    def failure(self, index: int) -> BaseException | None:
        """Return the error of one of the two attempts; None while it runs and after an answer."""
        return self.tries[index].exception() if self.tries[index].done() else None

    @property
    def has_failed(self) -> bool:
        """Return whether both attempts have failed."""
        return all(self.failure(index) is not None for index in (0, 1))


@dataclass(slots=True)
class Hedges:
    """The hedges of one replica: how soon its versions answer, and each agent's budget."""

    attempts: Attempts
    clock: Clock
    _paces: dict[tuple[str, Operation, bool], Pace] = field(default_factory=dict, init=False)
    _budgets: dict[str, RetryBudget] = field(default_factory=dict, init=False)
    _closing: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    def first(self, run: Run, entry: Entry, hedge: Hedge) -> Callable[[Run, Target], Awaitable[Reply]]:
        """Return the function that makes the call's first attempt in place of a plain one."""
        return partial(self._first, self._terms(run, entry, hedge))

    def _terms(self, run: Run, entry: Entry, hedge: Hedge) -> Terms:
        budget = self._budgets.setdefault(run.call.agent, RetryBudget())
        budget.ratio = hedge.budget
        budget.deposit()
        pace = self._pace(run, run.plan.version.digest)
        seconds = late_after(hedge.quantile, hedge.seconds, pace)
        if run.outcome.arm is not None:  # evidence: late by the same measure on both arms, and not on every unit
            usual = late_after(hedge.quantile, hedge.seconds, self._pace(run, entry.split.stable.digest))
            seconds = None if is_seen(entry.agent, run.plan) else usual
        return Terms(hedge_targets(run.plan), seconds, budget, pace)

    def _pace(self, run: Run, digest: str) -> Pace:
        """Streams by their first token, plain answers by their end: the two are not to be compared."""
        return self._paces.setdefault((digest, run.call.operation, run.call.stream), Pace())

    async def _first(self, terms: Terms, run: Run, target: Target) -> Reply:
        run.first = None  # what may follow is tried as ever
        try:
            reply = await self._attempt(terms, run, target)
        except ProviderError:
            _learn(terms, run.outcome)
            raise
        _learn(terms, run.outcome)
        return reply

    async def _attempt(self, terms: Terms, run: Run, target: Target) -> Reply:
        """The attempt at the version's own target; once it is late, the race."""
        if terms.late_after is None or not terms.targets:
            return await self.attempts.attempt(run, target)
        first, own_items = _holding(run)
        own = asyncio.create_task(self.attempts.attempt(first, target))
        try:
            await asyncio.wait({own}, timeout=terms.late_after)
            beside = None if own.done() else self._granted(terms, run)
            if beside is None:
                _release(own_items)
                return await own
        except asyncio.CancelledError:
            self._drop(own)
            raise
        second, items = _holding(_apart(run))
        hedge = asyncio.create_task(self.attempts.attempt(second, beside))
        return await self._race(Race(run, (target, beside), (own, hedge), (own_items, items)))

    def _granted(self, terms: Terms, run: Run) -> Target | None:
        """Return the target of a second attempt, None where none may be made. The budget is asked last, because asking
        spends."""
        if not run.may_go_on(self.clock.monotonic()):
            return None
        target = next((each for each in terms.targets if self.attempts.circuits.is_closed(each)), None)
        if target is None or (run.held is not None and not run.held.covers(run.outcome.attempts, target)):
            return None
        return target if terms.budget.withdraw() else None

    async def _race(self, race: Race) -> Reply:
        """Run the race; return the answer of the attempt that decides it, or raise its error."""
        outcome = race.run.outcome
        outcome.hedge, race.run.hedged_to = "neither", race.targets[1]
        deciding: int | None = None
        try:
            deciding = await self._decide(race)
            _release(race.items[deciding])
            if not race.has_failed:
                outcome.hedge = "won" if deciding else "lost"
            return race.tries[deciding].result()
        finally:
            for index in (0, 1):
                if index != deciding:
                    self._lose(race, index, overtaken=deciding is not None)

    async def _decide(self, race: Race) -> int:
        """Wait for the attempt that decides, and return its index.

        That is the first one to answer (of two at once the version's own), or to fail in a way after which no other
        target is asked. If both fail, it is the one whose error tells the chain more.
        """
        running: set[Try] = set(race.tries)
        while running:
            _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for index, each in enumerate(race.tries):
                if each.done() and _is_final(index, each.exception()):
                    return index
        error = race.tries[1].exception()
        return 0 if isinstance(error, ProviderError) and error.kind in NOT_SENT else 1

    def _lose(self, race: Race, index: int, *, overtaken: bool) -> None:
        """Cancel the try that is not wanted any more, and book what it has cost: its provider has the request."""
        attempt, failure = race.attempt(index), race.failure(index)
        if attempt is not None and failure is None:
            attempt.ended_at = self.clock.monotonic()
            attempt.usage = attempt.usage or self._used(race, index)
            if overtaken:
                attempt.failure = "overtaken"
        elif attempt is not None and not isinstance(failure, ProviderError):
            attempt.failure = "untranslatable"  # the request was refused on the way to that target's format
        self._drop(race.tries[index])

    def _used(self, race: Race, index: int) -> Usage:
        """Return the usage that its provider reported; until then, what such a request costs."""
        reply = race.tries[index].result() if race.tries[index].done() else None
        if isinstance(reply, OpenStream):
            return reply.usage
        return estimated_usage(self.attempts.request_bytes(race.run, race.targets[index]), 0)

    def _drop(self, own: Try) -> None:
        own.cancel()
        own.add_done_callback(self._let_go)

    def _let_go(self, dropped: Try) -> None:
        """A stream that was open by the time it was dropped is closed; of its target's health that says nothing."""
        if dropped.cancelled() or dropped.exception() is not None:
            return
        reply = dropped.result()
        if isinstance(reply, OpenStream):
            self.attempts.left(reply)
            closing = asyncio.ensure_future(close(reply))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)


def _is_final(index: int, error: BaseException | None) -> bool:
    """An answer is, and a fault of ours. The client's mistake is where the version's own target finds it."""
    if index == 0 and isinstance(error, ProviderError):
        return move_after(error) == "give_up"
    return not isinstance(error, ProviderError if index == 0 else SerinusError)


def _learn(terms: Terms, outcome: Outcome) -> None:
    """Note whether the first attempt was late, and let the pace know of one that answered, or that might have."""
    attempt = outcome.attempts[0]
    seconds = (attempt.first_token_at or attempt.ended_at) - attempt.started_at
    outcome.late = terms.late_after is not None and seconds > terms.late_after
    if attempt.failure in (None, "overtaken"):
        terms.pace.add(seconds)


def _holding(run: Run) -> tuple[Run, PendingItems | None]:
    """Return the call as one attempt makes it, with what holds its answer's items; None where none are kept."""
    keep = run.call.keep_items
    if keep is None:
        return run, None
    pending = PendingItems(keep)
    return replace(run, call=replace(run.call, keep_items=pending)), pending


def _release(items: PendingItems | None) -> None:
    if items is not None:
        items.release()


def _apart(run: Run) -> Run:
    """The call as the second target gets it."""
    if not any(name == _CLIENTS_OWN for name, _ in run.call.headers):
        return run
    headers = [(name, value) for name, value in run.call.headers if name != _CLIENTS_OWN]
    return replace(run, call=replace(run.call, headers=headers))
