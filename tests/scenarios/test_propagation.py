"""A decision reaches every replica: at once by its announcement, and by the poll where nobody can be announced to."""

import random

from bench.propagation import WAYS, measure

TURNS = 20


async def test_an_announced_decision_reaches_every_replica_at_once() -> None:
    """From the commit to another process's table: most within a tenth of a second, none much later than a poll."""
    seconds = await measure(WAYS[0], TURNS, random.Random(1))
    assert len(seconds) == 2 * TURNS
    assert seconds[TURNS] < 0.1 and seconds[-1] < 3.0


async def test_without_pubsub_the_poll_brings_every_decision() -> None:
    """A Redis user without channels: replicas neither say nor hear anything, and still follow."""
    seconds = await measure(WAYS[1], TURNS, random.Random(1))
    assert len(seconds) == 2 * TURNS
    assert seconds[TURNS] > 0.1, "somebody was told"
    assert seconds[-1] < 3.0
