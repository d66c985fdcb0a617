"""Alerts of limits: the soft share of one is used, or a budget is used up, once over all replicas."""

from collections.abc import Iterable, Iterator
from typing import Final

from gateway.limits.ledger import LeaseLedger
from gateway.limits.limit_view import LimitView
from gateway.limits.limit_words import limit_in_words, use_in_words
from gateway.limits.limits import Limits
from gateway.limits.refusals import span_in_words
from gateway.limits.reservations import Holder
from gateway.limits.view import limits_view, read_limits
from gateway.rollout.alerts import Alert
from gateway.rollout.recorder import Clock
from gateway.store.seam import Store

LEASE: Final = "/limits"  # stands for an agent where the lease is asked for; no agent has this name
LEASE_SECONDS: Final = 45.0  # three looks
OVER_BELOW: Final = 0.95  # of the soft share: a rolling window frees bit by bit, and would be told of again and again
_OF_AGENTS: Final = ("agent", "canary")


class LimitAlerts:
    """The source of one replica. What a soft share says is looked at by the one that holds the lease."""

    def __init__(self, store: Store, limits: Limits, clock: Clock) -> None:
        self._store = store
        self._limits = limits
        self._clock = clock
        self._firing: set[str] = set()

    async def find(self) -> Iterable[Alert]:
        """Find which limits are beyond their soft share, and which budgets refuse calls. Raises StoreAway."""
        reached = list(self._reached())
        if not self._limits.is_on or not await self._store.lease(LEASE, LEASE_SECONDS):
            self._firing = set()
            return reached
        views = await read_limits(self._limits, self._clock.unix(), _has_soft)
        soft = {_subject(view): view for view in views if self._is_soft(view)}
        self._firing = set(soft)
        return [*reached, *(_soft_alert(view) for view in soft.values())]

    def _is_soft(self, view: LimitView) -> bool:
        if view.soft is None or view.window is None:
            return False
        return view.used_ratio >= view.soft * (OVER_BELOW if _subject(view) in self._firing else 1.0)

    def _reached(self) -> Iterator[Alert]:
        """Yield the budgets for which this replica has lately heard that there is no room for a call."""
        now, unix = self._clock.monotonic(), self._clock.unix()
        for holder in self._limits.named_holders():
            for view, ledger in zip(limits_view((holder,), unix), holder.ledgers, strict=False):
                if view.kind == "usd" and ledger.frees_at > now:
                    yield _reached_alert(view, ledger, now)


def _has_soft(holder: Holder) -> bool:
    return any(ledger.limit.soft is not None for ledger in holder.ledgers)


def _subject(view: LimitView) -> str:
    return f"{view.level} {view.name} {view.kind} {view.window}"


def _soft_alert(view: LimitView) -> Alert:
    reason = f"{view.level} {view.name} has used most of a limit: {limit_in_words(view)}, {use_in_words(view)}"
    do = "Run 'serinus keys usage'; ask its holder, or raise the limit: at its end calls get 429."
    return Alert("limit_soft", _subject(view), _agent_of(view), reason, do)


def _reached_alert(view: LimitView, ledger: LeaseLedger, now: float) -> Alert:
    frees = span_in_words(ledger.frees_at - now)
    held = f"the budget of {view.level} {view.name} has no room for a call: {limit_in_words(view)}"
    reason = f"{held}, {use_in_words(view)}; there is some in {frees}"
    do = "Calls get 429. Run 'serinus costs --by key,agent,model --since 1d'; raise the budget, or wait."
    return Alert("limit_reached", _subject(view), _agent_of(view), reason, do)


def _agent_of(view: LimitView) -> str:
    """Return the agent that a limit is of; '' where it is of callers."""
    return view.name.partition("/")[0] if view.level in _OF_AGENTS else ""
