"""Whether what a rollout promises is true of the whole gateway: thousands of simulated rollouts of the real path.

    python -m bench.calibration [--world NAME …] [--runs N] [--jobs 2] [--quick] [--keep] [--table] [--write]

What is real: the application with its endpoints, routing, chain, attempts, retries with their budget, circuits, hedges,
recorder, flusher, judge, controller and store, over an embedded Redis for each process, which the gateway's own scripts
change. Two or more replicas run in one process, on a clock that jumps (`clock`). What is not: the HTTP server and the
transports, whose seams clients and a provider in memory take; pub/sub, notices and shadows; streams; the
time that work takes. Replicas share what conversations are under way only where there are any of several calls, or
several steps. Operations of the store wait for one another. `bench.outages` measures over sockets and processes.

Every rollout is drawn from its world's name and its seed. It has as many canary calls as the table says, in one step
unless said otherwise: e-values are at their worst early, and while circuits open and close. `--keep` writes the counts
into bench/results/calibration and goes on where the last run ended, or begins anew where the code has changed.
`--table` renders what was kept, `--write` puts that into docs/statistics.md; neither simulates anything.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

from bench.calibration.report import DIRTY, Tallied, chosen, code_digest, commit, kept, misses, row, table
from bench.calibration.scenario import Scenario
from bench.calibration.workers import work, workers
from bench.calibration.worlds import SCENARIOS
from bench.quoting import quote

QUICK = 20  # a quick run has one rollout in so many
SAVE_EVERY = 20  # rollouts


def measure(scenario: Scenario, runs: int, pool: ProcessPoolExecutor, code: str, *, keep: bool) -> Tallied:
    """So many rollouts of a world; those that were kept are not done again."""
    before = kept(scenario.name) if keep else None
    tallied = before if before and before.code == code else Tallied(scenario.name, code, commit())
    if tallied.commit.endswith(DIRTY):
        tallied.commit = commit()  # the same code may have been committed since
    for ended, seconds in pool.map(work, repeat(scenario.name), range(tallied.runs, runs)):
        tallied.add(ended, seconds)
        if keep and tallied.runs % SAVE_EVERY == 0:
            tallied.keep()
    if keep:
        tallied.keep()
    return tallied


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", nargs="*", default=[], help="names of worlds, or parts of names; all by default")
    parser.add_argument("--runs", type=int, help="rollouts per world, in place of what the table has")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help=f"a {QUICK}th of the rollouts")
    parser.add_argument("--keep", action="store_true", help="keep the counts, and go on where they end")
    parser.add_argument("--table", action="store_true", help="print what was kept")
    parser.add_argument("--write", action="store_true", help="write what was kept into docs/statistics.md")
    parser.add_argument("--list", action="store_true", help="print the names of the worlds")
    return parser.parse_args()


def render(scenarios: list[Scenario], *, write: bool) -> None:
    """Print the table of what was kept, or write it into the documentation."""
    found = ((scenario, kept(scenario.name)) for scenario in scenarios)
    lines = table((scenario, tallied) for scenario, tallied in found if tallied is not None)
    print("\n".join(lines))
    if write:
        quote("bench.calibration", lines, "python -m bench.calibration --keep")


def main() -> None:
    args = arguments()
    scenarios = chosen(SCENARIOS.values(), args.world)
    if args.list:
        print("\n".join(scenario.name for scenario in scenarios))
        return
    if args.table or args.write:
        render(scenarios, write=args.write)
        return
    code = code_digest()
    with workers(args.jobs) as pool:
        for scenario in scenarios:
            began = time.perf_counter()
            runs = args.runs or scenario.runs // (QUICK if args.quick else 1)
            tallied = measure(scenario, runs, pool, code, keep=args.keep)
            mark = "  <-- beyond its bar" if misses(scenario, tallied) else ""
            print(f"{row(scenario, tallied)} {time.perf_counter() - began:.0f} s{mark}", flush=True)
            if mark and not scenario.must_go:
                print(*(f"    {reason}" for reason in tallied.reasons), sep="\n", flush=True)


if __name__ == "__main__":
    main()
