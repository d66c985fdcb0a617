"""Parameters of chat completions as fields of a prompt."""

import json
from typing import Any

import pytest

from gateway.errors import CallerError
from gateway.formats.parameters import read, settings, sort
from gateway.formats.prompt import OutputShape, ToolChoice, ToolSpec, Untranslatable
from gateway.formats.settings import Settings
from routing.agents import AgentVersion, Target, Tool

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
JSON_SCHEMA = {"name": "answer", "description": "It.", "schema": SCHEMA, "strict": True}
FUNCTION = {"name": "search", "description": "Look.", "parameters": SCHEMA, "strict": False}
SPEC = ToolSpec("search", "Look.", SCHEMA, False)


@pytest.mark.parametrize(
    ("name", "value", "fields"),
    [
        ("max_tokens", 5, {"max_tokens": 5}),
        ("max_completion_tokens", 5, {"max_tokens": 5}),
        ("stop", "END", {"stop": ("END",)}),
        ("stop", ["a", "b"], {"stop": ("a", "b")}),
        ("parallel_tool_calls", False, {"parallel_tools": False}),
        ("tool_choice", "required", {"tool_choice": ToolChoice("required")}),
        ("tool_choice", {"type": "function", "function": {"name": "f"}}, {"tool_choice": ToolChoice("one", "f")}),
        ("response_format", {"type": "text"}, {"output": None}),
        ("response_format", {"type": "json_object"}, {"output": OutputShape()}),
        (
            "response_format",
            {"type": "json_schema", "json_schema": JSON_SCHEMA},
            {"output": OutputShape(SCHEMA, "answer", "It.", True)},
        ),
        ("reasoning_effort", "xhigh", {"effort": "xhigh"}),
        ("reasoning", {"effort": "low", "exclude": True}, {"effort": "low", "wants_thoughts": False}),
        ("reasoning", {"max_tokens": 2000, "enabled": True}, {"thinking_budget": 2000}),
        ("reasoning", {"enabled": False}, {"effort": "none"}),
        ("tools", [{"type": "function", "function": FUNCTION}], {"tools": (SPEC,)}),
        ("stream_options", {"include_usage": True, "include_obfuscation": False}, {"wants_usage": True}),
    ],
)  # fmt: skip
def test_fields(name: str, value: Any, fields: dict[str, Any]) -> None:
    """What formats agree on becomes a field, for a client and for a version alike."""
    assert sort({name: value}).fields == fields
    assert read({name: json.dumps(value)}) == (fields, {})


@pytest.mark.parametrize("name", ["user", "metadata", "store", "service_tier", "prompt_cache_key", "prediction"])
def test_hints(name: str) -> None:
    """What changes nothing about the answer is a hint, and a version's own is for providers of its own format."""
    assert sort({name: "x"}).hints == {name: "x"}
    assert read({name: '"x"'}) == ({}, {name: "x"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("n", 2), ("logit_bias", {"1": 5}), ("modalities", ["audio"]), ("audio", {}), ("verbosity", "low"),
     ("web_search_options", {}), ("reasoning_effort", "max"), ("functions", [{}]), ("n", True), ("n", [])],
)  # fmt: skip
def test_extras(name: str, value: Any) -> None:
    """What only this format can ask for is kept by its name, so that it can be refused by its name."""
    assert sort({name: value}).extras == {name: value}
    assert read({name: json.dumps(value)}) == ({}, {name: value})


@pytest.mark.parametrize(
    ("name", "value"), [("n", 1), ("logit_bias", {}), ("modalities", ["text"]), ("temperature", None), ("extra", None)]
)
def test_what_asks_for_nothing(name: str, value: Any) -> None:
    """Null and what is so anyway are as if they were not there."""
    asked = sort({name: value})
    assert (asked.fields, asked.hints, asked.extras) == ({}, {}, {})


@pytest.mark.parametrize(
    ("name", "value", "param"),
    [
        ("temperature", "hot", "temperature"),
        ("max_tokens", 1.5, "max_tokens"),
        ("max_tokens", True, "max_tokens"),
        ("stop", [1], "stop[0]"),
        ("tools", [{"type": "function"}], "tools[0].function"),
        ("tools", [7], "tools[0]"),
        ("tools", {}, "tools"),
        ("tool_choice", "any", "tool_choice"),
        ("response_format", {"type": "xml"}, "response_format.type"),
        ("response_format", {"type": []}, "response_format.type"),
        ("stream_options", {"include_usage": 1}, "stream_options.include_usage"),
        ("reasoning", {"effort": 1}, "reasoning.effort"),
    ],
)
def test_wrong_types(name: str, value: Any, param: str) -> None:
    """A client is told which field is wrong; a version's goes to its own provider, which says so itself."""
    with pytest.raises(CallerError) as caught:
        sort({name: value})
    assert caught.value.param == param
    assert read({name: json.dumps(value)}) == ({}, {name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("tools", [{"type": "custom", "custom": {}}]), ("tool_choice", {"type": "allowed_tools", "allowed_tools": {}})],
)
def test_what_no_other_format_knows(name: str, value: Any) -> None:
    """A tool that is no function and a choice among some of them are refused by name."""
    with pytest.raises(Untranslatable) as caught:
        sort({name: value})
    assert (caught.value.param or "").startswith(name)


def test_null_of_a_version_takes_a_field_away() -> None:
    """A version that sets null leaves the client nothing to set."""
    fields, native = read({"stop": "null", "max_tokens": "null", "n": "null"})
    assert (fields, native) == ({"stop": (), "max_tokens": None}, {"n": None})


def test_settings_of_a_version() -> None:
    """What the client may set is a default, everything else fixed; what no field stands for is native."""
    parameters = {"temperature": "0.3", "max_completion_tokens": "9", "verbosity": '"low"', "logit_bias": '{"1":2}'}
    tools = (Tool("search", json.dumps({"type": "function", "function": FUNCTION})),)
    own = AgentVersion(
        "v1", Target("openai", "gpt-4o"), "Be kind.", parameters, tools, frozenset({"temperature", "verbosity"})
    )
    assert settings(own) == Settings(
        tools=(SPEC,),
        fixed={"max_tokens": 9},
        defaults={"temperature": 0.3},
        native={"verbosity": "low", "logit_bias": {"1": 2}},
    )
