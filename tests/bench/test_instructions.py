"""What is counted, and what counts as too much."""

from pathlib import Path

import pytest

from bench import instructions, memory

REPORT = "version: 1\nsummary: 123456\n"


def test_a_report_tells_its_total() -> None:
    """Callgrind's summary is the number of instructions; a report without one is refused."""
    assert instructions.total(REPORT) == 123456
    with pytest.raises(ValueError, match="no totals"):
        instructions.total("version: 1\n")


def test_what_both_counts_share_cancels_out() -> None:
    """A start that costs a million is in fewer and in more, and so in no figure."""
    totals = {
        what: (1_000_000 + less * 10, 1_000_000 + more * 10) for what, (less, more) in instructions.COUNTS.items()
    }
    assert instructions.figures(totals) == {
        "call": 10.0, "stream": 10.0, "reference": 10.0, "call ratio": 1.0, "stream ratio": 1.0,
    }  # fmt: skip


def test_only_what_grew_beyond_the_margin_is_an_excess() -> None:
    """Nine percent are let pass, eleven are not; the ratios are compared, not the counts."""
    counted = {"call ratio": 1.09, "stream ratio": 2.22, "call": 9e9}
    excess = instructions.excess(counted, {"call ratio": 1.0, "stream ratio": 2.0, "call": 1.0})
    assert list(excess) == ["stream ratio"]


@pytest.mark.parametrize(("gap_ms", "least"), [(None, 1000), (instructions.GAP_MS, 10_000)])
def test_calls_in_memory_are_real_calls(tmp_path: Path, gap_ms: int | None, least: int) -> None:
    """What comes back is an answer of the usual size, or a whole stream; an error would have been raised."""
    gateway = memory.gateway_in(tmp_path / "configuration")
    assert memory.run(gateway, 3, gap_ms) >= 3 * least
