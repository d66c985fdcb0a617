"""Instructions that limits add to a call and to a stream, counted by valgrind: `python -m bench.limiting`.

Calls go through the real application in memory (`bench.memory`): without limits, and with three of the key's, in
requests, tokens and USD, whose leases carry every call. About two minutes.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bench.instructions import GAP_MS, in_children, totals_of

COUNTS = {"call": (60, 160), "stream": (20, 40)}  # fewer and more of each
LIMITS: dict[str, Any] = {
    "requests": "1000000000/1m", "tokens": "1000000000/1m", "usd": {"24h": 1_000_000}, "unpriced": "refuse",
}  # fmt: skip
MODES: dict[str, dict[str, Any]] = {"off": {}, "three limits": LIMITS}


def main(arguments: list[str]) -> int:
    """Count and print; 2 when valgrind is missing."""
    parser = argparse.ArgumentParser("python -m bench.limiting", description=__doc__)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.inside:
        _inside(given.inside)
        return 0
    if shutil.which("valgrind") is None:
        print("valgrind is missing: apt-get install valgrind", file=sys.stderr)
        return 2
    for name, (instructions, more) in costs(totals_of("bench.limiting")).items():
        print(f"{name:20} {instructions:12,.0f} {more:+7.1%}")
    return 0


def costs(totals: Mapping[str, int]) -> dict[str, tuple[float, float]]:
    """What a call and a stream take in each mode, and how much more that is than without limits."""
    found = dict[str, tuple[float, float]]()
    for what, (fewer, more) in COUNTS.items():
        each = {mode: (totals[f"{what} {mode} 1"] - totals[f"{what} {mode} 0"]) / (more - fewer) for mode in MODES}
        found |= {f"{what}, {mode}": (count, count / each["off"] - 1) for mode, count in each.items()}
    return found


def _inside(folder: Path) -> None:
    work = {}
    for mode, limits in MODES.items():
        gateway = _gateway(folder / mode, limits)
        work[f"call {mode}"] = (gateway, COUNTS["call"])
        work[f"stream {mode}"] = (partial(gateway, gap_ms=GAP_MS), COUNTS["stream"])
    in_children(work, folder)


def _gateway(folder: Path, limits: Mapping[str, Any]) -> Callable[..., object]:
    """A gateway whose key has these limits, with leases that never end."""
    from bench import memory
    from bench.gateways import peers

    folder.mkdir(parents=True)
    peers.serinus(folder, memory.NOBODY, memory.NOBODY)
    path = folder / peers.CONFIG / "gateway.yaml"
    settings = json.loads(path.read_text())
    for key in settings["keys"].values():
        key |= {"limits": limits} if limits else {}
    path.write_text(json.dumps(settings))
    gateway = memory.gateway_of(folder / peers.CONFIG)
    made = gateway.services.proxy.limits
    for holder in made.named_holders():
        for ledger in holder.ledgers:
            ledger.free, ledger.until, ledger.slice = ledger.limit.amount, float("inf"), "0"
    return partial(memory.run, gateway)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
