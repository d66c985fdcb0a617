"""Agents' names within the members of a forwarded body."""

import tracemalloc
from typing import Any

import pytest

from gateway.errors import CallerError
from gateway.passthrough.nested_models import check_nested
from routing.chain import Target

TARGET = Target("openai", "gpt-5")


def model_of(name: str) -> Target | None:
    return TARGET if name == "agent" else None


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"requests": [{"model": "x"}, {"params": {"model": "agent"}}]}, "requests.1.params.model"),
        ({"a": {"b": [[{"model": "agent"}]]}}, "a.b.0.0.model"),
        ({"a": {"model": "x", "b": [{}], "c": {"model": "agent"}}}, "a.c.model"),
        ({"k" * 1000: {"model": "agent"}}, "k" * 200),
    ],
)
def test_the_place_is_told(values: Any, place: str) -> None:
    """The error names where the agent's name stands, and the model to write; long names are cut."""
    with pytest.raises(CallerError, match="'gpt-5'") as refused:
        check_nested(values, model_of)
    assert refused.value.param == place


def test_the_first_level_is_routing() -> None:
    """A `model` at the top is routed; nested names of models pass."""
    check_nested({"model": "agent", "requests": [{"model": "gpt-5"}], "n": 1}, model_of)


@pytest.mark.parametrize(
    "values",
    [
        {"K" * 100_000: [{} for _ in range(1000)]},
        {"a": [{"model": "x"} for _ in range(20_000)]},
        {"a": [[{"K" * 10_000: {"b": [{}, {}]}}] * 200] * 2},
    ],
)
def test_memory_does_not_grow_with_the_members(values: Any) -> None:
    """No place is spelled out before it is told, and no list of what is left is made."""
    tracemalloc.start()
    try:
        check_nested(values, model_of)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000
