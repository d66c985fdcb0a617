"""Background work of one replica for keys and limits: leases, notes of used keys, canaries that spend too much."""

from collections.abc import Awaitable, Callable, Iterator

from gateway.api.endpoint import Services
from gateway.replica.key_use_notes import KeyUseNotes
from gateway.rollout.canary_budgets import CanaryBudgets


def limit_work(services: Services) -> Iterator[Callable[[], Awaitable[None]]]:
    """Yield what is done for ever."""
    limits, store = services.proxy.limits, services.store
    records, clock = services.controller.records, services.proxy.clock
    yield limits.leases.lease_for_ever
    yield KeyUseNotes(store, lambda: services.runtime.doorkeeper, services.timings.key_uses).note_for_ever
    yield CanaryBudgets(store, services.table, records, limits, clock).watch_for_ever
