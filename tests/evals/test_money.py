"""Money of evaluations."""

from evals.money import to_nano_usd, to_usd


def test_dollars_and_nano_dollars() -> None:
    """The nearest whole one; sums of them stay exact."""
    assert (to_nano_usd(0.1), to_nano_usd(4e-10), to_usd(1_500_000_000)) == (100_000_000, 0, 1.5)
    assert to_usd(3 * to_nano_usd(0.1)) == 0.3
