"""Requests of clients of the Messages API, read as prompts."""

from base64 import b64encode
from typing import Any

import pytest

from gateway.errors import CallerError
from gateway.formats.anthropic.client import CLIENT
from gateway.formats.prompt import (
    Media,
    Message,
    OutputShape,
    Part,
    Prompt,
    Reasoning,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
)
from tests.gateway.formats.anthropic.recordings import request

HI = {"role": "user", "content": "Hi"}


def prompt(**members: Any) -> Prompt:
    return CLIENT.prompt({"model": "m", "max_tokens": 9, "messages": [HI], **members})


def parts(*blocks: dict[str, Any]) -> tuple[Part, ...]:
    """What those blocks of a user's message say."""
    return prompt(messages=[{"role": "user", "content": list(blocks)}]).messages[0].parts


def wrong(**members: Any) -> str | None:
    """The member that is found wrong."""
    with pytest.raises(CallerError) as caught:
        prompt(**members)
    return caught.value.param


def test_a_whole_request() -> None:
    """Every member that formats agree on has its field."""
    found = CLIENT.prompt(request())
    assert found.messages == (
        Message("system", (Text("Be kind.", cache=True),)),
        Message("user", (Text("Hi"),)),
        Message(
            "assistant",
            (
                Reasoning("Look.", "EqQBCgIYAhIM", signed_by="anthropic"),
                Reasoning(encrypted="EmwKAhgBEgy3", signed_by="anthropic"),
                ToolCall("toolu_1", "get_weather", '{"city":"Bern"}'),
            ),
        ),
        Message(
            "user",
            (
                ToolResult(
                    "toolu_1", (Text("no such city"), Media("image", mime="image/png", data="aGk=")), is_error=True
                ),
                Media("image", url="https://example.com/a.png"),
                Media("file", mime="application/pdf", data="aGk=", name="a.pdf"),
                Media("file", mime="text/plain", data=b64encode("é".encode()).decode()),
                Text("And now?", cache=True),
            ),
        ),
        Message("system", (Text("Answer in French."),)),
    )
    assert found.tools == (ToolSpec("get_weather", "Weather.", {"type": "object"}, strict=True),)
    assert (found.tool_choice, found.parallel_tools) == (ToolChoice("required"), False)
    assert (found.thinking_budget, found.max_tokens, found.temperature, found.top_k) == (2048, 1024, 0.5, 5)
    assert (found.stop, found.stream, found.wants_usage) == (("END",), True, True)
    assert (found.hints, found.extras) == ({"user": "u1", "service_tier": "auto"}, {})


@pytest.mark.parametrize(
    ("members", "fields"),
    [
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}, {"effort": "none"}),
        ({"thinking": {"type": "adaptive"}}, {"effort": "high"}),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, {"effort": "xhigh"}),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, {"effort": "high", "wants_thoughts": False}),
        ({"output_config": {"effort": "medium"}}, {"effort": "medium"}),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
            {"output": OutputShape({"type": "object"}, strict=True)},
        ),
        (
            {"output_format": {"type": "json_schema", "schema": {"type": "object"}}},
            {"output": OutputShape({"type": "object"}, strict=True)},
        ),
        ({"tool_choice": {"type": "tool", "name": "f"}}, {"tool_choice": ToolChoice("one", "f")}),
        ({"tool_choice": {"type": "none"}}, {"tool_choice": ToolChoice("none")}),
        ({"temperature": None}, {"temperature": None}),
    ],
)
def test_members_and_their_fields(members: dict[str, Any], fields: dict[str, Any]) -> None:
    """One by one."""
    found = prompt(**members)
    assert {name: getattr(found, name) for name in fields} == fields


def test_other_blocks() -> None:
    """Search results are text, documents may be made of blocks, and files may be by id or URL."""
    assert parts(
        {"type": "search_result", "title": "T", "source": "S", "content": [{"type": "text", "text": "x"}]},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "y"}]}},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "tool_result", "tool_use_id": "1"},
        {"type": "text", "text": ""},
    ) == (
        Text("T\nS\nx"),
        Text("y"),
        Media("file", mime="application/pdf", url="https://example.com/a.pdf"),
        Media("image", file_id="file_1"),
        Reasoning("hm"),
        ToolResult("1", ()),
    )


def test_caching_the_whole_marks_its_end() -> None:
    """The top-level mark stands for one on the last block."""
    assert prompt(cache_control={"type": "ephemeral"}).messages[-1].parts == (Text("Hi", cache=True),)


@pytest.mark.parametrize(
    ("members", "extra"),
    [
        ({"container": "c"}, "container"),
        ({"inference_geo": "eu"}, "inference_geo"),
        ({"thinking": {"type": "between_tools"}}, "thinking.type"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0]"),
        ({"tools": [{"name": "f", "input_schema": {}, "input_examples": [{}]}]}, "tools[0].input_examples"),
        ({"messages": [{"role": "user", "content": [{"type": "container_upload"}]}]}, "messages[0].content[0].type"),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {
                                "type": "document",
                                "citations": {"enabled": True},
                                "source": {"type": "text", "media_type": "text/plain", "data": "x"},
                            }
                        ],
                    }
                ]
            },
            "messages[0].content[0].citations",
        ),
    ],
)
def test_what_no_field_stands_for_is_kept_by_its_place(members: dict[str, Any], extra: str) -> None:
    """So that a provider of another format refuses it by name."""
    assert list(prompt(**members).extras) == [extra]


def test_what_says_nothing_is_no_extra() -> None:
    """Nulls, defaults, and marks of what was quoted."""
    tool = {"name": "f", "input_schema": {}, "allowed_callers": ["direct"], "defer_loading": False}
    said = {"type": "text", "text": "x", "citations": None, "cache_control": None}
    assert prompt(container=None, tools=[tool], messages=[{"role": "user", "content": [said]}]).extras == {}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": ["x"]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": "x"}]}]},
            "messages[0].content[0].input",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "text"}}]}]},
            "messages[0].content[0].source.type",
        ),
        ({"system": [{"type": "image"}]}, "system[0].source"),
        ({"system": 7}, "system"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop_sequences": [7]}, "stop_sequences[0]"),
        ({"tools": [{"name": 7}]}, "tools[0].name"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"output_config": {"effort": "maximal"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "json_object"}}}, "output_config.format.type"),
        ({"metadata": {"user_id": 7}}, "metadata.user_id"),
    ],
)
def test_what_is_wrong_is_named(members: dict[str, Any], param: str) -> None:
    """By its place in the request."""
    assert wrong(**members) == param


@pytest.mark.parametrize(
    ("messages", "opening"),
    [
        ([{"role": "assistant", "content": "x"}, HI, {"role": "user", "content": "y"}], "Hi"),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, 7, {"type": "text", "text": "b"}]}], "a\nb"),
        ([{"role": "user", "content": 7}], ""),
        ([7], ""),
        (None, ""),
    ],
)
def test_the_opening_tells_conversations_apart(messages: object, opening: str) -> None:
    """It is the first user message's text, and '' for whatever is none."""
    assert CLIENT.opening({"messages": messages}) == opening
