"""What a run does: rounds, each of which visits every gateway, and last visits for what needs doing once only."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.gateways import measure, tree
from bench.gateways.install import ROOT
from bench.gateways.measure import HOST, Row, Subject
from bench.gateways.peers import Launch, Peer

DIRECT = "direct"  # the upstream without any gateway
_PORT = 18080
_MOST_OPEN = 5000.0  # calls a second that our own load can surely send on time
_ROOM = 1.1  # a gateway is asked for a rate only if it can do more than this many times as much


@dataclass(frozen=True, slots=True)
class Scope:
    """How much is done. Seconds for each measure, and for both sides of a burst; `calls` and `calls_seconds` bound the
    test for growing memory."""

    rounds: int = 3
    seconds: int = 3
    burst_seconds: int = 3
    concurrency: tuple[int, ...] = measure.CONCURRENCY
    streams: tuple[int, ...] = measure.STREAMS
    once: bool = True
    calls: int = 1_000_000
    calls_seconds: float = 240.0
    others_seconds: float = 30.0


FULL = Scope()
QUICK = Scope(rounds=1, seconds=2, burst_seconds=1, concurrency=(16,), streams=(64,), once=False)


def rows(peers: list[Peer], scope: Scope) -> Iterator[Row]:
    """Every figure of a run, as it comes. Gateways take turns in each round, so that all see the same neighbours."""
    with workshop() as (folder, core, upstream):
        for turn in range(scope.rounds):
            yield from _direct(folder, upstream, turn, scope)
            for peer in peers:
                yield from _visit(peer, turn, (folder, core), lambda subject: _round(subject, scope))
        if scope.once:
            for peer in peers:
                yield from _visit(peer, scope.rounds, (folder, core), lambda subject: _last(subject, scope))


def _round(subject: Subject, scope: Scope) -> None:
    measure.memory_at_start(subject)
    measure.warm(subject, scope.seconds)
    for callers in scope.concurrency:
        measure.calls(subject, callers, scope.seconds)
    for count in scope.streams:
        measure.streams(subject, count, scope.seconds)
    capacity = next(row.value for row in subject.rows if row.measure == "json c=16 rate")
    if capacity > _ROOM * measure.RATE:
        measure.open_loop(subject, "open 1500", measure.RATE, scope.seconds)
    if scope.once:
        measure.open_loop(subject, "open half", min(capacity / 2, _MOST_OPEN), scope.seconds)
    measure.after_burst(subject, scope.burst_seconds)


def _last(subject: Subject, scope: Scope) -> None:
    measure.warm(subject, scope.seconds)
    measure.memory_of_calls(subject, scope.calls, scope.calls_seconds if _is_ours(subject) else scope.others_seconds)
    measure.memory_of_streams(subject)


def _is_ours(subject: Subject) -> bool:
    return subject.name == "Serinus"


def _direct(folder: Path, upstream: Subject, turn: int, scope: Scope) -> list[Row]:
    """The same calls straight to the upstream, for what a gateway adds."""
    subject = Subject(DIRECT, turn, folder, upstream.address, upstream.launch, upstream.process)
    measure.calls(subject, 1, scope.seconds)
    for count in scope.streams:
        measure.streams(subject, count, scope.seconds)
    measure.open_loop(subject, "open 1500", measure.RATE, scope.seconds)
    return subject.rows


def _visit(peer: Peer, turn: int, place: tuple[Path, int], do: Callable[[Subject], None]) -> list[Row]:
    """Start the gateway, measure, stop it. One that fails is named on standard error; what it had shown counts."""
    folder, core = place
    home = Path(tempfile.mkdtemp(prefix="gateway-", dir=folder))
    shown: list[Row] = []
    try:
        with measure.running(peer, turn, home, (_PORT + 1, _PORT), core) as subject:
            shown = subject.rows
            do(subject)
    except OSError as error:  # it never answered, or answers no longer
        print(f"{peer.name}: {error}; its last words: {_last_words(home)}", file=sys.stderr)
    shutil.rmtree(home, ignore_errors=True)
    return shown


def _last_words(home: Path) -> str:
    """The end of what a gateway said, before its folder goes."""
    return "\n".join((home / "output").read_text(errors="replace").splitlines()[-10:])


@contextmanager
def workshop() -> Iterator[tuple[Path, int, Subject]]:
    """A folder, the gateways' core, and the upstream, on the other core, where this process stays from now on."""
    ours, other = tree.cores()
    tree.stay(other)
    folder = Path(tempfile.mkdtemp(prefix="serinus-bench-"))
    command = [sys.executable, "-m", "bench.gateways.upstream", str(_PORT)]
    process = tree.start(command, folder, other, cwd=ROOT)
    upstream = Subject(DIRECT, 0, folder, (HOST, _PORT), Launch(command), process)
    try:
        measure.await_answer(upstream)
        yield folder, ours, upstream
    finally:
        tree.stop(process)
        shutil.rmtree(folder, ignore_errors=True)
