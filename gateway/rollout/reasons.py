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
_PATIENCE_SECONDS = 0.5  # a rollback does not wait longer for its reasons


def reason_views(counted: Iterable[CountedReason]) -> tuple[ReasonView, ...]:
    """Return the reasons that are known, the most frequent first."""
    return tuple(
        ReasonView(
            each.count, datetime.fromtimestamp(each.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            each.reason.target, each.reason.failure, each.reason.status, each.reason.code, each.reason.message,
            each.reason.is_error, each.calls,
        )
        for each in counted
        if each.reason is not None
    )  # fmt: skip


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
