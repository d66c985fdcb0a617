"""How the evidence of the store is read."""

from typing import Any

import pytest

from gateway.store.sums import decode_sides

SCORES = {"canary|bad|quality|0": "3000000", "canary|bad|scored|0": "3000000", "canary|bad_units|quality": "3"}
STABLE = {"stable|requests|0": "90", "stable|bad|scored|0": "2000000", "stable|bad|quality|0": "500000"}


@pytest.mark.parametrize(("requests", "counts"), [("0", False), ("2", False), ("3", True), ("100", True)])
def test_no_score_counts_beyond_the_calls_served(requests: str, counts: bool) -> None:
    """Who leaves each stream that it scores has scores and no booked call: neither arm's quality is evidence then."""
    fields: dict[str, Any] = {"began": "0", **STABLE, **SCORES, "canary|requests|0": requests, "canary|errors": "1"}
    sides = decode_sides(fields, 1.0)
    assert sum(sides.canary.scored.values()) == 3 * counts and sum(sides.stable.scored.values()) == 2 * counts
    assert ("quality" in sides.canary.bad, "quality" in sides.stable.bad) == (counts, counts)
    assert sides.canary.bad_units.get("quality", 0) == 3 * counts and sides.canary.errors == 1
