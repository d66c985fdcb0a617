"""Budgets of canaries: a canary whose budget has no room for a call is paused, once over all replicas.

The replica that meets the end decides, and the commit's epoch lets one of several win. While the store is away, each
keeps its own calls off such a canary.
"""

import asyncio
from typing import Final

from gateway.errors import StoreAway
from gateway.limits.ledger import LeaseLedger
from gateway.limits.limits import Limits
from gateway.limits.rules import NANO
from gateway.number_words import usd
from gateway.rollout.judge import settle
from gateway.rollout.recorder import Clock
from gateway.rollout.rollout_records import RolloutRecords
from gateway.rollout.table import Table
from gateway.store.seam import Store
from policies.rollout.spending import pause_spent

_REST_SECONDS: Final = 0.2


class CanaryBudgets:
    """The budgets of one replica."""

    def __init__(self, store: Store, table: Table, records: RolloutRecords, limits: Limits, clock: Clock) -> None:
        self._store = store
        self._table = table
        self._records = records
        self._limits = limits
        self._clock = clock

    async def watch_for_ever(self) -> None:
        """Pause canaries as soon as their budgets are used up, until cancelled."""
        while True:
            await self._limits.is_spent.wait()
            await self.pause_spent()
            await asyncio.sleep(_REST_SECONDS)

    async def pause_spent(self) -> None:
        """Pause the canaries that calls have found without a budget."""
        spent, self._limits.spent = self._limits.spent, {}
        self._limits.is_spent.clear()
        for agent, ledger in spent.items():
            try:
                await self._pause(agent, ledger)
            except StoreAway:
                self._table.quarantine(agent)

    async def _pause(self, agent: str, ledger: LeaseLedger) -> None:
        """Pause the agent's canary, if the budget is that of the canary on trial. Raises StoreAway."""
        entry = self._table.entry(agent)
        canary = entry.intent.canary if entry else None
        if entry is None or entry.state is None or canary is None or ledger.limit.name != f"{agent}/{canary.version}":
            return
        limit, now = ledger.limit, self._clock.unix()
        figures: dict[str, object] = {
            "budget_usd": limit.amount / NANO, "used_usd": ledger.used() / NANO, "window": limit.window.text,
        }  # fmt: skip
        reason = (
            f"the canary {canary.version} has used up its budget: {usd(ledger.used() / NANO)} of "
            f"{usd(limit.amount / NANO)} in {limit.window.text}; its calls get {entry.intent.stable.version} until "
            "somebody resumes the rollout"
        )
        decision = pause_spent(entry.state, entry.intent, reason, figures, now)
        if decision is not None:
            settled = await settle(self._store, agent, decision, entry)
            await self._records.commit(agent, settled)
