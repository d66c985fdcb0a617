"""A ramp over 100,000 users: the share is what was asked for, and nobody flips back."""

import functools
import math

import pytest

from routing.agents import Agent, AgentVersion, Sticky
from routing.chain import Target
from routing.facts import Facts
from routing.plan import Split, route

UNITS = 100_000
STABLE = AgentVersion("v1", Target("openai", "gpt-4o"))
CANARY = AgentVersion("v2", Target("openai", "gpt-4o"), system_prompt="Be kind.")
AGENT = Agent("support", {"v1": STABLE, "v2": CANARY}, stable="v1", canary="v2", sticky=Sticky("user"))
CALLS = [Facts("web-app", "", f"user-{number}", f"c-{number}", f"r-{number}") for number in range(UNITS)]


@functools.cache
def served_by_the_canary(weight: int) -> frozenset[str]:
    """The users who get the canary at `weight` basis points."""
    split = Split.trial("support", STABLE, CANARY, weight)
    return frozenset(call.user for call in CALLS if route(AGENT, split, call).version is CANARY)


@pytest.mark.parametrize("weight", [500, 2500, 5000])
def test_the_canary_gets_its_share(weight: int) -> None:
    """Of 100,000 users, within the binomial interval that holds 99.9 % of all draws."""
    share = weight / 10_000
    deviation = 3.2905 * math.sqrt(UNITS * share * (1 - share))
    assert abs(len(served_by_the_canary(weight)) - share * UNITS) <= deviation


def test_a_ramp_moves_nobody_back() -> None:
    """Who got the canary at 5 % keeps it at 25 %, and who got it at 25 % keeps it at 50 %."""
    assert served_by_the_canary(500) < served_by_the_canary(2500) < served_by_the_canary(5000)


def test_the_next_call_of_a_user_goes_where_the_last_one_went() -> None:
    """Another conversation and another request, hours later on another replica: the same version."""
    split = Split.trial("support", STABLE, CANARY, 500)
    for call in CALLS[:1000]:
        later = Facts(call.caller, "beta", call.user, "another", "request", stream=True)
        assert route(AGENT, split, later).version is route(AGENT, split, call).version
