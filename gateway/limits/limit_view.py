"""Limits and keys as JSON shows them. Shares are 0…1, money is US dollars, times are RFC 3339 in UTC."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LimitView:
    """A limit of one holder: what counts now, what is left, and when a calendar window begins anew.

    `window` is None for calls in flight, which are those of one replica. `resets_at` is None where the window rolls.
    `soft` is the share from which on a warning is told, None for none; `is_soft` says that it is reached.
    """

    level: str
    name: str
    kind: str
    window: str | None
    limit: float
    used: float
    left: float
    resets_at: str | None
    soft: float | None = None
    is_soft: bool = False

    @property
    def used_ratio(self) -> float:
        """Return the used share of the limit."""
        return self.used / self.limit


@dataclass(frozen=True, slots=True)
class KeyDigestView:
    """A caller's key: the first digits of its SHA-256, and when it was last sent; None for never, or long ago."""

    sha256: str
    last_used: str | None


@dataclass(frozen=True, slots=True)
class KeyView:
    """A caller: its scope (None for all agents, or all plain models that are passed on), and the keys it has."""

    name: str
    group: str
    agents: tuple[str, ...] | None
    models: tuple[str, ...] | None
    expires: str | None
    is_expired: bool
    digests: tuple[KeyDigestView, ...]


@dataclass(frozen=True, slots=True)
class KeysView:
    """The callers, and every limit whose holder the configuration names."""

    keys: tuple[KeyView, ...]
    limits: tuple[LimitView, ...]
