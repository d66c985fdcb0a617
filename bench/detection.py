"""How soon a bad canary is taken out, and how rarely a good one is: simulated rollouts, decided by the real code.

    python -m bench.detection [--runs 2000] [--seed 1]

A canary gets 5 % of the traffic of a stable version that fails in 1 % of its calls. Its failures are assessed under the
default guardrails as they happen, but while it has no more than its share of them: T1 is at most 1 there. Only failures
are drawn one by one: of the calls that went well just the canary's number matters, and between two failures that is
geometric. 2,000 runs take one to two minutes.
"""

import argparse
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from policies import guardrails, rollout
from policies.guardrails import DEFAULT_GUARDRAILS, Evidence
from policies.rollout import Intent, State, VersionRef

GUARDRAILS = tuple(map(guardrails.parse, DEFAULT_GUARDRAILS))
INTENT = Intent(VersionRef("v1", "digest-1"), VersionRef("v2", "digest-2"), 500)
NEVER = math.inf


@dataclass(frozen=True, slots=True)
class World:
    """How often units fail on either arm (0…1), and how many calls a unit makes: it fails in all of them or in none."""

    canary: float
    stable: float = 0.01
    calls: int = 1


def begun() -> State:
    """The record of a rollout that has just started at 5 %."""
    decision = rollout.reconcile(None, INTENT, now=0.0)
    assert decision is not None
    return decision.state


def failures(world: World, weight: float, rng: random.Random) -> Iterator[tuple[int, int, int]]:
    """At every failing unit of the canary: its units so far, those that failed, and stable's that failed."""
    canary, stable = weight * world.canary, (1 - weight) * world.stable
    counted = weight + stable  # all of the canary's units, and stable's failing ones
    going_well = 1 - (canary + stable) / counted
    good = failing = stable_failing = 0
    while True:
        good += int(math.log1p(-rng.random()) / math.log(going_well)) if going_well > 0 else 0
        if rng.random() * (canary + stable) < canary:
            failing += 1
            yield good + failing, failing, stable_failing
        else:
            stable_failing += 1


def requests_to_rollback(world: World, rng: random.Random, limit: int) -> float:
    """The canary's calls when it was rolled back; NEVER when it was not within `limit` of them."""
    state, weight = begun(), INTENT.weight / 10_000
    for units, failing, stable_failing in failures(world, weight, rng):
        requests = (units - 1) * world.calls + 1  # the first failing call of a unit is the one that counts
        if requests > limit:
            return NEVER
        if failing * (1 - weight) <= stable_failing * weight:
            continue
        evidence = Evidence(
            weight, requests, failing * world.calls, failing,
            round(requests * (1 - weight) / weight), stable_failing * world.calls, stable_failing,
        )  # fmt: skip
        if rollout.decide(state, guardrails.assess(GUARDRAILS, evidence), evidence, now=0.0):
            return requests
    return NEVER


def rollouts(world: World, runs: int, limit: int, seed: int) -> list[float]:
    """`requests_to_rollback` of that many seeded rollouts, sorted."""
    return sorted(requests_to_rollback(world, random.Random(f"{seed}/{run}"), limit) for run in range(runs))


def percentile(values: list[float], q: float) -> float:
    """The smallest of the sorted values that at least the share `q` of them does not exceed."""
    return values[max(math.ceil(q * len(values)), 1) - 1]


DETECTED = (0.03, 0.05, 0.1, 0.3, 0.5, 1.0)
BLAMELESS = {
    "identical canary, 1 % errors": (World(0.01), 20_000),
    "the same, units of 10 calls fail whole": (World(0.01, calls=10), 20_000),
    "outage: 30 % errors on both arms": (World(0.3, 0.3), 2_000),
    "outage: everything fails on both arms": (World(1.0, 1.0), 1_000),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000, help="rollouts per line")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    print(f"{'errors of the canary':>40}  canary requests to rollback: median, p95")
    for rate in DETECTED:
        values = rollouts(World(rate), args.runs, 20_000, args.seed)
        print(f"{rate:40.0%}  {percentile(values, 0.5):6.0f} {percentile(values, 0.95):6.0f}", flush=True)
    print(f"\n{'no worse than stable':>40}  rolled back")
    for name, (world, limit) in BLAMELESS.items():
        false = sum(value < NEVER for value in rollouts(world, args.runs, limit, args.seed))
        print(f"{name:>40}  {false / args.runs:.2%} within {limit:,} canary requests", flush=True)


if __name__ == "__main__":
    main()
