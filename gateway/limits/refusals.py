"""Refusals by limits, in words: which level has no room, what its limit is, and when it has some again."""

import math
from datetime import UTC, datetime
from typing import Final

from gateway.errors import Forbidden, OverLimit, Reached
from gateway.limits.ledger import LeaseLedger, Limit
from gateway.limits.rules import NANO

_BUSY_SECONDS: Final = 1.0  # until a place may be free again
_NOUNS: Final = {"requests": "requests", "tokens": "tokens", "usd": "USD"}


def limit_refusal(ledger: LeaseLedger, amount: int, now: float, unix: float) -> OverLimit:
    """Return the refusal of a call that wants an amount; `now` is monotonic, `unix` is now in Unix seconds."""
    limit, never = ledger.limit, amount > ledger.limit.amount
    seconds = None if never else max(0.1, ledger.frees_at - now if ledger.frees_at else _BUSY_SECONDS)
    at = unix + (seconds or 0.0)
    kind = limit.kind
    held = "budget" if kind == "usd" else "limit"
    most = f"{_amount(limit, limit.amount)} {_NOUNS[kind]} in {_window(limit)}"
    if seconds is None:
        may = f"{_amount(limit, amount)} {_NOUNS[kind]}"
        message = (
            f"this call may take {may}, more than the {held} of {holder_text(limit)}: {most}; lower its max_tokens"
        )
    else:
        frees = f"room for this call is free in {span_in_words(seconds)}, at {_time(at)}"
        message = f"the {held} of {holder_text(limit)} is used up: {most}; {frees}"
    return OverLimit(message, Reached(kind, limit.amount, ledger.left(), seconds, at))


def in_flight_refusal(holder: str, most: int) -> OverLimit:
    """Return the refusal of a call beside as many as may run at the same time."""
    message = f"{holder} has {most} calls in flight here, as many as it may; try again when one has ended"
    return OverLimit(message, Reached("in_flight", most, 0, _BUSY_SECONDS))


def unpriced_refusal(target: str, limit: Limit) -> Forbidden:
    """Return the refusal of a model whose calls nobody can put a price on."""
    message = f"{target} has no known price, and the budget of {holder_text(limit)} refuses such models"
    return Forbidden(message, code="unpriced_model", param="model")


def holder_text(limit: Limit) -> str:
    """Return whose limit it is; a conversation's name says nothing to anyone."""
    if limit.level == "conversation":
        return f"this conversation with {limit.name.partition('/')[0]}"
    if limit.level == "user":
        return "this end user"
    return f"{limit.level} {limit.name}"


def _amount(limit: Limit, amount: int) -> str:
    return f"{amount / NANO:.9f}".rstrip("0").rstrip(".") if limit.kind == "usd" else str(amount)


def _window(limit: Limit) -> str:
    window = limit.window
    return f"a {window.calendar} ({window.zone})" if window.calendar else window.text


def span_in_words(seconds: float) -> str:
    """Return how long it is until a limit frees, rounded up: `40 s`, `12 min`, `3 h`."""
    if seconds < 120:
        return f"{math.ceil(seconds)} s"
    return f"{math.ceil(seconds / 60)} min" if seconds < 7200 else f"{math.ceil(seconds / 3600)} h"


def _time(unix: float) -> str:
    return datetime.fromtimestamp(math.ceil(unix), UTC).isoformat().replace("+00:00", "Z")
