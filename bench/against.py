"""Checkouts measured in turns: `python -m bench.against PATH … [--rounds 5] [--of [call] [stream] [open]]`.

This checkout is the first, with its own gateway under the load of `bench.gateways`; PATH is another one (`git worktree
add PATH COMMIT`), run by the same interpreter. What a machine does besides hits both alike, so a change of a few
percent shows here that two runs of `bench.gateways` would not tell from noise: the medians, and what they are of ours.
"""

import argparse
import dataclasses
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from bench.gateways import measure
from bench.gateways.install import ROOT
from bench.gateways.measure import Row, Subject
from bench.gateways.peers import PEERS, Launch, Peer, serinus
from bench.gateways.plan import workshop

_PORT = 18080
_SHOWN = ("cpu us", "p50 ms", "p99 ms", "MB", "ready s")


def _calls(subject: Subject, seconds: int) -> None:
    for callers in (1, 16, 256):
        measure.calls(subject, callers, seconds)


def _streams(subject: Subject, seconds: int) -> None:
    for count in measure.STREAMS:
        measure.streams(subject, count, seconds)


def _open(subject: Subject, seconds: int) -> None:
    measure.open_loop(subject, "open 1500", measure.RATE, seconds)


_KINDS: dict[str, Callable[[Subject, int], None]] = {"call": _calls, "stream": _streams, "open": _open}


def main(arguments: list[str]) -> int:
    """Print a line for each measure."""
    given = _parser().parse_args(arguments)
    places = [ROOT, *(path.resolve() for path in given.paths)]
    rows = []
    for row in _rows(places, given.of, given.rounds, given.seconds):
        print(f"\r{row.gateway}, round {row.round + 1}: {row.measure:40}", end="", file=sys.stderr, flush=True)
        rows.append(row)
    print("\r" + " " * 100 + "\r", end="", file=sys.stderr)
    names = [str(place) for place in places]
    for kind in dict.fromkeys(row.measure for row in rows if row.measure.endswith(_SHOWN)):
        values = [median(row.value for row in rows if row.measure == kind and row.gateway == name) for name in names]
        others = ", ".join(f"{value:.3g} (× {value / values[0]:.3f})" for value in values[1:])
        print(f"{kind:28} {values[0]:.3g} here; {others}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m bench.against", description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="another checkout")
    parser.add_argument("--of", nargs="*", choices=_KINDS, default=list(_KINDS), help="besides start and memory")
    parser.add_argument("--rounds", type=int, default=5, help="how often each checkout is visited")
    parser.add_argument("--seconds", type=int, default=3, help="for each measure")
    return parser


def _rows(places: list[Path], kinds: list[str], rounds: int, seconds: int) -> Iterator[Row]:
    with workshop() as (folder, core, _):
        for turn in range(rounds):
            for place in places if turn % 2 else reversed(places):  # nobody is always first
                home = Path(tempfile.mkdtemp(prefix="checkout-", dir=folder))
                with measure.running(_checkout(place), turn, home, (_PORT + 1, _PORT), core) as subject:
                    measure.memory_at_start(subject)
                    measure.warm(subject, 1)
                    for kind in kinds:
                        _KINDS[kind](subject, seconds)
                yield from subject.rows
                shutil.rmtree(home, ignore_errors=True)


def _checkout(place: Path) -> Peer:
    """Serinus as always, from that folder."""

    def launch(folder: Path, port: int, upstream: int) -> Launch:
        return dataclasses.replace(serinus(folder, port, upstream), cwd=place)

    return dataclasses.replace(PEERS[0], name=str(place), launch=launch)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
