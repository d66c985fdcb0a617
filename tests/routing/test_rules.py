"""Feature flags: which calls a rule matches, and that the first match wins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.facts import Facts
from routing.rules import FACT_NAMES, Rule, fact, first_match

from .samples import facts


def matches(rule: Rule, call: Facts) -> bool:
    """Whether this rule, alone, sends the call to its version."""
    return first_match([rule], call) is rule


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("caller", "web-app"),
        ("group", "internal"),
        ("user", "ada"),
        ("conversation", "c-1"),
        ("stream", "true"),
        ("header:x-team", "blue"),
        ("header:x-none", ""),
    ],
)
def test_a_fact_is_text(name: str, expected: str) -> None:
    """A boolean is written as YAML writes it; what a call does not have is empty."""
    assert fact(facts(stream=True, headers={"x-team": "blue"}), name) == expected


@pytest.mark.parametrize("name", ["request", "headers", "weather", "", "header"])
def test_what_is_no_fact_is_an_error(name: str) -> None:
    """A rule cannot look at anything else about a call."""
    with pytest.raises(KeyError):
        fact(facts(), name)


def test_every_fact_of_a_rule_has_to_match() -> None:
    """`when` is an *and* over its keys and an *or* over each key's values."""
    rule = Rule({"group": ("internal", "beta"), "stream": ("false",)}, "v2")
    assert matches(rule, facts())
    assert matches(rule, facts(group="beta"))
    assert not matches(rule, facts(group="public"))
    assert not matches(rule, facts(stream=True))


def test_a_rule_without_conditions_matches_every_call() -> None:
    """The way to send all that is left to one version."""
    assert matches(Rule({}, "v2"), facts())


def test_values_match_whole_and_by_case() -> None:
    """No prefix and no pattern is a match."""
    assert not any(matches(Rule({"user": (value,)}, "v2"), facts()) for value in ("ad", "Ada", "a.a", ""))


@given(st.lists(st.tuples(st.sampled_from(FACT_NAMES), st.sampled_from(["web-app", "ada", "false", "x"]))))
def test_the_first_match_wins(conditions: list[tuple[str, str]]) -> None:
    """Every rule before the chosen one does not match; without a choice none does."""
    rules = [Rule({name: (value,)}, f"v{index}") for index, (name, value) in enumerate(conditions)]
    chosen = first_match(rules, facts())
    before = rules[: rules.index(chosen)] if chosen else rules
    assert not any(matches(rule, facts()) for rule in before)
    assert chosen is None or matches(chosen, facts())
