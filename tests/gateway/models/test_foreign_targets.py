"""Members of a request that would choose another model, account or address than `model` does."""

from typing import Any

import pytest

from gateway.errors import CallerError, Forbidden
from gateway.models.foreign_targets import REFUSED, check_names, check_target, check_tools


@pytest.mark.parametrize("name", sorted(REFUSED))
@pytest.mark.parametrize("spell", [str, str.upper, str.title])
def test_each_member_is_refused_by_name(name: str, spell: Any) -> None:
    """The error names the member as the client wrote it."""
    with pytest.raises(CallerError) as refused:
        check_target({"model": "a", spell(name): "x"})
    assert (refused.value.status, refused.value.param) == (400, spell(name))
    with pytest.raises(CallerError):
        check_names(["model", spell(name)])


@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({"extra_body": {"models": ["x"]}}, "extra_body.models"),
        ({"providerOptions": {"gateway": {"models": ["x"]}}}, "providerOptions.gateway"),
        ({"extra_body": {"providerOptions": {"gateway": {"only": ["x"]}}}}, "extra_body.providerOptions.gateway"),
        ({"generationConfig": {"routingConfig": {"autoMode": {}}}}, "generationConfig.routingConfig"),
        ({"generation_config": {"routing_config": {"auto_mode": {}}}}, "generation_config.routing_config"),
        ({"plugins": [{"id": "web"}, {"id": "fusion", "analysis_models": ["x"]}]}, "plugins"),
        ({"fallback\u017f": ["x"]}, "fallback\u017f"),
        ({"Model": "x"}, "Model"),
        ({"extra_body": {"model": "x"}}, "extra_body.model"),
        ({"extra_body": {"extra_body": {"model": "x"}}}, "extra_body.extra_body.model"),
        ({"extra_body": {"Extra_Body": {"models": ["x"]}}}, "extra_body.Extra_Body.models"),
    ],
)
def test_members_within_members(values: Any, param: str) -> None:
    """Options of a gateway behind this one choose as well, however deep its API puts them."""
    with pytest.raises(CallerError) as refused:
        check_target({"model": "a", **values})
    assert refused.value.param == param


def test_depth_of_extra_bodies() -> None:
    """A body that is nested as deeply as JSON may be is looked through to its end."""
    values: dict[str, Any] = {"model": "x"}
    for _ in range(5_000):
        values = {"extra_body": values}
    with pytest.raises(CallerError):
        check_target(values)


@pytest.mark.parametrize(
    "values",
    [
        {"fallbacks": None, "models": [], "provider": {}, "api_key": ""},
        {"providerOptions": {"anthropic": {"effort": "low"}}, "plugins": [{"id": "web"}]},
        {"extra_body": {"google": {"cached_content": "x"}}, "generationConfig": {"temperature": 1}},
        {"extra_body": {"model": None, "extra_body": {"google": {}}}},
        {"metadata": {"provider": "x", "api_key": "y"}, "tools": [{"type": "mcp", "headers": {"a": "b"}}]},
    ],
)
def test_what_chooses_nothing(values: Any) -> None:
    """Empty members, a provider's own options and a client's own data pass."""
    check_target({"model": "a", **values})


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-4-8"},
        {"type": "image_generation", "model": "gpt-image-2"},
        {"type": "openrouter:advisor", "parameters": {"model": "x/y"}},
    ],
)
def test_a_tool_that_names_a_model(tool: Any) -> None:
    """A limited key's tools name no model that the key may not call."""
    with pytest.raises(Forbidden) as refused:
        check_tools({"tools": [{"type": "web_search"}, tool]})
    assert refused.value.param == "tools[1].model"


def test_a_function_may_have_a_parameter_of_that_name() -> None:
    """A client's own function is run by the client."""
    check_tools({"tools": [{"type": "function", "name": "f", "parameters": {"model": {}}}, {"name": "g"}, 1]})
    check_tools({"tools": {"model": 1}})
