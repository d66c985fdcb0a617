"""The share of a processor that the loop's thread has used, of what a container may use."""

from pathlib import Path

import pytest

from gateway.overload.processor import ProcessorGauge, cpu_quota


@pytest.mark.parametrize(("quota", "share"), [(4.0, 0.25), (1.0, 0.25), (0.5, 0.5), (0.2, 1.0)])
def test_the_share_is_of_what_may_be_used(quota: float, share: float) -> None:
    """A thread runs on one processor at most; of a smaller part the same time is a larger share."""
    used = 0.0
    gauge = ProcessorGauge(lambda: used, quota)
    assert gauge.share(100.0) == 0.0
    for step in range(1, 101):
        used = step * 0.005
        found = gauge.share(100.0 + step * 0.02)
    assert found == pytest.approx(share)


def test_only_the_last_half_second_counts() -> None:
    """A loop that was busy and rests is free soon."""
    used = 0.0
    gauge = ProcessorGauge(lambda: used, 1.0)
    for step in range(50):
        used = step * 0.02
        gauge.share(step * 0.02)
    assert gauge.share(1.5) < 0.05


def test_the_quota_of_a_container(tmp_path: Path) -> None:
    """Version 2 and 1 of control groups; no limit is every processor of the machine."""
    everything = cpu_quota(tmp_path)
    assert everything >= 1
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert cpu_quota(tmp_path) == everything
    (tmp_path / "cpu.max").write_text("25000 100000\n")
    assert cpu_quota(tmp_path) == 0.25
    (tmp_path / "cpu.max").unlink()
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("150000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert cpu_quota(tmp_path) == 1.5
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert cpu_quota(tmp_path) == everything
