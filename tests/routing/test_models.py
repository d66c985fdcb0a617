"""Which plain models a pattern matches, which patterns overlap, and how a call of a plain model is routed."""

import pytest

from routing.chain import Target
from routing.models import ModelPattern, is_among, plain_plan


@pytest.mark.parametrize(
    ("pattern", "model", "matches"),
    [
        ("openai/gpt-4o", "gpt-4o", True),
        ("openai/gpt-4o", "gpt-4o-mini", False),
        ("openai/gpt-4*", "gpt-4", True),
        ("openai/gpt-4*", "gpt-4o-mini", True),
        ("openai/gpt-4*", "gpt-5", False),
        ("openai/*", "org/model:free", True),
        ("openai/*", "org/../admin", False),
        ("openai/*", "org/.hidden", False),
        ("openai/*", "org//model", False),
        ("openai/*", "a model", False),
        ("openai/*", "m" * 201, False),
        ("anthropic/*", "gpt-4o", False),
    ],
)
def test_a_pattern_matches_one_model_or_all_that_begin_alike(pattern: str, model: str, matches: bool) -> None:
    """A client's ending goes into paths and headers, so it holds no more than the name of a model does."""
    target, patterns = Target("openai", model), [ModelPattern("other", "gpt-4o"), ModelPattern.of(pattern)]
    assert patterns[1].matches(target) is matches
    assert is_among(target, patterns) is matches


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("openai/gpt-4o", "openai/gpt-4o", True),
        ("openai/gpt-4o", "openai/gpt-4", False),
        ("openai/gpt-4*", "openai/gpt-4o", True),
        ("openai/gpt-4*", "openai/gpt-5", False),
        ("openai/gpt-4*", "openai/gpt-4o*", True),
        ("openai/gpt-4*", "openai/gpt-5*", False),
        ("openai/*", "openai/gpt-5*", True),
        ("openai/*", "anthropic/*", False),
    ],
)
def test_patterns_overlap_where_a_model_may_be_one_of_both(one: str, other: str, overlap: bool) -> None:
    """In whichever order they are compared."""
    first, second = ModelPattern.of(one), ModelPattern.of(other)
    assert first.overlaps(second) is second.overlaps(first) is overlap


@pytest.mark.parametrize("text", ["openai/gpt-4o", "openai/gpt-4*", "openai/*", "hub/org/model*"])
def test_a_pattern_is_written_as_it_was_read(text: str) -> None:
    """What messages show is what the configuration says."""
    assert str(ModelPattern.of(text)) == text


def test_a_plain_model_is_its_own_version() -> None:
    """Its call goes to that model alone, and belongs to no unit."""
    target = Target("openai", "gpt-4o")
    plan = plain_plan(target)
    assert (plan.reason, plan.unit, plan.targets, plan.version.target) == ("model", "", (target,), target)
