"""Memory and file descriptors as the system tells of them."""

import os
from pathlib import Path

import pytest

from gateway.overload.pressure import MemoryGauge, files_left, resident_bytes
from tests.support.descriptors import no_descriptor_left


def group(folder: Path, limit: str, used: int, cached: int) -> None:
    """Write a control group of version 2."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\nactive_file 7\n")


def gauge(root: Path, membership: str, limit: int | None = None) -> MemoryGauge:
    (root / "self").write_text(membership)
    return MemoryGauge(limit, root / "fs", root / "self")


def test_a_containers_limit_counts_without_cached_files(tmp_path: Path) -> None:
    """The kernel takes them back before it kills anything."""
    group(tmp_path / "fs" / "pod", "1000", 900, 400)
    assert gauge(tmp_path, "0::/pod\n").ratio() == 0.5


def test_the_tightest_group_counts(tmp_path: Path) -> None:
    """A limit may stand above the group; one without a limit does not count."""
    group(tmp_path / "fs" / "pod", "1000", 900, 0)
    group(tmp_path / "fs" / "pod" / "app", "max", 900, 0)
    group(tmp_path / "fs" / "pod" / "app" / "one", "10000", 900, 0)
    assert gauge(tmp_path, "0::/pod/app/one\n").ratio() == 0.9


def test_a_container_that_sees_its_hosts_path(tmp_path: Path) -> None:
    """The group is mounted at the root then."""
    group(tmp_path / "fs", "1000", 250, 0)
    assert gauge(tmp_path, "0::/kubepods/pod17/abc\n").ratio() == 0.25


def test_version_one(tmp_path: Path) -> None:
    """Other names, and a huge number for no limit."""
    for name, limit in (("app", "1000"), ("", str((1 << 63) - 4096))):
        folder = tmp_path / "fs" / "memory" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.limit_in_bytes").write_text(limit)
        (folder / "memory.usage_in_bytes").write_text("800")
        (folder / "memory.stat").write_text("inactive_file 1\ntotal_inactive_file 200\n")
    assert gauge(tmp_path, "9:cpu:/app\n7:memory:/app\n").ratio() == 0.6


@pytest.mark.parametrize("membership", ["", "0::/\n", "7:memory:/x\n"])
def test_no_limit(tmp_path: Path, membership: str) -> None:
    """Nothing is used up where nothing is limited."""
    assert gauge(tmp_path, membership).ratio() == 0.0


def test_a_group_that_vanishes(tmp_path: Path) -> None:
    """What cannot be read is no pressure."""
    group(tmp_path / "fs" / "pod", "1000", 900, 0)
    found = gauge(tmp_path, "0::/pod\n")
    (tmp_path / "fs" / "pod" / "memory.current").unlink()
    assert found.ratio() == 0.0


def test_a_limit_of_the_process(tmp_path: Path) -> None:
    """Its resident memory is compared with it."""
    assert 0.3 < gauge(tmp_path, "", 2 * resident_bytes()).ratio() < 0.7


def test_descriptors_that_are_left() -> None:
    """One that is opened is one less; none is left at the limit."""
    before = files_left()
    with open(os.devnull):
        assert files_left() == before - 1
    with no_descriptor_left():
        assert files_left() <= 8
