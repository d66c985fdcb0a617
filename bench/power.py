"""How soon bad canaries are taken out, and how rarely good ones are: simulated rollouts, decided by the real code.

    python -m bench.power [--runs 100] [--seed 1] [--write]

A canary gets 5 % of 50 calls a second, under the default guardrails, until it is rolled back or has had 20,000 calls.
`policies.simulation.simulation` draws what happens; `guardrails.assess` and `rollout.decide` decide. `--write` puts the
table into docs/statistics.md. 100 runs take some two minutes.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from policies.guardrails.grammar import DEFAULT_GUARDRAILS, Guardrail, parse
from policies.guardrails.metrics import SimulatedBehaviour
from policies.simulation.simulation import MAX_CALLS, Breach, detection, first_breach
from policies.simulation.worlds import Phase, World

GUARDRAILS = tuple(map(parse, DEFAULT_GUARDRAILS))
WITH_TURNS = (*GUARDRAILS, parse("turns <= stable * 1.25"))
DOCUMENT = Path(__file__).parent.parent / "docs" / "statistics.md"
BEGIN, END = "<!-- bench.power begins -->", "<!-- bench.power ends -->"
FALSE_BAR = 0.005  # of blameless canaries; 1 % is what the theory promises

_OUTAGE = SimulatedBehaviour(errors=0.3)
_WRONG = SimulatedBehaviour(rejections=0.2)


@dataclass(frozen=True, slots=True)
class Bad:
    """A canary that must go: within `bar` of its calls in 95 of 100 rollouts, counted from its call `since` on."""

    name: str
    world: World
    bar: int | None
    since: int = 0
    guardrails: Sequence[Guardrail] = GUARDRAILS


def canary(**changes: float) -> World:
    """A canary that differs from stable from its first call on."""
    return World((Phase(canary=SimulatedBehaviour(**changes)),))


BLAMELESS = {
    "identical canary": World(),
    "conversations of 5 calls that fail, are slow or bad as a whole": World(turns=5),
    "20 % of the requests rejected on both arms": World((Phase(_WRONG, _WRONG),)),
    "30 % errors on both arms, from the canary's call 2,000 to 6,000": World(
        (Phase(), Phase(_OUTAGE, _OUTAGE, 2000), Phase(start=6000))
    ),
    "conversations of 3 calls on average, with `turns <= stable * 1.25`": World(),
}
WATCHING_TURNS = {name for name in BLAMELESS if "turns" in name}
BREAK = World((Phase(), Phase(canary=SimulatedBehaviour(errors=0.1), start=9000)))
BAD = (
    Bad("errors 1 % → 100 %", canary(errors=1.0), 8),
    Bad("errors 1 % → 50 %", canary(errors=0.5), 20),
    Bad("errors 1 % → 10 %", canary(errors=0.1), 200),
    Bad("errors 1 % → 5 %", canary(errors=0.05), 700),
    Bad("errors 1 % → 3 %", canary(errors=0.03), 2300),
    Bad("requests that the provider rejects 1 % → 100 %", canary(rejections=1.0), 8),
    Bad("requests that the provider rejects 1 % → 10 %", canary(rejections=0.1), None),
    Bad("latency × 2", canary(latency=2.0), 120),
    Bad("latency + 25 %", canary(latency=1.25), 2800),
    Bad("cost + 20 %", canary(cost=1.2), 2800),
    Bad("quality .90 → .80 (every call scored)", canary(quality=0.8), 2000),
    Bad("errors 1 % → 10 % after an hour of 9,000 good calls", BREAK, None, since=9000),
    Bad("conversations of 3 calls → 6, in conversations", canary(turns=6.0), None, guardrails=WITH_TURNS),
    Bad("latency + 25 %, where latencies spread twice as far", replace(canary(latency=1.25), latency_spread=1.0), None),
    Bad("cost + 20 %, where costs spread twice as far", replace(canary(cost=1.2), cost_spread=1.4), None),
)


def rollouts(
    world: World, runs: int, seed: int, limit: int = MAX_CALLS, guardrails: Sequence[Guardrail] = GUARDRAILS
) -> list[Breach | None]:
    """The first breach of each of so many seeded rollouts."""
    return [first_breach(guardrails, world, random.Random(f"{seed}/{run}"), limit) for run in range(runs)]


def falsely(
    world: World, runs: int, seed: int, limit: int = MAX_CALLS, guardrails: Sequence[Guardrail] = GUARDRAILS
) -> int:
    """How many of the rollouts of a blameless canary were rolled back."""
    return sum(breach is not None for breach in rollouts(world, runs, seed, limit, guardrails))


def requests(bad: Bad, runs: int, seed: int) -> tuple[int | None, int | None]:
    """The canary requests until the rollback, at the median and for 95 of 100. An early rollback counts as none."""
    breaches = rollouts(bad.world, runs, seed, guardrails=bad.guardrails)
    found = [breach if breach and breach.requests > bad.since else None for breach in breaches]
    summary = detection(found)
    median, late = (value and value - bad.since for value in (summary.median_requests, summary.p95_requests))
    return median, late


def table(runs: int, seed: int) -> list[str]:
    """What was measured, as lines of Markdown."""
    lines = ["| blameless | rolled back within 20,000 canary requests | bar |", "|---|---|---|"]
    for name, world in BLAMELESS.items():
        false = falsely(world, runs, seed, guardrails=WITH_TURNS if name in WATCHING_TURNS else GUARDRAILS)
        lines.append(_say(f"| {name} | {false} of {runs} ({false / runs:.2%}) | {FALSE_BAR:.1%} |"))
    lines += ["", "| bad | median | 95 of 100 | bar |", "|---|---|---|---|"]
    for bad in BAD:
        median, late = requests(bad, runs, seed)
        lines.append(_say(f"| {bad.name} | {_figure(median)} | {_figure(late)} | {_bar(bad.bar)} |"))
    return lines


def write(lines: Sequence[str], command: str, document: Path = DOCUMENT) -> None:
    """Put the table between its marks in the document."""
    before, _, rest = document.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    made = f"`{command}`, {datetime.now(UTC):%Y-%m-%d}:"
    document.write_text("\n".join([f"{before}{BEGIN}", made, "", *lines, f"{END}{after}"]))


def _say(line: str) -> str:
    print(line, file=sys.stderr, flush=True)
    return line


def _figure(value: int | None) -> str:
    return "not found" if value is None else f"{value:,}"


def _bar(value: int | None) -> str:
    return "none set" if value is None else f"{value:,}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100, help="rollouts per row")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write docs/statistics.md")
    args = parser.parse_args()
    lines = table(args.runs, args.seed)
    print("\n".join(lines))
    if args.write:
        write(lines, f"python -m bench.power --runs {args.runs} --seed {args.seed} --write")


if __name__ == "__main__":
    main()
