"""Reasons why a version's calls fail, as the store counts them: for the status, and in the audit's evidence."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime

from gateway.errors import StoreAway
from gateway.rollout.status_view import ReasonView
from gateway.store.failures import CountedReason
from gateway.store.seam import Store
from policies.rollout.rollout import Decision

MOST_IN_EVIDENCE = 5
_LATELY_SECONDS = 120.0  # before the latest failure: what failed earlier is not why calls fail now
_CONSEQUENCE = "circuit_open"  # of other failures, which it is to be told behind
_PATIENCE_SECONDS = 0.5  # a rollback does not wait longer for its reasons


def reason_views(counted: Iterable[CountedReason]) -> tuple[ReasonView, ...]:
    """Return the reasons that are known: those of late first, causes before what follows from them, then by count."""
    known = [each for each in counted if each.reason is not None]
    since = max((each.at for each in known), default=0.0) - _LATELY_SECONDS
    known.sort(key=lambda each: (each.at < since, _is_consequence(each), -each.count))
    return tuple(
        ReasonView(
            each.count, datetime.fromtimestamp(each.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            each.reason.target, each.reason.failure, each.reason.status, each.reason.code, each.reason.message,
            each.reason.is_error, each.calls,
        )
        for each in known
        if each.reason is not None
    )  # fmt: skip


def _is_consequence(counted: CountedReason) -> bool:
    return counted.reason is not None and counted.reason.failure == _CONSEQUENCE


async def with_reasons(store: Store, agent: str, decision: Decision) -> Decision:
    """Return a rollback with the reasons of the canary's errors in its evidence, if the store tells them soon."""
    state = decision.state
    if state.action != "roll_back" or state.canary is None:
        return decision
    with suppress(StoreAway, TimeoutError):
        async with asyncio.timeout(_PATIENCE_SECONDS):
            found = await store.failure_reasons(agent, state.rollout)
        views = [view for view in reason_views(found.get(state.canary.version, ())) if view.is_error]
        if views:
            reasons = [asdict(view) for view in views[:MOST_IN_EVIDENCE]]
            return replace(decision, evidence={**decision.evidence, "reasons": reasons})
    return decision
