"""The offset between two clocks."""

from gateway.clock_offset import unix_offset


def test_an_interruption_between_the_clocks() -> None:
    """Of three readings the one that nothing interrupted counts."""
    now = iter([10.0, 10.0, 10.5, 10.5, 10.5, 10.5, 10.5, 11.5, 11.5])  # interrupted in the first and the last
    clock = {"at": 0.0}

    def monotonic() -> float:
        clock["at"] = next(now)
        return clock["at"]

    def unix() -> float:
        clock["at"] = next(now)
        return 1_000.0 + clock["at"]

    assert unix_offset(unix, monotonic) == 1_000.0
