"""What a version changes in a client's own Messages request."""

import json
import re
from typing import Any

import pytest

from gateway.formats.anthropic.provider import PROVIDER
from gateway.formats.prompt import OutputShape, ToolChoice, ToolSpec, Untranslatable
from gateway.formats.settings import Settings
from gateway.json_body import Document

BODY = '{"model":"agent","max_tokens":100,"messages":[{"role":"user","content":"Hi \\u00e9"}]%s}'
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def changes(
    more: str = "",
    model: str = "claude-sonnet-4-5",
    fixed: dict[str, Any] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """The members that change besides the model, as values."""
    document = Document.parse((BODY % more).encode())
    changed = dict(PROVIDER.amend(document, Settings(fixed=fixed, **settings), model))
    assert changed.pop("model") == f'"{model}"'
    return {name: None if text is None else json.loads(text) for name, text in changed.items()}


def test_a_version_that_sets_nothing_changes_the_model_alone() -> None:
    """All else goes through byte for byte."""
    assert changes() == {}


@pytest.mark.parametrize(
    ("theirs", "written"),
    [
        ("", []),
        (',"system":"Mine \\u00e9"', ['{"type":"text","text":"Mine \\u00e9"}']),
        (',"system":[{"type":"text", "text":"a"}]', ['{"type":"text", "text":"a"}']),
        (',"system":""', []),
    ],
)
def test_the_versions_system_prompt_comes_first(theirs: str, written: list[str]) -> None:
    """The client's own stays as it was spelled."""
    document = Document.parse((BODY % theirs).encode())
    text = PROVIDER.amend(document, Settings(system="Ours"), "m")["system"]
    assert text == "[" + ",".join(['{"type":"text","text":"Ours"}', *written]) + "]"


def test_the_versions_tools_come_first() -> None:
    """The client's own of other names follow, tools of the provider too."""
    theirs = ',"tools":[{"name":"f"},{"type":"web_search_20250305","name":"web_search"},7]'
    assert changes(theirs, tools=(ToolSpec("f", "Ours.", SCHEMA),))["tools"] == [
        {"name": "f", "description": "Ours.", "input_schema": SCHEMA},
        {"type": "web_search_20250305", "name": "web_search"},
        7,
    ]


@pytest.mark.parametrize(
    ("fixed", "written"),
    [
        ({"temperature": 0.5}, {"temperature": 0.5}),
        ({"temperature": None}, {"temperature": None}),
        ({"max_tokens": 7}, {"max_tokens": 7}),
        ({"max_tokens": None}, {"max_tokens": 16384}),
        ({"stop": ("END",)}, {"stop_sequences": ["END"]}),
        ({"stop": ()}, {"stop_sequences": None}),
        ({"tool_choice": ToolChoice("required")}, {"tool_choice": {"type": "any"}}),
        ({"tools": (ToolSpec("f"),)}, {"tools": [{"name": "f", "input_schema": {"type": "object"}}]}),
        ({"stream": True, "wants_usage": True}, {}),
    ],
)
def test_parameters_by_name(fixed: dict[str, Any], written: dict[str, Any]) -> None:
    """Each in this format's words; None takes out what the client sent."""
    assert changes(',"temperature":1,"stop_sequences":["x"]', fixed=fixed) == written


def test_thinking_by_the_model() -> None:
    """An effort for new models, a budget for older ones, and the client's other configuration stays."""
    theirs = ',"thinking":{"type":"disabled"},"output_config":{"effort":"low","format":{"type":"x"}}'
    assert changes(theirs, "claude-opus-5", {"effort": "high"}) == {
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high", "format": {"type": "x"}},
    }
    older = changes(fixed={"effort": "low", "max_tokens": None})
    assert older["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    assert older["max_tokens"] == 16384 + 2048
    assert changes(theirs, fixed={"effort": None})["thinking"] is None


def test_showing_thoughts_changes_no_thinking() -> None:
    """It is laid over what the client asks for, if it asks to think at all."""
    theirs = ',"thinking":{"type":"adaptive"}'
    assert changes(theirs, fixed={"wants_thoughts": False}) == {"thinking": {"type": "adaptive", "display": "omitted"}}
    assert changes(fixed={"wants_thoughts": False}) == {}


@pytest.mark.parametrize(
    ("theirs", "fixed", "choice"),
    [
        ("", {"parallel_tools": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ('{"type":"any"}', {"parallel_tools": False}, {"type": "any", "disable_parallel_tool_use": True}),
        ('{"type":"any","disable_parallel_tool_use":true}', {"parallel_tools": True}, {"type": "any"}),
        ('{"type":"none"}', {"parallel_tools": False}, {"type": "none"}),
        (
            '{"type":"any","disable_parallel_tool_use":true}',
            {"tool_choice": ToolChoice("auto")},
            {"type": "auto", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_half_a_choice_leaves_the_other_half(theirs: str, fixed: dict[str, Any], choice: dict[str, Any]) -> None:
    """The choice and whether calls may be parallel are one member here, and two of a version."""
    assert changes(f',"tool_choice":{theirs}' if theirs else "", fixed=fixed) == {"tool_choice": choice}


def test_defaults_fill_in_what_the_client_left_out() -> None:
    """What it set in this format's words counts as set."""
    defaults = {"temperature": 0.5, "stop": ("END",), "effort": "high", "output": OutputShape(SCHEMA), "max_tokens": 7}
    theirs = ',"temperature":1,"stop_sequences":[],"output_config":{"effort":"low","format":{"type":"json_schema"}}'
    assert changes(theirs, defaults=defaults) == {}
    assert changes(defaults={"temperature": 0.5}) == {"temperature": 0.5}


def test_an_output_that_needs_a_forced_function_is_refused() -> None:
    """Nobody would turn its input into text on this way."""
    written = {"format": {"type": "json_schema", "schema": {**SCHEMA, "additionalProperties": False}}}
    assert changes(fixed={"output": OutputShape(SCHEMA)}) == {"output_config": written}
    with pytest.raises(Untranslatable) as caught:
        changes(fixed={"output": OutputShape()})
    assert caught.value.param == "response_format"


def test_native_parameters_go_in_as_they_are() -> None:
    """An object is laid over the client's."""
    native = {"metadata": {"user_id": "ours"}, "inference_geo": "eu"}
    theirs = ',"metadata":{"user_id":"theirs","x":1}'
    assert changes(theirs, native=native) == {"metadata": {"user_id": "ours", "x": 1}, "inference_geo": "eu"}


def test_thoughts_that_nobody_signed_are_taken_out() -> None:
    """They were shown when another provider answered an earlier call; the API would refuse the whole request."""
    theirs = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": ""}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "x", "signature": ""},
                {"type": "thinking", "thinking": "y", "signature": "sig"},
            ],
        },
    ]
    document = Document.parse(json.dumps({"messages": theirs}).encode())
    text = PROVIDER.amend(document, Settings(), "m")["messages"]
    assert json.loads(text or "") == [
        theirs[0],
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "y", "signature": "sig"}]},
    ]


def test_ids_of_another_provider_are_made_safe() -> None:
    """A conversation that comes back from another provider has ids that this API refuses, or twice the same one."""
    call = {"type": "tool_use", "id": "functions.f:0", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "functions.f:0", "content": "x"}
    turn = [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    messages = [{"role": "user", "content": "hi"}, *turn, *turn]
    document = Document.parse(json.dumps({"model": "a", "messages": messages}).encode())
    sent = json.loads(PROVIDER.amend(document, Settings(), "claude-sonnet-4-5")["messages"] or "")
    ids = [block.get("id") or block["tool_use_id"] for each in sent[1:] for block in each["content"]]
    assert ids[0] == ids[1] != ids[2] == ids[3] and all(re.fullmatch("[A-Za-z0-9_-]+", each) for each in ids)


def test_ids_that_are_safe_stay_as_they_came() -> None:
    """Where nothing is to be changed the conversation goes through byte for byte."""
    turn = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}]}
    document = Document.parse(json.dumps({"model": "a", "messages": [turn]}).encode())
    assert "messages" not in PROVIDER.amend(document, Settings(), "claude-sonnet-4-5")
