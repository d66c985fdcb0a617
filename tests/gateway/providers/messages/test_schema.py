"""Which JSON schemas a model can be held to, and how objects are closed."""

from typing import Any

import pytest
from hypothesis import given

from gateway.providers.messages.models import model
from gateway.providers.messages.schema import closed
from tests.gateway.providers.prompts import VALUES

TEXT = {"type": "string"}
OPEN = {"type": "object", "properties": {"a": TEXT}}
SHUT = {**OPEN, "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (OPEN, SHUT),
        (SHUT, SHUT),
        ({"type": "array", "items": OPEN, "minItems": 1}, {"type": "array", "items": SHUT, "minItems": 1}),
        ({"anyOf": [OPEN, {"type": "null"}]}, {"anyOf": [SHUT, {"type": "null"}]}),
        ({"$ref": "#/$defs/x", "$defs": {"x": OPEN}}, {"$ref": "#/$defs/x", "$defs": {"x": SHUT}}),
        ({"type": "string", "format": "date", "enum": ["a"]}, {"type": "string", "format": "date", "enum": ["a"]}),
    ],
)
def test_objects_are_closed_at_any_depth(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    """Whatever satisfies the closed schema satisfies the open one."""
    assert closed(schema) == expected


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {**OPEN, "additionalProperties": TEXT},
        {"additionalProperties": False},
        {"type": "string", "pattern": "x"},
        {"type": "string", "format": "color"},
        {"type": "string", "format": []},
        {"type": "array", "items": {"type": "string", "minLength": 1}},
        {"type": "array", "minItems": 2},
        {"anyOf": [{"type": "object"}]},
        {"anyOf": {}},
        {"$defs": []},
        {"properties": {"a": True}},
        True,
    ],
)
def test_what_the_api_refuses_does_not_fit(schema: Any) -> None:
    """Objects of any members, and keywords that no grammar is made from."""
    assert closed(schema) is None


def test_a_schema_without_end_does_not_fit() -> None:
    """It must not cost the stack."""
    schema: dict[str, Any] = TEXT
    for _ in range(10_000):
        schema = {"type": "array", "items": schema}
    assert closed(schema) is None


@given(VALUES)
def test_any_value_fits_or_not(value: Any) -> None:
    """Schemas are clients' and may be anything."""
    assert closed(value) is None or isinstance(value, dict)


@pytest.mark.parametrize(
    ("name", "thinks", "samples", "always"),
    [
        ("claude-3-5-sonnet-20241022", "never", True, False),
        ("claude-3-7-sonnet-20250219", "budget", True, False),
        ("claude-sonnet-4-20250514", "budget", True, False),
        ("anthropic.claude-opus-4-5-20251101-v1:0", "budget", True, False),
        ("claude-opus-4-6", "effort", True, False),
        ("claude-opus-4-8", "effort", False, False),
        ("claude-sonnet-5", "effort", False, False),
        ("claude-haiku-5-5", "effort", False, False),
        ("claude-fable-5-2", "effort", False, True),
        ("claude-mythos-preview", "effort", False, True),
        ("claude-next", "effort", False, False),
        ("kimi-k3", "budget", True, False),
    ],
)
def test_models_by_their_names(name: str, thinks: str, samples: bool, always: bool) -> None:
    """Dates are no versions; a name of Anthropic's that is not known is a new model."""
    found = model(name)
    assert (found.thinks, found.samples, found.always) == (thinks, samples, always)


def test_only_anthropics_own_names_take_later_system_messages() -> None:
    """Clouds that serve the same models refuse them."""
    names = "claude-opus-5", "anthropic.claude-opus-5", "claude-opus-5@20260101", "claude-opus-4-7"
    assert [model(name).later_system for name in names] == [True, False, False, False]
