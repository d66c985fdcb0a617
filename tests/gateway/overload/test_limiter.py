"""The limit by the loop's delay, on simulated loops: goodput, how soon calls are shed, and who is spared."""

import asyncio

import pytest

from gateway.overload.limiter import DelayLimiter
from gateway.overload.places import FairPlaces
from tests.gateway.overload.simulated_loop import CAPACITY, quantile, simulate

OTHERS = ("a", "b", "c", "d")


@pytest.mark.parametrize("latency", [0.02, 0.2, 1.0, 3.0])
def test_twice_the_capacity(latency: float) -> None:
    """Goodput is at least 80 % of the capacity, and calls are shed within 100 ms."""
    found = simulate({"app": 2 * CAPACITY}, 30.0, latency, settled=10.0)
    assert found.served["app"] >= 0.8 * CAPACITY * 20.0
    assert quantile(found.turns, 0.99) < 0.1 and max(found.shed_after) < 0.1


def test_calls_that_take_minutes_at_their_provider_are_no_overload() -> None:
    """Sixty thousand calls wait for a provider that hangs, and nothing is shed: the loop is idle."""
    found = simulate({"app": 0.2 * CAPACITY}, 300.0, 299.0)
    assert found.shed == {} and sum(found.served.values()) == sum(found.asked.values())


def test_a_full_loop_that_keeps_up_sheds_nothing() -> None:
    """At 90 % of the capacity no call is refused."""
    assert simulate({"app": 0.9 * CAPACITY}, 20.0, 0.2).shed == {}


def test_a_greedy_caller_is_the_one_that_is_shed() -> None:
    """Four callers of 3 % each, and one of twice the capacity that joins them: 99 % of their calls are served."""
    rates = {"greedy": 2 * CAPACITY, **dict.fromkeys(OTHERS, 0.03 * CAPACITY)}
    found = simulate(rates, 20.0, 0.2, settled=5.0, joins={"greedy": 5.0})
    assert min(map(found.share_served, OTHERS)) >= 0.99
    assert found.share_served("greedy") < 0.5


def test_equal_callers_are_shed_equally() -> None:
    """None of five gets more than a tenth more than another."""
    found = simulate(dict.fromkeys(("e", *OTHERS), 0.4 * CAPACITY), 20.0, 0.2, settled=5.0)
    served = list(found.served.values())
    assert max(served) <= 1.1 * min(served)


def test_it_is_lifted_when_the_crowd_is_gone() -> None:
    """A second without a shed call and without delay, and every call is let in again."""
    limiter, places = DelayLimiter(0.025), FairPlaces(1000)
    share = places.of("a")
    for sample in range(30):
        limiter.see(0.2, sample * 0.2, places.shares)
    assert limiter.is_on and [limiter.admits(share) for _ in range(10)][-1] == "delay"
    for sample in range(80):
        limiter.see(0.0, 6.0 + sample * 0.02, places.shares)
    assert not limiter.is_on


@pytest.mark.parametrize("delays", [[0.9] + [0.0] * 20, ([0.09, 0.09] + [0.0] * 3) * 10, [0.03] * 20])
def test_a_pause_or_a_burst_is_no_overload(delays: list[float]) -> None:
    """A collector's pause, two slow turns now and then, or less than half a second just above the target."""
    limiter = DelayLimiter(0.025)
    for number, delay in enumerate(delays):
        limiter.see(delay, number * 0.02, {})
    assert not limiter.is_on


async def test_whoever_floods_waits_for_its_refusals() -> None:
    """A caller that asks again as fast as it is refused, and no other; until it stops."""
    limiter, places = DelayLimiter(0.025), FairPlaces(1000)
    flood, calm = places.of("flood"), places.of("calm")
    limiter.see(0.0, 0.8, places.shares)
    flood.asked = flood.shed = 200
    calm.asked = calm.shed = 2
    limiter.see(0.0, 1.0, places.shares)
    assert (flood.is_flooding, calm.is_flooding) == (True, False)
    held = asyncio.create_task(places.hold("flood"))
    await places.hold("calm")
    await places.hold("nobody")
    assert not held.done()
    await held
    limiter.see(0.0, 1.2, places.shares)
    assert not flood.is_flooding
