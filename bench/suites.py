"""How often a suite's verdict refuses a version wrongly, and how often it finds broken cases: simulated suites.

    python -m bench.suites [--suites 2000] [--seed 1] [--write]

The real verdict decides; only the outcomes of the cases are drawn. A share of the cases is flaky: each of those passes
with a probability of its own, drawn from 0.5…0.99, for both versions alike. `--write` puts the tables into
docs/evaluation.md. 2,000 suites take some two minutes.
"""

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.quoting import quote
from evals.verdict.paired import CasePair, RunPair, cases_to_confirm, compare, is_proved_worse
from evals.verdict.verdict import suite_verdict

DOCUMENT = Path(__file__).parent.parent / "docs" / "evaluation.md"
FALSE_BAR = 0.05
CASES = 60
REPEATS = (1, 3, 5)
_LOOKS = 4  # at a run while it goes on: after each quarter of the cases


@dataclass(frozen=True, slots=True)
class SimulatedCase:
    """The probabilities of passing, of the version under test and of stable."""

    candidate: float
    stable: float

    def draw(self, rng: random.Random) -> RunPair:
        """Return one repeat of both versions."""
        return rng.random() < self.candidate, rng.random() < self.stable


@dataclass(frozen=True, slots=True)
class Refusals:
    """Of so many suites: how many were refused, and how many fresh repeats of a case they took."""

    suites: int
    refused: int
    fresh_runs: int

    @property
    def share(self) -> float:
        return self.refused / self.suites


Rule = Callable[[Sequence[CasePair], Sequence[SimulatedCase], random.Random], tuple[bool, int]]


def suite_of(cases: int, flaky: float, broken: float, remains: float, rng: random.Random) -> list[SimulatedCase]:
    """A suite of which a share is flaky; of a share of all, the version passes only `remains` times what it did."""
    rates = [rng.uniform(0.5, 0.99) if index < round(flaky * cases) else 1.0 for index in range(cases)]
    rng.shuffle(rates)
    return [
        SimulatedCase(rate * remains if index < round(broken * cases) else rate, rate)
        for index, rate in enumerate(rates)
    ]


def simulate(
    suites: int, repeats: int, flaky: float, *, broken: float = 0.0, remains: float = 0.0, cases: int = CASES,
    seed: int = 1, rule: Rule | None = None,
) -> Refusals:  # fmt: skip
    """Draw so many suites and judge each by the rule, which is the real one if none is given."""
    rng, refused, fresh = random.Random(f"{seed} {repeats} {flaky} {broken} {remains} {cases}"), 0, 0
    for _ in range(suites):
        worlds = suite_of(cases, flaky, broken, remains, rng)
        pairs = [_pair(str(index), world, repeats, rng) for index, world in enumerate(worlds)]
        is_refused, fresh_runs = (rule or refused_by_evidence)(pairs, worlds, rng)
        refused, fresh = refused + is_refused, fresh + fresh_runs
    return Refusals(suites, refused, fresh)


def refused_by_evidence(
    pairs: Sequence[CasePair], worlds: Sequence[SimulatedCase], rng: random.Random
) -> tuple[bool, int]:
    """The real procedure: look while the suite runs, ask newly failing cases again, then give the verdict."""
    step = max(len(pairs) // _LOOKS, 1)
    if any(is_proved_worse(compare(pairs[:looked])) for looked in range(step, len(pairs), step)):
        return True, 0
    compared, fresh = compare(pairs), dict[str, list[RunPair]]()
    while wanted := cases_to_confirm(compared, fresh):
        for case in wanted:
            fresh.setdefault(case, []).append(worlds[int(case)].draw(rng))
    return suite_verdict(pairs, fresh).status == "failed", sum(map(len, fresh.values()))


def refused_by_repeats(
    pairs: Sequence[CasePair], worlds: Sequence[SimulatedCase], rng: random.Random
) -> tuple[bool, int]:
    """The rule that was not taken: any newly failing case that fails half of as many fresh repeats again."""
    failing = [pair for pair in pairs if pair.newly_fails]
    for pair in failing:
        runs = [worlds[int(pair.id)].draw(rng) for _ in pair.candidate]
        if 2 * sum(not ours for ours, _ in runs) >= len(runs):
            return True, len(runs)
    return is_proved_worse(compare(pairs)), 0


def _pair(name: str, world: SimulatedCase, repeats: int, rng: random.Random) -> CasePair:
    runs = [world.draw(rng) for _ in range(repeats)]
    return CasePair(name, tuple(ours for ours, _ in runs), tuple(theirs for _, theirs in runs))


def false_refusals(suites: int, seed: int) -> list[str]:
    """The table of equal versions: refused by the verdict, and by the rule that was not taken."""
    lines = [
        "| flaky cases | repeats | refused | fresh repeats a suite | refused by k of k fresh repeats |",
        "|---|---|---|---|---|",
    ]
    for flaky in (0.1, 0.3, 1.0):
        for repeats in REPEATS:
            found = simulate(suites, repeats, flaky, seed=seed)
            other = simulate(suites, repeats, flaky, seed=seed, rule=refused_by_repeats)
            lines.append(
                f"| {flaky:.0%} | {repeats} | {found.share:.1%} | {found.fresh_runs / suites:.0f} | {other.share:.1%} |"
            )
    return lines


def power(suites: int, seed: int) -> list[str]:
    """The table of versions that break a share of the cases, wholly or by half."""
    lines = [
        "| cases | broken | repeats | refused, when they always fail | refused, when they fail half the time |",
        "|---|---|---|---|---|",
    ]
    for cases in (CASES, 200):
        for broken in (1 / cases, 0.05, 0.1, 0.2):
            for repeats in REPEATS:
                shares = [
                    simulate(suites, repeats, 0.2, broken=broken, remains=remains, cases=cases, seed=seed).share
                    for remains in (0.0, 0.5)
                ]
                name = "one case" if broken == 1 / cases else f"{broken:.0%}"
                lines.append(f"| {cases} | {name} | {repeats} | {shares[0]:.0%} | {shares[1]:.0%} |")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suites", type=int, default=2000, help="simulated suites for each line")
    parser.add_argument("--seed", type=int, default=1, help="seed of the simulation")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/evaluation.md")
    args = parser.parse_args()
    tables = {
        "bench.suites false": false_refusals(args.suites, args.seed),
        "bench.suites power": power(args.suites // 4, args.seed),
    }
    for name, lines in tables.items():
        print("\n".join(lines))
        if args.write:
            quote(name, lines, f"python -m bench.suites --suites {args.suites} --seed {args.seed} --write", DOCUMENT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
