"""Two replicas under mixed traffic and random faults from one seed, and the promises that must hold meanwhile.

    python -m bench.soak [--minutes 30] [--seed N] [--folder DIR] [--write]

`serinus serve` twice over a real store, the stand-in provider, and clients of all formats, whole and streamed, with
tools and over WebSockets; a trial with steps, keys and an agent with limits. Faults of six kinds overlap: of the
provider, of the canary, of the store, of the replicas, of the configuration, of callers. After each era of traffic,
some 100 s, the books are compared. The exit code is 1 where a promise is broken. The folder keeps the journal, the
configuration, the store's data and every log; the same seed draws the same faults. `--write` puts the tables into
docs/reliability.md.
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
from pathlib import Path

from bench.quoting import quote
from bench.soak.promises import Evidence, judge
from bench.soak.report import broken, fault_lines, promise_lines
from bench.soak.run import run

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=None, help="a random one by default")
    parser.add_argument("--folder", type=Path, default=None, help="an empty or new folder; a temporary one by default")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    args = parser.parse_args()
    seed = random.SystemRandom().randrange(1, 100_000) if args.seed is None else args.seed
    folder = args.folder or Path(tempfile.mkdtemp(prefix=f"soak-{seed}-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"seed {seed}, {args.minutes:g} minutes; journal and logs: {folder}", flush=True)
    before = os.getloadavg()[0]
    seen = Evidence(asyncio.run(run(folder, seed, args.minutes * 60)))
    rows = judge(seen)
    promised, made = promise_lines(rows), fault_lines(seen.world.journal, seen.explained)
    print(*promised, "", *made, "", *broken(rows), sep="\n")
    if args.write:
        loads = f"{before:.1f} and {os.getloadavg()[0]:.1f}"
        load = f"Load average of the machine ({os.cpu_count()} cores) before and after: {loads}."
        command = f"make soak ARGS='--minutes {args.minutes:g} --seed {seed} --write'"
        quote("bench.soak", [*promised, "", load, "", *made], command, PAGE)
    return int(any(row.holds is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
