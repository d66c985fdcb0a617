"""What a simulation draws has the rates that were asked for."""

import itertools
import random

import pytest

from policies.guardrails.grammar import parse
from policies.guardrails.metrics import SimulatedBehaviour
from policies.simulation.worlds import Bad, Chance, Phase, Taken, World, happenings

ERRORS = (parse("error_rate <= stable * 1.25"),)


def bad_units(world: World, text: str, calls: int) -> list[tuple[int, Bad]]:
    """What happens within so many calls of the canary."""
    stream = happenings((parse(text),), world, random.Random(1))
    until = itertools.takewhile(lambda happening: happening[0] <= calls, stream)
    return [(at, what) for at, _, what in until if isinstance(what, Bad)]


@pytest.mark.parametrize(("share", "weight", "turns"), [(0.02, 0.05, 1), (0.3, 0.5, 1), (0.3, 0.05, 4), (1.0, 0.05, 1)])
def test_units_fail_at_their_rates(share: float, weight: float, turns: int) -> None:
    """On both arms, however large the canary's; a unit of four calls fails once."""
    both = SimulatedBehaviour(errors=share)
    found = [bad for _, bad in bad_units(World((Phase(both, both),), weight, turns=turns), "error_rate <= 20%", 80_000)]
    expected = share * 80_000 / turns
    assert sum(bad.canary[0] for bad in found) == pytest.approx(expected, rel=0.1)
    assert sum(bad.stable[0] for bad in found) == pytest.approx(expected * (1 - weight) / weight, rel=0.1)


def test_slow_units_are_slow_under_every_lower_threshold() -> None:
    """A quarter and a tenth of stable's, and less of a canary that is no slower, for it has a margin."""
    found = bad_units(World(), "latency_p90 <= stable * 1.1", 60_000)
    assert min(at for at, _ in found) > 26
    assert all(bad.canary[0] or not bad.canary[1] for _, bad in found)
    canary = [sum(bad.canary[index] for _, bad in found) / 60_000 for index in (0, 1)]
    stable = [sum(bad.stable[index] for _, bad in found) / 60_000 / 19 for index in (0, 1)]
    assert canary == pytest.approx([0.194, 0.071], rel=0.25)
    assert stable == pytest.approx([0.25, 0.1], rel=0.25)


def test_absolute_times_hold_from_the_first_call() -> None:
    """Nothing has to be frozen; a median of 1 s is over 1 s half of the time."""
    found = bad_units(World(), "latency_p50 <= 1s", 10_000)
    assert sum(bad.canary[0] for _, bad in found) == pytest.approx(5000, rel=0.1)


def test_a_phase_ends_where_the_next_one_starts() -> None:
    """A flawless canary, then one that always fails; stable's failures go on."""
    world = World(
        (Phase(canary=SimulatedBehaviour(errors=0.0)), Phase(canary=SimulatedBehaviour(errors=1.0), start=1000))
    )
    found = bad_units(world, "error_rate <= 20%", 1010)
    assert [(at, bad.canary) for at, bad in found] == [(1000, (False,)), *((1000 + n, (True,)) for n in range(1, 11))]
    assert found[0][1].stable[0] == pytest.approx(190, rel=0.3)


def test_what_never_happens_ends_the_stream() -> None:
    """Stable without errors is no obstacle either."""
    never = SimulatedBehaviour(errors=0.0)
    assert bad_units(World((Phase(never, never),)), "error_rate <= 20%", 10**9) == []
    assert bad_units(World((Phase(never, SimulatedBehaviour(errors=1.0)),)), "error_rate <= 20%", 1)[0][1].stable == (
        0,
    )


@pytest.mark.parametrize("weight", [0.05, 0.5])
def test_costs_have_the_means_that_were_asked_for(weight: float) -> None:
    """Drawn one by one or as sums: a canary 20 % dearer, less what the cut-off takes."""
    world = World((Phase(canary=SimulatedBehaviour(cost=1.2)),), weight, turns=2)
    stream = happenings((parse("cost <= stable * 1.05"),), world, random.Random(2))
    taken = [what for _, _, what in itertools.islice(stream, 300) if isinstance(what, Taken)]
    canary, stable = taken[0].canary, taken[0].stable
    for batch in taken[1:]:
        canary, stable = canary.merged(batch.canary), stable.merged(batch.stable)
    assert canary.mean / stable.mean == pytest.approx(1.2, rel=0.05)
    # Each variance between 32 bins has a standard deviation of a quarter of itself; more than that is no news.
    assert 0.4 < canary.variance_of_mean * canary.n / 1.44 / (stable.variance_of_mean * stable.n) < 2.5


def test_random_is_a_chance() -> None:
    """The standard library's generator is what a simulation is given."""
    chance: Chance = random.Random(1)
    assert 0 <= chance.random() < 1
