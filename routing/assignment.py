"""Unit → version: sticky, deterministic, and nested over a ramp.

A unit's bucket depends on the salt and the unit alone, and the canary owns the buckets below its weight. So 5 % lies
inside 25 % inside 50 %, every replica agrees without asking the store, and nobody flips back while a ramp goes up.
"""

import hashlib
from functools import lru_cache
from typing import Literal

from routing.agents import Sticky
from routing.facts import Facts

BUCKETS = 10_000  # one bucket is one basis point of the traffic
LONGEST = 512  # characters of a user, a conversation or a header that name a unit as they are

Reason = Literal["pin", "rule", "split", "shadow", "passed"]


@lru_cache(maxsize=1024)  # a conversation comes back, turn by turn
def bucket(salt: str, unit: str) -> int:
    """The unit's place in 0…9999, uniform over units and independent between salts (BLAKE2b, RFC 7693)."""
    data = f"{salt}\0{unit}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big") % BUCKETS


def in_canary(salt: str, unit: str, weight: int) -> bool:
    """Return whether the canary serves this unit at `weight` basis points."""
    return bucket(salt, unit) < weight


def salt(agent: str, canary_digest: str) -> str:
    """The salt of a rollout: it outlives the store, is the same on every replica, and new for each new canary."""
    return f"{agent}:{canary_digest}"


def shadow_salt(agent: str, digest: str) -> str:
    """The salt of a shadow's sample, independent of every rollout's: a unit's arm does not say whether it is copied."""
    return f"{agent}:{digest}:shadow"


def hedge_salt(agent: str, digest: str) -> str:
    """The salt by which units of a trial are never hedged, independent of the arms: it is drawn alike on both."""
    return f"{agent}:{digest}:hedge"


def exposure_salt(agent: str, digest: str) -> str:
    """The salt of the units that stay evidence while one arm's circuit is not closed, independent of the arms."""
    return f"{agent}:{digest}:exposure"


def unit_of(sticky: Sticky, facts: Facts) -> str:
    """Return the unit that stays on one version, always within one caller: two tenants never share a unit.

    Falls back to the conversation where the call has no user or no such header.
    """
    value = ""
    if sticky.kind == "request":
        value = facts.request
    elif sticky.kind == "user":
        value = facts.user
    elif sticky.kind == "header":
        value = facts.headers.get(sticky.header, "")
    kind = sticky.kind if value else "conversation"
    return f"{facts.caller}\0{kind}\0{_short(value or facts.conversation)}"


def _short(text: str) -> str:
    """The client's text, or a digest in place of a long one: units are kept in caches, and compared time and again."""
    if len(text) <= LONGEST:
        return text
    return f"\0{hashlib.blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"
