"""Service tiers of answers that have prices of their own. Others, and words that nobody knows, are the usual one."""

from dataclasses import replace

from gateway.calls import Usage

# `scale` is paid for in advance, `fast` is Anthropic's speed, `optimized` Amazon's latency.
_PRICED_APART = frozenset({"priority", "flex", "batch", "scale", "fast", "optimized"})
_PREFIX = "service_tier_"  # of Google's enumeration


def with_tier(usage: Usage | None, said: object) -> Usage | None:
    """Return the usage with the tier that the answer names."""
    if usage is None or not isinstance(said, str):
        return usage
    tier = said.lower().removeprefix(_PREFIX)
    return replace(usage, tier=tier) if tier in _PRICED_APART else usage
