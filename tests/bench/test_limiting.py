"""What limits add to a call."""

from bench import limiting


def test_limits_cost_what_is_beyond_a_call_without_them() -> None:
    """A start is in both counts, and in no figure."""
    each = {"call off": 100, "call three limits": 105, "stream off": 400, "stream three limits": 404}
    totals = {f"{name} {n}": 5_000 + each[name] * count for name in each for n, count in _counts(name)}
    assert limiting.costs(totals)["call, three limits"] == (105, 105 / 100 - 1)
    assert limiting.costs(totals)["stream, off"] == (400, 0)


def _counts(name: str) -> list[tuple[int, int]]:
    return list(enumerate(limiting.COUNTS[name.partition(" ")[0]]))
