"""Limits as their holders see them: what is used, what is left, and when that changes."""

from collections.abc import Iterable
from datetime import UTC, datetime

from gateway.limits.ledger import LeaseLedger, Limit
from gateway.limits.reservations import Holder
from gateway.limits.rules import NANO


def limits_view(holders: Iterable[Holder], unix: float) -> list[dict[str, object]]:
    """Return each limit of the holders, as plain data; `unix` is now in Unix seconds."""
    return [each for holder in holders for each in _of_holder(holder, unix)]


def used_ratio(ledger: LeaseLedger) -> float:
    """Return how much of its limit is used, as a share."""
    return round(ledger.used() / ledger.limit.amount, 6)


def _of_holder(holder: Holder, unix: float) -> Iterable[dict[str, object]]:
    for ledger in holder.ledgers:
        limit = ledger.limit
        yield {
            "level": limit.level, "name": holder.name, "kind": limit.kind, "window": limit.window.text,
            "limit": _amount(limit, limit.amount), "used": _amount(limit, ledger.used()),
            "left": _amount(limit, ledger.left()), "resets_at": _reset(limit, unix),
        }  # fmt: skip
    if (most := holder.rules.in_flight) is not None:
        yield {
            "level": holder.rules.level, "name": holder.name, "kind": "in_flight", "window": None, "limit": most,
            "used": holder.running, "left": max(0, most - holder.running), "resets_at": None,
        }  # fmt: skip


def _amount(limit: Limit, amount: int) -> float | int:
    return round(amount / NANO, 9) if limit.kind == "usd" else amount


def _reset(limit: Limit, unix: float) -> str | None:
    """Return when a calendar window ends; a rolling one frees bit by bit."""
    period = limit.window.period(unix)
    return None if period is None else datetime.fromtimestamp(period[1], UTC).isoformat().replace("+00:00", "Z")
