"""What is measured of one running gateway. Every figure becomes a row: gateway, round, measure, unit, value.

CPU is that of the gateway's processes without the embedded store; what the store used is a row of its own.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

from bench.gateways import tree, wire, wrk
from bench.gateways.load import Address, ClosedLoop, OpenLoop, Seen, burst, call_once
from bench.gateways.peers import Launch, Peer

HOST = "127.0.0.1"
CONCURRENCY = (1, 16, 64, 256)
STREAMS = (64, 500)
OPEN_STREAMS = 2000
BURST = 256
RATE = 1500
GAP_MS = 20  # 50 pieces a second and stream: a fast model
_SLOW_GAP_MS = 1000  # streams that stay open while memory is looked at
_READY_SECONDS = 120.0
_FAST = 3000.0  # calls a second from which on wrk makes them; our own load could not always keep up
_BEFORE_SECONDS = 0.5
_AT_REST = 0.05  # share of a core
_REST_SECONDS = 10.0
_SETTLE_SECONDS = 0.25  # two flushes of the tallies: what a call leaves behind belongs to it
_US, _MS = 1e6, 1e3


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one round."""

    gateway: str
    round: int
    measure: str
    value: float


@dataclass(slots=True)
class Subject:
    """A gateway that runs (or the upstream itself, as `direct`), with the rows of this round."""

    name: str
    round: int
    folder: Path
    address: Address
    launch: Launch
    process: Popen[bytes]
    rows: list[Row] = field(default_factory=list)
    rate: float = 0.0  # calls a second, as far as is known

    def note(self, measure: str, value: float) -> None:
        self.rows.append(Row(self.name, self.round, measure, value))

    def requests(self, gap_ms: int | None = None) -> list[bytes]:
        path = self.launch.path if gap_ms is None else self.launch.stream_path
        host = f"{HOST}:{self.address[1]}"
        return wire.requests(path, host, self.launch.headers, self.launch.model, gap_ms)


@contextmanager
def running(peer: Peer, turn: int, folder: Path, ports: tuple[int, int], core: int) -> Iterator[Subject]:
    """The gateway, started on that core and answering. `ports`: its own, and the upstream's. Raises TimeoutError."""
    port, upstream = ports
    launch = peer.launch(folder, port, upstream)
    began = time.perf_counter()
    process = tree.start(launch.command, folder, core, launch.environment, launch.cwd)
    subject = Subject(peer.name, turn, folder, (HOST, port), launch, process)
    try:
        await_answer(subject)
        subject.note("ready s", time.perf_counter() - began)
        yield subject
    finally:
        tree.stop(process)


def await_answer(subject: Subject) -> None:
    """Return once it answers a call well. Raises TimeoutError when it does not, or has ended."""
    request, began = subject.requests()[0], time.perf_counter()
    while not call_once(subject.address, request):
        if time.perf_counter() - began > _READY_SECONDS or subject.process.poll() is not None:
            raise TimeoutError(f"it does not answer, see {subject.folder / 'output'}")
        time.sleep(0.005)


def memory_at_start(subject: Subject) -> None:
    """Memory after the first calls, in MB."""
    usage = tree.usage(subject.process.pid)
    subject.note("memory start MB", usage.memory)
    subject.note("memory store MB", usage.store_memory)


def warm(subject: Subject, seconds: int) -> None:
    """Calls that nobody counts: caches fill, interpreters specialise."""
    subject.rate = _steady(subject, 16, seconds)[0].calls / seconds


def calls(subject: Subject, callers: int, seconds: int) -> float:
    """Whole answers in a closed loop. Returns the CPU time of a call in µs."""
    seen, (cpu, store) = _closed(subject, callers, seconds)
    rate = (seen.calls - seen.failed) / seconds
    name = f"json c={callers}"
    _note_quantiles(subject, name, seen.latencies)
    for what, value in (("cpu us", cpu), ("store us", store), ("rate", rate), ("failed", seen.failed)):
        subject.note(f"{name} {what}", value)
    return cpu


def streams(subject: Subject, count: int, seconds: float) -> None:
    """Streams in a closed loop, their beginnings spread over one stream's length."""
    length = wire.CHUNKS * GAP_MS / _MS
    _rest(subject)
    load = ClosedLoop(subject.address, subject.requests(GAP_MS), count, ramp=length)
    try:
        load.run(2 * length)
        load.taken()
        used = _Used(subject)
        load.run(seconds)
        seen = load.taken()
        cpu, store = used.over(seen.pieces)
    finally:
        load.close()
    name = f"streams {count}"
    for what, value in (("cpu us", cpu), ("store us", store), ("pieces", seen.pieces), ("failed", seen.failed)):
        subject.note(f"{name} {what}", value)
    if seen.firsts:
        subject.note(f"{name} first p50 ms", quantile(seen.firsts, 0.5) * _MS)


def open_loop(subject: Subject, name: str, rate: float, seconds: float) -> None:
    """Whole answers at a steady rate, latencies from the intended moment."""
    _rest(subject)
    load = OpenLoop(subject.address, subject.requests(), rate)
    try:
        load.run(0.5)
        load.taken()
        load.run(seconds)
        seen = load.taken()
    finally:
        load.close()
    _note_quantiles(subject, name, seen.latencies)
    subject.note(f"{name} rate", seen.calls / seconds)


def after_burst(subject: Subject, seconds: int) -> None:
    """What a call costs after 256 connections came and went, as a share of what it cost just before."""
    before = calls(subject, 16, seconds)
    failed = burst(subject.address, subject.requests(), BURST)
    after = calls(subject, 16, seconds)
    subject.note("burst ratio", after / before if before else 0.0)
    subject.note("burst failed", failed)


def memory_of_streams(subject: Subject, count: int = OPEN_STREAMS) -> None:
    """What that many open streams add to the memory, in MB per 1,000 that have begun."""
    before = tree.usage(subject.process.pid).memory
    load = ClosedLoop(subject.address, subject.requests(_SLOW_GAP_MS), count, ramp=10.0)
    try:
        load.run(20.0)
        seen = load.taken()
        after = tree.usage(subject.process.pid).memory
    finally:
        load.close()
    begun = len(seen.firsts)
    subject.note("streams open", begun)
    if begun:
        subject.note("memory per 1000 streams MB", (after - before) / begun * 1000)


def memory_of_calls(subject: Subject, count: int, seconds: float) -> None:
    """What so many calls leave behind, in MB; fewer when they take longer than `seconds`."""
    before = tree.usage(subject.process.pid).memory
    end, made = time.perf_counter() + seconds, 0
    while made < count and time.perf_counter() < end:
        made += _closed(subject, 64, 5)[0].calls
    subject.note("calls made", made)
    subject.note("memory growth MB", tree.usage(subject.process.pid).memory - before)


def quantile(values: list[float], share: float) -> float:
    """The value that this share of the others lies below or at (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


class _Used:
    """The CPU time of a subject from now on."""

    def __init__(self, subject: Subject) -> None:
        self._root = subject.process.pid
        self._before = tree.usage(self._root)

    def over(self, count: int, settle: float = 0.0) -> tuple[float, float]:
        """µs for each of so many things: the gateway's, and its embedded store's."""
        if settle:
            time.sleep(settle)
        now, before = tree.usage(self._root), self._before
        each = _US / max(count, 1)
        return (now.cpu - before.cpu) * each, (now.store_cpu - before.store_cpu) * each


def _closed(subject: Subject, callers: int, seconds: int) -> tuple[Seen, tuple[float, float]]:
    """A closed loop: what it saw, and the CPU µs of a call, the gateway's and the store's.

    By wrk where calls are fast. It cuts off what is under way at its end, which then counts for nothing: a slow gateway
    would be charged for work that nobody saw, so those are asked by our own load, in a steady state.
    """
    _rest(subject)
    if subject.rate < _FAST or not wrk.program():
        return _steady(subject, callers, seconds)
    used = _Used(subject)
    seen = wrk.closed_loop(subject.folder, subject.address, subject.requests(), callers, seconds)
    return seen, used.over(seen.calls, _SETTLE_SECONDS)


def _steady(subject: Subject, callers: int, seconds: int) -> tuple[Seen, tuple[float, float]]:
    load = ClosedLoop(subject.address, subject.requests(), callers)
    try:
        load.run(_BEFORE_SECONDS)
        load.taken()
        used = _Used(subject)
        load.run(seconds)
        seen = load.taken()
        return seen, used.over(seen.calls)
    finally:
        load.close()


def _rest(subject: Subject) -> None:
    """Wait until the gateway has done with what was asked before; some work on after their callers have left."""
    end = time.perf_counter() + _REST_SECONDS
    while time.perf_counter() < end:
        before = tree.usage(subject.process.pid).cpu
        time.sleep(_SETTLE_SECONDS)
        if tree.usage(subject.process.pid).cpu - before < _AT_REST * _SETTLE_SECONDS:
            return


def _note_quantiles(subject: Subject, name: str, latencies: list[float]) -> None:
    if latencies:
        subject.note(f"{name} p50 ms", quantile(latencies, 0.5) * _MS)
        subject.note(f"{name} p99 ms", quantile(latencies, 0.99) * _MS)
