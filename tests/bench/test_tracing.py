"""What an export of traces adds to a call."""

import pytest

from bench import tracing


def test_a_share_costs_in_proportion() -> None:
    """A tenth sampled lies a tenth of the way from none to all; a start is in both counts, and in no figure."""
    each = {"off": 100, "none sampled": 110, "all sampled": 210}
    totals = {f"{name} {n}": 5_000 + each[name] * count for name in each for n, count in enumerate(tracing.COUNTS)}
    costs = tracing.costs(totals)
    assert costs["10% sampled"] == pytest.approx((120, 0.2))
    assert costs["off"] == (100, 0)
