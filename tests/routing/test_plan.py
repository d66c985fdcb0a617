"""The Plan of a call: a pin before the rules, the rules before the split."""

import pytest

from routing.agents import Shadow
from routing.chain import Target
from routing.plan import Plan, Split, hedge_targets, is_seen, route, shadowed
from routing.rules import Rule

from .samples import V1, V2, V3, agent, facts, trial

INTERNAL = Rule({"group": ("internal",)}, "v2")
EVERYONE = Rule({}, "v3")


def chosen(plan: Plan) -> tuple[str, str]:
    return plan.version.name, plan.reason


@pytest.mark.parametrize(("weight", "expected"), [(0, "v1"), (10_000, "v2")])
def test_the_split_decides_by_the_unit(weight: int, expected: str) -> None:
    """All to stable at 0, all to the canary at 100 %."""
    assert chosen(route(agent(), trial(weight), facts())) == (expected, "split")


def test_without_a_canary_stable_serves() -> None:
    """A split that is stable only has no salt and needs none."""
    assert chosen(route(agent(), Split(V1), facts())) == ("v1", "split")


def test_a_rule_goes_before_the_split() -> None:
    """Internal users get the canary at any weight, also at 0; everybody else follows the split."""
    ruled = agent(rules=(INTERNAL,))
    assert chosen(route(ruled, trial(0), facts())) == ("v2", "rule")
    assert chosen(route(ruled, trial(0), facts(group="public"))) == ("v1", "split")


def test_a_pin_goes_before_the_rules() -> None:
    """A tester who names a version gets it."""
    assert chosen(route(agent(rules=(INTERNAL,)), trial(0), facts(), pin="v3")) == ("v3", "pin")


def test_an_unknown_pin_is_an_error() -> None:
    """Nobody is silently given another version than the one they named."""
    with pytest.raises(KeyError):
        route(agent(), trial(0), facts(), pin="v9")


def test_no_rule_leads_to_a_withdrawn_version() -> None:
    """After a rollback the flag stops leading there, and a pin still does, to look into it."""
    ruled, split = agent(rules=(INTERNAL,)), Split(V1, withdrawn=frozenset({"v2"}))
    assert chosen(route(ruled, split, facts())) == ("v1", "split")
    assert chosen(route(ruled, split, facts(), pin="v2")) == ("v2", "pin")


def test_a_withdrawn_version_leaves_its_calls_to_the_next_rule() -> None:
    """The rules behind it hold for these calls as they do for all others."""
    ruled = agent(rules=(INTERNAL, EVERYONE))
    assert chosen(route(ruled, trial(0), facts())) == ("v2", "rule")
    assert chosen(route(ruled, Split(V1, withdrawn=frozenset({"v2"})), facts())) == ("v3", "rule")


def test_the_plan_names_the_unit_whoever_serves_it() -> None:
    """Pinned, ruled or split: the record can tell whose call it was."""
    plans = [route(agent(), trial(500), facts()), route(agent(), trial(500), facts(), pin="v3")]
    assert {plan.unit for plan in plans} == {"web-app\0conversation\0c-1"}


def test_a_fallback_changes_the_target_and_never_the_version() -> None:
    """The chain begins at the version's own target and goes on with the agent's fallback."""
    backup = Target("anthropic", "claude")
    plan = route(agent(fallback=(backup, "human")), trial(0), facts(), pin="v3")
    assert (plan.version, plan.targets) == (V3, (V3.target, backup, "human"))


def test_a_trial_is_salted_with_its_canary() -> None:
    """The same canary keeps its units over any restart; another one draws anew."""
    assert trial(500).salt == f"support:{V2.digest}"
    assert trial(500) == Split(V1, V2, 500, f"support:{V2.digest}")


def copied(sample: int) -> set[str]:
    """The conversations of which a shadow with that sample gets copies."""
    shadowing = agent(shadow=Shadow("v3", sample))
    plans = {f"c-{n}": route(shadowing, trial(0), facts(conversation=f"c-{n}")) for n in range(2000)}
    return {conversation for conversation, plan in plans.items() if shadowed(shadowing, plan)}


def test_a_copy_goes_to_the_shadow_and_nowhere_else() -> None:
    """Its own target, no fallback, and the unit of the call that it is made of."""
    shadowing = agent(shadow=Shadow("v3", 10_000), fallback=(Target("openai", "spare"), "human"))
    plan = route(shadowing, trial(0), facts())
    assert shadowed(shadowing, plan) == Plan(V3, "shadow", plan.unit, (V3.target,))


def test_a_sample_is_nested_and_sticky() -> None:
    """All calls of a conversation are copied or none, and a larger sample keeps those of a smaller one."""
    tenth, half = copied(1000), copied(5000)
    assert tenth < half < copied(10_000)
    assert tenth == copied(1000)
    assert len(tenth) == pytest.approx(200, abs=50)
    assert copied(0) == set()


def test_a_sample_says_nothing_of_the_arm() -> None:
    """Stable's and the canary's calls are copied alike: of the canary's half, a half."""
    shadowing = agent(shadow=Shadow("v3", 5000))
    plans = [route(shadowing, trial(5000), facts(conversation=f"c-{n}")) for n in range(4000)]
    canary = [plan for plan in plans if plan.version is V2]
    assert sum(shadowed(shadowing, plan) is not None for plan in canary) / len(canary) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("pin", ["v1", "v3"])
def test_pinned_calls_are_not_copied(pin: str) -> None:
    """Testers are counted apart, and so nothing of theirs is compared."""
    shadowing = agent(shadow=Shadow("v3", 10_000))
    assert shadowed(shadowing, route(shadowing, trial(0), facts(), pin)) is None


def test_rule_matched_calls_are_not_copied() -> None:
    """A feature flag's traffic is no sample of the agent's."""
    shadowing = agent(shadow=Shadow("v3", 10_000), rules=(INTERNAL,))
    assert shadowed(shadowing, route(shadowing, trial(0), facts())) is None


def test_without_a_shadow_nothing_is_copied() -> None:
    """The usual agent has none."""
    assert shadowed(agent(), route(agent(), trial(0), facts())) is None


def test_a_hedge_goes_down_the_chain_and_never_to_a_person() -> None:
    """To the targets behind the version's own, in their order."""
    backup, spare = Target("anthropic", "claude"), Target("house", "spare")
    plan = route(agent(fallback=(backup, V1.target, spare, "human")), trial(0), facts())
    assert hedge_targets(plan) == (backup, spare)
    assert hedge_targets(route(agent(fallback=("human",)), trial(0), facts())) == ()


def test_half_of_the_units_are_seen_without_a_hedge() -> None:
    """On both arms alike, always the same units of one trial, and others in the next."""
    plans = [route(agent(), trial(2500), facts(conversation=f"c-{n}")) for n in range(4000)]
    seen = [is_seen(agent(), plan) for plan in plans]
    for version in (V1, V2):
        mine = [one for one, plan in zip(seen, plans, strict=True) if plan.version == version]
        assert 0.45 < sum(mine) / len(mine) < 0.55
    assert seen == [is_seen(agent(), plan) for plan in plans]
    assert seen != [is_seen(agent(canary="v3"), plan) for plan in plans]


def test_without_a_canary_every_unit_may_be_hedged() -> None:
    """There is nothing that would have to be seen."""
    alone = agent(canary=None, steps=())
    assert not any(is_seen(alone, route(alone, Split(V1), facts(conversation=f"c-{n}"))) for n in range(50))
