"""`python -m bench.gateways [--quick] [--only NAME …] [--rounds N]`: Serinus and its peers, measured in one run.

A full run (about 20 minutes on a quiet machine) writes its rows to bench/results/gateways.jsonl and its tables into
docs/performance.md; a quick one (under 2 minutes) only prints. Peers: `python -m bench.gateways.install`.
"""

import argparse
import dataclasses
import json
import os
import platform
import sys
import time
from pathlib import Path

from bench.gateways import plan, report, wrk
from bench.gateways.install import ROOT
from bench.gateways.measure import Row
from bench.gateways.peers import PEERS, Peer

RESULTS = ROOT / "bench" / "results" / "gateways.jsonl"
DOCUMENT = ROOT / "docs" / "performance.md"


def main(arguments: list[str]) -> int:
    """Measure, print the tables, and record them if all was measured."""
    given = _parser().parse_args(arguments)
    scope = plan.QUICK if given.quick else plan.FULL
    scope = dataclasses.replace(scope, rounds=given.rounds or scope.rounds)
    wanted = [peer for peer in PEERS if not given.only or peer.name.split()[0].lower() in given.only]
    present = [peer for peer in wanted if peer.installed]
    facts = _facts(present, arguments)
    rows = []
    for row in plan.rows(present, scope):
        print(f"\r{row.gateway}, round {row.round + 1}: {row.measure:40}", end="", file=sys.stderr, flush=True)
        rows.append(row)
    print("\r" + " " * 79 + "\r", end="", file=sys.stderr)
    text = _text(rows, wanted, facts)
    print(text)
    if not given.quick and not given.only:
        _record(rows, facts, text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m bench.gateways", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer measures, one round, nothing recorded")
    parser.add_argument("--only", nargs="+", type=str.lower, help="some of: serinus nginx envoy portkey litellm")
    parser.add_argument("--rounds", type=int, help="how often each gateway is visited")
    return parser


def _facts(peers: list[Peer], arguments: list[str]) -> dict[str, object]:
    """What a reader needs to judge the figures."""
    return {
        "command": " ".join(["python -m bench.gateways", *arguments]),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": f"{_processor()}, {len(os.sched_getaffinity(0))} cores, Linux {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "load": "wrk" if wrk.program() else "own",
        "busy": os.getloadavg()[0],
        "versions": {peer.name: peer.version() for peer in peers},
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _text(rows: list[Row], wanted: list[Peer], facts: dict[str, object]) -> str:
    values = report.medians(rows)
    names = [peer.name for peer in wanted if any(row.gateway == peer.name for row in rows)]
    missing = [peer.name for peer in wanted if peer.name not in names]
    versions = ", ".join(f"{name} {version}" for name, version in _versions(facts).items())
    head = (
        f"`{facts['command']}`, {facts['date']}: {facts['machine']}, Python {facts['python']}; {versions}. "
        f"Closed loops by {'wrk' if facts['load'] == 'wrk' else 'our own load'}. "
        f"Load average before the run: {facts['busy']:.1f}."
    )
    return head + "\n\n" + report.tables(values, names, missing)


def _versions(facts: dict[str, object]) -> dict[str, str]:
    versions = facts["versions"]
    assert isinstance(versions, dict)
    return versions


def _record(rows: list[Row], facts: dict[str, object], text: str) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    lines = [json.dumps(facts), *(json.dumps(dataclasses.asdict(row)) for row in rows)]
    RESULTS.write_text("\n".join(lines) + "\n")
    DOCUMENT.write_text(report.between_markers(DOCUMENT.read_text(), text))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
