"""Limits as their holders see them: what is used, what is left, and when that changes."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from gateway.limits.ledger import LeaseLedger, Limit
from gateway.limits.limit_view import LimitView
from gateway.limits.limits import Limits
from gateway.limits.reservations import Holder
from gateway.limits.rules import NANO

_AT_ONCE: Final = 32  # questions to the store
_PATIENCE: Final = 0.5  # seconds that a look waits for the store

IsShown = Callable[[Holder], bool]


async def read_limits(
    limits: Limits, unix: float, is_shown: IsShown = lambda _holder: True, fresh: float = 1.0
) -> list[LimitView]:
    """Return the limits whose holders the configuration names, as the store had them `fresh` seconds ago at most."""
    holders = list(filter(is_shown, limits.named_holders()))
    await refresh(limits, holders, fresh)
    return limits_view(holders, unix)


async def refresh(limits: Limits, holders: Iterable[Holder], fresh: float = 1.0) -> None:
    """Hear of the store what counts now of these holders' limits.

    A store that is away or slow leaves them as they are.
    """
    ledgers = [ledger for holder in holders for ledger in holder.ledgers]
    parts = [ledgers[begin::_AT_ONCE] for begin in range(_AT_ONCE)]
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            await asyncio.gather(*(limits.leases.refresh(part, fresh) for part in parts if part))


def limits_view(holders: Iterable[Holder], unix: float) -> list[LimitView]:
    """Return each limit of the holders; `unix` is now in Unix seconds."""
    return [each for holder in holders for each in _of_holder(holder, unix)]


def used_ratio(ledger: LeaseLedger) -> float:
    """Return how much of its limit is used, as a share."""
    return round(ledger.used() / ledger.limit.amount, 6)


def _of_holder(holder: Holder, unix: float) -> Iterator[LimitView]:
    for ledger in holder.ledgers:
        limit, used = ledger.limit, ledger.used()
        yield LimitView(
            limit.level, holder.name, limit.kind, limit.window.text, _amount(limit, limit.amount), _amount(limit, used),
            _amount(limit, ledger.left()), _reset(limit, unix), limit.soft,
            limit.soft is not None and used >= limit.soft * limit.amount,
        )  # fmt: skip
    if (most := holder.rules.in_flight) is not None:
        left = max(0, most - holder.running)
        yield LimitView(holder.rules.level, holder.name, "in_flight", None, most, holder.running, left, None)


def _amount(limit: Limit, amount: int) -> float | int:
    return round(amount / NANO, 9) if limit.kind == "usd" else amount


def _reset(limit: Limit, unix: float) -> str | None:
    """Return when a calendar window ends; a rolling one frees bit by bit."""
    period = limit.window.period(unix)
    return None if period is None else datetime.fromtimestamp(period[1], UTC).isoformat().replace("+00:00", "Z")
