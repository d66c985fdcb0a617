"""Limits in words, for terminals, pages and notices."""

from collections.abc import Mapping
from typing import Final

from gateway.limits.limit_view import LimitView
from gateway.number_words import percentage, usd

_NOUNS: Final[Mapping[str, str]] = {"requests": "requests", "tokens": "tokens", "in_flight": "calls in flight here"}
USED_UP: Final = "used up"
_EXHAUSTED: Final = 0.9995  # what is shown as all of it


def amount_in_words(kind: str, amount: float) -> str:
    """Return an amount of a limit: `$12.50`, `1,200 tokens`."""
    return usd(amount) if kind == "usd" else f"{amount:,.0f} {_NOUNS.get(kind, kind)}"


def limit_in_words(limit: LimitView) -> str:
    """Return what is allowed: `$20.00 in 24h`, `600 requests in 1m`, `50 calls in flight here`."""
    window = f" in {'a ' if limit.resets_at else ''}{limit.window}" if limit.window else ""
    return f"{amount_in_words(limit.kind, limit.limit)}{window}"


def use_in_words(limit: LimitView) -> str:
    """Return what is used, and what is left: `91 % used, $1.80 left`."""
    left = usd(limit.left) if limit.kind == "usd" else f"{limit.left:,.0f}"
    return f"{percentage(limit.used_ratio)} used, {left} left"


def soft_in_words(limit: LimitView) -> str:
    """Return that a limit is used up, or its soft share reached; '' while neither is."""
    if limit.window is not None and limit.used_ratio >= _EXHAUSTED:
        return USED_UP
    return f"beyond soft {percentage(limit.soft)}" if limit.is_soft and limit.soft is not None else ""
