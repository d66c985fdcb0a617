"""The limits on what the Redis store keeps, and reads at once: one value, handed to the store when it is built."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of what grows by itself, each for one agent."""

    conversations: int = 20_000  # remembered of one caller, at least, and at most twice as many: 6 MB
    escalations: int = 10_000
    escalation_seconds: int = 30 * 24 * 3600  # so long a conversation is found by its call, and a reply seen beside it
    events_at_once: int = 100  # of an audit trail; one with its evidence may take some ten kilobytes


BOUNDS = Bounds()
