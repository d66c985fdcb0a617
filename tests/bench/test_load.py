"""The load generator against the stand-in for a provider, over real sockets."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest

from bench.gateways import tree, wire
from bench.gateways.load import Address, ClosedLoop, OpenLoop, burst, call_once
from bench.gateways.upstream import is_whole

ROOT = Path(__file__).parents[2]
PATH = "/v1/chat/completions"


def calls(gap_ms: int | None = None) -> list[bytes]:
    return wire.requests(PATH, "bench", {}, "gpt-4o", gap_ms)


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Address]:
    """A stand-in on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address: Address = probe.getsockname()
    process = tree.start([sys.executable, "-m", "bench.gateways.upstream", str(address[1])], tmp_path, 0, cwd=ROOT)
    try:
        for _ in range(500):
            if call_once(address, calls()[0]):
                break
            sleep(0.02)
        yield address
    finally:
        tree.stop(process)


def test_how_the_shell_runs_python_is_not_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every start of a gateway would compile it anew; what else is set goes on."""
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "OURS"):
        monkeypatch.setenv(name, "1")
    tree.start(["env"], tmp_path, 0, {"THEIRS": "1"}).wait()
    said = (tmp_path / "output").read_text().splitlines()
    assert {"OURS=1", "THEIRS=1"} <= set(said)
    assert not [line for line in said if line.startswith(("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"))]


def test_a_closed_loop_counts_every_answer(upstream: Address) -> None:
    """Each good answer is a call with a latency; none fails."""
    load = ClosedLoop(upstream, calls(), 4)
    load.run(0.3)
    seen = load.taken()
    load.close()
    assert seen.calls == len(seen.latencies) > 0
    assert seen.failed == 0


def test_an_open_loop_keeps_its_rate(upstream: Address) -> None:
    """As many calls as were meant to go out, give or take the last ones."""
    load = OpenLoop(upstream, calls(), 100.0)
    load.run(1.0)
    seen = load.taken()
    load.close()
    assert 90 <= seen.calls <= 101


def test_a_stream_is_counted_piece_by_piece(upstream: Address) -> None:
    """A whole stream has its fifty pieces, and one first piece."""
    load = ClosedLoop(upstream, calls(gap_ms=1), 1)
    load.run(0.5)
    seen = load.taken()
    load.close()
    assert seen.calls >= 1
    assert seen.pieces >= seen.calls * wire.CHUNKS
    assert len(seen.firsts) >= seen.calls


def test_a_burst_is_answered(upstream: Address) -> None:
    """Many connections at once, and nothing fails."""
    assert burst(upstream, calls(), 32) == 0


def test_a_request_is_whole_when_its_last_byte_is_there() -> None:
    """By its length, or by the end of its chunks."""
    request = calls()[0]
    assert is_whole(request)
    assert not is_whole(request[:-1])
    chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
    assert not is_whole(chunked)
    assert is_whole(chunked + b"0\r\n\r\n")
