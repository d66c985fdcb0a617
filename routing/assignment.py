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
_ALONE = "\0request\0"  # begins a unit that is a single call; every other begins with its caller, and goes on by kind
LONGEST = 512  # characters of a user, a conversation or a header that name a unit as they are

Reason = Literal["pin", "rule", "split", "shadow", "passed", "model"]


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


def unit_of(sticky: Sticky, facts: Facts) -> str:
    """Return what is kept together on one version, always within one caller: two tenants never share a unit.

    Falls back to the conversation where the call has no user or no such header, and to the call by itself where it
    belongs to no conversation.
    """
    value = ""
    if sticky.kind == "user":
        value = facts.user
    elif sticky.kind == "header":
        value = facts.headers.get(sticky.header, "")
    if value:
        return f"{facts.caller}\0{sticky.kind}\0{_short(value)}"
    if sticky.kind == "request" or not facts.conversation:
        return f"{_ALONE}{facts.caller}\0{_short(facts.request)}"
    return conversation_unit(facts.caller, facts.conversation)


def is_alone(unit: str) -> bool:
    """Return whether the unit is a single call. No name that a client sends makes it one."""
    return unit.startswith(_ALONE)


def conversation_unit(caller: str, conversation: str) -> str:
    """Return the unit of a caller's conversation."""
    return f"{caller}\0conversation\0{_short(conversation)}"


def _short(text: str) -> str:
    """The client's text, or a digest in place of a long one: units are kept in caches, and compared time and again."""
    if len(text) <= LONGEST:
        return text
    return f"\0{hashlib.blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"
